"""The small commands: get, edit, delete, datasets, emotions, status, config."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from cli_fakes import FakeClient, example, mcai

EXAMPLE = {"id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata"}


def client() -> FakeClient:
    return FakeClient([example(1), example(2, domain="coding", content="What is a set?")])


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("get 1", EXAMPLE | {"archived", "epoch"}),
        ("edit 1 --response better", EXAMPLE | {"archived", "epoch"}),
        ("delete 1 9", {"epoch", "deleted", "missing"}),
        ("datasets", {"datasets", "total"}),
        ("datasets show coding", {"id", "domain", "examples", "version", "created_at", "updated_at", "metadata"}),
        ("emotions", {"emotions"}),
        ("emotions show calm", {"name", "neuroscience_freq", "metaphysical_freq", "band", "personality_template"}),
        ("add --content x", {"epoch", "imported", "duplicate", "rejected", "results"}),
    ],
)
def test_documents_are_the_contract_s(words: str, keys: set[str]) -> None:
    """Each command prints exactly the fields that the contract names."""
    ran = mcai(*words.split(), "--json", client=client())
    assert ran.code == 0 and ran.stderr == ""
    assert ran.document.keys() == keys


def test_status_document_has_the_contract_s_fields() -> None:
    """`status --json` names the daemon, the counts and both epochs."""
    document = mcai("status", "--json", client=client()).document
    assert {"daemon", "examples", "datasets", "epoch", "index_epoch"} <= document.keys()
    assert document["daemon"].keys() == {"pid", "version", "uptime_s", "socket", "ready"}


def test_json_is_indented_for_a_terminal_only() -> None:
    """A program gets one line, a person at a terminal can read it."""
    assert mcai("datasets", "--json", client=client()).stdout.count("\n") == 1
    ran = mcai("datasets", "--json", client=client(), tty=True)
    assert ran.stdout.count("\n") > 5 and ran.document["total"] == 2


def test_edit_sends_only_what_was_named() -> None:
    """A field that was not named stays; --clear empties one, metadata to an empty object."""
    ran = mcai(
        *shlex.split("edit 1 --content new --frequency-hz 8.5 --clear emotion --clear metadata"), client=client()
    )
    [(_, sent), _] = ran.client.calls
    assert sent == {"example_id": 1, "content": "new", "frequency_hz": 8.5, "emotion": None, "metadata": {}}
    assert "changed 1" in ran.stdout


def test_an_edit_to_an_empty_answer_is_not_a_cleared_one() -> None:
    """`--response ""` stores an empty text; only --clear stores null."""
    [(_, sent), _] = mcai("edit", "1", "--response", "", client=client()).client.calls
    assert sent["response"] == ""


def test_missing_ids_are_named_and_no_error() -> None:
    """Deleting what is not there exits 0 and says so."""
    ran = mcai("delete", "1", "77", client=client())
    assert ran.code == 0 and "deleted 1" in ran.stdout and "77" in ran.stdout


def test_get_shows_everything() -> None:
    """A person sees content, answer, source and metadata whole."""
    text = mcai("get", "1", client=client()).stdout
    assert all(part in text for part in ("alpha waves", "eyes close", "/data/a.json#1", '"topic": "waves"'))


def test_get_of_an_unknown_id_exits_1() -> None:
    """What does not exist is an error, not an empty answer."""
    ran = mcai("get", "99", "--json", client=client())
    assert ran.code == 1 and ran.document["error"]["code"] == "not_found"


def test_lists_for_people() -> None:
    """Domains with their counts, the catalog with its frequencies, the daemon with its state."""
    assert all(part in mcai("datasets", client=client()).stdout for part in ("coding", "neuroscience", "2 domains"))
    assert "mcai migrate" in mcai("datasets").stdout
    assert "by: us" in mcai("datasets", "show", "coding", client=client()).stdout
    assert all(part in mcai("emotions").stdout for part in ("calm", "10 Hz", "432 Hz", "alpha"))
    assert "I hear you." in mcai("emotions", "show", "calm").stdout
    assert all(part in mcai("status", client=client()).stdout for part in ("pid 42", "2 in 2 domains", "wordllama"))


def test_no_start_reaches_the_client() -> None:
    """The daemon is started unless the caller forbids it."""
    assert mcai("status").client.started_with == {"start": True}
    assert mcai("status", "--no-start").client.started_with == {"start": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCAI_HOME", str(tmp_path))
    return tmp_path


def test_config_shows_every_setting_with_its_origin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value, origin and default of each key; a secret is masked; a daemon that has another value is named."""
    (home / "config.toml").write_text("[log]\nlevel = 'debug'\n")
    monkeypatch.setenv("MCAI_EMBED__API_KEY", "s3cret")
    ran = mcai("config", "show", "--json")
    rows = {row["key"]: row for row in ran.document["settings"]}
    assert rows["log.level"]["value"] == "debug" and rows["log.level"]["origin"] == str(home / "config.toml")
    assert (
        rows["embed.dim"]["origin"] == "default" and {"key", "value", "origin", "default"} <= rows["embed.dim"].keys()
    )
    assert "s3cret" not in ran.stdout and rows["embed.api_key"]["origin"] == "MCAI_EMBED__API_KEY"
    assert rows["log.level"]["daemon"] == "info" and "daemon" not in rows["embed.dim"]
    assert ran.client.started_with["start"] is False
    shown = mcai("config", "show").stdout
    assert "config.toml" in shown and "the running daemon has info" in shown


def test_a_wrong_setting_exits_2(home: Path) -> None:
    """An unknown key is named with the nearest one."""
    (home / "config.toml").write_text("[log]\nlevl = 'debug'\n")
    ran = mcai("config", "show", "--json")
    assert ran.code == 2 and "log.level" in ran.document["error"]["hint"]


