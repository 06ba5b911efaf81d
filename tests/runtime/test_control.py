"""The controller: what subscribers hear, in which order and how often; commands one after the other; no secret leaves."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

import pytest

from station.errors import ControlError
from station.runtime.control import TABLE, Controller, describe_table
from station.runtime.control_command import GROUPS, Command, summary
from station.runtime.control_events import APART_S
from station.runtime.control_types import TOPICS, Control, Json
from tests.runtime.control_rig import Rig, play, turns


def heard(rig: Rig, *topics: str) -> list[Json]:
    found: list[Json] = []
    rig.control.subscribe(frozenset(topics), found.append)
    return found


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_is_the_contract() -> None:
    wanted = {
        "people": "plug unplug swipe pin button",
        "car": "ev meter temperature",
        "accidents": "fault clear jam break_rcd wire offline online power_cut power_on restart",
        "charging": "profiles profile_add profile_clear plan needs",
        "station": "start stop identify reset reset_fault meter_accept unlock availability start_transaction "
        "stop_transaction",
        "settings": "set set_key get get_key variables keys",
        "link": "send send_raw frames frame",
        "time": "wait charge speed pause resume clock_jump",
        "look": "state transactions transaction queue dead_letters abandon security_log help",
    }
    assert set(wanted) == set(GROUPS)
    for group, names in wanted.items():
        assert {name for name, cls in TABLE.items() if cls.group == group} == set(names.split()), group


def test_every_command_explains_itself() -> None:
    for cls in TABLE.values():
        assert summary(cls) != summary(Command), cls.name
    for row in describe_table():
        assert row["doc"].endswith("."), row["name"]
        assert row["parameters"]["additionalProperties"] is False
        for name, schema in row["parameters"]["properties"].items():
            assert schema["description"], f"{row['name']}.{name}"


def test_a_controller_is_a_control() -> None:
    async def work(rig: Rig) -> None:
        control: Control = rig.lab.control()
        assert isinstance(control, Controller)
        assert control is rig.lab.control()
        assert control.describe() == describe_table()

    play(work)


# --- events -----------------------------------------------------------------------------------------------------------


def test_a_subscriber_hears_the_state_at_once_and_when_it_changes() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=60)
        states = heard(rig, "state")
        await turns()
        assert len(states) == 1
        assert states[0]["event"] == "state"
        assert states[0]["station"]["online"]
        await rig.do("wait", duration=60)
        assert len(states) <= 2, "nothing has changed"
        before = len(states)
        await rig.do("plug")
        await turns()
        assert len(states) > before
        assert states[-1]["evses"][0]["pilot"] == "B"

    play(work)


def test_at_most_ten_states_a_second_and_the_last_one_is_true() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        states = heard(rig, "state")
        for _ in range(100):
            rig.lab.fault(_code("WeakSignal"))
            await asyncio.sleep(0.01)
            rig.lab.clear(_code("WeakSignal"))
            await asyncio.sleep(0.01)
        rig.lab.fault(_code("WeakSignal"))
        await rig.do("wait", duration=1)
        assert 10 <= len(states) <= 2 / APART_S + 10
        assert states[-1]["evses"][0]["faults"] == ["WeakSignal"]
        times = [state["station"]["mono"] for state in states]
        assert all(later - earlier >= APART_S - 1e-6 for earlier, later in pairwise(times[1:-1]))

    play(work)


def _code(name: str) -> Any:
    from hal.api import FaultCode

    return FaultCode(name)


def test_who_listens_does_not_keep_virtual_time_from_jumping() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=60)
        states = heard(rig, *TOPICS)
        await rig.do("wait", duration="2 d")
        assert 500 < len(states) < 2500, "heartbeats and their answers, and nothing else"

    play(work)


def test_what_happens_while_time_stands_still_is_told() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do("pause")
        states = heard(rig, "state")
        await turns()
        for command in ("plug", "unplug", "plug", "unplug"):
            await rig.do(command)
            await turns(20)
            assert (states[-1]["evses"][0]["car"] is None) is (command == "unplug")
        await rig.do("resume")

    play(work)


def test_frames_facts_refusals_and_commands() -> None:
    async def work(rig: Rig) -> None:
        frames, facts = heard(rig, "frame"), heard(rig, "fact")
        refused, commands = heard(rig, "refused"), heard(rig, "command")
        await rig.charging()
        await rig.do("swipe", token="55555555", evse=2)
        await rig.do("wait", duration=5)
        assert [frame["n"] for frame in frames] == [row["n"] for row in await rig.frames(limit=5000)]
        assert {fact["kind"] for fact in facts} == {"transaction"}
        assert [fact["seq"] for fact in facts] == list(range(len(facts)))
        assert any("reason" in event and event["evse"] == 2 for event in refused)
        names = [event["name"] for event in commands]
        assert names[:4] == ["wait", "plug", "swipe", "wait"]
        assert "state" not in names, "looking is no news"
        assert {event["event"] for event in frames} == {"frame"}

    play(work)


def test_unsubscribing_and_unknown_topics() -> None:
    async def work(rig: Rig) -> None:
        found: list[Json] = []
        end = rig.control.subscribe(frozenset(TOPICS), found.append)
        end()
        end()
        await rig.do("plug")
        await rig.do("wait", duration=5)
        assert found == []
        with pytest.raises(ControlError, match="there is no topic 'x'") as caught:
            rig.control.subscribe(frozenset({"x", "state"}), found.append)
        assert caught.value.problems[0].field == "topics"

    play(work)


def test_a_subscriber_that_fails_hears_no_more_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def work(rig: Rig) -> None:
        def fail(event: Json) -> None:
            raise ValueError("mine")

        rig.control.subscribe(frozenset({"frame"}), fail)
        others = heard(rig, "frame")
        await rig.charging()
        assert len(others) > 5

    with caplog.at_level(logging.ERROR):
        play(work)
    assert sum("a subscriber failed" in record.message for record in caplog.records) == 1


# --- commands ---------------------------------------------------------------------------------------------------------


def test_boots_come_one_after_the_other() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        results = await asyncio.gather(
            rig.control.do("restart", {}), rig.control.do("power_cut", {}), rig.control.do("power_on", {})
        )
        assert [result.get("boots") for result in results] == [2, None, 3]

    play(work)


def test_two_at_once_do_not_wait_for_each_other() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        long = asyncio.ensure_future(rig.control.do("wait", {"duration": "1 h"}))
        await asyncio.sleep(0)
        await rig.do("plug")
        assert not long.done()
        await long

    play(work)


def test_no_secret_leaves() -> None:
    async def work(rig: Rig) -> None:
        events = heard(rig, *TOPICS)
        await rig.do("wait", duration=5)
        await rig.do("pin", digits="778899")
        await rig.do("set", variables={"SecurityCtrlr.BasicAuthPassword": "opensesameopensesame"})
        await rig.do("set_key", key="AuthorizationKey", value="abracadabraabracadabra")
        await rig.do("wait", duration=5)
        shown = str(events) + str(await rig.seen()) + str(await rig.do("help"))
        for secret in ("778899", "opensesame", "abracadabra"):
            assert secret not in shown
        error = await rig.refused("set_key", key="AuthorizationKey", value="x" * 5000)
        assert "xxx" not in str(error)
        error = await rig.refused("pin", digits="7788 99")
        assert "7788" not in str(error)

    play(work)


def test_a_url_is_shown_without_its_secrets() -> None:
    from station.sim.bench import _place

    assert _place("wss://user:secret@example.org/ocpp?token=secret") == "wss://example.org/ocpp"
    assert _place(None) == "ws://embedded"


def test_every_mistake_at_once() -> None:
    async def work(rig: Rig) -> None:
        error = await rig.refused("plug", evse="1", cable_a=17, car={"soc": 3, "soc_percent": 300}, agian=True)
        assert {p.field for p in error.problems} == {"evse", "cable_a", "car.soc", "car.soc_percent", "agian"}
        assert "did you mean again?" in str(error)
        assert error.code == "invalid"
        error = await rig.refused("swipe", evse=3)
        assert error.problems[0].field == "evse"
        error = await rig.refused("plug", car={"curve": [[50, 1], [40, 1]]})
        assert error.problems[0].field == "car.curve"

    play(work)
