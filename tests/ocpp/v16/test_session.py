"""The dialect around the real core: what a CSMS sees of whole sessions."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from hal.api import (
    CardPresented,
    Fault,
    FaultCode,
    LockChanged,
    LockState,
    MeterRead,
    MeterReading,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from station.clock import Now
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, Notice, Output, ReadMeter, Record, Reply
from station.core.events import Answered, LinkUp
from station.core.facts import TxFact
from station.core.station import Station
from station.core.types import EvseInfo, StopReason
from station.ocpp.v16.dialect import Dialect16

WALL = 1_790_000_000.0
INFOS = (EvseInfo(1), EvseInfo(2, fixed_cable=True, has_lock=False))


class Bench:
    """A station whose hardware obeys at once and whose CSMS answers at once; `told` is what the CSMS has got."""

    def __init__(self, rig: Any) -> None:
        ids = count()
        self.rig = rig
        self.dialect = Dialect16(rig.settings)
        self.station = Station(INFOS, DeviceModel(standard_definitions(INFOS)), lambda: f"tx-{next(ids)}")
        self.mono = 0.0
        self.wh = 1000.0
        self.pilots = {1: PilotState.A, 2: PilotState.A}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.contexts: dict[str, Any] = {}
        self.replies: dict[int, Any] = {}
        services = rig.services
        services.model = self.station.model
        services.view = lambda: self.station.view(self.now)
        services.now = lambda: self.now
        services.command = self.command
        services.tx_context = lambda tx_id: self.contexts.get(tx_id, {})
        self.carry_out(self.station.restore({}, self.now, StopReason.POWER_LOSS))
        self.happen(LinkUp())

    @property
    def now(self) -> Now:
        return Now(self.mono, WALL + self.mono)

    def command(self, make: Any, done: Any) -> None:
        event = make(1)
        effects = self.station.handle(event, self.now)
        [reply] = [e for e in effects if isinstance(e, Reply)] or [None]
        if reply is None:
            self.replies[1] = done
        else:
            done(reply.verdict)
        self.carry_out([e for e in effects if e is not reply])

    def happen(self, event: Any) -> None:
        self.mono += 1.0
        self.wh += 10.0
        if isinstance(event, PilotChanged):
            self.pilots[event.evse] = event.state
        self.carry_out(self.station.handle(event, self.now))

    def wait(self, seconds: float) -> None:
        end = self.mono + seconds
        while (due := self.station.next_deadline()) is not None and due <= end:
            self.mono = max(self.mono, due)
            self.wh += 50.0
            self.carry_out(self.station.advance(self.now))
        self.mono = end

    def carry_out(self, effects: list[Any]) -> None:
        newest = {effect.evse: effect for effect in effects if isinstance(effect, Output)}
        for effect in effects:
            if isinstance(effect, Output) and effect is not newest[effect.evse]:
                continue  # a level is void when there is a newer one
            match effect:
                case ReadMeter(evse=evse):
                    self.feed(MeterRead(evse, MeterReading(self.wh, power_w=7000.0, frequency_hz=50.0)))
                case Output(evse=evse, permit=True, pilot=PilotSignal.OFF):
                    self.pilots[evse] = PilotState.B  # the vehicle lets go
                    self.feed(PilotChanged(evse, PilotState.B))
                case Output(evse=evse, permit=permit, locked=locked):
                    self.feed(LockChanged(evse, LockState.LOCKED if locked else LockState.UNLOCKED))
                    self.feed(PowerPathChanged(evse, permit and self.pilots[evse] is PilotState.C))
                case Ask(ask=ask, token=token):
                    self.tell(self.dialect.ask(token, self.rig.services))
                    self.feed(Answered(ask, self.dialect.ask_answer({"idTagInfo": {"status": "Accepted"}})))
                case Notice(body=body):
                    for frame in self.dialect.notice(body, self.rig.services):
                        self.tell(frame)
                case Record(fact=TxFact() as fact):
                    self.deliver(fact)
                case Reply(verdict=verdict):
                    self.replies.pop(1)(verdict)
                case _:
                    pass

    def feed(self, event: Any) -> None:
        self.carry_out(self.station.handle(event, self.now))

    def tell(self, frame: Any) -> None:
        self.told.append((frame.action, self.rig.check(frame)))

    def deliver(self, fact: TxFact) -> None:
        rendered = self.dialect.record(fact, self.contexts.get(fact.tx_id, {}), self.now, offline=False)
        context = rendered.context
        if rendered.frame is not None:
            self.tell(rendered.frame)
            number = int(fact.tx_id.removeprefix("tx-"))
            answer = {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
            start = rendered.frame.action == "StartTransaction"
            if start:
                self.rig.services.csms_ids[number] = fact.tx_id
            context = self.dialect.record_answer(fact, context, answer if start else {}).context
        self.contexts[fact.tx_id] = json.loads(json.dumps(dict(context)))

    def words(self, connector: int = 1) -> list[str]:
        """Actions, with the status for StatusNotification, that concern one connector, since the last call."""
        told, self.told = self.told, []
        return [
            payload["status"] if action == "StatusNotification" else action
            for action, payload in told
            if payload.get("connectorId", connector) == connector
        ]


@pytest.fixture
def bench(rig):
    bench = Bench(rig)
    bench.told.clear()
    return bench


def charge(bench: Bench, evse: int = 1) -> None:
    bench.happen(ProximityChanged(evse, 32.0))
    bench.happen(PilotChanged(evse, PilotState.B))
    bench.happen(CardPresented(evse, "04A1B2C3"))
    bench.happen(PilotChanged(evse, PilotState.C))


def test_tc_001_after_boot_every_connector_and_the_station_are_told(rig):
    told = [p for action, p in Bench(rig).told if action == "StatusNotification"]
    assert sorted((p["connectorId"], p["status"]) for p in told) == [
        (0, "Available"),
        (1, "Available"),
        (2, "Available"),
    ]


def test_tc_003_068_070_a_local_session(bench):
    charge(bench)
    bench.wait(130)
    bench.happen(CardPresented(1, "04A1B2C3"))
    told = dict(bench.told)
    bench.happen(PilotChanged(1, PilotState.A))
    bench.happen(ProximityChanged(1, None))
    words = bench.words()
    assert [w for w in words if w not in {"SuspendedEV", "SuspendedEVSE"}] == [
        "Preparing",
        "Authorize",
        "StartTransaction",
        "Charging",
        "MeterValues",
        "MeterValues",
        "StopTransaction",
        "Finishing",
        "Available",
    ]
    assert told["StopTransaction"]["meterStop"] > told["StartTransaction"]["meterStart"] >= 1000
    assert told["StopTransaction"]["idTag"] == told["StartTransaction"]["idTag"] == "04A1B2C3"
    assert "reason" not in told["StopTransaction"]


def test_tc_010_012_remote_start_and_stop(bench):
    bench.happen(PilotChanged(1, PilotState.B))
    assert bench.rig.status("RemoteStartTransaction", idTag="04A1B2C3", connectorId=1) == "Accepted"
    bench.happen(PilotChanged(1, PilotState.C))
    [number] = bench.rig.services.csms_ids
    assert bench.rig.status("RemoteStopTransaction", transactionId=number) == "Accepted"
    assert dict(bench.told)["StopTransaction"]["reason"] == "Remote"
    assert bench.rig.status("RemoteStopTransaction", transactionId=number) == "Rejected"


def test_tc_015_a_hard_reset_stops_first(bench):
    charge(bench)
    assert bench.rig.status("Reset", type="Hard") == "Accepted"
    assert dict(bench.told)["StopTransaction"]["reason"] == "HardReset"


def test_tc_018_1_unlock_stops_the_transaction_first(bench):
    charge(bench)
    assert bench.rig.status("UnlockConnector", connectorId=1) == "Unlocked"
    assert dict(bench.told)["StopTransaction"]["reason"] == "UnlockCommand"


def test_tc_017_2_a_fixed_cable_cannot_be_unlocked(bench):
    assert bench.rig.status("UnlockConnector", connectorId=2) == "NotSupported"


def test_availability_waits_for_the_end_of_the_session(bench):
    charge(bench)
    assert bench.rig.status("ChangeAvailability", connectorId=1, type="Inoperative") == "Scheduled"
    assert bench.rig.status("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    assert bench.words(2)[-1] == "Unavailable"
    bench.happen(CardPresented(1, "04A1B2C3"))
    bench.happen(PilotChanged(1, PilotState.A))
    assert bench.words(1)[-1] == "Unavailable"


def test_tc_041_a_fault_is_told_with_its_code(bench):
    bench.happen(Fault(1, FaultCode.GROUND_FAILURE, active=True, info="RCD"))
    [payload] = [p for action, p in bench.told if p["connectorId"] == 1]
    assert (payload["status"], payload["errorCode"], payload["info"]) == ("Faulted", "GroundFailure", "RCD")


def test_tc_021_a_new_sample_interval_is_obeyed_in_the_running_session(bench):
    charge(bench)
    bench.wait(4)
    assert bench.rig.status("ChangeConfiguration", key="MeterValueSampleInterval", value="10") == "Accepted"
    bench.words()
    bench.wait(35)
    assert bench.words() == ["MeterValues"] * 3


def test_tc_054_triggered_messages_tell_what_is_now(bench):
    charge(bench)
    bench.words()
    assert bench.rig.status("TriggerMessage", requestedMessage="StatusNotification") == "Accepted"
    assert sorted(p["connectorId"] for _, p in bench.told) == [0, 1, 2]
    bench.words()
    assert bench.rig.status("TriggerMessage", requestedMessage="MeterValues", connectorId=1) == "Accepted"
    [(action, payload)] = bench.told
    assert action == "MeterValues"
    assert payload["transactionId"] in bench.rig.services.csms_ids  # errata 3.16
