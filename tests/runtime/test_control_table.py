"""Every command of the table on a whole station, in both versions: what it does, what it gives back, what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hal.api import FaultCode
from station.core.faults import POLICY, Recovery
from station.runtime.control import TABLE
from tests.runtime.control_rig import VERSIONS, Rig, play

USED: set[str] = set()


def both(work: Any) -> Any:
    """Run a test in both versions."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test(version: str) -> None:
        async def main(rig: Rig) -> None:
            await work(rig)
            USED.update(rig.used)

        play(main, version)

    test.__doc__ = work.__doc__
    return test


# --- people -----------------------------------------------------------------------------------------------------------


@both
async def test_a_session(rig: Rig) -> None:
    await rig.do("wait", duration="5 s")
    plugged = await rig.do("plug", evse=1, car={"name": "hatchback", "soc_percent": 30}, cable_a=20)
    assert plugged["car"]["name"] == "hatchback"
    evse = await rig.evse()
    assert (evse["pilot"], evse["cable_a"], evse["cause"]) == ("B", 20, "not authorised")
    assert {"cause": "cable", "current_a": 20} in evse["limits"]
    await rig.do("swipe", token="0BADCAFE", type="ISO15693")
    charged = await rig.do("charge", until_wh=2000, within="1 h")
    assert 2000 <= charged["energy_wh"] <= 2100
    evse = await rig.evse()
    assert evse["token"] == evse["transaction"]["token"] == "0BADCAFE"
    assert evse["car"]["power_w"] > 10_000
    assert evse["reading"]["temperature_c"] == 25
    assert (await rig.refused("unplug")).problems[0].problem.endswith("locked")
    await rig.do("swipe", token="0BADCAFE", type="ISO15693")
    await rig.do("wait", duration=5)
    await rig.do("unplug")
    assert (await rig.evse())["car"] is None
    again = await rig.do("plug", again=True)
    assert again["car"]["soc_percent"] == pytest.approx(33, abs=1)
    await rig.do("unplug", at_car=True)
    assert (await rig.evse())["cable_a"] == 32


