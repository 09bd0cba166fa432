"""History, rotation and archive at the command line: log, diff, rollback, delete, rotate, archive."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from msgspec import structs

from cli_answers import answers
from cli_fakes import FakeClient, Ran, mcai
from mcai.records import DomainChange, EpochEntry, EpochLog, Page, RollbackResult, RotateResult

UNCHANGED = RollbackResult(dry_run=False, epoch=7, restored=0, removed=0)


def client(**other: Any) -> FakeClient:
    """A daemon; ``other`` are answers in the place of the usual ones."""
    fake = FakeClient()
    fake.answers |= other
    return fake


def sent(ran: Ran) -> dict[str, Any]:
    """What the command asked of the daemon."""
    [(_, given)] = ran.client.calls
    return given


@pytest.mark.parametrize(
    ("words", "verb", "keys"),
    [
        ("datasets log", "log", {"entries", "next_cursor"}),
        ("datasets diff 3 7", "diff", {"from", "to", "domains"}),
        ("datasets rollback 3", "rollback", {"dry_run", "epoch", "restored", "removed", "forgotten"}),
        ("datasets delete coding", "drop_dataset", {"dry_run", "epoch", "restored", "removed", "forgotten"}),
        ("rotate --max 10", "rotate", {"dry_run", "epoch", "domains", "moved"}),
        ("archive", "archived", {"examples", "next_cursor", "epoch"}),
        ("archive ls", "archived", {"examples", "next_cursor", "epoch"}),
        ("archive restore", "restore_archived", {"epoch", "restored"}),
    ],
)
def test_documents_are_the_contract_s(words: str, verb: str, keys: set[str]) -> None:
    """--json prints the daemon's record whole, alone on stdout."""
    ran = mcai(*words.split(), "--json")
    assert ran.code == 0 and ran.stderr == ""
    assert ran.document.keys() == keys
    assert [name for name, _ in ran.client.calls] == [verb]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("datasets log", {"domain": None, "limit": 100, "cursor": None}),
        ("datasets log coding --limit 5 --cursor c", {"domain": "coding", "limit": 5, "cursor": "c"}),
        ("datasets diff 0 7 coding", {"from_epoch": 0, "to_epoch": 7, "domain": "coding"}),
        ("datasets rollback 3 'a b' --dry-run", {"epoch": 3, "domain": "a b", "dry_run": True}),
        ("datasets delete coding", {"domain": "coding", "dry_run": False}),
        ("rotate", {"max_rows": None, "dry_run": False}),
        ("rotate --max 1 --dry-run", {"max_rows": 1, "dry_run": True}),
        ("archive --domain a --domain b --limit 7", {"limit": 7, "cursor": None, "domain": ["a", "b"]}),
        ("archive ls --emotion calm --cursor c", {"limit": 100, "cursor": "c", "emotion": "calm"}),
        ("archive restore", {"ids": None}),
        ("archive restore 4 2", {"ids": [4, 2]}),
        ("archive restore --since 2025-01-01 --source x", {"ids": None, "since": "2025-01-01", "source": "x"}),
    ],
)
def test_what_was_typed_reaches_the_daemon(words: str, given: dict[str, Any]) -> None:
    """Every argument and option arrives under its name; what was not typed is not sent."""
    assert sent(mcai(*shlex.split(words))) == given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("datasets rollback", "Missing argument"),
        ("datasets rollback three", "'three' is not a whole number"),
        ("datasets diff 3", "Missing argument"),
        ("datasets delete", "Missing argument"),
        ("datasets rolback 3", "Did you mean 'rollback'?"),
        ("rotate --max -1", "-1 is below 1"),
        ("rotate --max 0", "0 is below 1"),
        ("rotate --max many", "not a whole number"),
        ("archive restor", "Did you mean 'restore'?"),
        ("archive restore 1 --domain d", "not both"),
        ("archive restore one", "not a whole number"),
    ],
)
def test_usage_errors_change_nothing(words: str, said: str) -> None:
    """What is mistyped exits 2 before anything is asked of the daemon."""
    ran = mcai(*words.split(), "--json")
    assert ran.code == 2 and said in ran.document["error"]["message"]
    assert not ran.client.calls


@pytest.mark.parametrize(
    "words",
    [
        "archive --json --domain d",
        "archive --domain d --json",
        "--json archive --domain d",
        "archive ls --domain d --json",
    ],
)
def test_a_group_lists_with_filters(words: str) -> None:
    """`ls` may be left out before filters too, and --json may stand anywhere."""
    assert mcai(*words.split()).document["examples"][0]["id"] == 3


def test_help_of_a_group_is_its_own() -> None:
    """`mcai archive --help` tells of its commands, not of `ls` alone."""
    assert all(name in mcai("archive", "--help").stdout for name in ("ls", "restore"))


def test_log_for_people() -> None:
    """One line an epoch: when, what, how many rows came and went, where; and how to go back."""
    text = mcai("datasets", "log").stdout
    line = next(line for line in text.splitlines() if "add" in line)
    assert all(part in line for part in ("6", "2026-11-23 10:00", "+7", "coding, physics"))
    assert "-1" in text and "rollback EPOCH" in text
    assert "Nothing has happened" in mcai("datasets", "log", client=client(log=EpochLog([], None))).stdout


