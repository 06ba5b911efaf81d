"""The stage of the OCTT cases: a whole station with simulated hardware before the embedded CSMS, on virtual time.

    @octt({"TxCtrlr.TxStartPoint": "Authorized"})
    async def test_tc_e_10_...(stage: Stage201) -> None:
        stage.swipe()
        await stage.event("Authorized", kind="Started")

`octt` makes a plain test of it: the station boots, is accepted and has told its states before the case begins; at its end the CSMS
must have no complaint about the station and must not have refused any of its messages, unless the case says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hal.api import Meter, MeterReading
from hal.sim.car import Car
from station.core.view import EvseView
from station.sim.csms import EmbeddedCsms, Refusal, SeenFrame, SeenStation, Token
from station.sim.lab import Lab, LabSettings, run_lab

__all__ = [
    "BLOCKED",
    "CARD",
    "EXPIRED",
    "FAMILY",
    "INVALID",
    "MASTER",
    "MASTER_GROUP",
    "OTHER",
    "SIBLING",
    "STRANGER",
    "TOKENS",
    "Payload",
    "Stage201",
    "octt",
    "readings",
    "token",
    "trigger_pairs",
    "variable",
]

Payload = dict[str, Any]

CARD = "04A1B2C3"
OTHER = "04D4E5F6"  # valid, of no group
SIBLING = "04A1B2C4"  # valid, of FAMILY
INVALID = "0BAD0001"
BLOCKED = "0BAD0002"
EXPIRED = "0BAD0003"
STRANGER = "0BAD0004"  # unknown to the CSMS
MASTER = "0A11F00D"  # valid, of the master-pass group
FAMILY = "FAMILY-1"
MASTER_GROUP = "MASTERPASS"

TOKENS = (
    Token(CARD),
    Token(SIBLING, group=FAMILY),
    Token(OTHER),
    Token(INVALID, "Invalid"),
    Token(BLOCKED, "Blocked"),
    Token(EXPIRED, "Expired"),
    Token(MASTER, group=MASTER_GROUP),
)
BOARD: Mapping[str, object] = {"evses": 2, "initial_wh": 12_345.0, "report_soc": True}
# A quick way back after a lost link; no readings between those that a case asks for.
QUICK: Mapping[str, str] = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "2",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
PATIENCE_S = 120.0
STEP_S = 0.25


def token(value: str = CARD, kind: str = "ISO14443") -> Payload:
    """An IdTokenType."""
    return {"idToken": value, "type": kind}


@dataclass(frozen=True, slots=True)
class SigningMeter:
    """A meter with a signed record beside every reading, as calibrated ones have."""

    meter: Meter

    async def read(self) -> MeterReading:
        reading = await self.meter.read()
        return replace(reading, signed=f'OCMF|{{"RD":[{{"RV":{reading.energy_import_wh:.1f}}}]}}|{{"SD":"00"}}')


@dataclass(slots=True)
class Stage201:
    """One station before one CSMS. `since`: place in the journal from which `event`, `told` and `calls` look; see `from_now`.

    refusals, complaints: what the CSMS may hold against the station in this case.
    """

    lab: Lab
    csms: EmbeddedCsms
    since: int = 0
    refusals: bool = False
    complaints: bool = False
    cars: dict[int, Car] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.lab.settings.identity

    @property
    def seen(self) -> SeenStation:
        return self.csms.station(self.id)

    # --- people -------------------------------------------------------------------------------------------------------

    def plug(self, evse: int = 1, **car: object) -> Car:
        """A car is plugged in; `car`: fields of its settings."""
        self.cars[evse] = self.lab.plug(evse, car)
        return self.cars[evse]

    def plug_again(self, evse: int = 1) -> None:
        """The car that was there comes back."""
        self.lab.board.plug(evse, self.cars[evse])

    def unplug(self, evse: int = 1, *, at_car: bool = False) -> None:
        self.lab.unplug(evse, at_car=at_car)

    def swipe(self, card: str = CARD, evse: int = 1) -> None:
        assert self.lab.swipe(card, evse), "nobody read the card"

    async def unlocked(self, evse: int = 1) -> None:
        """Until the bolt is out."""
        lock = self.lab.board.evse(evse).lock
        assert lock is not None
        await self.until(lambda: not lock.bolt_in, "the plug to be released")

    async def leave(self, evse: int = 1) -> None:
        """The driver takes the cable and goes."""
        await self.unlocked(evse)
        self.unplug(evse)

    def register(self, evse: int = 1) -> float:
        """What the meter of an EVSE has counted, in Wh."""
        return self.lab.board.evse(evse).meter.register_wh

    # --- what happens -------------------------------------------------------------------------------------------------

    def view(self, evse: int = 1) -> EvseView:
        return self.lab.view().evse(evse)

    async def until(self, check: Callable[[], object], what: str, within: float = PATIENCE_S) -> None:
        """Wait (virtual seconds) until `check` holds. Raises AssertionError."""
        deadline = self.lab.scheduler.time() + within
        while not check():
            assert self.lab.scheduler.time() < deadline, f"waited {within:g} s for {what}; heard {self.summary()}"
            await asyncio.sleep(STEP_S)

    async def rest(self, seconds: float = 5.0) -> None:
        """Time passes."""
        await asyncio.sleep(seconds)

    def from_now(self) -> None:
        """Only what comes from now on counts."""
        self.since = self.csms.mark()

    def calls(self, action: str | None = None) -> list[Payload]:
        """Payloads of the station's CALLs since `from_now`."""
        return [frame.payload for frame in self.frames(action)]

    def frames(self, action: str | None = None) -> list[SeenFrame]:
        return self.csms.journal.calls(self.id, action, since=self.since)

    def events(self, evse: int | None = None) -> list[Payload]:
        """TransactionEvents since `from_now`."""
        found = self.calls("TransactionEvent")
        return [one for one in found if evse is None or one.get("evse", {}).get("id") == evse]

    def summary(self) -> list[str]:
        """What the station sent, in short."""
        return [
            f"{frame.action}:{frame.payload.get('eventType', '')}:{frame.payload.get('triggerReason', '')}"
            f":{frame.payload.get('connectorStatus', '')}"
            for frame in self.frames()
        ]

    async def told(self, action: str, within: float = PATIENCE_S, **where: object) -> Payload:
        """The first CALL since `from_now` with these top-level fields."""

        def found() -> list[Payload]:
            return [one for one in self.calls(action) if where.items() <= one.items()]

        await self.until(found, f"{action} {where}", within)
        return found()[0]

    async def event(
        self,
        trigger: str | None = None,
        *,
        kind: str | None = None,
        state: str | None = None,
        evse: int | None = None,
        within: float = PATIENCE_S,
    ) -> Payload:
        """The first TransactionEvent since `from_now` with this trigger, type and charging state."""

        def fits(one: Payload) -> bool:
            return (
                trigger in {None, one["triggerReason"]}
                and kind in {None, one["eventType"]}
                and state in {None, one["transactionInfo"].get("chargingState")}
            )

        def found() -> list[Payload]:
            return [one for one in self.events(evse) if fits(one)]

        await self.until(found, f"TransactionEvent {trigger} {kind} {state}", within)
        return found()[0]

    async def status(self, word: str, evse: int = 1) -> Payload:
        """The first StatusNotification of an EVSE since `from_now` with this word."""
        return await self.told("StatusNotification", evseId=evse, connectorStatus=word)

    async def quiet(self, action: str, seconds: float = 20.0) -> None:
        """For so long (and since `from_now`) no such CALL comes."""
        await self.rest(seconds)
        assert self.calls(action) == []

    # --- states that cases start from ---------------------------------------------------------------------------------

    async def authorized(self, card: str = CARD, evse: int = 1) -> None:
        self.swipe(card, evse)
        await self.until(lambda: self.view(evse).authorized, "the authorisation")

    async def charging(self, evse: int = 1, card: str = CARD, **car: object) -> str:
        """A car charges; returns the transaction's id."""
        self.plug(evse, **car)
        await self.rest(1.0)
        await self.authorized(card, evse)
        return await self.flows(evse)

    async def flows(self, evse: int = 1) -> str:
        """Until energy flows and the CSMS knows; returns the transaction's id."""
        event = await self.event(state="Charging", evse=evse)
        return str(event["transactionInfo"]["transactionId"])

    async def cached(self, card: str) -> None:
        """The station has asked about this card once, with nobody to charge; nothing is left of it but the cache."""
        mark, self.since = self.since, self.csms.mark()
        self.swipe(card)
        await self.told("Authorize")
        await self.rest(1.0)
        if self.view().authorized:
            self.swipe(card)
            await self.until(lambda: not self.view().authorized and self.view().transaction is None, "the end of it")
        await self.rest(2.0)
        self.since = mark

    async def delivered(self) -> None:
        """Until nothing waits to be sent."""
        await self.until(lambda: not self.lab.running.client.services.queued(), "everything to be delivered")

    # --- the CSMS -----------------------------------------------------------------------------------------------------

    async def call(self, action: str, payload: Payload | None = None) -> Payload:
        """A CALL that is answered with a CALLRESULT."""
        answer = await self.csms.call(self.id, action, payload or {})
        assert not isinstance(answer, Refusal), f"{action}: {answer}"
        return answer

    async def refused(self, action: str, payload: Payload | None = None) -> Refusal:
        """A CALL that is answered with a CALLERROR."""
        answer = await self.csms.call(self.id, action, payload or {})
        assert isinstance(answer, Refusal), f"{action} was answered: {answer}"
        return answer

    async def ask(self, status: str, action: str, payload: Payload | None = None) -> Payload:
        """A CALL whose answer has this status."""
        answer = await self.call(action, payload)
        assert answer["status"] == status, answer
        return answer

    async def set(self, row: str, value: str, status: str = "Accepted") -> Payload:
        """SetVariables with one item, as Component.Variable or Component.Variable[instance]."""
        return (await self.set_many({row: value}, [status]))[0]

    async def set_many(self, values: Mapping[str, str], statuses: Sequence[str]) -> list[Payload]:
        data = [{**variable(row), "attributeValue": value} for row, value in values.items()]
        answer = await self.call("SetVariables", {"setVariableData": data})
        results: list[Payload] = answer["setVariableResult"]
        assert [result["attributeStatus"] for result in results] == list(statuses), results
        return results

    async def get(self, *rows: str, **item: object) -> list[Payload]:
        """GetVariables; `item`: more fields of every item."""
        data = [{**variable(row), **item} for row in rows]
        answer = await self.call("GetVariables", {"getVariableData": data})
        results: list[Payload] = answer["getVariableResult"]
        assert len(results) == len(rows)
        return results

    async def value(self, row: str) -> str:
        (result,) = await self.get(row)
        assert result["attributeStatus"] == "Accepted", result
        return str(result["attributeValue"])

    async def remote_start(self, evse: int | None = 1, card: str = CARD, status: str = "Accepted") -> Payload:
        payload: Payload = {"idToken": token(card), "remoteStartId": 4711}
        if evse is not None:
            payload["evseId"] = evse
        return await self.ask(status, "RequestStartTransaction", payload)

    async def trigger(self, message: str, status: str = "Accepted", evse: int | None = None) -> None:
        payload: Payload = {"requestedMessage": message}
        if evse is not None:
            payload["evse"] = {"id": evse}
            if message == "StatusNotification":
                payload["evse"]["connectorId"] = 1
        await self.ask(status, "TriggerMessage", payload)

    async def availability(
        self, operative: bool, evse: int | None = None, connector: int | None = None, *, status: str = "Accepted"
    ) -> None:
        payload: Payload = {"operationalStatus": "Operative" if operative else "Inoperative"}
        if evse is not None:
            payload["evse"] = {"id": evse}
            if connector is not None:
                payload["evse"]["connectorId"] = connector
        await self.ask(status, "ChangeAvailability", payload)

    # --- hardware of another kind -------------------------------------------------------------------------------------

    async def signing_meters(self) -> None:
        """The meters sign what they read. The station boots anew with them."""
        board = self.lab.board
        units = tuple(
            replace(unit, meter=None if unit.meter is None else SigningMeter(unit.meter)) for unit in board.board.units
        )
        board.board = replace(board.board, units=units)
        await self.lab.restart()
        await self.booted(2)
        self.from_now()

    # --- the line -----------------------------------------------------------------------------------------------------

    async def offline(self) -> None:
        await self.lab.offline()
        await self.until(lambda: not self.lab.view().online, "the station to notice")

    async def online(self) -> None:
        await self.lab.go_online()
        await self.until(lambda: self.lab.view().online, "the station to come back")

    async def booted(self, boots: int) -> None:
        """Until the station has started so many times and is accepted again."""
        await self.until(lambda: self.lab.boots == boots and self.lab.powered and self.lab.view().online, "the reboot")
        await self.rest(2.0)


