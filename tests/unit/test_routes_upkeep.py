"""Verbs and routes of history, archive and upkeep: what the one sends, the other reads; what is unclear is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from cli_answers import answers
from mcai.errors import InvalidRequestError, NotFoundError
from mcai.filters import Filters
from mcai.records import Backup, Backups
from mcai.wire import Answer, Flow, Request, calls, error_of
from mcai_daemon.app import make_app

T = TypeVar("T")


class Recorder:
    """A service that knows every call: it notes what it was given and answers what was prepared for it."""

    def __init__(self, calls_seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]], **prepared: Any) -> None:
        self._seen = calls_seen
        self._prepared = prepared
        self.catalog = SimpleNamespace(epoch=7)

    def check_epoch(self, min_epoch: int) -> None:
        """Nothing is too new for it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self._seen.append((name, args, kwargs))
            return self._prepared[name]

        return call


BACKUPS = Backups([Backup(path="/b", epoch=7, rows=3, at="2026-11-23T10:00:00Z", bytes=9)])


class Daemon:
    """The application over recorders."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        prepared = answers()
        services: Any = SimpleNamespace(
            knowledge=Recorder(self.seen, **prepared),
            rotation=Recorder(self.seen, **prepared),
            forgetting=Recorder(self.seen, **prepared),
            upkeep=Recorder(self.seen, backups=BACKUPS, **prepared),
            sandbox=Recorder(self.seen, run=prepared["sql"]),
        )
        self._app: Starlette = make_app(services)

    def send(self, request: Request) -> Answer:
        """Send one request, as the clients do."""

        async def ask() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self._app)
            query = {name: value for name, value in request.query.items() if value is not None}
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(request.method, request.path, params=query or None, content=request.body)

        response = asyncio.run(ask())
        return Answer(response.status_code, dict(response.headers), response.content)

    def run(self, flow: Flow[T]) -> T:
        """Drive a verb of one request to its result."""
        try:
            flow.send(self.send(next(flow)))
        except StopIteration as done:
            result: T = done.value
            return result
        raise AssertionError("the verb wants another answer")


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


NO_FILTERS = Filters()


@pytest.mark.parametrize(
    ("flow", "name", "call"),
    [
        (calls.log(), "log", ("log", (None,), {"limit": 100, "cursor": None})),
        (calls.log("a/b", limit=5, cursor="c"), "log", ("log", ("a/b",), {"limit": 5, "cursor": "c"})),
        (calls.diff(3, 7), "diff", ("diff", (3, 7, None), {})),
        (calls.diff(0, 7, "ä b"), "diff", ("diff", (0, 7, "ä b"), {})),
        (calls.rollback(3), "rollback", ("rollback", (3, None), {"dry_run": False})),
        (calls.rollback(0, "d", dry_run=True), "rollback", ("rollback", (0, "d"), {"dry_run": True})),
        (calls.drop_dataset(" a/b "), "drop_dataset", ("drop_dataset", ("a/b",), {"dry_run": False})),
        (calls.drop_dataset("d", dry_run=True), "drop_dataset", ("drop_dataset", ("d",), {"dry_run": True})),
        (calls.rotate(), "rotate", ("rotate", (None,), {"dry_run": False})),
        (calls.rotate(1, dry_run=True), "rotate", ("rotate", (1,), {"dry_run": True})),
        (
            calls.archived(limit=2, cursor="c", domain=["b", "a"], source="/x"),
            "archived",
            ("archived", (Filters(domains=("a", "b"), source="/x"),), {"limit": 2, "cursor": "c"}),
        ),
        (calls.restore_archived(), "restore_archived", ("restore_archived", (None, NO_FILTERS), {})),
        (calls.restore_archived([]), "restore_archived", ("restore_archived", ([], NO_FILTERS), {})),
        (calls.restore_archived([4, 2]), "restore_archived", ("restore_archived", ([4, 2], NO_FILTERS), {})),
        (
            calls.restore_archived(emotion="calm", frequency=(8, None)),
            "restore_archived",
            ("restore_archived", (None, Filters(emotion="calm", frequency_hz=(8, float("inf")))), {}),
        ),
        (calls.backup("/b", everything=True), "backup", ("backup", (Path("/b"), True), {})),
        (calls.forget([1]), "forget", ("forget", ([1], NO_FILTERS), {"dry_run": False})),
        (calls.forget(source="/x", dry_run=True), "forget", ("forget", ([], Filters(source="/x")), {"dry_run": True})),
        (calls.doctor(), "doctor", ("doctor", (), {})),
        (calls.sql("SELECT 1"), "sql", ("run", ("SELECT 1",), {})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_verb_reaches_its_service(daemon: Daemon, flow: Flow[Any], name: str, call: Any) -> None:
    """Every argument arrives as it was given, and the record comes back as it was answered."""
    assert daemon.run(flow) == answers()[name]
    assert daemon.seen == [call]


def test_backups_are_listed(daemon: Daemon) -> None:
    """What lies in the home comes with path, epoch, rows, time and bytes."""
    assert daemon.run(calls.backups()) == BACKUPS
    listed = msgspec.json.decode(daemon.send(Request("GET", "/v1/backups")).body)
    assert listed["backups"][0].keys() == {"path", "epoch", "rows", "at", "bytes"}


def test_a_backup_goes_where_the_caller_stands(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is the caller's: the daemon's own folder is another one."""
    monkeypatch.chdir(tmp_path)
    daemon.run(calls.backup("monday"))
    assert daemon.seen == [("backup", (tmp_path / "monday", False), {})]


