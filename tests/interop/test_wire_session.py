"""A whole session over wires: real drivers for OpenEVSE, SDM630 and PN532, and a CSMS that is not ours.

The devices are emulated in processes of their own behind pseudo terminals. Nothing is scaled: these seconds are real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from station.core.view import EvseView
from station.sim.lab import Lab
from station.sim.lab_settings import LabSettings
from station.sim.wire import WireBoard
from tests.interop.foreign import PATIENCE_S, ForeignCsms

pytestmark = pytest.mark.npm

CARD = "04A1B2C3"
METER_WH = 12_345.0
CAR = {"soc_percent": 20.0, "s2_close_s": 0.1, "start_s": 0.1, "follow_s": 0.1, "stop_s": 0.3}
VARIABLES = {
    "SampledDataCtrlr.TxUpdatedInterval": "1",
    "SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register,Power.Active.Import,Voltage,Current.Import",
}
LOOK_S = 0.02


class Session:
    """A station with one EVSE on wires, and the CSMS that it talks to."""

    def __init__(self, lab: Lab, csms: ForeignCsms) -> None:
        assert isinstance(lab.devices, WireBoard)
        self.lab = lab
        self.wire = lab.devices
        self.csms = csms

    @property
    def evse(self) -> EvseView:
        return self.lab.view().evse(1)

    async def until(self, done: Callable[[], Any], what: str) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (result := done()):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            calls = "\n".join(f"{call.action} {call.payload}" for call in self.csms.calls[-12:])
            raise AssertionError(f"waited in vain for {what}\n{calls}\n{self.evse}") from None
        return result

    async def board(self) -> dict[str, Any]:
        """The board as a voltmeter would see it."""
        return await self.wire.evse(1).board.tell(look=True)

    async def register_wh(self) -> float:
        """The meter's register, as its display shows it."""
        await self.wire.evse(1).meter.settle()
        return self.wire.evse(1).meter.register_wh

    async def charges(self) -> None:
        await self.until(lambda: self.evse.relay_closed and _power_w(self.evse) > 500, "power")

    def readings(self) -> list[dict[str, Any]]:
        """All sampled values that the CSMS was told periodically, oldest first."""
        lists = [call.payload.get("meterValue", []) for call in self.csms.calls]
        return [value for values in lists for each in values for value in each["sampledValue"]]


def _power_w(view: EvseView) -> float:
    return (view.reading.power_w or 0.0) if view.reading is not None else 0.0


@asynccontextmanager
async def stationed(csms: ForeignCsms, version: str, folder: Path) -> AsyncIterator[Session]:
    settings = LabSettings(
        versions=(version,),
        csms_url=f"{csms.url}/ocpp",
        identity="CS-wire",
        evses=1,
        speed=1.0,
        folder=folder,
        variables=VARIABLES,
        board={"initial_wh": METER_WH},
        meter_poll_s=0.5,
        wire=True,
    )
    async with Lab(settings) as lab:
        session = Session(lab, csms)
        await session.until(lambda: "Available" in csms.statuses(1), "Available")
        yield session


def value_of(sample: dict[str, Any]) -> float:
    """In W, Wh, V or A, whatever the version says it in."""
    return float(sample["value"])


def limit(version: str, amperes: float) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amperes}]}
    kind = {"stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative"}
    if version == "1.6":
        return {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 1, **kind, "chargingSchedule": schedule}}
    return {"evseId": 1, "chargingProfile": {"id": 1, **kind, "chargingSchedule": [{"id": 1, **schedule}]}}


async def the_boards_adapter_goes_and_comes(session: Session) -> None:
    """The board falls to what it was told for this case, the station reports a fault, and both come back by themselves."""
    adapter = session.lab.hardware.adapter("board", 1)
    adapter.plug(False)
    await session.until(lambda: session.evse.faults, "a fault")
    await session.until(lambda: "Faulted" in session.csms.statuses(1), "Faulted")
    adapter.plug(True)
    await session.until(lambda: not session.evse.faults, "no fault any more")


