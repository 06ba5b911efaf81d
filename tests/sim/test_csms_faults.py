"""The embedded CSMS misbehaves on demand, and outlives every misbehaviour of a station."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.sim.csms import EmbeddedCsms, FaultKind
from station.sim.csms_faults import Fault, Faults
from station.sim.memory import MemoryNetwork
from tests.sim.bare_station import HOSTILE, Station, both, event, play

# --- misbehaviour ------------------------------------------------------------------------------------------------------


@both
def test_answers_that_are_late_missing_double_or_wrong(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        csms.fault(FaultKind.LATE, "Heartbeat", delay_s=20)
        began = loop.time()
        late = asyncio.ensure_future(station.ask("Heartbeat", {}))
        await asyncio.sleep(0)
        await station.ask("DataTransfer", {"vendorId": "x"})
        assert loop.time() == began  # the CSMS goes on working meanwhile
        await late
        assert loop.time() == began + 20
        assert csms.journal.frames[-1].action == "Heartbeat"

        csms.fault(FaultKind.NEVER, "Heartbeat")
        with pytest.raises(TimeoutError):
            await station.call("Heartbeat", {})

        csms.fault(FaultKind.TWICE)
        await station.ask("Heartbeat", {})
        await asyncio.sleep(1)
        assert station.texts[-1] == station.texts[-2]

        csms.fault(FaultKind.WRONG_ID)
        csms.fault(FaultKind.GARBAGE, text="[3,")
        for expected in ('[3,"nobody-asked",{"currentTime"', "[3,"):
            with pytest.raises(TimeoutError):
                await station.call("Heartbeat", {})
            assert station.texts[-1].startswith(expected)

        csms.fault(FaultKind.REPLACE, payload={"odd": True})
        assert await station.ask("Heartbeat", {}) == {"odd": True}
        csms.fault(FaultKind.REFUSE, code="GenericError", description="not today")
        assert (await station.call("Heartbeat", {}))[2:4] == ["GenericError", "not today"]
        await station.ask("Heartbeat", {})
        assert len(csms.faults) == 0

    play(version, body)


@pytest.mark.parametrize("abrupt", [False, True])
def test_closing_instead_of_answering(abrupt: bool) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        csms.fault(FaultKind.CLOSE, "Heartbeat", abrupt=abrupt)
        with pytest.raises(TimeoutError):
            await station.call("Heartbeat", {}, seconds=0.5)
        assert len(station.closed) == 1
        await asyncio.sleep(2)
        await station.ask("Heartbeat", {})
        assert csms.station("CS1").connections == 2

    play("2.0.1", body)


def test_a_refused_call_is_not_taken_note_of_but_an_unanswered_one_is() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        csms.fault(FaultKind.REFUSE, "TransactionEvent")
        await station.call("TransactionEvent", event(0, "Started"))
        assert csms.station("CS1").transactions == {}
        csms.fault(FaultKind.NEVER, "TransactionEvent")
        with pytest.raises(TimeoutError):
            await station.call("TransactionEvent", event(0, "Started"))
        assert csms.station("CS1").transactions["tx-1"].seq_numbers == [0]

    play("2.0.1", body)


def test_faults_are_used_up_in_order_and_by_station() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.NEVER, "A", station="CS1", times=2))
    faults.add(Fault(FaultKind.TWICE, times=None))
    taken = [faults.take(*where) for where in (("CS2", "A"), ("CS1", "A"), ("CS1", "A"), ("CS1", "A"), ("CS1", "B"))]
    assert [f.kind.value for f in taken if f] == ["twice", "never", "never", "twice", "twice"]
    faults.clear()
    assert faults.take("CS1", "A") is None


def test_offline_for_an_hour_and_back() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        await csms.go_offline()
        assert not csms.connected("CS1")
        await asyncio.sleep(3600)
        assert station.opened == 1
        await csms.go_online()
        await csms.wait_connected("CS1")
        await station.ask("Heartbeat", {})  # it remembers that the station is accepted

    play("1.6", body)


def test_a_raw_text_and_a_close_by_name() -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        await csms.send_raw("CS1", "hello")
        await asyncio.sleep(1)
        assert station.texts[-1] == "hello"
        await csms.close("CS1", 1008, "policy")
        await asyncio.sleep(0.1)
        assert station.closed == ["closed by the CSMS (1008 policy)"]

    play("1.6", body)


@both
def test_hostile_frames_do_not_end_the_connection(version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        for text in HOSTILE:
            station.send(text)
        await station.ask("Heartbeat", {})
        assert csms.station("CS1").connections == 1
        assert csms.journal.mark() >= len(HOSTILE)

    play(version, body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
frames = st.lists(
    st.sampled_from([2, 3, 4, 5, "1", "Heartbeat", "Authorize", "TransactionEvent", "StopTransaction", {}])
    | json_values,
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    batch=st.lists(frames.map(json.dumps) | st.text(max_size=30), max_size=20),
    version=st.sampled_from(["1.6", "2.0.1"]),
)
def test_arbitrary_frames_do_not_end_the_connection(batch: list[str], version: str) -> None:
    async def body(csms: EmbeddedCsms, station: Station, _network: MemoryNetwork) -> None:
        station.answers["ClearCache"] = {"status": "Accepted"}
        for text in batch:
            station.send(text)
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        assert csms.station("CS1").connections == 1

    play(version, body)
