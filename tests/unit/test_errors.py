"""Errors: one class one code, on the wire and back, each with a status and an exit."""

from __future__ import annotations

import msgspec
import pytest

import mcai.store.duck.connection  # noqa: F401 - declares an error of its own
from mcai import errors
from mcai.errors import McaiError, all_errors, from_wire
from mcai_cli import exits
from mcai_daemon import failures

CLASSES = pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)


def test_codes_are_unique() -> None:
    """The code is the only identity on the wire: no two classes share one, none lacks its own."""
    codes = [cls.code for cls in all_errors()]

    assert sorted(set(codes)) == sorted(codes)
    assert all(code.isidentifier() and code.islower() for code in codes)


@CLASSES
def test_error_survives_the_wire(cls: type[McaiError]) -> None:
    """What the daemon names is raised again as the same class with the same words."""
    sent = cls("what went wrong", hint="what to do")

    told = msgspec.json.decode(msgspec.json.encode(sent.as_wire()))["error"]
    met = from_wire(told["code"], told["message"], told["hint"])

    assert (type(met), met.message, met.hint, str(met)) == (cls, "what went wrong", "what to do", "what went wrong")


@CLASSES
def test_bare_error_says_what_it_is(cls: type[McaiError]) -> None:
    """Without words of its own an error has the first line of its docstring; it ends as a sentence does."""
    assert cls().message.endswith(".") and "\n" not in cls().message
    assert cls().hint == cls.default_hint and cls(hint="").hint == ""


@CLASSES
def test_status_and_exit_are_decided(cls: type[McaiError]) -> None:
    """Every class ends in an HTTP error status and in an exit code of the contract."""
    assert 400 <= failures.status_of(cls) <= 599
    assert exits.exit_code(cls()) in (1, 2, 3, 4)


def test_every_class_of_the_tree_has_its_own_line_of_exits() -> None:
    """A new error needs a decision about its exit code."""
    missing = [cls for cls in all_errors() if cls.__module__ == errors.__name__ and cls not in exits.EXITS]

    assert missing == []


@pytest.mark.parametrize(
    ("cls", "status", "code"),
    [
        (errors.InvalidRequestError, 400, 2),
        (errors.RecordTooLargeError, 413, 2),
        (errors.ForbiddenError, 403, 1),
        (errors.NotFoundError, 404, 1),
        (errors.IdempotencyConflictError, 409, 1),
        (errors.VersionMismatchError, 426, 3),
        (errors.EpochNotReachedError, 503, 1),
        (errors.StoreFullError, 507, 1),
        (errors.TimeoutExpiredError, 504, 4),
        (errors.DaemonNotRunningError, 500, 3),
        (errors.UnknownKeyError, 400, 2),
        (errors.McaiError, 500, 1),
    ],
)
def test_status_and_exit_say_the_same_thing(cls: type[McaiError], status: int, code: int) -> None:
    """The numbers that programs rely on."""
    assert (failures.status_of(cls), exits.exit_code(cls())) == (status, code)


def test_unknown_code_of_a_newer_daemon_is_an_error_all_the_same() -> None:
    """A code that this version does not know becomes a plain error that keeps the words."""
    met = from_wire("code_of_tomorrow", "it is too early", "update")

    assert type(met) is McaiError and (met.message, met.hint) == ("it is too early", "update")


@pytest.mark.parametrize("status", [503, 507])
def test_passing_failures_say_when_to_come_back(status: int) -> None:
    """Where trying again helps, the answer carries Retry-After."""
    cls = next(cls for cls in all_errors() if failures.status_of(cls) == status)

    response = failures.response_to(cls())

    assert response.status_code == status and int(response.headers["retry-after"]) > 0
