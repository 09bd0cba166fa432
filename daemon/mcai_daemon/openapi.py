"""The OpenAPI document, made from the operations and the records they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mcai import __version__
from mcai.errors import McaiError
from mcai_daemon.failures import status_of
from mcai_daemon.operations import MIN_EPOCH, Operation, Parameter

_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint")},
        }
    },
}


def document(operations: Sequence[Operation]) -> bytes:
    """Return the document as JSON."""
    records = [record for each in operations for record in (each.body, each.answer) if record is not None]
    schemas, components = msgspec.json.schema_components(records, ref_template="#/components/schemas/{name}")
    by_record = {record: schema for record, schema in zip(map(repr, records), schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, by_record)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "mcai", "version": __version__, "description": "An application's knowledge on one machine."},
        "servers": [{"url": "http://localhost", "description": "the unix socket that `mcai status` names"}],
        "paths": paths,
        "components": {"schemas": {**components, "Error": _ERROR_SCHEMA}},
    }
    return msgspec.json.encode(whole)


def _operation(operation: Operation, by_record: dict[str, Any]) -> dict[str, Any]:
    schema = by_record[repr(operation.answer)] if operation.answer is not None else {"type": "string"}
    told: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', operation.path).strip('_')}",
        "parameters": [*_path_parameters(operation.path), *map(_query_parameter, (*operation.query, MIN_EPOCH))],
        "responses": {
            "200": {"description": "done", "content": {operation.media_type: {"schema": schema}}},
            **{str(status): _error(kinds) for status, kinds in _by_status(operation.errors).items()},
        },
    }
    if operation.body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": by_record[repr(operation.body)]}},
        }
    return told


def _by_status(kinds: Sequence[type[McaiError]]) -> dict[int, list[type[McaiError]]]:
    found: dict[int, list[type[McaiError]]] = {}
    for kind in kinds:
        found.setdefault(status_of(kind), []).append(kind)
    return found


def _error(kinds: Sequence[type[McaiError]]) -> dict[str, Any]:
    return {
        "description": " ".join(f"`{kind.code}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in kinds),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == ":int" else "string"},
        }
        for name, kind in re.findall(r"\{(\w+)(:\w+)?\}", path)
    ]


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind == "array":
        schema["items"] = {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return {"name": parameter.name, "in": "query", "required": False, "description": parameter.help, "schema": schema}
