"""Finding dataset files: everything that is one is read once, and everything else is accounted for."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from formats_kit import files, problems, read_bytes, read_path, read_source, read_text
from mcai.errors import PathNotFoundError
from mcai.formats import FileProblem, FileSummary, Progress, ReadOptions, SourceFile, find_files, read

GOOD = '[{"prompt": "a", "completion": "b"}]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "waves"
    made.mkdir()
    return made


def test_folders_are_walked_in_order_of_names(folder: Path) -> None:
    """Dataset files of every kind are found at any depth, sorted; upper case extensions count."""
    for name in ("b.jsonl", "a.json", "sub/deep/c.CSV", "sub/z.txt", "d.parquet", "e.tsv", "f.ndjson"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    found = [Path(path).relative_to(folder).as_posix() for path in files([folder])]
    assert found == ["a.json", "b.jsonl", "d.parquet", "e.tsv", "f.ndjson", "sub/deep/c.CSV", "sub/z.txt"]


def test_ten_thousand_files_are_found(folder: Path) -> None:
    """A folder of any size is walked."""
    for number in range(10_000):
        (folder / f"{number:05}.json").touch()
    assert len(files([folder])) == 10_000


def test_other_files_are_skipped_and_counted(folder: Path) -> None:
    """What is no dataset by its name, and what is hidden, is no error, but it is told."""
    for name in ("README.md", "code.py", ".hidden.json", ".git/x.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(GOOD)
    assert files([folder]) == []
    found = problems([folder])
    assert [Path(each.path).name for each in found] == [".git", ".hidden.json", "README.md", "code.py"]
    assert {each.severity for each in found} == {"skipped"}


def test_a_missing_path_is_an_error_before_anything_is_read(folder: Path) -> None:
    """The call itself raises, whatever stands before the missing path; so does a link to nothing."""
    (folder / "a.json").write_text(GOOD)
    with pytest.raises(PathNotFoundError, match="nowhere"):
        find_files([str(folder), str(folder / "nowhere")])
    (folder / "dangling.json").symlink_to(folder / "gone")
    with pytest.raises(PathNotFoundError, match="dangling"):
        find_files([str(folder / "dangling.json")])


def test_a_file_reached_twice_is_read_once(folder: Path) -> None:
    """By two spellings, through a folder and by itself, or through a link that the user named."""
    path = folder / "a.json"
    path.write_text(GOOD)
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert files([folder, path, folder / ".." / "waves" / "a.json", link, link / "a.json"]) == [str(path)]


def test_a_loop_of_links_ends(folder: Path) -> None:
    """A link back to a folder that is walked is nothing to report: its files are read under their own names."""
    (folder / "a.json").write_text(GOOD)
    (folder / "sub").mkdir()
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "self.json").symlink_to(folder / "self.json")
    assert files([folder]) == [str(folder / "a.json")]
    assert [(each.severity, Path(each.path).name) for each in problems([folder])] == []


def test_links_out_of_the_folder_are_named(folder: Path) -> None:
    """They are not followed silently and not dropped silently; naming the target reads it."""
    outside = folder.parent / "outside.json"
    outside.write_text(GOOD)
    (folder / "in.json").symlink_to(outside)
    (folder / "lost.json").symlink_to(folder / "gone")
    (folder / "notes").symlink_to(folder.parent / "outside.json")
    found = {Path(each.path).name: each for each in problems([folder])}
    assert found["in.json"].reason.startswith("symbolic link out of the folder, not followed: name its target")
    assert "does not exist" in found["lost.json"].reason and found["notes"].severity == "skipped"
    assert files([folder, outside]) == [str(outside)]


def test_what_is_no_regular_file_is_never_opened(folder: Path) -> None:
    """A FIFO, a socket and a device are reported at once, in a folder and named, and do not hang."""
    os.mkfifo(folder / "pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.json"))
    found = [*problems([folder]), *problems([folder / "pipe.json", Path("/dev/zero")])]
    assert {each.severity for each in found} == {"unreadable"}
    reasons = "; ".join(each.reason for each in found)
    assert "named pipe (FIFO)" in reasons and "a socket" in reasons and "character device" in reasons


def test_a_file_that_became_a_fifo_does_not_hang(folder: Path) -> None:
    """Between finding and reading a name may change hands."""
    path = folder / "a.json"
    path.write_text(GOOD)
    [file] = find_files([str(path)])
    path.unlink()
    os.mkfifo(path)
    assert isinstance(file, SourceFile)
    summary = read_source(file).summary
    assert summary.unreadable and summary.reason == "a named pipe (FIFO), not a file"
    path.unlink()
    summary = read_source(file).summary
    assert summary.unreadable and summary.reason == "no such file or directory"


def test_permission_denied_names_the_file_and_the_folder(folder: Path) -> None:
    """Neither is skipped silently. Root reads everything, so the walk runs as another user."""
    (folder / "secret").mkdir()
    (folder / "a.json").write_text(GOOD)
    for path in (folder / "secret", folder / "a.json"):
        path.chmod(0)
    code = (
        "import os, sys, tempfile\n"
        "from mcai.formats import *\n"
        "import mcai.formats.readers.json_reader  # the other user may not read where it lies\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "for each in find_files([sys.argv[1]]):\n"
        "    print(each if isinstance(each, FileProblem) else list(read(each, ReadOptions())))\n"
    )
    with tempfile.TemporaryDirectory() as reachable:
        moved = folder.rename(Path(reachable) / "waves")
        Path(reachable).chmod(0o755)
        ran = subprocess.run([sys.executable, "-c", code, moved], capture_output=True, text=True, check=True)
        (moved / "secret").chmod(0o700)
    first, second = ran.stdout.splitlines()
    assert "permission denied" in first and "permission denied" in second and "secret" in second


def test_names_that_are_no_text_do_not_crash(folder: Path) -> None:
    """Undecodable bytes in a name are shown, stored and opened."""
    (folder / os.fsdecode(b"caf\xe9\n.json")).write_text(GOOD)
    [file] = find_files([str(folder)])
    assert isinstance(file, SourceFile) and file.path.endswith("caf\\udce9\n.json")
    [example] = read_source(file).examples
    assert example.source == f"{file.path}#/0"
    example.source.encode("utf-8")


def test_a_named_file_of_another_name_is_told_by_its_content(folder: Path) -> None:
    """JSON, labelled text, a table or Parquet; anything else is unsupported, and says what is read."""
    texts = {
        "json.dat": GOOD,
        "lines.log": '{"prompt": "a", "completion": "b"}\n',
        "text.md": "# Title\n\nPrompt: a\nCompletion: b\n",
        "table.dat": "question;answer\na;b\n",
    }
    for name, text in texts.items():
        assert read_text(folder, name, text).pairs[-1] == ("a", "b"), name
    for name, text in {"prose.md": "just some words", "empty": ""}.items():
        (folder / name).write_text(text)
        [problem] = problems([folder / name])
        assert problem.severity == "unsupported" and ".parquet" in problem.reason


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt", "a.parquet"])
def test_empty_files_say_so(folder: Path, name: str) -> None:
    """An empty file is no record and has a reason, whatever its name."""
    summary = read_bytes(folder, name, b"").summary
    assert summary.found == 0 and summary.reason


def test_stdin_may_hold_any_shape(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by its content; positions are ordinals, the domain is `general`."""
    texts = {
        "json list": '[{"prompt": "a"}, {"no": 1}, {"prompt": "c"}]',
        "jsonl": '{"prompt": "a"}\n{"no": 1}\n{"prompt": "c"}\n',
        "csv": "question,answer\na,\n,x\nc,\n",
        "txt": "Prompt: a\nCompletion:\nPrompt:\nCompletion: x\nPrompt: c\nCompletion:\n",
    }
    [stdin] = find_files(["-"])
    assert isinstance(stdin, SourceFile) and stdin.size_bytes is None
    for shape, text in texts.items():
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        reading = read_source(stdin)
        assert reading.summary.shape == shape
        assert [example.source for example in reading.examples] == ["-#1", "-#3"]
        assert reading.rejected[0].source == "-#2" and reading.examples[0].domain == "general"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"words")))
    assert read_source(stdin).summary.unreadable