async def the_meters_adapter_goes_and_comes(session: Session) -> None:
    """Readings fail for a while; what has flowed meanwhile is in the register."""
    adapter = session.lab.hardware.adapter("meter", 1)
    before = len(session.readings())
    adapter.plug(False)
    await asyncio.sleep(1.2)
    adapter.plug(True)
    await session.until(lambda: len(session.readings()) > before, "readings again")


ACCIDENTS: dict[str, Callable[[Session], Awaitable[None]]] = {
    "1.6": the_meters_adapter_goes_and_comes,
    "2.0.1": the_boards_adapter_goes_and_comes,
}


async def test_a_session_over_wires(csms: ForeignCsms, version: str, tmp_path: Path) -> None:
    async with stationed(csms, version, tmp_path) as session:
        session.lab.plug(1, CAR)
        await session.until(
            lambda: csms.statuses(1)[-1] == ("Preparing" if version == "1.6" else "Occupied"), "a plugged car"
        )
        assert not (await session.board())["relay"], "no power before the card"
        assert session.lab.swipe(CARD)
        await session.until(lambda: csms.heard("Authorize"), "the card to be read")
        await session.charges()
        assert (await session.board())["relay"]

        # The SDM630's registers: 230 V and what the car draws.
        await session.until(lambda: _measured(session, "Power.Active.Import", 3300.0, 3800.0), "the power in a reading")
        assert _measured(session, "Voltage", 225.0, 231.0)

        outcome = await csms.call("SetChargingProfile", limit(version, 10.0))
        assert outcome.status == "Accepted"
        await session.until(lambda: session.evse.offered_a == 10.0, "the limit")
        assert "SC 10 V" in (await session.board())["log"]
        await session.until(lambda: 2000 < _power_w(session.evse) < 2400, "10 A in the meter")

        await ACCIDENTS[version](session)
        await session.charges()
        await session.until(lambda: 2000 < _power_w(session.evse) < 2400, "10 A again")

        assert session.lab.swipe(CARD)
        await session.until(lambda: _end(session, version) is not None, "the end")
        assert not (await session.board())["relay"]
        assert _end_wh(session, version) == pytest.approx(await session.register_wh(), abs=0.6)
        assert _start_wh(session, version) == METER_WH

        session.lab.unplug(1)
        await session.until(lambda: csms.statuses(1)[-1] == "Available", "Available again")
        await session.until(lambda: not len(session.lab.running.client.records), "everything delivered")
    assert csms.mistakes == []
    assert csms.refusals == []
    assert len(csms.heard("StartTransaction")) + len(csms.events("Started")) == 1, "one session, accident or not"


def _measured(session: Session, measurand: str, low: float, high: float) -> bool:
    return any(low <= value_of(sample) <= high for sample in session.readings() if sample.get("measurand") == measurand)


def _end(session: Session, version: str) -> dict[str, Any] | None:
    ends = session.csms.heard("StopTransaction") if version == "1.6" else session.csms.heard("TransactionEvent")
    found = [call.payload for call in ends if version == "1.6" or call.payload["eventType"] == "Ended"]
    return found[-1] if found else None


def _end_wh(session: Session, version: str) -> float:
    end = _end(session, version)
    assert end is not None
    if version == "1.6":
        return float(end["meterStop"])
    return float(_energy(end["meterValue"][-1]))


def _start_wh(session: Session, version: str) -> float:
    if version == "1.6":
        return float(session.csms.heard("StartTransaction")[0].payload["meterStart"])
    return _energy(session.csms.events("Started")[0]["meterValue"][0])


def _energy(values: dict[str, Any]) -> float:
    register = "Energy.Active.Import.Register"
    return next(value_of(each) for each in values["sampledValue"] if each.get("measurand", register) == register)
