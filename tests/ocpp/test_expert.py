"""What a technician sends past the station's logic, and 1.6 keys as he sets them, on a whole station."""

from __future__ import annotations

import asyncio

import pytest

from station.core.events import VariableWrite
from station.errors import ControlError
from station.ocpp.expert import Expert
from station.sim.lab import Lab, LabSettings, run_lab


def play(work, version: str) -> None:
    async def main(lab: Lab) -> None:
        await asyncio.sleep(5)
        await work(lab, lab.running.expert)

    run_lab(LabSettings(versions=(version,), csms_fast=True), main)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_call_and_its_answer_change_nothing_in_the_station(version: str) -> None:
    async def work(lab: Lab, expert: Expert) -> None:
        heard: list[str] = []
        lab.on_frame(lambda _wall, direction, text, _action, verdict: heard.append(f"{direction} {verdict} {text}"))
        call_id = expert.send_call("Heartbeat", {})
        await asyncio.sleep(1)
        assert heard[0] == f'out call [2,"{call_id}","Heartbeat",{{}}]'
        assert heard[1].startswith(f'in ignored: unknown [3,"{call_id}"')
        expert.send_text("anything")
        await asyncio.sleep(1)
        assert heard[2] == "out sent by hand anything"
        await asyncio.sleep(600)
        assert lab.running.client.online

    play(work, version)


def test_what_is_not_valid_is_not_sent() -> None:
    async def work(lab: Lab, expert: Expert) -> None:
        heard: list[str] = []
        lab.on_frame(lambda *frame: heard.append(frame[2]))
        for action, payload, field in (("Heartbeet", {}, "action"), ("Heartbeat", {"x": 1}, "payload")):
            with pytest.raises(ControlError) as caught:
                expert.send_call(action, payload)
            assert [p.field for p in caught.value.problems] == [field]
        await lab.offline()
        await asyncio.sleep(1)
        for send in (lambda: expert.send_call("Heartbeat", {}), lambda: expert.send_text("x")):
            with pytest.raises(ControlError, match="no connection"):
                send()
        assert heard == []
        assert expert.complaint("CALL", "Heartbeat", {"x": 1}) is None, "without a link there is no version to judge by"

    play(work, "1.6")


def test_the_schemas_word() -> None:
    async def work(_lab: Lab, expert: Expert) -> None:
        assert expert.complaint("CALL", "Heartbeat", {}) is None
        assert expert.complaint("CALLRESULT", "Heartbeat", {"currentTime": "2026-01-01T00:00:00Z"}) is None
        assert str(expert.complaint("CALLRESULT", "Heartbeat", {})) == "currentTime: is missing"
        assert expert.complaint("CALL", "StartTransaction", {}) == "OCPP 2.0.1 has no StartTransaction"
        assert expert.complaint("CALLRESULT", "StartTransaction", {}) is None

    play(work, "2.0.1")


def test_keys() -> None:
    async def work(_lab: Lab, expert: Expert) -> None:
        rows = {row.key: row for row in expert.key_rows()}
        assert rows["NumberOfConnectors"].value == "2"
        assert rows["NumberOfConnectors"].readonly
        assert rows["AuthorizationKey"].value is None
        writes = expert.key_writes("clockaligneddatainterval", " 900 ")
        assert [(write.component, write.variable, write.value) for write in writes] == [
            ("AlignedDataCtrlr", "Interval", "900"),
            ("AlignedDataCtrlr", "TxEndedInterval", "900"),
        ]
        assert all(isinstance(write, VariableWrite) for write in writes)
        for key, value, field in (
            ("Nope", "1", "key"),
            ("NumberOfConnectors", "1", "key"),
            ("ConnectionTimeOut", "-1", "value"),
        ):
            with pytest.raises(ControlError) as caught:
                expert.key_writes(key, value)
            assert caught.value.problems[0].field == field

    play(work, "2.0.1")
