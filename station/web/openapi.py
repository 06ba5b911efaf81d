"""The OpenAPI 3.1 document, made from the command table. https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from station import __version__
from station.runtime.control_types import TOPICS, Json
from station.web.answers import STATUS

__all__ = ["document"]

GROUPS = {
    "people": "What people do at the station.",
    "car": "The car, the meter and the temperature.",
    "accidents": "Faults, a lost network, power cuts.",
    "charging": "Charging profiles, what they allow and why, and what drivers want.",
    "settings": "Variables of the device model and configuration keys of 1.6, as a technician changes them.",
    "station": "The program: start, stop, identity, reset, availability, transactions.",
    "time": "Simulated time.",
    "link": "The conversation with the CSMS.",
    "look": "State, transactions, records.",
    "web": "The table itself, events, schemas.",
}
REFUSALS = {
    "invalid": ("Invalid", "An argument is wrong; every wrong one is named. Nothing has changed."),
    "auth": ("NoToken", "The token is missing or wrong. Only where a token is needed."),
    "host": ("Foreign", "The Host is not this computer, or the Origin is another site."),
    "unknown": ("Unknown", "There is no such thing. Nothing has changed."),
    "timeout": ("Slow", "The body did not come."),
    "conflict": ("Conflict", "It cannot be done as things are. Nothing has changed."),
    "too_large": ("TooLarge", "The body is larger than 1 MiB."),
    "media_type": ("NoJson", "The body is not sent as application/json."),
    "unsupported": ("Unsupported", "Not by this station: it has no simulated board. Nothing has changed."),
    "unavailable": ("Unavailable", "The program is ending, or too many streams of events are open."),
}
ALWAYS = ("invalid", "auth", "host", "unknown", "unavailable")
WITH_BODY = ("timeout", "too_large", "media_type")
ABOUT = """Everything that can be done to one charging station, made from the same table as JSON lines, `station ctl` and scenarios.

On a loopback address nobody needs a token, but the Host must be a name of this computer and an Origin, if there is one, this server.
On any other address everybody shows the token: `Authorization: Bearer TOKEN`; browsers get a cookie from the page itself."""
ERROR: Json = {
    "type": "object",
    "description": "Why a request was refused. A refused command has changed nothing.",
    "properties": {
        "code": {"enum": list(STATUS)},
        "error": {"type": "string", "description": "All of it in one sentence."},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "The argument; empty when it is the request as a whole.",
                    },
                    "problem": {"type": "string"},
                },
                "required": ["field", "problem"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["code", "error", "problems"],
    "additionalProperties": False,
}


def document(table: Iterable[Json], *, token_needed: bool | None = None, topics: Mapping[str, str] = TOPICS) -> Json:
    """The document. token_needed: None when it depends on where the server listens."""
    rows = list(table)
    security: list[Json] = [] if token_needed is False else [{"token": []}]
    if token_needed is None:
        security.insert(0, {})
    paths: Json = {}
    for row in rows:
        if row["reads"]:
            paths[f"/api/v1/look/{row['name']}"] = {"get": _look(row)}
    for row in rows:
        paths[f"/api/v1/do/{row['name']}"] = {"post": _do(row)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pilotwire: one station",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words} for name, words in GROUPS.items()],
        "security": security,
        "paths": {**paths, **_others(topics)},
        "components": {
            "schemas": {"Error": ERROR, **_schemas(rows)},
            "responses": {name: _refusal(code, words) for code, (name, words) in REFUSALS.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The first line of the file --token-file."}
            },
        },
    }


def _schemas(rows: list[Json]) -> Json:
    found: Json = {}
    for row in rows:
        found[f"{row['name']}_result"] = row["returns"]
        if row["parameters"].get("properties"):
            found[f"{row['name']}_arguments"] = row["parameters"]
    return found


def _refusal(code: str, words: str) -> Json:
    example = {
        "code": code,
        "error": "evse: what is wrong",
        "problems": [{"field": "evse", "problem": "what is wrong"}],
    }
    schema = {"$ref": "#/components/schemas/Error"}
    answer: Json = {"description": words, "content": {"application/json": {"schema": schema, "example": example}}}
    if code == "auth":
        answer["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"}}
    return answer


def _refusals(*codes: str) -> Json:
    return {str(STATUS[code]): {"$ref": f"#/components/responses/{REFUSALS[code][0]}"} for code in codes}


def _result(row: Json) -> Json:
    schema = {
        "type": "object",
        "properties": {"result": {"$ref": f"#/components/schemas/{row['name']}_result"}},
        "required": ["result"],
        "additionalProperties": False,
    }
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _operation(row: Json, verb: str, refusals: tuple[str, ...]) -> Json:
    notes = [row["doc"]]
    if row["passes_time"]:
        notes.append(
            "Simulated time passes meanwhile; when the connection is closed before the answer, it is given up."
        )
    if row["needs_bench"]:
        notes.append("Needs a simulated board.")
        refusals = (*refusals, "unsupported")
    return {
        "operationId": f"{verb}_{row['name']}",
        "summary": row["doc"].partition(". ")[0].rstrip(".") + ".",
        "description": " ".join(notes),
        "tags": [row["group"]],
        "responses": {"200": _result(row), **_refusals(*ALWAYS, "conflict", *refusals)},
    }


def _do(row: Json) -> Json:
    operation = _operation(row, "do", WITH_BODY)
    parameters = row["parameters"]
    schema: Json = {"type": "object", "additionalProperties": False}
    if parameters.get("properties"):
        schema = {"$ref": f"#/components/schemas/{row['name']}_arguments"}
    operation["requestBody"] = {
        "required": bool(parameters.get("required")),
        "content": {"application/json": {"schema": schema, "example": _example(parameters)}},
    }
    return operation


def _example(parameters: Mapping[str, Any]) -> Json:
    """What must be given, and whatever has an example of its own."""
    required = parameters.get("required", ())
    return {
        name: schema["examples"][0] if "examples" in schema else _some(schema)
        for name, schema in parameters.get("properties", {}).items()
        if name in required or "examples" in schema
    }


def _some(schema: Mapping[str, Any]) -> Any:
    """Any value that fits a schema of our own kinds; one that needs better has an example of its own."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return _some(choices[0])
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "integer" in kinds or "number" in kinds:
        return schema.get("minimum", 1)
    if "boolean" in kinds:
        return True
    if "array" in kinds:
        return [_some(schema.get("items", {}))] * schema.get("minItems", 0)
    return {} if "object" in kinds else "text"