@both
async def test_pin_and_button(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("plug")
    await rig.do("pin", digits="4711", evse=1)
    await rig.do("button", evse=2)
    await rig.do("wait", duration=5)
    assert "4711" not in str(await rig.frames()) + str(await rig.state())


@both
async def test_nobody_reads_a_card_at_a_dead_station(rig: Rig) -> None:
    await rig.do("wait", duration=1)
    await rig.do("fault", code="ReaderFailure", evse=1)
    assert "nobody read the card" in str(await rig.refused("swipe"))
    await rig.do("clear", code="ReaderFailure", evse=1)
    await rig.do("swipe")
    await rig.do("stop")
    assert "nobody noticed" in str(await rig.refused("button"))


# --- car --------------------------------------------------------------------------------------------------------------


@both
async def test_what_a_car_demands(rig: Rig) -> None:
    await rig.charging()
    for current_a in (8.0, 2.0, 0.0, 16.0):
        await rig.do("ev", demand_a=current_a)
        await rig.do("wait", duration=20)
        reading = (await rig.evse())["reading"]
        assert max(reading["current_a"]) == pytest.approx(current_a, abs=0.01)
    await rig.do("ev", demand_w=3000)
    await rig.do("wait", duration=20)
    assert (await rig.evse())["reading"]["power_w"] == pytest.approx(3000, abs=30)
    full = await rig.do("ev", soc_percent=100)
    assert (full["car"]["soc_percent"], full["car"]["wants"]) == (100, "nothing")
    await rig.do("wait", duration=20)
    assert (await rig.evse())["pilot"] == "B"


@both
async def test_a_car_sleeps_and_asks_again(rig: Rig) -> None:
    await rig.charging()
    asleep = await rig.do("ev", state="sleeps")
    assert asleep["car"]["wants"] == "sleeps"
    await rig.do("wait", duration=20)
    evse = await rig.evse()
    assert (evse["pilot"], evse["relay_closed"]) == ("B", False)
    await rig.do("fault", code="GroundFailure")
    await rig.do("wait", duration=20)
    await rig.do("clear", code="GroundFailure")
    await rig.do("ev", state="asks")
    await rig.do("wait", duration=20)
    assert (await rig.evse())["car"]["wants"] == "energy"


@both
async def test_the_pilot_by_hand(rig: Rig) -> None:
    await rig.charging()
    for letter, closed in (("B", False), ("C", True), ("D", False), ("C", True)):
        await rig.do("ev", state=letter)
        await rig.do("wait", duration=20)
        evse = await rig.evse()
        assert (evse["pilot"], evse["relay_closed"]) == (letter, closed)
    for letter in ("E", "F"):
        await rig.do("ev", state=letter)
        await rig.do("wait", duration=5)
        assert (await rig.evse())["pilot"] == letter
        assert not (await rig.evse())["relay_closed"]
    await rig.do("ev", state="A")
    await rig.do("wait", duration=5)
    evse = await rig.evse()
    assert (evse["pilot"], evse["car"] is None) == ("A", False)
    await rig.do("ev", state="asks", ventilation=False)
    await rig.do("wait", duration=5)
    assert (await rig.evse())["pilot"] == "B"
    await rig.refused("ev", evse=2, state="C")
    assert [p.field for p in (await rig.refused("ev")).problems] == ["state"]


@both
async def test_a_meter_that_shows_something_else(rig: Rig) -> None:
    await rig.charging()
    assert (await rig.do("meter", energy_wh=50_000))["energy_wh"] == 50_000
    await rig.do("wait", duration=360)
    reading = (await rig.evse())["reading"]
    assert reading["energy_import_wh"] == pytest.approx(51_090, abs=30)
    await rig.do("meter", voltage_v=210)
    await rig.do("wait", duration=10)
    assert min((await rig.evse())["reading"]["voltage_v"]) == pytest.approx(209.2, abs=0.1)
    register = (await rig.do("meter", power_w=7200))["energy_wh"]
    await rig.do("wait", duration=600)
    assert (await rig.evse())["reading"]["power_w"] == pytest.approx(7200)
    assert (await rig.do("meter", power_w="real"))["energy_wh"] - register == pytest.approx(1200, abs=0.1)
    await rig.do("meter", frozen=True)
    await rig.do("wait", duration=60)
    frozen = (await rig.evse())["reading"]
    await rig.do("wait", duration=60)
    assert (await rig.evse())["reading"] == frozen
    await rig.do("meter", frozen=False, failing=True)
    await rig.do("wait", duration=120)
    assert "MeterFailure" in (await rig.evse())["faults"]
    await rig.do("meter", failing=False)
    await rig.do("wait", duration=60)
    assert "MeterFailure" not in (await rig.evse())["faults"]
    await rig.refused("meter")


@both
async def test_temperature(rig: Rig) -> None:
    await rig.charging()
    await rig.do("temperature", celsius=60)
    await rig.do("wait", duration=10)
    assert (await rig.evse())["reading"]["temperature_c"] == 60
    await rig.do("temperature", celsius=95)
    await rig.do("wait", duration=10)
    evse = await rig.evse()
    assert (sorted(evse["faults"]), evse["relay_closed"]) == (["CableOverTempDerate", "HighTemperature"], False)
    await rig.do("temperature", celsius=30, evse=1)
    await rig.do("wait", duration=70)
    assert (await rig.evse())["faults"] == []


# --- accidents --------------------------------------------------------------------------------------------------------


@both
async def test_every_fault_by_its_name(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    for code in FaultCode:
        for evse in (1, 0):
            await rig.do("fault", code=code.value, evse=evse, info="a word")
            if evse:
                assert code.value in (await rig.evse())["faults"]
            await rig.do("clear", code=code.value, evse=evse)
            if POLICY[code].recovery is Recovery.PERSON:
                await rig.do("reset_fault", evse=evse)
            assert (await rig.evse())["faults"] == []
    assert (await rig.refused("fault", code="Nonsense")).problems[0].field == "code"


@both
async def test_a_jammed_lock(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("jam")
    await rig.do("plug")
    await rig.do("swipe")
    await rig.do("wait", duration=30)
    evse = await rig.evse()
    assert (evse["faults"], evse["lock"], evse["relay_closed"]) == (["ConnectorLockFailure"], "Unlocked", False)
    await rig.do("jam", jammed=False)


@both
async def test_inside_a_program_there_are_no_wires(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    assert "--wire" in (await rig.refused("wire", plugged=False)).problems[0].problem
    assert (await rig.refused("wire")).problems[0].field == "plugged"


def test_a_wire_that_is_pulled_out_and_disturbed() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=0.5)
        await rig.do("wire", plugged=False)
        await rig.do("wait", duration=0.5)
        assert (await rig.evse())["faults"] == ["InternalError"]
        await rig.do("wire", plugged=True, noise=0.05)
        await rig.do("wire", part="meter", noise=0.0)

    play(work, wire=True, speed=1.0, evses=1)


@both
async def test_the_network_cable(rig: Rig) -> None:
    await rig.charging()
    await rig.do("offline")
    await rig.do("wait", duration=60)
    await rig.do("swipe")
    await rig.do("wait", duration=60)
    station = (await rig.state())["station"]
    assert (station["online"], station["connected"], station["version"]) == (False, False, None)
    assert station["queue"] > 0
    assert "network" in station["trouble"]
    waiting = await rig.do("queue")
    assert waiting["count"] == station["queue"] == len(waiting["records"])
    rows = (await rig.do("transactions"))["transactions"]
    assert rows[0]["delivered"] < rows[0]["events"]
    await rig.do("online")
    await rig.do("wait", duration="15 min")
    station = (await rig.state())["station"]
    assert (station["online"], station["queue"], station["trouble"]) == (True, 0, None)


@both
async def test_power(rig: Rig) -> None:
    await rig.charging()
    await rig.do("power_cut", warning=True)
    state = await rig.state()
    assert (state["station"]["powered"], state["station"]["running"], state["evses"]) == (False, False, [])
    for command, arguments in (
        ("power_cut", {}),
        ("restart", {}),
        ("start", {}),
        ("stop", {}),
        ("set_key", {"key": "HeartbeatInterval", "value": "60"}),
        ("queue", {}),
        ("clock_jump", {"by_s": 60}),
    ):
        assert "no power" in str(await rig.refused(command, **arguments)), command
    assert await rig.do("power_on") == {"boots": 2}
    await rig.do("wait", duration=60)
    assert "PowerLoss" in [row["stop_reason"] for row in (await rig.do("transactions"))["transactions"]]
    assert await rig.do("power_on") == {"boots": 2}
    assert await rig.do("restart") == {"boots": 3}


# --- station ----------------------------------------------------------------------------------------------------------


@both
async def test_start_and_stop(rig: Rig) -> None:
    await rig.charging()
    await rig.do("stop")
    station = (await rig.state())["station"]
    assert (station["powered"], station["running"]) == (True, False)
    assert "does not run" in str(await rig.refused("stop"))
    assert "does not run" in str(await rig.refused("restart"))
    await rig.do("wait", duration=60)
    assert await rig.do("start") == {"boots": 2}
    assert "runs already" in str(await rig.refused("start"))
    await rig.do("wait", duration=60)
    assert "Reboot" in [row["stop_reason"] for row in (await rig.do("transactions"))["transactions"]]


@both
async def test_the_supply_fails_while_the_program_is_stopped(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("stop")
    await rig.do("power_cut")
    assert not (await rig.state())["station"]["powered"]
    assert await rig.do("power_on") == {"boots": 2}


@both
async def test_a_reader_of_the_whole_station(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("plug", evse=2)
    await rig.do("swipe", evse=None)
    await rig.do("pin", digits="1234", evse=None)
    await rig.do("wait", duration=30)
    assert (await rig.evse(2))["authorized"]


@both
async def test_identity_and_boot_reason(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("identify", id="CP-7", boot_reason="FirmwareUpdate", vendor="Acme", model="M1", serial="S-1")
    assert [p.field for p in (await rig.refused("identify")).problems] == ["id"]
    await rig.do("restart")
    await rig.do("wait", duration=60)
    assert (await rig.state())["station"]["identity"] == "CP-7"
    boot = (await rig.frames(action="BootNotification", direction="sent"))[-1]["text"]
    assert '"Acme"' in boot
    if '"reason"' in boot:
        assert '"reason":"FirmwareUpdate"' in boot
    await rig.do("restart", versions=["1.6"])
    await rig.do("wait", duration=60)
    boot = (await rig.frames(action="BootNotification", direction="sent"))[-1]["text"]
    assert "FirmwareUpdate" not in boot, "the reason is told once"


@both
async def test_a_technician_at_a_session(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("plug")
    started = await rig.do("start_transaction", token="04A1B2C3", evse=1)
    assert started["status"] == "Accepted"
    await rig.do("wait", duration=30)
    running = (await rig.evse())["transaction"]["id"]
    assert "refuses" in str(await rig.refused("start_transaction", token="04A1B2C3", evse=1))
    await rig.refused("unlock", evse=1)
    assert await rig.do("stop_transaction", transaction=running) == {"status": "Accepted"}
    await rig.do("wait", duration=30)
    assert "refuses" in str(await rig.refused("stop_transaction", transaction=running))
    row = (await rig.do("transactions", limit=1))["transactions"][0]
    assert (row["id"], row["stop_reason"]) == (running, "Remote")
    await rig.do("unlock", evse=1)


@both
async def test_out_of_service(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("availability", operative=False)
    assert not (await rig.state())["station"]["operative"]
    await rig.do("availability", operative=True)
    await rig.do("availability", operative=False, evse=2)
    assert (await rig.evse(2))["connector_state"] == "Unavailable"
    assert [p.field for p in (await rig.refused("availability")).problems] == ["operative"]


@both
async def test_reset(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    assert (await rig.do("reset", kind="OnIdle"))["status"] in {"Accepted", "Scheduled"}
    await rig.do("wait", duration=60)
    assert (await rig.state())["station"]["boots"] == 2
    await rig.refused("reset", kind="Now")


# --- settings ---------------------------------------------------------------------------------------------------------


@both
async def test_variables(rig: Rig) -> None:
    row = await rig.do("set", variables={"TxCtrlr.EVConnectionTimeOut": 45, "TxCtrlr.TxStopPoint": "Authorized"})
    assert [r["status"] for r in row["results"]] == ["Accepted", "Accepted"]
    got = (await rig.do("get", variables=["txctrlr.evconnectiontimeout"]))["variables"][0]
    assert (got["variable"], got["value"]) == ("TxCtrlr.EVConnectionTimeOut", "45")
    everything = (await rig.do("variables"))["variables"]
    some = (await rig.do("variables", component="TxCtrlr"))["variables"]
    assert 0 < len(some) < len(everything)
    assert {row["variable"].partition(".")[0] for row in some} == {"TxCtrlr"}
    await rig.do("set", variables={"SecurityCtrlr.BasicAuthPassword": "0123456789abcdef"})
    secret = (await rig.do("get", variables=["SecurityCtrlr.BasicAuthPassword"]))["variables"][0]
    assert secret["value"] == "***"
    assert (
        next(r for r in everything if r["variable"] == "OCPPCommCtrlr.MessageTimeout[Default]")["mutability"]
        == "ReadOnly"
    )
    await rig.do("set", variables={"OCPPCommCtrlr.MessageTimeout[Default]": 45})
    assert (await rig.do("get", variables=["OCPPCommCtrlr.MessageTimeout[Default]"]))["variables"][0]["value"] == "45"
    assert "there is no component" in str(await rig.refused("variables", component="X"))
    assert "no such variable" in str(await rig.refused("get", variables=["TxCtrlr.Nonsense", "x"]))


@both
async def test_settings_change_all_or_none(rig: Rig) -> None:
    error = await rig.refused("set", variables={"TxCtrlr.EVConnectionTimeOut": 7, "TxCtrlr.Nonsense": 1, "x": 2})
    assert [p.field for p in error.problems] == ["variables.x"]
    error = await rig.refused("set", variables={"TxCtrlr.EVConnectionTimeOut": 7, "TxCtrlr.Nonsense": 1})
    assert [p.field for p in error.problems] == ["variables.TxCtrlr.Nonsense"]
    constant = next(r for r in (await rig.do("variables"))["variables"] if r["constant"])
    await rig.refused("set", variables={constant["variable"]: constant["value"] or "1"})
    await rig.refused("set", variables={})
    await rig.refused("set", variables={"TxCtrlr.EVConnectionTimeOut": "soon"})


@both
async def test_keys(rig: Rig) -> None:
    await rig.do("set_key", key="heartbeatinterval", value="77")
    rows = {row["key"]: row for row in (await rig.do("keys"))["keys"]}
    assert rows["HeartbeatInterval"] == {"key": "HeartbeatInterval", "value": "77", "readonly": False}
    assert (await rig.do("get_key", keys=["HEARTBEATINTERVAL"]))["keys"][0]["value"] == "77"
    behind = await rig.do("get", variables=["OCPPCommCtrlr.HeartbeatInterval"])
    assert behind["variables"][0]["value"] == "77"
    assert rows["AuthorizationKey"]["value"] is None
    assert (await rig.refused("set_key", key="HeartbeatInterval", value="-1")).problems[0].field == "value"
    assert (await rig.refused("set_key", key="Hartbeat", value="1")).problems[0].field == "key"
    assert "works it out" in str(await rig.refused("set_key", key="NumberOfConnectors", value="3"))
    assert (await rig.refused("get_key", keys=["Nonsense"])).problems[0].field == "keys"


# --- link -------------------------------------------------------------------------------------------------------------


@both
async def test_a_call_by_hand(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    sent = await rig.do("send", action="Heartbeat")
    await rig.do("wait", duration=1)
    frame = await rig.do("frame", n=sent["n"])
    assert (frame["id"], frame["action"], frame["direction"], frame["verdict"]) == (
        sent["id"],
        "Heartbeat",
        "sent",
        "ok",
    )
    answer = next(row for row in await rig.frames(after=sent["n"]) if row["answers"] == sent["n"])
    assert (answer["type"], answer["verdict"], answer["action"]) == ("CALLRESULT", "ok", "Heartbeat")
    assert answer["latency_ms"] is not None
    assert (await rig.refused("send", action="Hartbeat")).problems[0].field == "action"
    assert (await rig.refused("send", action="Heartbeat", payload={"x": 1})).problems[0].field == "payload"
    await rig.do("offline")
    await rig.do("wait", duration=60)
    assert "no connection" in str(await rig.refused("send", action="Heartbeat"))
    await rig.refused("send_raw", text="x")


@both
async def test_anything_by_hand(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    garbage = await rig.do("send_raw", text="{]")
    assert garbage["id"] is None
    wrong = await rig.do("send_raw", text='[2,"by-hand","Heartbeat",{"x":1}]')
    assert wrong["id"] == "by-hand"
    await rig.do("wait", duration=5)
    rows = {row["n"]: row for row in await rig.frames()}
    assert rows[garbage["n"]]["verdict"] == "is no OCPP message"
    assert rows[wrong["n"]]["verdict"].startswith("x: ")
    assert (await rig.state())["station"]["online"]


@both
async def test_frames_are_about_something(rig: Rig) -> None:
    await rig.charging()
    await rig.do("swipe")
    await rig.do("wait", duration=30)
    tx = (await rig.do("transactions"))["transactions"][0]["id"]
    about = await rig.frames(transaction=tx)
    actions = {row["action"] for row in about}
    assert actions <= {"StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent"}
    assert {row["type"] for row in about} == {"CALL", "CALLRESULT"}
    assert all(row["evse"] == 1 for row in about)
    assert {row["evse"] for row in await rig.frames(evse=1)} == {1}
    assert len(await rig.frames(limit=3)) == 3
    newest = (await rig.do("frames", limit=1))["newest"]
    assert [row["n"] for row in await rig.frames(after=newest - 2)] == [newest - 1, newest]
    assert {row["direction"] for row in await rig.frames(direction="received")} == {"received"}
    assert all(row["verdict"] == "ok" for row in await rig.frames(limit=5000))
    await rig.refused("frame", n=newest + 1)
    await rig.refused("frame", n=0)


# --- time -------------------------------------------------------------------------------------------------------------


@both
async def test_time(rig: Rig) -> None:
    before = (await rig.state())["station"]["mono"]
    assert await rig.do("wait", duration="2 min") == {"seconds": 120.0}
    assert (await rig.state())["station"]["mono"] == before + 120
    assert await rig.do("pause") == {"speed": 0.0, "paused": True}
    for command, arguments in (("wait", {"duration": 1}), ("charge", {"duration": 1}), ("unlock", {})):
        assert "stands still" in str(await rig.refused(command, **arguments)), command
    assert await rig.do("resume") == {"speed": "max", "paused": False}
    assert await rig.do("speed", factor=1000) == {"speed": 1000.0, "paused": False}
    assert await rig.do("speed", factor="max") == {"speed": "max", "paused": False}
    await rig.refused("speed", factor=-1)
    await rig.refused("speed", factor="fast")


@both
async def test_charging_to_a_goal(rig: Rig) -> None:
    assert "no car" in str(await rig.refused("charge", until_soc=50))
    assert [p.field for p in (await rig.refused("charge")).problems] == ["until_soc"]
    await rig.charging(soc_percent=40, capacity_wh=20_000)
    result = await rig.do("charge", until_soc=50)
    assert result["soc_percent"] == pytest.approx(50, abs=0.5)
    result = await rig.do("charge", duration="1 min")
    assert result["seconds"] == 60
    with pytest.raises(Exception, match="within 1 min"):
        await rig.control.do("charge", {"until_wh": 10_000, "within": 60})


@both
async def test_the_clock_jumps(rig: Rig) -> None:
    await rig.charging()
    before = (await rig.state())["station"]["wall"]
    told = await rig.do("clock_jump", by_s=-3600)
    assert told["wall"] == pytest.approx(before - 3600)
    assert (await rig.state())["station"]["wall"] == pytest.approx(before - 3600)
    await rig.do("wait", duration=60)
    for by_s in (0, 0.5, 3e9, -3e9, math.nan):
        assert (await rig.refused("clock_jump", by_s=by_s)).problems[0].field == "by_s"


# --- look -------------------------------------------------------------------------------------------------------------


@both
async def test_a_transaction_with_its_events(rig: Rig) -> None:
    await rig.charging()
    await rig.do("charge", duration="10 min")
    await rig.do("swipe")
    await rig.do("wait", duration=30)
    row = (await rig.do("transactions"))["transactions"][0]
    assert (row["evse"], row["token"], row["events"]) == (1, "04A1B2C3", row["delivered"])
    whole = await rig.do("transaction", id=row["id"])
    assert whole["facts"][0]["phase"] == "Started"
    assert whole["facts"][-1]["phase"] == "Ended"
    assert [fact["seq"] for fact in whole["facts"]] == list(range(row["events"]))
    assert {fact["state"] for fact in whole["facts"]} == {"sent"}
    samples = [sample for fact in whole["facts"] for sample in fact["samples"]]
    assert any(value["measurand"] == "Power.Active.Import" for sample in samples for value in sample["values"])
    assert whole["energy_wh"] == pytest.approx(whole["facts"][-1]["register_wh"])
    assert (await rig.refused("transaction", id="nonsense")).problems[0].field == "id"


@both
async def test_what_can_never_be_delivered(rig: Rig) -> None:
    await rig.charging()
    assert await rig.do("dead_letters") == {"dead_letters": []}
    await rig.do("offline")
    await rig.do("swipe")
    await rig.do("wait", duration=30)
    waiting = (await rig.state())["station"]["queue"]
    version = rig.lab.settings.versions[0]
    count = (await rig.do("abandon", version=version))["count"]
    assert 0 < count <= waiting
    await rig.do("wait", duration=1)
    assert (await rig.state())["station"]["dead"] == count
    letters = (await rig.do("dead_letters"))["dead_letters"]
    assert len(letters) == count
    assert "given up by the operator" in letters[0]["why"]
    tx = (await rig.do("transactions"))["transactions"][0]
    states = {fact["state"] for fact in (await rig.do("transaction", id=tx["id"]))["facts"]}
    assert "dead" in states


@both
async def test_the_security_log(rig: Rig) -> None:
    await rig.do("wait", duration=5)
    await rig.do("set", variables={"SecurityCtrlr.OrganizationName": "Acme"})
    entries = (await rig.do("security_log", limit=5))["entries"]
    assert entries[0]["kind"] == "ReconfigurationOfSecurityParameters"


@both
async def test_help(rig: Rig) -> None:
    assert [row["name"] for row in (await rig.do("help"))["commands"]] == list(TABLE)
    assert [row["name"] for row in (await rig.do("help", command="plug"))["commands"]] == ["plug"]
    assert "did you mean plug" in str(await rig.refused("help", command="plugg"))


@both
async def test_charging_profiles(rig: Rig) -> None:
    await rig.charging()
    assert (await rig.do("profiles")) == {"enabled": True, "profiles": []}
    await rig.do("profile_add", steps=[[0, 12]], stack_level=2)
    await rig.do("needs", energy_wh=5000)
    assert (await rig.do("plan", duration="1h"))["periods"][0]["limit"] == 12
    assert (await rig.do("profile_clear", id=1)) == {"cleared": 1}
    await rig.refused("plan", duration="40 d")


def test_no_command_is_without_a_test() -> None:
    """With xdist the tests above may run in another process: then this looks at their text."""
    from pathlib import Path

    here = Path(__file__)
    files = (here, here.with_name("test_control_faults.py"), here.with_name("test_control_meter.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in TABLE if f'rig.do("{name}"' not in text and name not in USED] == []