def test_progress_reaches_the_size_of_the_file(folder: Path) -> None:
    """The caller can show how far a file is, and it never goes beyond its end."""
    path = folder / "a.json"
    path.write_text("[" + ",".join(['{"prompt": "a", "completion": "b"}'] * 40_000) + "]")
    [file] = find_files([str(path)])
    assert isinstance(file, SourceFile) and file.size_bytes is not None
    progress, seen = Progress(), set()
    for event in read(file, ReadOptions(), progress):
        seen.add(progress.bytes_read)
        assert not isinstance(event, FileSummary) or progress.bytes_read == file.size_bytes
    assert len(seen) > 3 and max(seen) == file.size_bytes


@pytest.mark.parametrize("name", ["datasets", "Dataset", "data", "corpus", "tmp", "Temp", "Downloads"])
def test_a_folder_that_says_nothing_leaves_the_domain_to_the_file(folder: Path, name: str) -> None:
    """Then the file's stem is the domain; any other folder names it, however the path was spelled."""
    made = folder / name
    made.mkdir()
    assert read_text(made, "physics.json", GOOD).examples[0].domain == "physics"
    assert read_text(folder, "physics.json", GOOD).examples[0].domain == "waves"


def test_home_and_temp_folders_say_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own folder and one right under the temp folder are no domains."""
    monkeypatch.setenv("HOME", str(folder))
    assert read_text(folder, "physics.json", GOOD).examples[0].domain == "physics"
    with tempfile.TemporaryDirectory() as made:
        assert read_text(Path(made), "physics.json", GOOD).examples[0].domain == "physics"


def test_relative_paths_give_absolute_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.`` names the folder that it is."""
    (folder / "a.json").write_text(GOOD)
    monkeypatch.chdir(folder)
    [example] = read_path(Path("a.json")).examples
    assert example.source == f"{folder}/a.json#/0" and example.domain == "waves"
    assert files([Path()]) == [str(folder / "a.json")]


