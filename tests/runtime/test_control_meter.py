"""`meter_accept`. On a real meter's wire it is in tests/test_bus_loss.py."""

from __future__ import annotations

from dataclasses import replace

from hal.api import MeterReading
from hal.errors import DeviceError
from station.runtime.control import TABLE
from station.runtime.control_meter import AcceptMeter
from tests.runtime.control_rig import Rig, play


class Replaced:
    """Another meter than yesterday, and not believed."""

    def __init__(self) -> None:
        self.accepted = False

    async def read(self) -> MeterReading:
        if not self.accepted:
            raise DeviceError("runs backwards")
        return MeterReading(3.0)

    def accept(self) -> None:
        self.accepted = True


def test_it_is_in_the_table() -> None:
    assert TABLE["meter_accept"] is AcceptMeter


def test_a_meter_that_is_never_doubted_has_nothing_to_accept() -> None:
    async def work(rig: Rig) -> None:
        assert "believed as it is" in str(await rig.refused("meter_accept"))
        await rig.charging()
        assert "a transaction runs there" in str(await rig.refused("meter_accept"))

    play(work)


def test_a_replaced_one_is_believed_from_then_on() -> None:
    async def work(rig: Rig) -> None:
        units = rig.lab.running.hands._units
        units[1] = replace(units[1], meter=Replaced())
        rig.lab.running.hands.read_meter(1)
        await rig.do("wait", duration=60)
        assert (await rig.evse())["faults"] == ["MeterFailure"]
        await rig.do("meter_accept", evse=1)
        await rig.do("wait", duration=1)
        assert (await rig.evse())["faults"] == []

    play(work)
