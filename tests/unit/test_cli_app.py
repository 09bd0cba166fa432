"""The tree of commands and its boundary: help, usage errors, exit codes, no tracebacks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli_fakes import FakeClient, example, mcai
from mcai import errors
from mcai_cli import app, exits
from mcai_cli.parsing import PlainValues, use_plain_values


def commands() -> Iterator[list[str]]:
    """The words of every command, those of groups included."""
    for name in app.COMMANDS:
        command = app._load(name)
        if isinstance(command, TyperGroup):
            yield from ([name, sub] for sub in command.commands)
        else:
            yield [name]


@pytest.mark.parametrize("error", errors.all_errors(), ids=lambda error: error.__name__)
def test_every_error_class_has_an_exit_code(error: type[errors.McaiError]) -> None:
    """A new error cannot be added without deciding what a script sees of it."""
    assert error in exits.EXITS


def test_an_unknown_subclass_ends_like_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that the table lacks inherits the decision made for the nearest one above it."""
    monkeypatch.delitem(exits.EXITS, errors.InvalidCursorError)
    assert exits.exit_code(errors.InvalidCursorError()) == exits.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("no such id"), 1),
        (errors.InvalidRequestError("bad limit"), 2),
        (errors.DaemonNotRunningError(), 3),
        (errors.TimeoutExpiredError(), 4),
    ],
)
def test_an_error_is_said_in_words_and_in_json(error: errors.McaiError, code: int) -> None:
    """What the daemon refuses is a message with its hint on stderr, or the error document on stdout with --json."""
    client = FakeClient()

    def fail(verb: str) -> None:
        raise error

    client.fail = fail
    plain, as_json = mcai("get", "1", client=client), mcai("get", "1", "--json", client=client)
    assert (plain.code, as_json.code) == (code, code)
    assert plain.stdout == "" and error.message in plain.stderr and error.hint in plain.stderr
    assert as_json.document == error.as_wire() and as_json.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["qurey", "x"], "Did you mean 'query'?"),
        (["datasets", "shwo", "x"], "Did you mean 'show'?"),
        (["query", "--lmit", "3"], "--limit"),
        (["query", "x", "--mode", "hybird"], "Did you mean 'hybrid'?"),
        (["query", "--format", "jsnol"], "Did you mean 'jsonl'?"),
        (["query", "x", "--limit", "ten"], "'ten' is not a whole number"),
        (["get"], "Missing argument"),
        (["get", "one"], "'one' is not a whole number"),
        (["add", "--content", "x", "--frequency-hz", "nan"], "'nan' is not a number"),
        (["add", "--content", "x", "--metadata", "[1]"], "--metadata"),
        (["add", "--content", "x", "--metadata", '{"a": NaN}'], "--metadata"),
        (["add"], "--content"),
        (["add", "-", "--emotion", "calm"], "--emotion"),
        (["edit", "1"], "nothing to change"),
        (["edit", "1", "--clear", "emoton"], "Did you mean 'emotion'?"),
        (["edit", "1", "--emotion", "calm", "--clear", "emotion"], "set and cleared"),
        (["delete"], "Missing argument"),
        (["query", "--explain"], "--explain"),
        (["query", "--mode", "keyword"], "--mode"),
        (["query", "x", "--cursor", "c"], "--cursor"),
        (["migrate", "x", "--map", "contnt=a"], "--map"),
        (["migrate", ""], "the path is empty"),
        (["daemon"], ""),
    ],
)
def test_usage_errors_exit_2_and_say_what_is_wrong(words: list[str], said: str) -> None:
    """A mistyped command line exits 2; with --json the reason is the error document, alone on stdout."""
    plain = mcai(*words)
    assert plain.code == 2 and said in plain.stderr
    as_json = mcai(*words, "--json")
    assert as_json.code == 2 and as_json.stderr == ""
    assert as_json.document["error"]["code"] == "usage"
    assert said in as_json.document["error"]["message"]
    assert not plain.client.calls and not as_json.client.calls


def test_a_missing_value_is_named() -> None:
    """An option at the end of the line that lacks its value is said so."""
    assert "requires an argument" in mcai("query", "--json", "--limit").document["error"]["message"]


def test_text_that_is_no_utf8_is_a_usage_error() -> None:
    """Bytes of a command line that are no text are named, and never reach a request."""
    ran = mcai("query", "caf\udce9", "--json")
    assert ran.code == 2 and "UTF-8" in ran.document["error"]["message"]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_and_takes_json(words: list[str]) -> None:
    """No command is without a help text, and --json is an option of each."""
    ran = mcai(*words, "--help")
    assert ran.code == 0 and "--json" in ran.stdout
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_texts_are_not_ragged(words: list[str]) -> None:
    """Only the first paragraph is wrapped anew: a longer line further down would leave a stump of a line below it."""
    command = app._load(words[0])
    for word in words[1:]:
        command = command.commands[word]  # type: ignore[attr-defined]  # a group
    _, _, rest = (command.help or "").partition("\n\n")
    assert [line for line in rest.splitlines() if len(re.sub(r"\[/?bold\]", "", line)) > 78] == []


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_parameter_converts_without_pydantic(name: str) -> None:
    """Typer's own conversion would double the start-up time, so none of it may be left."""

    def parameters(command: object) -> Iterator[object]:
        yield from command.params  # type: ignore[attr-defined]  # typer's commands have them
        for sub in getattr(command, "commands", {}).values():
            yield from parameters(sub)

    assert all(isinstance(param._runtime_param, PlainValues) for param in parameters(app._load(name)))  # type: ignore[attr-defined]


