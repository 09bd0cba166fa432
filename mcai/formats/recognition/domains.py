"""Names the domain of records that name none: by their file's folder, or where that says nothing, by their file."""

from __future__ import annotations

from pathlib import Path

from mcai.formats.files import shown
from mcai.formats.model import STDIN_PATH, SourceFile
from mcai.identity import clean_name
from mcai.records import DEFAULT_DOMAIN

_EMPTY_NAMES = frozenset({"datasets", "dataset", "data", "corpus", "tmp", "temp", "downloads"})


def default_domain(file: SourceFile) -> str:
    """Return the domain for a file's records that have none of their own."""
    if file.path == STDIN_PATH:
        return DEFAULT_DOMAIN
    path = Path(file.os_path)
    name = path.stem if _says_nothing(path.parent) else path.parent.name
    return clean_name(shown(name)) or DEFAULT_DOMAIN


def _says_nothing(folder: Path) -> bool:
    import tempfile  # only here: the commands that read no files need not wait for it

    temp_dir = Path(tempfile.gettempdir()).resolve()
    return (
        folder.name.casefold() in _EMPTY_NAMES
        or not folder.name.strip()
        or folder == Path.home().resolve()
        or folder.parent == temp_dir
    )
