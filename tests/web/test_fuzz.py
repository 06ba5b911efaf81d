"""The REST is fuzzed from its own document, against a real station on the bench: every answer is as documented, nothing breaks, and a
refused request has changed nothing.

Time stands still while requests are made, so whatever differs afterwards was the request. Commands that let time pass get some.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from station.errors import ControlError
from station.runtime.control import describe_table
from station.runtime.control_types import Control, Json
from station.sim.lab import Lab, LabSettings, run_lab
from station.sim.panel import SchemaLibrary
from station.web.server import WebServer, serve_in_thread
from station.web.settings import WebSettings

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "missing_required_header",
    ]
)
EXAMPLES = {GenerationMode.POSITIVE: 10, GenerationMode.NEGATIVE: 6}
LONGEST_S = 1800.0
SEED = 20160601
GROUPS = tuple(dict.fromkeys(row["group"] for row in describe_table()))
DIFFERENT = ("settings", "link", "station")  # where the version matters
PASSES_TIME = frozenset(row["name"] for row in describe_table() if row["passes_time"])
LOOKS = ("state", "transactions", "queue", "dead_letters", "keys", "security_log")
"""What must be the same after a refusal."""


class Bench:
    """A lab in a thread, and a server beside it."""

    def __init__(self, lab: Lab, server: WebServer) -> None:
        self.lab = lab
        self.control: Control = lab.control()
        self.loop = asyncio.get_running_loop()
        self.server = server
        self.over = asyncio.Event()

    def do(self, name: str, **arguments: object) -> Json:
        return asyncio.run_coroutine_threadsafe(self.control.do(name, arguments), self.loop).result(60)

    def picture(self) -> Json:
        """Everything that a refusal must leave as it is."""
        return asyncio.run_coroutine_threadsafe(self._picture(), self.loop).result(60)

    async def _picture(self) -> Json:
        found: Json = {"board": repr(self.lab.board.state())}
        for name in LOOKS:
            try:
                found[name] = await self.control.do(name, {})
            except ControlError as error:  # without power there is nobody to ask
                found[name] = str(error)
        return found

    def settled(self) -> Json:
        """The picture once nothing follows from what was done before; time stands still."""
        self.do("pause")
        before = self.picture()
        for _ in range(100):
            after = self.picture()
            if after == before:
                return after
            before = after
        raise AssertionError("it changes although time stands still")


@contextmanager
def bench(version: str) -> Iterator[Bench]:
    ready = threading.Event()
    found: list[Bench] = []

    async def main(lab: Lab) -> None:
        server = serve_in_thread(lab.control(), asyncio.get_running_loop(), WebSettings(port=0), SchemaLibrary())
        try:
            found.append(Bench(lab, server))
            ready.set()
            await found[0].over.wait()
        finally:
            server.close()

    thread = threading.Thread(target=lambda: run_lab(LabSettings(versions=(version,), evses=2, speed=0.0), main))
    thread.start()
    try:
        assert ready.wait(30)
        assert found[0].server.started.wait(30)
        yield found[0]
    finally:
        if found:
            found[0].loop.call_soon_threadsafe(found[0].over.set)
        thread.join(30)
        assert not thread.is_alive()


def begin(on: Bench) -> None:
    """A session that runs: more can be done, and more could be spoiled."""
    on.do("speed", factor="max")
    on.do("wait", duration=30)
    on.do("plug", evse=1)
    on.do("swipe", evse=1)
    on.do("wait", duration=60)
    on.do("pause")
    assert on.do("state")["evses"][0]["transaction"] is not None


def attempt(on: Bench, case: Any, mode: GenerationMode) -> None:
    """One request, checked against the document and the station."""
    name = case.operation.path.rpartition("/")[2]
    takes_time = name in PASSES_TIME
    if mode is GenerationMode.POSITIVE:
        steer(case)
    if takes_time and isinstance(case.body, dict):
        shorten(case.body)
    revive(on, name)
    before = on.settled()
    if takes_time:
        on.do("speed", factor="max")
    response = case.call(base_url=on.server.url, timeout=60)
    case.validate_response(response, checks=CHECKED)
    if response.status_code >= 400 and not takes_time:
        after = on.picture()
        assert after == before, f"refused with {response.status_code}, but something has changed"


def revive(on: Bench, name: str) -> None:
    """Most commands need a station that runs."""
    station = on.do("state")["station"]
    if not station["powered"] and name not in {"power_on", "power_cut"}:
        on.do("power_on")
    elif station["powered"] and not station["running"] and name not in {"start", "stop", "power_cut"}:
        on.do("start")


def steer(case: Any) -> None:
    """What fits the document may still be nothing that this station has: half of the time it is."""
    arguments = case.body if isinstance(case.body, dict) else case.query if isinstance(case.query, dict) else {}
    evse = arguments.get("evse")
    if isinstance(evse, int):
        arguments["evse"] = 1 + evse % 2
    if arguments.get("key") and len(arguments["key"]) % 2:
        arguments |= {"key": "HeartbeatInterval", "value": "77"}
    variables = arguments.get("variables")
    if isinstance(variables, dict):  # one that exists beside some that do not: all or nothing
        known = {"OCPPCommCtrlr.HeartbeatInterval": str(100 + len(variables))}
        arguments["variables"] = {**known, **variables} if len(variables) % 2 else known
    if isinstance(arguments.get("n"), int) and arguments["n"] >= 1:
        arguments["n"] = 1 + arguments["n"] % 20


def shorten(body: dict[str, Any]) -> None:
    """A year in virtual time takes minutes."""
    for field in ("duration", "within"):
        value = body.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > LONGEST_S:
            body[field] = LONGEST_S
        elif isinstance(value, str) and any(char.isdigit() for char in value):
            body[field] = "20 min"


@pytest.mark.parametrize(
    ("version", "group"), [*(("2.0.1", group) for group in GROUPS), *(("1.6", each) for each in DIFFERENT)]
)
def test_every_command_as_documented(version: str, group: str) -> None:
    with bench(version) as on:
        begin(on)
        document = schemathesis.openapi.from_url(on.server.url + "openapi.json")
        count = 0
        for found in document.get_all_operations():
            operation = found.ok()
            if group not in (operation.definition.raw.get("tags") or ()):
                continue
            for mode, examples in EXAMPLES.items():
                if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
                    continue  # nothing can be wrong with nothing
                fuzz(on, operation.as_strategy(generation_mode=mode), mode, examples)
            count += 1
        assert count >= sum(row["group"] == group for row in describe_table())


def fuzz(on: Bench, cases: Any, mode: GenerationMode, examples: int) -> None:
    @hypothesis.seed(SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case: Any) -> None:
        attempt(on, case, mode)

    run()
