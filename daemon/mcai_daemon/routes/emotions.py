"""The emotion-frequency catalog."""

from __future__ import annotations

import asyncio

from mcai.errors import NotFoundError
from mcai.records import Emotion, Emotions
from mcai.suggest import did_you_mean
from mcai.words import quoted
from mcai_daemon.operations import Call, Operation


async def list_emotions(call: Call) -> Emotions:
    return Emotions(await asyncio.to_thread(call.services.knowledge.catalog.emotions))


async def show_emotion(call: Call) -> Emotion:
    wanted = call.path["name"].strip().lower()
    by_name = {each.name: each for each in await asyncio.to_thread(call.services.knowledge.catalog.emotions)}
    if wanted not in by_name:
        raise NotFoundError(
            f"there is no emotion {quoted(wanted)}", hint=did_you_mean(wanted, by_name, "See: mcai emotions")
        )
    return by_name[wanted]


OPERATIONS = (
    Operation("GET", "/v1/emotions", "The catalog, by name", list_emotions, Emotions),
    Operation("GET", "/v1/emotions/{name:name}", "One emotion", show_emotion, Emotion, errors=(NotFoundError,)),
)
