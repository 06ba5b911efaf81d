"""A command that says ok has done what it says; one that cannot says so, and names the field."""

from __future__ import annotations

import pytest

from station.errors import ControlError
from tests.runtime.control_rig import VERSIONS, Rig, play


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_csms_takes_is_not_given_up(version: str) -> None:
    """A running session is billed to its end, though nothing waits at the moment."""

    async def work(rig: Rig) -> None:
        await rig.charging()
        refusal = await rig.refused("abandon", version=version)
        assert (refusal.code, refusal.problems[0].field) == ("conflict", "version")
        await rig.do("swipe")
        await rig.do("wait", duration="2 min")
        (told,) = (await rig.do("transactions"))["transactions"]
        assert told["ended"] is not None
        assert told["delivered"] == told["events"]

    play(work, version)


def test_a_fault_of_the_whole_station_is_seen() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        assert (await rig.state())["station"]["faults"] == []
        await rig.do("fault", code="EmergencyStop", evse=0)
        state = await rig.state()
        assert state["station"]["faults"] == ["EmergencyStop"]
        assert [evse["faults"] for evse in state["evses"]] == [[], []]
        await rig.do("clear", code="EmergencyStop", evse=0)
        assert (await rig.state())["station"]["faults"] == []

    play(work, evses=2)


@pytest.mark.parametrize(
    "row",
    [
        "SecurityCtrlr.Identity",
        "SecurityCtrlr.SecurityProfile",
        "SecurityCtrlr.CertificateEntries",
        "ChargingStation.Model",
        "ChargingStation.VendorName",
        "ChargingStation.AvailabilityState",
        "OCPPCommCtrlr.ActiveNetworkProfile",
        "ClockCtrlr.DateTime",
        "EVSE#1.Power",
    ],
)
def test_a_variable_that_would_not_keep_its_value_is_refused(row: str) -> None:
    values = {"SecurityProfile": "1", "AvailabilityState": "Occupied", "DateTime": "2027-01-01T00:00:00Z"}

    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        value = values.get(row.rpartition(".")[2], "7")
        assert (await rig.refused("set", variables={row: value})).problems[0].field == f"variables.{row}"

    play(work)


def test_every_variable_that_is_set_reads_back() -> None:
    """Each to another value of its type: either that is its value from now on, or it is refused."""
    others = {"integer": "21", "decimal": "7.5", "dateTime": "2027-01-01T00:00:00.000Z", "string": "abcdefghijklmnop"}

    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        taken = 0
        for row in (await rig.do("variables"))["variables"]:
            choices = ["true", "false"] if row["type"] == "boolean" else row["values"] or [others.get(row["type"], "")]
            other = next((value for value in choices if value != row["value"]), None)
            if other is None or row["secret"]:
                continue
            try:
                await rig.do("set", variables={row["variable"]: other})
            except ControlError:
                continue
            taken += 1
            (now,) = (await rig.do("get", variables=[row["variable"]]))["variables"]
            assert now["value"] == other, row["variable"]
            await rig.do("set", variables={row["variable"]: row["value"] or ""})
        assert taken > 30

    play(work)


@pytest.mark.parametrize("value", ["1", "2", "9", "0"])
def test_the_security_profile_as_a_key_rises_or_is_refused(value: str) -> None:
    """It is no value to be stored, but an order (A05 of the whitepaper): without a password or a root it is refused."""

    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        refusal = await rig.refused("set_key", key="SecurityProfile", value=value)
        assert refusal.problems[0].field == "value"

    play(work, "1.6")


def test_the_security_profile_as_a_key_is_tried() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do("set_key", key="AuthorizationKey", value="0123456789abcdef0123")
        done = await rig.do("set_key", key="SecurityProfile", value="1")
        assert done["results"] == [{"variable": "SecurityCtrlr.SecurityProfile", "status": "Accepted"}]
        await rig.do("wait", duration="1 min")
        assert (await rig.state())["station"]["security_profile"] == 1

    play(work, "1.6")


def test_the_car_that_comes_back_is_what_it_was() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("plug")
        await rig.do("unplug")
        refusal = await rig.refused("plug", again=True, car={"max_a": 10})
        assert refusal.problems[0].field == "car"

    play(work)


def test_what_is_wrong_with_a_car_names_its_field() -> None:
    async def work(rig: Rig) -> None:
        refusal = await rig.refused("plug", car={"curve": [[50, 1], [10, 2]]})
        assert refusal.problems[0].field == "car.curve"

    play(work)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("first", ["plug", "swipe"])
def test_a_register_that_was_set_between_sessions_is_not_billed(first: str, version: str) -> None:
    """What the meter showed at the start is the start of the bill, also when it was set, or counted, with no car there."""

    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do("meter", energy_wh=50_000, power_w=6000)
        await rig.do("wait", duration="10 min")  # 1 kWh with nobody there
        for command in (first, "swipe" if first == "plug" else "plug"):
            await rig.do(command)
        await rig.do("wait", duration="10 min")
        await rig.do("swipe")
        await rig.do("wait", duration=5)
        (told,) = (await rig.do("transactions"))["transactions"]
        assert told["energy_wh"] == pytest.approx(1000, abs=5)
        facts = (await rig.do("transaction", id=told["id"]))["facts"]
        assert facts[0]["register_wh"] == pytest.approx(51_000, abs=5)

    play(work, version)


def test_a_meter_that_is_set_shows_it_at_once() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do("meter", energy_wh=777)
        assert (await rig.evse())["reading"]["energy_import_wh"] == 777

    play(work)