def test_diff_names_its_epochs_as_the_contract_does(daemon: Daemon) -> None:
    """On the wire they are `from` and `to`."""
    body = msgspec.json.decode(daemon.send(Request("GET", "/v1/epochs/diff", {"from": 3, "to": 7})).body)
    assert (body["from"], body["to"]) == (3, 7)


@pytest.mark.parametrize(
    ("path", "name", "call"),
    [
        ("/v1/rotate", "rotate", ("rotate", (None,), {"dry_run": False})),
        ("/v1/archive/restore", "restore_archived", ("restore_archived", (None, NO_FILTERS), {})),
        ("/v1/epochs/3/rollback", "rollback", ("rollback", (3, None), {"dry_run": False})),
    ],
)
def test_no_body_is_an_empty_one(daemon: Daemon, path: str, name: str, call: Any) -> None:
    """`curl -X POST` without a body means the defaults, where every field has one."""
    answer = daemon.send(Request("POST", path))
    assert answer.status == 200 and daemon.seen == [call]
    assert msgspec.json.decode(answer.body) == msgspec.to_builtins(answers()[name])


@pytest.mark.parametrize(
    ("body", "ids"), [({"id": 4}, [4]), ({"id": [4, 2]}, [4, 2]), ({"ids": [1], "id": 2}, [1, 2]), ({"ids": [1]}, [1])]
)
def test_what_is_forgotten_can_be_named_as_the_command_line_does(daemon: Daemon, body: Any, ids: list[int]) -> None:
    """`id` is what `--id` is, once or often; `ids` is what every other route takes."""
    assert daemon.send(Request("POST", "/v1/forget", body=msgspec.json.encode(body))).status == 200
    assert daemon.seen == [("forget", (ids, NO_FILTERS), {"dry_run": False})]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/forget", {}, "nothing is named"),
        ("POST", "/v1/forget", {"ids": []}, "nothing is named"),
        ("POST", "/v1/forget", {"domain": []}, "nothing is named"),
        ("POST", "/v1/forget", {"ids": [1], "domain": "d"}, "not both"),
        ("POST", "/v1/forget", {"id": []}, "nothing is named"),
        ("POST", "/v1/forget", {"id": 1, "domain": "d"}, "not both"),
        ("POST", "/v1/forget", {"id": "12"}, "id"),
        ("POST", "/v1/forget", {"source": ""}, "source is blank"),
        ("POST", "/v1/forget", {"sorce": "/x"}, "sorce"),
        ("POST", "/v1/forget", {"ids": [1 << 70]}, "ids"),
        ("POST", "/v1/forget", {"ids": "12"}, "ids"),
        ("POST", "/v1/archive/restore", {"ids": [1], "source": "/x"}, "not both"),
        ("POST", "/v1/rotate", {"max": -1}, "max"),
        ("POST", "/v1/rotate", {"max": 1 << 70}, "max"),
        ("POST", "/v1/rotate", {"max": 1.5}, "max"),
        ("POST", "/v1/backups", {}, "dest"),
        ("POST", "/v1/backups", {"dest": "monday"}, "no absolute path"),
        ("POST", "/v1/backups", {"dest": "/a\0b"}, "no absolute path"),
        ("POST", "/v1/sql", {"query": " \n"}, "blank"),
        ("GET", "/v1/epochs/diff?from=1", None, "to is missing"),
        ("GET", "/v1/epochs/diff?from=one&to=2", None, "whole number"),
        ("GET", "/v1/epochs?domian=d", None, "domian"),
        ("DELETE", "/v1/datasets/d?dry_run=maybe", None, "true or false"),
    ],
)
def test_what_is_unclear_is_refused_and_nothing_happens(
    daemon: Daemon, method: str, path: str, body: Any, said: str
) -> None:
    """A 400 names the field, and no service is called: these requests change or destroy."""
    answer = daemon.send(Request(method, path, body=None if body is None else msgspec.json.encode(body)))
    assert answer.status == 400 and type(error_of(answer)) is InvalidRequestError
    assert said in error_of(answer).message and daemon.seen == []


@pytest.mark.parametrize("epoch", ["seven", "1.0", "9" * 30, "9" * 5000, "0x1"])
def test_what_can_be_no_epoch_is_not_found(daemon: Daemon, epoch: str) -> None:
    """There is no such epoch, however it is written."""
    answer = daemon.send(Request("POST", f"/v1/epochs/{epoch}/rollback"))
    assert answer.status == 404 and type(error_of(answer)) is NotFoundError and daemon.seen == []


@pytest.mark.parametrize("ids", ["12", b"12"])
def test_a_text_is_no_list_of_ids(ids: Any) -> None:
    """Its characters could be taken for several ids: refused before anything is sent."""
    for verb in (calls.forget, calls.restore_archived, calls.delete):
        with pytest.raises(InvalidRequestError, match="one text"):
            next(verb(ids))


@pytest.mark.parametrize("epoch", [True, "3", 3.0, None])
def test_an_epoch_is_a_whole_number(epoch: Any) -> None:
    """What could be made into one is not taken for one."""
    for flow in (calls.rollback(epoch), calls.diff(epoch, 3), calls.diff(3, epoch)):
        with pytest.raises(InvalidRequestError, match="an epoch is a whole number"):
            next(flow)
