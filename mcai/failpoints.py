"""Failpoints: named places where a test makes this process die, stop, fail or wait, as ``MCAI_FAILPOINT`` tells it to.

    MCAI_FAILPOINT=journal.appended            dies (SIGKILL) there
    MCAI_FAILPOINT=journal.appended:3:enospc   the third time, the disk is full there
    MCAI_FAILPOINT=a:kill,b:2:delay            several

Unset, a failpoint costs one look at an empty dictionary.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from mcai.errors import FatalStoreError, InvalidValueError

Action = Literal["kill", "stop", "enospc", "delay", "fatal"]
DELAY_S = 0.5

NAMES = (
    "write.begun",
    "write.journaled",
    "write.committed",
    "write.acknowledged",
    "journal.segment",
    "index.embedded",
    "index.deleted",
    "index.added",
    "index.applied",
    "index.tidied",
    "snapshot.segment",
    "snapshot.manifest",
    "snapshot.flipped",
    "snapshot.merged",
    "backup.copied",
    "backup.manifest",
    "restore.built",
    "restore.marked",
    "restore.moved",
    "restore.swapped",
    "rotate.parquet",
    "forget.committed",
    "forget.compacted",
    "forget.swapped",
    "forget.journal",
    "migrate.step",
)
"""Every failpoint there is; a test holds that each is hit somewhere in the code, and nothing else is."""


@dataclass
class _Armed:
    nth: int
    action: Action
    hits: int = 0


_armed: dict[str, _Armed] = {}


def arm(environ: Mapping[str, str] = os.environ) -> None:
    """Read ``MCAI_FAILPOINT``; called once, at the start of the daemon.

    Raises:
        InvalidValueError: an unknown name or action.
    """
    _armed.clear()
    for told in filter(None, environ.get("MCAI_FAILPOINT", "").split(",")):
        name, *options = told.split(":")
        nth = next((int(each) for each in options if each.isdecimal()), 1)
        action = next((each for each in options if not each.isdecimal()), "kill")
        if name not in NAMES or action not in get_args(Action):
            raise InvalidValueError(
                f"MCAI_FAILPOINT: there is no failpoint {told!r}",
                hint=f"It takes NAME[:NTH][:{'|'.join(get_args(Action))}], where NAME is one of {', '.join(NAMES)}.",
            )
        _armed[name] = _Armed(nth, cast(Action, action))


def hit(name: str) -> None:
    """Pass a failpoint.

    Raises:
        OSError: ENOSPC, when it is armed with ``enospc``.
        FatalStoreError: when it is armed with ``fatal``.
    """
    armed = _armed.get(name) if _armed else None
    if armed is None:
        return
    armed.hits += 1
    if armed.hits != armed.nth:
        return
    match armed.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "delay":
            time.sleep(DELAY_S)
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        case "fatal":
            raise FatalStoreError(f"failpoint {name}")