def test_a_wide_epoch_stays_one_line() -> None:
    """An import into fifty domains names a few of them and counts the others."""
    changes = [DomainChange(domain=f"domain {n} " + "x" * 60, added=1_000, removed=0) for n in range(50)]
    log = EpochLog([EpochEntry(epoch=1, at="2026-11-23T10:00:00Z", op="add", domains=changes)], next_cursor="c1")
    ran = mcai("datasets", "log", client=client(log=log))
    assert len(ran.stdout.splitlines()) == 4 and all(len(line) <= 80 for line in ran.stdout.splitlines())
    assert "+50,000" in ran.stdout and "--cursor c1" in ran.stderr


def test_diff_for_people() -> None:
    """Domains that differ, or a word that none does."""
    text = mcai("datasets", "diff", "3", "7").stdout
    assert all(part in text for part in ("coding", "+5", "~1", "epoch 3 to 7"))
    same = client(diff=structs.replace(answers()["diff"], domains=[]))
    assert "have the same examples" in mcai("datasets", "diff", "3", "7", client=same).stdout


def test_a_rollback_tells_how_to_undo_it() -> None:
    """What came and went, and the command that takes it back, ready to be copied."""
    text = mcai("datasets", "rollback", "3", "my drafts").stdout
    assert "restored 5 examples, removed 1 example; epoch 8" in text
    assert "mcai datasets rollback 7 'my drafts'" in text


def test_a_rollback_owns_up_to_what_is_forgotten() -> None:
    """Rows that were forgotten since do not come back, and that is said."""
    forgotten = structs.replace(UNCHANGED, forgotten=2)
    text = mcai("datasets", "rollback", "3", client=client(rollback=forgotten)).stdout
    assert "Nothing to change" in text and "2 examples of epoch 3 were forgotten" in text


@pytest.mark.parametrize("words", ["datasets rollback 3", "datasets delete coding", "rotate --max 10"])
def test_a_dry_run_says_would(words: str) -> None:
    """Nobody takes a dry run for the deed: it says `would`, and that nothing was changed."""
    text = mcai(*words.split(), "--dry-run").stdout
    assert "would" in text and "nothing was changed" in text
    assert "undo" not in text and "back with" not in text and "epoch" not in text


def test_deletion_of_a_dataset_for_people() -> None:
    """How many examples went, and the way back."""
    text = mcai("datasets", "delete", "coding").stdout
    assert "deleted 6 examples of coding" in text and "mcai datasets rollback 7 coding" in text


def test_rotation_is_silent_when_there_is_nothing_to_do() -> None:
    """Cron mails whatever a job prints: a run that moves nothing prints nothing; a person is told."""
    nothing = RotateResult(dry_run=False, epoch=7, domains=[], moved=0)
    ran = mcai("rotate", client=client(rotate=nothing))
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    seen = mcai("rotate", client=client(rotate=nothing), tty=True)
    assert seen.stdout == "" and "rotation.*" in seen.stderr
    assert mcai("rotate", "--json", client=client(rotate=nothing)).document["moved"] == 0


def test_rotation_for_people() -> None:
    """Each domain with its count before and after, and the way back."""
    text = mcai("rotate", "--max", "10").stdout
    assert all(part in text for part in ("coding", "12", "10", "moved 2 examples", "mcai archive restore"))


def test_archive_for_people() -> None:
    """Archived examples in a table or whole, and the way on; an empty archive says so."""
    more = structs.replace(answers()["archived"], next_cursor="c9")
    ran = mcai("archive", "--full", client=client(archived=more))
    assert "What was a floppy disk?" in ran.stdout and "--cursor c9" in ran.stderr
    empty = Page(examples=[], next_cursor=None, epoch=7)
    assert "archive is empty" in mcai("archive", client=client(archived=empty)).stdout
    assert "Nothing of that kind" in mcai("archive", "--domain", "d", client=client(archived=empty)).stdout


def test_archive_restore_for_people() -> None:
    """How many came back; none is no error."""
    assert "restored 2 examples" in mcai("archive", "restore", "3").stdout
    none = structs.replace(answers()["restore_archived"], restored=0)
    ran = mcai("archive", "restore", "9", client=client(restore_archived=none))
    assert ran.code == 0 and "Nothing to restore" in ran.stdout


@pytest.mark.parametrize(
    "words", ["datasets log", "datasets diff 1 2", "datasets rollback 1 d", "rotate", "archive", "archive --full"]
)
def test_hostile_names_reach_no_terminal(words: str) -> None:
    """A domain or text with control characters or markup is shown as plain words."""
    bad = "\x1b[31m[bold]x\u202e"
    change = DomainChange(domain=bad, added=1, removed=0)
    usual = answers()
    hostile = client(
        log=EpochLog([EpochEntry(epoch=1, at="2026-11-23T10:00:00Z", op=bad, domains=[change])], None),
        diff=structs.replace(usual["diff"], domains=[structs.replace(usual["diff"].domains[0], domain=bad)]),
        rotate=structs.replace(usual["rotate"], domains=[structs.replace(usual["rotate"].domains[0], domain=bad)]),
        archived=structs.replace(
            usual["archived"], examples=[structs.replace(usual["archived"].examples[0], domain=bad, content=bad)]
        ),
    )
    text = mcai(*[bad if word == "d" else word for word in words.split()], client=hostile).stdout
    assert "[bold]x" in text and "\x1b" not in text and "\u202e" not in text