def test_wide_encodings_are_read(folder: Path) -> None:
    """UTF-16 and UTF-32 with their mark are decoded; without one, or broken, the way out is named."""
    for encoding in ("utf-16", "utf-16-be", "utf-32", "utf-8-sig"):
        mark = "\ufeff" if encoding.endswith("be") else ""
        reading = read_bytes(folder, "a.json", (mark + '[{"prompt": "Ω 😀"}]').encode(encoding))
        assert reading.contents == ["Ω 😀"], encoding
    for data in ("[]".encode("utf-16-le"), "\ufeff[".encode("utf-16") + b"\x00"):
        summary = read_bytes(folder, "a.json", data).summary
        assert summary.unreadable and "save it as UTF-8" in (summary.reason or "")


def test_finding_files_loads_nothing_heavy() -> None:
    """The command line starts fast: no code for tables, repair, temporary files or Parquet comes with the package."""
    # What an editable install's own start-up loads is not ours.
    code = "import sys\nbefore = {*sys.modules}\nimport mcai.formats\nprint(*sys.modules.keys() - before)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert not loaded & {
        "pyarrow",
        "ftfy",
        "csv",
        "tempfile",
        "numpy",
        "duckdb",
        "typer",
        "mcai.formats.recognition.repair",
    }


def test_problems_are_told_apart_from_files(folder: Path) -> None:
    """Each problem names its path, a reason and how bad it is."""
    (folder / "x.md").write_text("x")
    [problem] = find_files([str(folder)])
    assert isinstance(problem, FileProblem) and problem.path == str(folder / "x.md") and problem.reason