def variable(row: str) -> Payload:
    """Component and variable of an item, from Component.Variable[instance]."""
    component, _, rest = row.partition(".")
    name, _, instance = rest.rstrip("]").partition("[")
    found: Payload = {"component": {"name": component}, "variable": {"name": name}}
    if instance:
        found["variable"]["instance"] = instance
    return found


def trigger_pairs(events: Sequence[Payload]) -> list[tuple[str, str]]:
    """(eventType, triggerReason) of each event, readings aside."""
    pairs = [(event["eventType"], event["triggerReason"]) for event in events]
    return [pair for pair in pairs if not pair[1].startswith("MeterValue")]


def readings(event: Payload, context: str) -> list[Payload]:
    """The sampled values of an event or MeterValues with this context."""
    values = [value for sample in event.get("meterValue", ()) for value in sample["sampledValue"]]
    return [value for value in values if value.get("context", "Sample.Periodic") == context]


Play = Callable[[Stage201], Coroutine[Any, Any, None]]


def octt(
    variables: Mapping[str, str] | None = None,
    *,
    board: Mapping[str, object] | None = None,
    boot: str | Sequence[str] = "Accepted",
    ready: bool = True,
    refusals: bool = False,
    complaints: bool = False,
    password: str | None = None,
) -> Callable[[Play], Callable[[], None]]:
    """Make a test of a case.

    variables: settings that the station starts with. board: what the hardware is. boot: answers to BootNotification. ready: wait
    until the station is accepted and has told its states. refusals, complaints: the CSMS may refuse messages, may complain.
    """

    def decorate(play: Play) -> Callable[[], None]:
        settings = LabSettings(
            variables={**QUICK, **(variables or {})},
            board={**BOARD, **(board or {})},
            tokens=TOKENS,
            csms_fast=True,
            password=password,
            evses=2,
        )

        async def work(lab: Lab) -> None:
            assert lab.csms is not None
            stage = Stage201(lab, lab.csms, refusals=refusals, complaints=complaints)
            lab.csms.policy.plan_boots(boot)
            if ready:
                await stage.status("Available", len(lab.board.evses))
                await stage.rest(1.0)
                stage.from_now()
            await play(stage)
            if lab.powered and not stage.refusals:
                assert lab.csms.journal.errors(stage.id) == []
            if not stage.complaints:
                assert stage.seen.complaints == []

        def test() -> None:
            run_lab(settings, work)

        test.__name__, test.__qualname__ = play.__name__, play.__qualname__
        test.__doc__, test.__module__ = play.__doc__, play.__module__
        return test

    return decorate