def _look(row: Json) -> Json:
    operation = _operation(row, "look", ())
    required = row["parameters"].get("required", ())
    operation["parameters"] = [
        _query(name, schema, required=name in required)
        for name, schema in row["parameters"].get("properties", {}).items()
    ]
    return operation


def _query(name: str, schema: Mapping[str, Any], *, required: bool) -> Json:
    schema = _without_null(schema)
    found: Json = {"name": name, "in": "query", "required": required, "schema": schema}
    if "description" in schema:
        found["description"] = schema["description"]
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": False}  # a,b,c
    return found


def _without_null(schema: Mapping[str, Any]) -> Json:
    """In a query, what is not given is left out."""
    kept = dict(schema)
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != len(schema.get("anyOf", ())):
        kept = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
        kept["anyOf"] = choices
        if len(choices) == 1:
            kept = {**choices[0], **{name: value for name, value in kept.items() if name != "anyOf"}}
    return kept


def _others(topics: Mapping[str, str]) -> Json:
    """What is not a command."""
    version: Json = {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "A version of OCPP.",
        "schema": {"enum": ["1.6", "2.0.1", "2.1"]},
    }
    action: Json = {
        "name": "action",
        "in": "path",
        "required": True,
        "description": "A message, for instance Heartbeat.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9]{1,64}$"},
    }
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "/api/v1/commands": _get(
            "commands", "The command table.", _object({"commands": {"type": "array", "items": _ROW}})
        ),
        "/api/v1/events": {"get": _events(topics)},
        "/api/v1/schemas/{version}": _get(
            "schemas", "The messages of a version of OCPP.", _object({"actions": names}), version
        ),
        "/api/v1/schemas/{version}/{action}": _get(
            "schema", "JSON Schema of a message's request.", {"type": "object"}, version, action
        ),
        "/openapi.json": _get("openapi", "This document.", {"type": "object"}),
    }


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_ROW: Json = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("name", "group", "doc")},
        **{name: {"type": "boolean"} for name in ("reads", "needs_bench", "passes_time")},
        "parameters": {"type": "object", "description": "JSON Schema of the arguments."},
        "returns": {"type": "object", "description": "JSON Schema of the result."},
    },
    "required": ["name", "group", "doc", "reads", "needs_bench", "passes_time", "parameters", "returns"],
}


def _get(operation: str, words: str, schema: Json, *parameters: Json) -> Json:
    return {
        "get": {
            "operationId": operation,
            "summary": words,
            "tags": ["web"],
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "Here it is.", "content": {"application/json": {"schema": schema}}},
                **_refusals(*ALWAYS),
            },
        }
    }


def _events(known: Mapping[str, str]) -> Json:
    topics = "; ".join(f"`{name}`: {words}" for name, words in known.items())
    return {
        "operationId": "events",
        "summary": "What happens, as it happens: server-sent events.",
        "description": f"`event:` is the topic, `data:` a JSON object, `id:` the number of a frame. {topics}. A reader who is too slow "
        "hears the newest state only, and `gap` with the number of other events that it missed. The stream begins with the state.",
        "tags": ["web"],
        "parameters": [
            {
                "name": "topics",
                "in": "query",
                "required": False,
                "description": "Comma-separated; all when it is left out.",
                "style": "form",
                "explode": False,
                "schema": {"type": "array", "items": {"enum": list(known)}, "minItems": 1},
            }
        ],
        "responses": {
            "200": {"description": "It lasts.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **_refusals(*ALWAYS),
        },
    }
