"""The time that the CSMS tells is the station's, before the first state is told (quirk 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from station.sim.loop import DEFAULT_WALL
from tests.interop.bench import Bench
from tests.interop.conftest import MakeBench

pytestmark = pytest.mark.npm

DAY_S = 86_400.0
AHEAD_S = 10 * DAY_S


def stamps(value: Any) -> list[float]:
    """Every timestamp in a payload, in order of appearance."""
    if isinstance(value, dict):
        own = [_seconds(text) for name, text in value.items() if name == "timestamp"]
        return own + [stamp for name, item in value.items() if name != "timestamp" for stamp in stamps(item)]
    if isinstance(value, list):
        return [stamp for item in value for stamp in stamps(item)]
    return []


def _seconds(text: str) -> float:
    assert text.endswith("Z"), "UTC, and said so"
    assert len(text.partition(".")[2]) <= len("123Z"), "three digits of a second at most"
    return datetime.fromisoformat(text).timestamp()


async def make(make_bench: MakeBench, version: str, **variables: str) -> Bench:
    bench = await make_bench(version, ClockCtrlr__TimeSource="Heartbeat", **variables)
    bench.reconfigure(trust_clock=False)
    bench.csms_ahead_s = AHEAD_S
    return bench


async def test_the_first_state_has_the_right_time(make_bench: MakeBench, version: str) -> None:
    bench = await make(make_bench, version)
    await bench.start()
    await bench.session()
    await bench.proven()
    now = bench.wall() + AHEAD_S
    told = [stamp for call in bench.csms.calls for stamp in stamps(call.payload)]
    assert len(told) > 5
    assert all(now - 600 < stamp < now + 10 for stamp in told)


async def test_a_charge_before_the_first_contact_gets_its_time_afterwards(make_bench: MakeBench, version: str) -> None:
    """Recorded by a clock that nobody had set; told by the right one, in the right order."""
    bench = await make(make_bench, version, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    await bench.csms.stop()
    await bench.start(online=False)
    await bench.session()
    assert all(fact.at.wall < DEFAULT_WALL + DAY_S for fact in bench.facts)
    await bench.csms.listen()
    await bench.tell_time()
    await bench.proven()
    first = {call.id: stamps(call.payload)[0] for call in bench.csms.calls if stamps(call.payload)}
    now = bench.wall() + AHEAD_S
    assert all(now - 600 < stamp < now for stamp in first.values())
    told = ("TransactionEvent", "StartTransaction", "MeterValues", "StopTransaction")
    charge = [first[call.id] for call in bench.csms.calls if call.action in told]
    assert charge == sorted(charge)
    assert charge[-1] - charge[0] <= bench.facts[-1].at.mono - bench.facts[0].at.mono + 1.0
