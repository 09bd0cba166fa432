"""The emotion catalog is complete, and it is found in a checkout as well as in an installed wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcai import catalogs
from mcai.errors import InvalidRequestError, PathNotFoundError, UnreadableFileError

NEUROSCIENCE_HZ = {
    "exhaustion": 5, "grief": 6, "meditation": 7, "sadness": 8, "disappointment": 8, "boredom": 9, "relief": 9,
    "calm": 10, "happiness": 10, "gratitude": 10, "joy": 11, "pride": 11, "hope": 11, "pain": 12, "amusement": 12,
    "confidence": 12, "anxiety": 13, "loneliness": 14, "confusion": 14, "stress": 15, "fear": 16, "frustration": 17,
    "anger": 18, "overwhelm": 19, "excitement": 20, "determination": 21, "surprise": 22, "focus": 40, "curiosity": 40,
}  # fmt: skip
METAPHYSICAL_HZ = {
    "grounding": 396, "harmony": 432, "love": 528, "curiosity": 741, "awakening": 852, "transcendence": 963,
}  # fmt: skip
HEAVY = {"anger", "anxiety", "exhaustion", "fear", "grief", "loneliness", "overwhelm", "pain", "sadness", "stress"}


def test_catalog_keeps_the_names_and_frequencies_that_applications_know() -> None:
    """The 34 names and their numbers are a compatibility promise: none is missing, added or changed."""
    found = catalogs.emotions()
    neuroscience = {e.name: e.neuroscience_freq for e in found if e.neuroscience_freq is not None}
    metaphysical = {e.name: e.metaphysical_freq for e in found if e.metaphysical_freq is not None}
    assert neuroscience == NEUROSCIENCE_HZ
    assert metaphysical == METAPHYSICAL_HZ
    assert [e.name for e in found] == sorted(NEUROSCIENCE_HZ | METAPHYSICAL_HZ)


def test_catalog_bands_follow_the_band_rule() -> None:
    """A band in the file is what `band_of` says of the neuroscience frequency, else solfeggio."""
    for emotion in catalogs.emotions():
        hz = emotion.neuroscience_freq
        assert emotion.band == (catalogs.SOLFEGGIO if hz is None else catalogs.band_of(hz)), emotion.name


def test_every_emotion_has_four_sentences_of_its_own() -> None:
    """No emotion falls back on another's words, and each sentence is finished."""
    sentences = [sentence for emotion in catalogs.emotions() for sentence in emotion.personality_template]
    assert {len(emotion.personality_template) for emotion in catalogs.emotions()} == {4}
    assert len(set(sentences)) == len(sentences)
    assert all(s == s.strip() and s[0].isupper() and s.endswith((".", "?")) and "{" not in s for s in sentences)


def test_heavy_emotions_are_never_answered_cheerfully() -> None:
    """Someone in distress meets no exclamation mark and no word of celebration."""
    for emotion in catalogs.emotions():
        if emotion.name in HEAVY:
            words = " ".join(emotion.personality_template).lower()
            assert not any(cheer in words for cheer in ("!", "great", "wonderful", "celebrate", "smile")), emotion.name


@pytest.mark.parametrize(
    ("freq_hz", "band"),
    [(0, "sub_delta"), (0.49, "sub_delta"), (0.5, "delta"), (3.99, "delta"), (4, "theta"), (7.83, "theta"),
     (8, "alpha"), (12.99, "alpha"), (13, "beta"), (29.9, "beta"), (30, "gamma"), (40, "gamma"), (99.9, "gamma"),
     (100, "hyper_gamma"), (963, "hyper_gamma")],
)  # fmt: skip
def test_band_edges_belong_to_the_upper_band(freq_hz: float, band: str) -> None:
    """8 Hz is alpha and 13 Hz is beta, and the names beyond the five bands exist."""
    assert catalogs.band_of(freq_hz) == band


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e6))
def test_bands_rise_with_the_frequency(one: float, other: float) -> None:
    """A higher frequency never lies in a lower band."""
    order = ["sub_delta", "delta", "theta", "alpha", "beta", "gamma", "hyper_gamma"]
    low, high = sorted((one, other))
    assert order.index(catalogs.band_of(low)) <= order.index(catalogs.band_of(high))


@pytest.mark.parametrize("freq_hz", [-0.1, float("nan"), float("inf")])
def test_band_of_refuses_what_is_no_frequency(freq_hz: float) -> None:
    """A number that cannot be a frequency is a clear error and not a band."""
    with pytest.raises(InvalidRequestError, match="finite number of hertz"):
        catalogs.band_of(freq_hz)


def test_data_is_found_beside_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In site-packages, where there is no data/, the folder mcai_data is used."""
    shutil.copytree(catalogs.data_dir(), tmp_path / "mcai_data")
    monkeypatch.setattr(catalogs, "_PARENT_DIR", tmp_path)
    assert catalogs.data_dir() == tmp_path / "mcai_data"
    assert catalogs.sample_dir() == tmp_path / "mcai_data" / "sample"
    assert len(catalogs.emotions()) == 34


def test_a_checkout_wins_over_an_installed_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who edits data/ sees the edit, even when an installed copy lies beside it."""
    for name in ("data", "mcai_data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / catalogs.EMOTIONS_FILE).write_text('{"emotions": []}', encoding="utf-8")
    monkeypatch.setattr(catalogs, "_PARENT_DIR", tmp_path)
    assert catalogs.data_dir() == tmp_path / "data"


def test_missing_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation says which folders were looked at and what to do."""
    monkeypatch.setattr(catalogs, "_PARENT_DIR", tmp_path)
    with pytest.raises(PathNotFoundError) as caught:
        catalogs.emotions()
    assert str(tmp_path / "mcai_data") in caught.value.message
    assert "Install mcai again" in caught.value.hint


def test_missing_sample_corpus_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog without the corpus beside it is an error that names the folder."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / catalogs.EMOTIONS_FILE).write_text('{"emotions": []}', encoding="utf-8")
    monkeypatch.setattr(catalogs, "_PARENT_DIR", tmp_path)
    with pytest.raises(PathNotFoundError, match="sample corpus is missing"):
        catalogs.sample_dir()


@pytest.mark.parametrize("text", ["", "[]", '{"emotions": [{"name": "joy"}]}'])
def test_a_damaged_catalog_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A catalog that is no catalog is an mcai error with its path, not a decoder's traceback."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / catalogs.EMOTIONS_FILE
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(catalogs, "_PARENT_DIR", tmp_path)
    with pytest.raises(UnreadableFileError) as caught:
        catalogs.emotions()
    assert str(path) in caught.value.message


def test_import_stays_cheap() -> None:
    """Looking up a band loads msgspec at most: no store, no numpy, no terminal library."""
    heavy = {"duckdb", "lancedb", "numpy", "pyarrow", "rich", "typer", "starlette"}
    code = f"import sys; from mcai.catalogs import band_of; band_of(10); print(*({heavy!r} & set(sys.modules)))"
    root = str(Path(catalogs.__file__).resolve().parent.parent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.split() == []
