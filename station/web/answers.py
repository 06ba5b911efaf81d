"""JSON answers, and what an error looks like: {"code", "error", "problems": [{"field", "problem"}]}."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from station.errors import ControlError, Problem

__all__ = ["STATUS", "RefusedError", "encode", "error_body", "json_answer", "refusal"]

STATUS = {
    "invalid": 400,
    "auth": 401,
    "host": 403,
    "unknown": 404,
    "method": 405,
    "timeout": 408,
    "conflict": 409,
    "too_large": 413,
    "media_type": 415,
    "internal": 500,
    "unsupported": 501,
    "unavailable": 503,
}
"""Codes of errors, and the HTTP status that goes with each. Those of ControlError are among them."""


class RefusedError(ControlError):
    """A request that does not even become a command: too large, no JSON, the station is gone. `code` is one of `STATUS`."""

    def __init__(self, code: str, problem: str, field: str = "") -> None:
        super().__init__(code, [Problem(field, problem)])


def encode(value: object) -> bytes:
    """JSON. What is no Unicode (half a surrogate pair in a frame) is written as an escape; NaN becomes null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return json.dumps(_finite(value), allow_nan=False, default=str).encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encode(value), status, dict(headers or {}), "application/json")


def error_body(code: str, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "code": code,
        "error": str(ControlError(code, list(problems))),
        "problems": [{"field": problem.field, "problem": problem.problem} for problem in problems],
    }


def refusal(error: ControlError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that was refused. A code that HTTP has no words for is a wrong request."""
    return json_answer(error_body(error.code, error.problems), STATUS.get(error.code, 400), headers)
