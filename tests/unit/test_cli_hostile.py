"""A command line meets hostile words: odd numbers, megabytes, names that a terminal would act on."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_fakes import FakeClient, example, mcai
from mcai.errors import DaemonNotRunningError, McaiError, NotFoundError, TimeoutExpiredError
from mcai_cli.output import clean, shell_word

NUMBERS = (
    *("get N", "edit N --content x", "delete N", "query --limit N", "query x --limit N", "archive --limit N"),
    *("datasets log --limit N", "datasets diff N 3", "datasets diff 3 N", "datasets rollback N", "rotate --max N"),
    *("archive restore N", "forget --id N", "restore x --to-epoch N", "daemon logs -n N", "daemon stop --timeout N"),
    "add --content x --frequency-hz N",
)


@pytest.mark.parametrize("number", ["1_0", "٣", "+ 5", " 5", "5 ", "", "0x5", "9" * 100_000], ids=lambda text: text[:3])
@pytest.mark.parametrize("words", NUMBERS)
def test_only_plain_digits_are_a_number(words: str, number: str) -> None:
    """Every number of every command has one spelling; what has another is refused, shortly, before anything happens."""
    if words.endswith("-hz N") and len(number) > 1_000:
        number = "x" * len(number)  # as a decimal number it is one, too large for a float
    ran = mcai(*[number if word == "N" else word for word in words.split()], "--json")
    assert ran.code == 2 and "is not a" in ran.document["error"]["message"]
    assert len(ran.stdout) < 400 and not ran.client.calls


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "words",
    [
        *("L", "datasets L", "get L", "get --L", "query x --mode L", "export --format L", "edit 1 --clear L"),
        *("restore L", "restore . --to-time L", "migrate . --map L", "edit 1 --metadata L", "daemon logs -n L"),
    ],
)
def test_a_long_word_is_not_repeated(words: str) -> None:
    """A message quotes the beginning of what was typed; a terminal is not flooded, a log neither."""
    typed = [word.replace("L", LONG) for word in words.split()]
    plain, as_json = mcai(*typed), mcai(*typed, "--json")
    assert plain.code == as_json.code != 0
    assert 20 < len(plain.stderr) < 1_000 and len(as_json.stdout) < 1_000
    assert as_json.document["error"]["message"] and as_json.stderr == ""


def test_a_long_message_of_the_daemon_is_cut() -> None:
    """Whoever made it: what a person is told fits a screen."""
    client = FakeClient()

    def fail(verb: str) -> None:
        raise NotFoundError(f"there is no {LONG} here")

    client.fail = fail
    assert len(mcai("get", "1", client=client).stderr) < 1_000


HOSTILE = "safe\u202egpj.exe \x1b[31m\x9b2J\u2066x\u200by\ufeff"


@pytest.mark.parametrize(
    "words", ["query alpha", "query", "query --full", "get 1", "datasets", "query --format csv", "query --format jsonl"]
)
def test_what_a_terminal_would_act_on_is_shown_as_an_escape(words: str) -> None:
    """Two names that differ in such a character alone look different, and neither turns a line round."""
    rows = [example(1, domain=HOSTILE, content=f"alpha {HOSTILE}", source=HOSTILE, metadata={"k": HOSTILE})]
    ran = mcai(*words.split(), client=FakeClient(rows), tty=True)
    assert ran.code == 0 and "\\u202e" in ran.stdout
    assert not any(sign in ran.stdout for sign in "\x9b\u202e\u2066\u200b\ufeff")
    assert "\x1b[31m\x9b" not in ran.stdout


def test_a_message_shows_escapes_too() -> None:
    """An error that quotes a name is no way round."""
    client = FakeClient()

    def fail(verb: str) -> None:
        raise NotFoundError(f"there is no {HOSTILE}")

    client.fail = fail
    ran = mcai("get", "1", client=client)
    assert "safe\\u202egpj.exe \\x1b[31m" in ran.stderr


@pytest.mark.parametrize("tty", [True, False])
def test_json_is_exact(tty: bool) -> None:
    """A program gets the very text, from a pipe and from what a terminal shows."""
    ran = mcai("get", "1", "--json", client=FakeClient([example(1, domain=HOSTILE)]), tty=tty)
    assert ran.document["domain"] == HOSTILE
    assert ("\u202e" in ran.stdout) != tty


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_a_copied_word_means_the_same(name: str) -> None:
    """What a message proposes to type is, for a shell, the very name; and it shows what it is."""
    word = shell_word(name)
    assert clean(word) == word and word.isprintable()
    if word.startswith("$'"):
        ran = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
        assert ran.stdout.decode() == name


def test_the_way_back_can_be_copied() -> None:
    """The command that undoes a deletion holds for a domain that looks like an option, and for one that hides."""
    client = FakeClient()
    assert "rollback 7 -- -x" in mcai("datasets", "delete", "--", "-x", client=client).stdout
    assert r"rollback 7 $'a\xe2\x80\xaeb'" in mcai("datasets", "delete", "a\u202eb", client=client).stdout


NEW_COMMANDS = (
    *("datasets log", "datasets diff 1 2", "datasets rollback 1", "datasets delete d", "rotate", "rotate --max 5"),
    *("archive", "archive ls", "archive restore", "backup /nowhere/b", "forget --id 1", "forget --id 1 --dry-run"),
    "sql 'SELECT 1'",
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("no"), 1),
        (DaemonNotRunningError(), 3),
        (TimeoutExpiredError("late"), 4),
        (RuntimeError("bug"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("words", NEW_COMMANDS)
def test_a_failure_is_one_document(words: str, error: Exception, code: int) -> None:
    """With --json stdout has the error and nothing else, whatever failed; the exit code is the error's own."""
    client = FakeClient()

    def fail(verb: str) -> None:
        raise error

    client.fail = fail
    ran = mcai(*shlex.split(words), "--json", client=client)
    assert ran.code == code and ran.stderr == ""
    told = json.loads(ran.stdout)
    assert told.keys() == {"error"} and told["error"].keys() == {"code", "message", "hint"}
    assert told["error"]["code"] == (error.code if isinstance(error, McaiError) else "internal")
