"""Finds and reads what ships with mcai: the emotion catalog and the sample corpus.

The same folder lies in two places: ``data/`` in a checkout, ``mcai_data/`` beside the package in an installed wheel.
Everything that reads shipped data asks here, so that nothing else knows the difference. This module only reads.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from pathlib import Path

import msgspec

from mcai.errors import InvalidRequestError, PathNotFoundError, UnreadableFileError
from mcai.records import Emotion, Emotions

SOLFEGGIO = "solfeggio"
"""The band of an emotion that has only a metaphysical frequency: that one lies outside the range of brain waves."""

EMOTIONS_FILE = "emotions.json"

_PARENT_DIR = Path(__file__).resolve().parent.parent
_REINSTALL_HINT = "Install mcai again from where you got it: its wheel carries this data in the folder mcai_data."

_BAND_EDGES_HZ = (0.5, 4.0, 8.0, 13.0, 30.0, 100.0)
_BAND_NAMES = ("sub_delta", "delta", "theta", "alpha", "beta", "gamma", "hyper_gamma")


def band_of(freq_hz: float) -> str:
    """Name the brain-wave band of a frequency.

    A lower edge belongs to its band and an upper edge to the next one: 8 Hz is alpha, 13 Hz is beta.

    Args:
        freq_hz: Hz, finite and not negative.

    Returns:
        ``delta`` (0.5 to 4 Hz), ``theta`` (4 to 8), ``alpha`` (8 to 13), ``beta`` (13 to 30), ``gamma`` (30 to 100);
        below them ``sub_delta``, from 100 Hz ``hyper_gamma``.

    Raises:
        InvalidRequestError: the number is negative, infinite or not a number.

    Source:
        The five bands are the customary ones of electroencephalography (N. Kane et al., "A revised glossary of terms
        most commonly used by clinical electroencephalographers", Clinical Neurophysiology Practice 2, 2017), whose
        edges authors draw slightly differently: that glossary still counts 13 Hz as alpha. The edge rule and the two
        outer names are those of the MC AI application's text generators, whose catalog mcai keeps.
    """
    if not math.isfinite(freq_hz) or freq_hz < 0:
        raise InvalidRequestError(
            f"A frequency is a finite number of hertz, not {freq_hz}.", hint="Give a number of 0 or more, such as 10."
        )
    return _BAND_NAMES[bisect_right(_BAND_EDGES_HZ, freq_hz)]


def data_dir() -> Path:
    """Return the folder of shipped data: the checkout's own, else the one installed beside the package.

    Raises:
        PathNotFoundError: there is neither.
    """
    places = (_PARENT_DIR / "data", _PARENT_DIR / "mcai_data")
    for place in places:
        if (place / EMOTIONS_FILE).is_file():
            return place
    raise PathNotFoundError(
        f"mcai's own data is missing: there is no {EMOTIONS_FILE} in {places[0]} or {places[1]}.", hint=_REINSTALL_HINT
    )


def sample_dir() -> Path:
    """Return the folder of the sample corpus, one subfolder a domain.

    Raises:
        PathNotFoundError: it is not there.
    """
    place = data_dir() / "sample"
    if not place.is_dir():
        raise PathNotFoundError(f"The sample corpus is missing: there is no folder {place}.", hint=_REINSTALL_HINT)
    return place


def emotions() -> list[Emotion]:
    """Read the emotion catalog.

    Returns:
        Every emotion, sorted by name.

    Raises:
        PathNotFoundError: the catalog is missing.
        UnreadableFileError: it cannot be read, or is not a catalog.
    """
    path = data_dir() / EMOTIONS_FILE
    try:
        catalog = msgspec.json.decode(path.read_bytes(), type=Emotions)
    except (OSError, msgspec.DecodeError) as error:
        raise UnreadableFileError(
            f"The emotion catalog {path} cannot be read: {error}.", hint=_REINSTALL_HINT
        ) from error
    return sorted(catalog.emotions, key=lambda emotion: emotion.name)
