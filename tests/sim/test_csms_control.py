"""The command table of `station csms`, on a real CSMS with a real station behind a real websocket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.errors import ControlError
from station.runtime.control_types import Json
from station.sim.csms import EmbeddedCsms
from station.sim.csms_actions import CALLS
from station.sim.csms_command import CsmsCommand
from station.sim.csms_commands import CSMS_COMMANDS
from station.sim.csms_control import TOPICS, CsmsControl
from station.sim.csms_host import CsmsHost, FrameBook, Upload, Uploads
from station.sim.csms_look import LOOK
from station.sim.csms_trouble import TROUBLE
from tests.sim.bare_station import Station, both
from tests.sim.test_csms_wire import dialled


@contextlib.asynccontextmanager
async def desk() -> AsyncIterator[CsmsControl]:
    async with EmbeddedCsms(tokens=["04AA"]) as csms:
        control = CsmsControl(CsmsHost(csms, FrameBook(csms), Uploads(), "http://127.0.0.1:1/upload"))
        try:
            yield control
        finally:
            control.close()


@contextlib.asynccontextmanager
async def pair(version: str) -> AsyncIterator[tuple[CsmsControl, Station]]:
    async with desk() as control, dialled(control.host.csms, version) as station:
        await station.boot()
        yield control, station


def test_the_table_is_described() -> None:
    assert {cls.name for cls in (*LOOK, *TROUBLE)} <= CSMS_COMMANDS.keys()
    for name, cls in CSMS_COMMANDS.items():
        assert issubclass(cls, CsmsCommand)
        assert cls.name == name
        assert cls.__doc__


@both
async def test_a_station_is_known(version: str) -> None:
    async with pair(version) as (control, _):
        (row,) = (await control.do("state", {}))["stations"]
        assert row["id"] == "CS1"
        assert row["connected"]
        assert row["version"] == version
        assert row["registration"] == "Accepted"
        assert row["boot"]


@both
async def test_the_state_says_where_to_connect_and_what_is_planned(version: str) -> None:
    async with pair(version) as (control, station):
        csms = (await control.do("state", {}))["csms"]
        assert csms["url"] == control.host.csms.url
        assert csms["url"].startswith("ws://127.0.0.1:")
        assert (csms["listening"], csms["tls"], csms["no_subprotocol"]) == (True, False, False)
        assert csms["versions"] == ["2.0.1", "1.6"]
        assert (csms["boots"], csms["faults"], csms["struck"]) == (["Accepted"], [], [])
        await control.do("fault", {"kind": "twice", "action": "Heartbeat", "times": 2})
        await control.do("boot", {"statuses": ["Pending", "Accepted"], "heartbeat_s": 9})
        await station.ask("Heartbeat", {})
        csms = (await control.do("state", {}))["csms"]
        assert [(row["kind"], row["times"]) for row in csms["faults"]] == [("twice", 1)]
        assert [(row["kind"], row["station"], row["action"]) for row in csms["struck"]] == [
            ("twice", "CS1", "Heartbeat")
        ]
        assert (csms["boots"], csms["heartbeat_s"]) == (["Pending", "Accepted"], 9)


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ({"kind": "late", "delay": 2.5}, "2.5 s"),
        ({"kind": "garbage", "text": "<b>"}, "<b>"),
        ({"kind": "refuse", "code": "GenericError"}, "GenericError"),
        ({"kind": "replace", "payload": {"a": 1}}, '{"a": 1}'),
        ({"kind": "close", "abrupt": True}, "cut"),
        ({"kind": "never"}, ""),
    ],
)
async def test_a_planned_fault_tells_its_detail(fault: Json, detail: str) -> None:
    async with desk() as control:
        await control.do("fault", fault)
        assert [row["detail"] for row in (await control.do("faults", {}))["faults"]] == [detail]


async def test_the_messages_of_a_version_are_listed() -> None:
    async with desk() as control:
        for version, actions in CALLS.items():
            assert (await control.do("messages", {"version": version}))["actions"] == sorted(actions)
        with pytest.raises(ControlError, match="version"):
            await control.do("messages", {"version": "1.5"})


async def test_a_station_that_comes_and_goes_without_a_word_is_told() -> None:
    async with desk() as control:
        heard: list[Json] = []
        control.subscribe(frozenset({"state"}), heard.append)
        async with asyncio.timeout(5):
            async with dialled(control.host.csms, "1.6"):
                while not any(row["connected"] for event in heard for row in event["stations"]):
                    await asyncio.sleep(0.01)
            while heard[-1]["stations"][0]["connected"]:
                await asyncio.sleep(0.01)


@both
async def test_a_call_and_its_answer(version: str) -> None:
    async with pair(version) as (control, station):
        station.answers["ClearCache"] = {"status": "Accepted"}
        answer = await control.do("call", {"station": "CS1", "action": "ClearCache"})
        assert answer == {"payload": {"status": "Accepted"}, "error": None}
        rows = (await control.do("frames", {"action": "ClearCache"}))["frames"]
        assert [(row["direction"], row["type"], row["verdict"]) for row in rows] == [
            ("sent", "CALL", "ok"),
            ("received", "CALLRESULT", "ok"),
        ]
        assert rows[1]["answers"] == rows[0]["n"]
        assert rows[1]["latency_ms"] >= 0


@both
async def test_an_invalid_call_is_not_sent_unless_wanted(version: str) -> None:
    async with pair(version) as (control, station):
        before = (await control.do("frames", {}))["next"]
        with pytest.raises(ControlError, match="payload") as refused:
            await control.do("call", {"station": "CS1", "action": "ClearCache", "payload": {"extra": 1}})
        assert refused.value.code == "invalid"
        assert [problem.field for problem in refused.value.problems] == ["payload.extra"]
        with pytest.raises(ControlError, match=r"action: .* did you mean ClearCache"):
            await control.do("call", {"station": "CS1", "action": "ClearCashe"})
        assert (await control.do("frames", {}))["next"] == before
        station.answers["ClearCache"] = {"status": "Accepted"}
        sent = {"station": "CS1", "action": "ClearCache", "payload": {"extra": 1}, "check": False}
        await control.do("call", sent)
        rows = (await control.do("frames", {"action": "ClearCache", "direction": "sent"}))["frames"]
        assert rows[0]["verdict"] != "ok"


async def test_who_is_not_there_cannot_be_called() -> None:
    async with desk() as control:
        with pytest.raises(ControlError, match="station: no station called CS9"):
            await control.do("call", {"station": "CS9", "action": "ClearCache"})
        async with dialled(control.host.csms, "1.6") as station:
            await station.boot()
            await control.do("close", {"station": "CS1", "abrupt": True})
            while control.host.csms.connected("CS1"):
                await asyncio.sleep(0)
            with pytest.raises(ControlError, match="not connected") as refused:
                await control.do("call", {"station": "CS1", "action": "ClearCache"})
            assert refused.value.code == "conflict"


@both
async def test_tokens_and_boots(version: str) -> None:
    async with pair(version) as (control, station):
        await control.do("token", {"token": "04BB", "status": "Blocked"})
        assert (await station.authorize("04BB"))["status"] == "Blocked"
        await control.do("forget", {"token": "04BB"})
        assert [row["value"] for row in (await control.do("tokens", {}))["tokens"]] == ["04AA"]
        await control.do("boot", {"statuses": ["Pending"], "retry_s": 7})
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Pending", 7)


@both
async def test_faults_strike_and_are_cleared(version: str) -> None:
    async with pair(version) as (control, station):
        await control.do("fault", {"kind": "refuse", "action": "Heartbeat", "code": "GenericError", "times": 1})
        await control.do("fault", {"kind": "never"})
        assert [row["times"] for row in (await control.do("faults", {}))["faults"]] == [1, None]
        frame = await station.call("Heartbeat", {})
        assert frame[0] == 4
        await control.do("clear_faults", {})
        assert (await control.do("faults", {}))["faults"] == []
        assert (await station.call("Heartbeat", {}))[0] == 3


async def test_tls_cannot_be_refused_where_there_is_none() -> None:
    async with desk() as control:
        with pytest.raises(ControlError, match="does not speak TLS"):
            await control.do("refuse_tls", {})


async def test_events_of_frames_and_states() -> None:
    async with desk() as control:
        heard: list[Json] = []
        end = control.subscribe(frozenset(TOPICS), heard.append)
        async with dialled(control.host.csms, "2.0.1") as station:
            await station.boot()
        await control.do("boot", {"statuses": ["Accepted"]})
        async with asyncio.timeout(5):
            while "state" not in {event["event"] for event in heard}:
                await asyncio.sleep(0.01)
        assert {event["event"] for event in heard} == {"frame", "state", "command"}
        end()
        count = len(heard)
        await control.do("boot", {"statuses": ["Accepted"]})
        assert len(heard) == count
        with pytest.raises(ControlError, match="topics"):
            control.subscribe(frozenset({"weather"}), heard.append)


async def test_a_password_is_not_shown() -> None:
    async with pair("1.6") as (control, station):
        station.answers["ChangeConfiguration"] = {"status": "Accepted"}
        payload = {"key": "AuthorizationKey", "value": "0123456789abcdef"}
        await control.do("call", {"station": "CS1", "action": "ChangeConfiguration", "payload": payload})
        frames = await control.do("frames", {})
        assert "0123456789abcdef" not in str(frames)


async def test_uploads_are_listed_and_read() -> None:
    async with desk() as control:
        for number in range(Uploads.MOST + 3):
            control.host.uploads.add(Upload(f"{number}.log", "CS1", 0.0, b"x" * number))
        control.host.uploads.add(Upload("22.log", "CS1", 1.0, b"new"))
        rows = (await control.do("uploads", {}))["uploads"]
        assert len(rows) == Uploads.MOST
        found = await control.do("upload", {"file": "22.log"})
        assert base64.b64decode(found["content"]) == b"new"
        with pytest.raises(ControlError, match="file"):
            await control.do("upload", {"file": "0.log"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({name for cls in CSMS_COMMANDS.values() for name in cls.__dataclass_fields__})
QUICK = sorted(CSMS_COMMANDS.keys() - {"offline", "online"})


@given(st.sampled_from(QUICK), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_arguments_are_carried_out_or_refused(name: str, arguments: dict[str, Any]) -> None:
    """And what is refused changes nothing."""

    async def work() -> None:
        async with desk() as control:
            before = await _picture(control)
            refused = None
            try:
                await control.do(name, arguments)
            except ControlError as error:
                refused = error
            if refused is not None:
                assert refused.problems
                assert await _picture(control) == before

    asyncio.run(work())


async def _picture(control: CsmsControl) -> list[Json]:
    picture = [await control.do(name, {}) for name in ("state", "frames", "tokens", "faults", "uploads")]
    assert not any(isinstance(value, float) and math.isnan(value) for value in picture)
    return picture
