"""Reading a frame: parsed and held against its schema, against parsing alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from station.ocpp.schemas import Schemas
from tests.perf.payloads import REQUESTS, WORDS, boot
from tests.perf.rows import Row
from tests.perf.timing import Effort, in_turns

MOST_RATIO = 3.0  # docs/performance.md


def rows(effort: Effort) -> list[Row]:
    schemas = Schemas.for_version("2.0.1")
    found = []
    messages = {"BootNotification": boot(), **{name: REQUESTS[name] for name in WORDS if name != "Heartbeat"}}
    for action, payload in messages.items():
        text = orjson.dumps([2, "4711", action, payload]).decode()
        validator = schemas.request(action)
        assert validator.problem(payload) is None
        costs = in_turns(
            {"loads": _loads(text), "checked": _checked(text, validator.problem)}, effort.times(20_000), effort.rounds
        )
        found.append(
            Row(
                group="codec",
                what=f"parse and validate {WORDS.get(action, action)}",
                unit="us CPU",
                ours=costs["checked"] * 1e6,
                against="orjson.loads",
                other=costs["loads"] * 1e6,
                most_ratio=MOST_RATIO,
                note=f"{len(text)} B, {schemas.backend}",
            )
        )
    return found


def _loads(text: str) -> Callable[[int], None]:
    def run(n: int) -> None:
        loads = orjson.loads
        for _ in range(n):
            loads(text)

    return run


def _checked(text: str, problem: Callable[[Any], object]) -> Callable[[int], None]:
    def run(n: int) -> None:
        loads = orjson.loads
        for _ in range(n):
            problem(loads(text)[3])

    return run