def test_add_of_one_example() -> None:
    """Options become one example; what was not named is left to its default."""
    fields = {"domain": "d", "content": "c", "response": "r", "emotion": "calm", "source": "by hand"}
    words = [word for name, value in fields.items() for word in (f"--{name}", value)]
    words += ["--frequency-hz", "7.83", "--created-at", "2025-01-02", "--metadata", '{"k": [1]}']
    ran = mcai("add", *words, "--json")
    [stored] = ran.client.rows.values()
    assert ran.document["imported"] == 1
    assert {name: getattr(stored, name) for name in fields} == fields
    assert (stored.frequency_hz, stored.created_at, stored.metadata) == (7.83, "2025-01-02", {"k": [1]})


def test_add_of_lines_rejects_bad_ones_by_number() -> None:
    """One bad line is rejected with its line number and the others are added; results follow the lines."""
    lines = [
        b'{"content": "one"}',
        b"",
        b'{"content": "two", }',
        b'{"content": "one"}',
        b"[1]",
        b'{"content": NaN}',
        b'{"content": "\xff"}',
        b'{"content": "\\ud800"}',
        b'{"a":' * 20_000,
        b'{"content": "three"}',
    ]
    ran = mcai("add", "-", "--json", stdin=b"\n".join(lines))
    results = ran.document["results"]
    assert ran.code == 0
    assert [item["index"] for item in results] == list(range(9))
    assert [item["status"][0] for item in results] == list("irdrrrrri")
    assert "line 3:" in results[1]["reason"] and "line 9:" in results[7]["reason"]
    assert (ran.document["imported"], ran.document["duplicate"], ran.document["rejected"]) == (2, 1, 6)


def test_a_line_that_the_daemon_rejects_has_its_number_too() -> None:
    """The place is named whoever finds the fault."""
    client = FakeClient()
    client.reject = lambda example: "content is blank" if not example.content.strip() else None
    ran = mcai("add", "-", client=client, stdin=b'\n{"content": "a"}\n{"content": " "}\n')
    assert "rejected: line 3: content is blank" in ran.stdout


def test_a_line_beyond_all_limits_costs_no_memory_and_no_neighbour() -> None:
    """A line longer than any record can be is rejected, and the next one is read from its beginning."""
    ran = mcai("add", "-", "--json", stdin=b"x" * (9 << 20) + b'\n{"content": "after"}\n')
    assert [item["status"] for item in ran.document["results"]] == ["rejected", "imported"]
    assert "line 1: longer than" in ran.document["results"][0]["reason"]


def test_domain_overrides_every_line() -> None:
    """`add - --domain D` puts all lines there."""
    ran = mcai("add", "-", "--domain", "d", stdin=b'{"content": "a", "domain": "other"}\n{"content": "b"}\n')
    assert {row.domain for row in ran.client.rows.values()} == {"d"}


def test_empty_stdin_adds_nothing() -> None:
    """No lines are no error, and the answer still names an epoch."""
    ran = mcai("add", "-", "--json", stdin=b"")
    assert ran.document == {"epoch": 7, "imported": 0, "duplicate": 0, "rejected": 0, "results": []}


def test_many_rejections_do_not_fill_the_screen() -> None:
    """Twenty reasons are shown, the rest is counted."""
    ran = mcai("add", "-", stdin=b"bad\n" * 50)
    assert ran.stdout.count("rejected: line") == 20 and "30 more" in ran.stdout


def test_export_to_a_file_is_whole_and_described(tmp_path: Path) -> None:
    """The document names path, rows, bytes and hash; an older file is replaced; nothing else is left in the folder."""
    import hashlib

    target = tmp_path / "all.jsonl"
    target.write_text("old")
    ran = mcai("export", "-o", str(target), "--domain", "d", "--json", client=client())
    content = target.read_bytes()
    assert ran.document == {
        **{"path": str(target), "format": "jsonl", "rows": 2, "bytes": len(content), "epoch": 7},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert [json.loads(line)["id"] for line in content.splitlines()] == [1, 2]
    assert list(tmp_path.iterdir()) == [target]
    assert ran.client.calls == [("export", {"format": "jsonl", "domain": ["d"]})]
    assert "2 rows" in mcai("export", "-o", str(target), client=client()).stdout


@pytest.mark.parametrize("words", [[], ["--json"], ["-o", "-"]])
def test_export_to_stdout_is_json_lines(words: list[str]) -> None:
    """Without a file the rows themselves are the output, --json or not."""
    lines = mcai("export", *words, client=client()).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2]


def test_parquet_is_not_written_to_a_terminal() -> None:
    """Bytes that would garble a terminal are refused; a pipe takes them."""
    assert mcai("export", "--format", "parquet", tty=True).code == 2
    assert mcai("export", "--format", "parquet").code == 0


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    """When the stream breaks, the file that was there is untouched and no part is left."""
    from mcai.errors import DaemonError
    from mcai_cli.saving import save

    def broken() -> object:
        yield b"half"
        raise DaemonError("gone")

    target = tmp_path / "all.jsonl"
    target.write_text("old")
    with pytest.raises(DaemonError):
        save(broken(), target)  # type: ignore[arg-type]  # a generator of bytes
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_export_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    """The target of a symbolic link is replaced, not the link; a device is written to, not replaced."""
    from mcai_cli.saving import save

    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("old")
    link.symlink_to(real)
    assert save([b"new"], link) == real
    assert link.is_symlink() and real.read_text() == "new"
    assert save([b"x"], Path("/dev/null")) == Path("/dev/null") and Path("/dev/null").is_char_device()