def test_a_parameter_of_an_unknown_kind_is_refused() -> None:
    """A kind of value that has no conversion is found when its command is loaded, not by its user."""
    with pytest.raises(TypeError):
        PlainValues(bytes)


def test_the_help_lists_every_command_in_80_columns() -> None:
    """`mcai --help` shows all commands by what they are for; nothing breaks out of a terminal of 80 columns."""
    ran = mcai("--help")
    assert ran.code == 0
    assert all(f" {name} " in ran.stdout for name in app.COMMANDS)
    assert all(panel in ran.stdout for panel in app.PANELS)
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())


def test_json_and_no_start_hold_before_the_command_too() -> None:
    """`mcai --json --no-start datasets` is `mcai datasets --json --no-start`."""
    ran = mcai("--json", "--no-start", "datasets", client=FakeClient([example()]))
    assert ran.document["total"] == 1
    assert ran.client.started_with == {"start": False}


@pytest.mark.parametrize("words", [["datasets", "--json", "ls"], ["datasets", "ls", "--json"], ["datasets", "--json"]])
def test_a_group_without_a_command_lists(words: list[str]) -> None:
    """`ls` may be left out, and the flag may stand on either side of it."""
    assert mcai(*words, client=FakeClient([example()])).document["total"] == 1


def test_interruption_exits_130() -> None:
    """Ctrl-C ends a command with 130 and no traceback; --json still gets a document."""
    client = FakeClient()

    def interrupt(verb: str) -> None:
        raise KeyboardInterrupt

    client.fail = interrupt
    plain, as_json = mcai("status", client=client), mcai("status", "--json", client=client)
    assert (plain.code, as_json.code) == (130, 130)
    assert plain.stderr.strip() == "mcai: interrupted"
    assert as_json.document["error"]["code"] == "interrupted"


def test_a_bug_is_one_line_and_no_traceback() -> None:
    """Whatever goes wrong inside, the user sees one line that says where."""
    client = FakeClient()

    def crash(verb: str) -> None:
        raise ZeroDivisionError("oops")

    client.fail = crash
    ran = mcai("status", client=client)
    assert ran.code == 1 and "Traceback" not in ran.stderr
    assert "ZeroDivisionError: oops" in ran.stderr and "test_cli_app.py" in ran.stderr


def test_an_os_error_names_the_file() -> None:
    """A full disk or a missing folder is said with the path it happened at."""
    ran = mcai("export", "-o", "/nowhere/at/all.jsonl", "--json", client=FakeClient([example()]))
    assert ran.code == 1
    assert ran.document["error"]["code"] == "io" and "/nowhere/at/all.jsonl" in ran.document["error"]["message"]


def test_version_is_one_line() -> None:
    """`mcai --version` names the version and needs no daemon."""
    ran = mcai("--version")
    assert (ran.code, ran.stdout) == (0, "mcai 0.1.0\n")


_PIPED = """
import sys
from mcai_cli.output import print_json_line
from mcai_cli import app
import mcai_cli.commands.status as status

class Endless:
    def status(self):
        while True:
            print_json_line({"row": "x" * 1000})

status.connect = lambda no_start: Endless()
sys.exit(app.run(["status"]))
"""


def test_a_closed_pipe_ends_a_command_quietly() -> None:
    """`mcai ... | head` leaves nothing on stderr when head has seen enough."""
    child = subprocess.Popen([sys.executable, "-c", _PIPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout and child.stderr
    json.loads(child.stdout.readline())
    child.stdout.close()
    with child.stderr as errors_seen:
        assert errors_seen.read() == b""
    assert child.wait(timeout=30) == 1


_HUNG = """
import sys, threading
from unittest import mock
from cli_fakes import FakeClient
from mcai_cli import app

class Hung(FakeClient):
    def add_batch(self, *args, **kwargs):
        print("hangs", flush=True)
        threading.Event().wait()

with mock.patch("mcai.client.sync.Client", lambda **given: Hung()):
    sys.argv = ["mcai", "migrate", "-"]
    app.main()
"""


def test_an_interruption_waits_for_nobody(tmp_path: Path) -> None:
    """Ctrl-C ends an import at once, though the daemon hangs in the middle of a batch; no traceback is printed."""
    env = {**os.environ, "MCAI_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", _HUNG], env=env, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write('{"prompt": "a", "completion": "b"}\n')
        child.stdin.close()
        assert child.stdout.readline() == "hangs\n"
        child.send_signal(signal.SIGINT)
        said = child.stderr.read()
        assert child.wait(timeout=30) == 130
    assert "imported 0" in said and "mcai: interrupted" in said and "Traceback" not in said


def test_help_of_the_root_imports_on_demand() -> None:
    """The root knows its commands by name and has none of them loaded before one is asked for."""
    root = get_command(app.root)
    use_plain_values(root)
    assert isinstance(root, TyperGroup) and root.commands == {}
