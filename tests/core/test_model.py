"""Pilot x connector x transaction against everything that can happen, in any order, with hardware that obeys, lags, lies or is silent.

After every step the whole contract is checked: what is permitted, what was told, what is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hal.api import (
    BayChanged,
    ButtonPressed,
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
    PowerFailing,
    PowerPathChanged,
    ProximityChanged,
)
from station.clock import Now
from station.core import events, faults, safety
from station.core.charging.profiles import Purpose
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, Effect, Output, Reboot, Record, Reply, Save
from station.core.facts import TxFact, from_json, to_json
from station.core.station import Station
from station.core.types import (
    AuthStatus,
    EvseInfo,
    IdToken,
    ResetKind,
    StopReason,
    TokenInfo,
    TxPhase,
)
from tests.core.smart_rig import limited

EVSES = (1, 2, 3)
INFOS = (
    EvseInfo(1),
    EvseInfo(2, has_lock=False, fixed_cable=True, ventilated=True, phase_switching=True),
    EvseInfo(3, has_lock=False, has_pilot=False),
)
# Faults that say nothing of the power path: nobody waits after them.
NO_WAIT = {
    FaultCode.CONNECTOR_LOCK_FAILURE,
    FaultCode.METER_FAILURE,
    FaultCode.READER_FAILURE,
    FaultCode.INTERNAL_ERROR,
}
# From an empty place without faults to power: at most the X1 that follows a state F, and a lock.
CHARGES_WITHIN_S = 5.0
POINTS = (
    ("EVConnected,Authorized", "EVConnected,Authorized"),
    ("Authorized", "Authorized"),
    ("EVConnected", "EVConnected"),
    ("PowerPathClosed", "PowerPathClosed"),
    ("EnergyTransfer", "EnergyTransfer"),
    ("ParkingBayOccupancy", "ParkingBayOccupancy"),
    ("ParkingBayOccupancy,EnergyTransfer", "Authorized"),
    ("DataSigned", "Authorized"),
)
FLAGS = (
    "TxCtrlr.StopTxOnEVSideDisconnect",
    "TxCtrlr.StopTxOnInvalidId",
    "TxCtrlr.TxBeforeAcceptedEnabled",
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "AuthCtrlr.LocalPreAuthorize",
    "AuthCtrlr.AuthorizeRemoteStart",
    "AuthCtrlr.Enabled",
    "SampledDataCtrlr.SignReadings",
)
CARDS = ("04A1B2C3", "0BADCAFE", "CAFE0001")
FAMILY = IdToken("FAMILY")
evse_numbers = st.sampled_from(EVSES)
statuses = st.sampled_from((AuthStatus.ACCEPTED, AuthStatus.ACCEPTED, AuthStatus.BLOCKED))
reset_kinds = st.sampled_from(tuple(ResetKind))


STOPS = {
    "StopAuthorized",
    "UnlockCommand",
    "RemoteStop",
    "Deauthorized",
    "EVCommunicationLost",
    "EVConnectTimeout",
    "AbnormalCondition",
}


def _since_the_last_stop(story: tuple[TxFact, ...]) -> list[TxFact]:
    """A transaction may go on after its driver stopped, and be authorised again."""
    since: list[TxFact] = []
    for fact in story:
        since = [] if fact.trigger.value in STOPS else [*since, fact]
    return since


class AnyStation(RuleBasedStateMachine):
    """Three EVSEs: a socket with a lock, a fixed cable with ventilation, and a board that makes the pilot signal itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mono = 50.0
        self.boot = 0
        self.ids = 0
        self.ref = 0
        self.rows: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, list[TxFact]] = {}
        self.overrides: dict[str, str] = {}
        self.asks: list[Ask] = []
        self.waiting: dict[int, float] = {}
        self.register = dict.fromkeys(EVSES, 1000.0)
        self.up = False

    @initialize(points=st.sampled_from(POINTS), flags=st.lists(st.booleans(), min_size=len(FLAGS), max_size=len(FLAGS)))
    def begin(self, points: tuple[str, str], flags: list[bool]) -> None:
        self.overrides = {"TxCtrlr.TxStartPoint": points[0], "TxCtrlr.TxStopPoint": points[1]}
        self.overrides |= {name: str(flag).lower() for name, flag in zip(FLAGS, flags, strict=True)}
        self._start(StopReason.POWER_LOSS)

    # --- the shell ------------------------------------------------------------------------------------------------------

    def _start(self, cause: StopReason) -> None:
        self.boot += 1
        self.outputs: dict[int, Output] = {}
        self.changed: dict[int, float] = {}
        self.withdrawn: dict[int, float] = {}
        self.faulted: dict[int, float] = {}
        self.cables: dict[int, float | None] = {}
        self.relays: dict[int, bool] = {}
        self.lost: set[int] = set()
        self.bare: dict[int, float] = {}
        self.stopping: dict[int, set[FaultCode]] = {}
        self.interrupted: set[int] = set()
        self.error_until: dict[int, float] = {}
        self.locks = dict.fromkeys(EVSES, LockState.UNLOCKED)
        self.pilots: dict[int, PilotState] = {}
        self.asks = []
        self.waiting = {}
        self.save_failed = False
        saved = {key: row["value"] for key, row in self.rows.get("variable", {}).items()}
        self.model = DeviceModel(standard_definitions(INFOS, self.overrides), saved)
        self.station = Station(INFOS, self.model, self._new_id)
        self._take(self.station.restore(self.rows, self._now(), cause))
        self.up = True

    def _new_id(self) -> str:
        self.ids += 1
        return f"tx-{self.ids}"

    def _now(self) -> Now:
        return Now(self.mono, 1_780_000_000.0 + self.mono, self.boot)

    def _send(self, event: events.Event) -> None:
        self._take(self.station.handle(event, self._now()))

    def _command(self, make: Callable[[int], events.Event]) -> None:
        self.ref += 1
        self.waiting[self.ref] = self.mono
        self._send(make(self.ref))

    def _take(self, effects: list[Effect]) -> None:
        permitted = {evse for evse, output in self.outputs.items() if output.permit}
        for effect in effects:
            match effect:
                case Save(kind=kind, key=key, value=None):
                    self.rows.setdefault(kind, {}).pop(key, None)
                case Save(kind=kind, key=key, value=value):
                    assert value is not None
                    self.rows.setdefault(kind, {})[key] = value
                case Record(fact=TxFact() as fact):
                    assert from_json(to_json(fact)) == fact
                    self._told(fact)
                case Reply(ref=ref):
                    assert ref in self.waiting, f"command {ref} was answered twice or never asked"
                    del self.waiting[ref]
                case Output():
                    self._changes(effect)
                    self.outputs[effect.evse] = effect
                case Ask():
                    self.asks.append(effect)
                case _:
                    pass
        if any(isinstance(effect, Reboot) for effect in effects):
            self._start(StopReason.REBOOT)
        else:
            self._watch(permitted)

    def _watch(self, permitted: set[int]) -> None:
        """After a turn: since when contactors are closed without permission, and who has to wait after an error."""
        view = self.station.view(self._now())
        for evse in EVSES:
            bare = self.relays.get(evse, False) and not self.outputs[evse].permit and not self.lost & {0, evse}
            if not bare:
                self.bare.pop(evse, None)
            else:
                self.bare.setdefault(evse, self.mono)
            stopping = {code for code in (*view.faults, *view.evse(evse).faults) if faults.stops_energy(code)}
            begun = (stopping - self.stopping.get(evse, set())) - NO_WAIT
            if begun and (evse in permitted or self.mono < self.error_until.get(evse, 0.0)):
                self.interrupted.add(evse)
            self.stopping[evse] = stopping
            if self.pilots.get(evse) is PilotState.A:
                self.interrupted.discard(evse)
                self.error_until.pop(evse, None)
            if evse in self.interrupted and not stopping:
                self.interrupted.discard(evse)
                self.error_until[evse] = self.mono + safety.ERROR_WAIT_S
            if self.outputs[evse].pilot is PilotSignal.PWM:
                assert evse not in self.interrupted
                assert self.mono >= self.error_until.get(evse, 0.0) - 1e-6, "an error is waited after"

    def _changes(self, output: Output) -> None:
        """The times of IEC 61851-1 between two levels."""
        evse, before = output.evse, self.outputs.get(output.evse)
        if before is None or (before.pilot, before.current_a) == (output.pilot, output.current_a):
            return
        since = self.mono - self.changed.get(evse, -1e9)
        if before.pilot is output.pilot is PilotSignal.PWM and output.current_a > before.current_a:
            assert since >= safety.PWM_CHANGE_S - 1e-6, "more current, too soon after another change"
        if before.pilot is PilotSignal.PWM and output.pilot is not PilotSignal.PWM:
            self.withdrawn[evse] = self.mono
        if output.pilot is PilotSignal.PWM is not before.pilot:
            assert before.pilot is PilotSignal.OFF, "state F is followed by X1"
            assert self.mono - self.faulted.get(evse, -1e9) >= safety.X1_AFTER_EF_S - 1e-6, "by X1 for so long"
            assert self.mono - self.withdrawn.get(evse, -1e9) >= safety.STEP_X1_S - 1e-6, "X1 between two offers"
        if before.pilot is PilotSignal.FAULT:
            self.faulted[evse] = self.mono
        at_f = output.pilot is PilotSignal.FAULT
        assert not at_f or self.pilots.get(evse) is PilotState.A or INFOS[evse - 1].has_pilot, "the board makes its own"
        assert not (output.permit and output.pilot is PilotSignal.FAULT)
        self.changed[evse] = self.mono

    def _told(self, fact: TxFact) -> None:
        story = self.facts.setdefault(fact.tx_id, [])
        assert fact.seq == len(story), "sequence numbers are contiguous from 0, also over a restart"
        assert (fact.phase is TxPhase.STARTED) is (not story), "Started comes first, once"
        assert not story or story[-1].phase is not TxPhase.ENDED, "nothing follows Ended"
        assert (fact.stop_reason is not None) is (fact.phase is TxPhase.ENDED)
        assert fact.offline is not self.station.view(self._now()).online
        if story:
            assert fact.evse == story[0].evse
            told = [f.token for f in _since_the_last_stop((*story, fact)) if f.token is not None]
            assert len(told) == len(set(told)), "an identifier is told once, until it is presented to stop"
        if fact.seconds_charging is not None:
            assert fact.seconds_charging >= 0
        story.append(fact)

    # --- hardware, obedient or not --------------------------------------------------------------------------------------

    @rule(evse=evse_numbers, state=st.sampled_from("ABBCCCDEF"))
    def pilot(self, evse: int, state: str) -> None:
        self.pilots[evse] = PilotState(state)
        if state == "A":  # whoever comes next has seen nothing of what was before
            self.withdrawn.pop(evse, None)
            self.faulted.pop(evse, None)
        self._send(PilotChanged(evse, PilotState(state)))

    @rule(evse=evse_numbers, cable=st.sampled_from((None, 13.0, 32.0, 2.0)))
    def cable(self, evse: int, cable: float | None) -> None:
        self.cables[evse] = cable
        self._send(ProximityChanged(evse, cable))

    @rule(evse=evse_numbers, closed=st.booleans())
    def relay(self, evse: int, closed: bool) -> None:
        """Whatever it was told."""
        self.relays[evse] = closed
        self._send(PowerPathChanged(evse, closed))

    @rule(state=st.sampled_from(LockState))
    def lock(self, state: LockState) -> None:
        self.locks[1] = state
        self._send(LockChanged(1, state))

    @rule(evse=evse_numbers)
    def obey(self, evse: int) -> None:
        """The board catches up with its newest level."""
        output = self.outputs[evse]
        if evse == 1:
            self.lock(LockState.LOCKED if output.locked else LockState.UNLOCKED)
        self.relay(evse, self.outputs[evse].permit)

    @rule(evse=evse_numbers, occupied=st.booleans())
    def bay(self, evse: int, occupied: bool) -> None:
        self._send(BayChanged(evse, occupied))

    @rule(
        evse=evse_numbers,
        more=st.integers(-50, 500),
        signed=st.booleans(),
        drawn=st.sampled_from(((), (0.0, 0.0, 0.0), (6.0,), (16.0, 60.0, 16.0), (60.0, 60.0, 60.0))),
        celsius=st.sampled_from((None, 20.0, 75.0)),
    )
    def meter(
        self,
        evse: int,
        more: int,
        signed: bool = False,
        drawn: tuple[float, ...] = (),
        celsius: float | None = None,
    ) -> None:
        """Asked for or not; a meter may have been replaced and start from less."""
        self.register[evse] += more
        record = "OCMF|{}|{}" if signed else None
        reading = MeterReading(self.register[evse], current_a=drawn, signed=record, temperature_c=celsius)
        self._send(MeterRead(evse, reading))

    @rule(evse=evse_numbers)
    def meter_fails(self, evse: int) -> None:
        self._send(events.MeterFailed(evse, "no answer"))

    @rule(evse=st.sampled_from((0, 1, 2, 7)), code=st.sampled_from(FaultCode), active=st.booleans())
    def fault(self, evse: int, code: FaultCode, active: bool) -> None:
        self._report(evse, code, active=active)

    def _report(self, evse: int, code: FaultCode, *, active: bool) -> None:
        if code is FaultCode.INTERNAL_ERROR:
            self.lost = self.lost | {evse} if active else self.lost - {evse}
        self._send(Fault(evse, code, active, "test"))

    @rule()
    def faults_clear(self) -> None:
        for evse in (0, *EVSES):
            for code in FaultCode:
                self._report(evse, code, active=False)

    # --- a session that goes well, so that the rest has something to disturb --------------------------------------------

    @rule(evse=evse_numbers, card=st.sampled_from(CARDS), ends_in=st.sampled_from("CCCD"))
    def charge(self, evse: int, card: str, ends_in: str) -> None:
        self.faults_clear()
        self.bay(evse, True)
        self.cable(evse, 32.0)
        self.pilot(evse, "B")
        self._send(CardPresented(evse, card))
        while self.asks:
            self._send(events.Answered(self.asks.pop().ask, TokenInfo(AuthStatus.ACCEPTED)))
        self.obey(evse)
        self.pilot(evse, ends_in)
        self.obey(evse)

    # --- people, CSMS, time ---------------------------------------------------------------------------------------------

    @rule(evse=st.sampled_from((None, 1, 2)), card=st.sampled_from(CARDS))
    def card(self, evse: int | None, card: str) -> None:
        self._send(CardPresented(evse, card))

    @rule(evse=evse_numbers)
    def button(self, evse: int) -> None:
        self._send(ButtonPressed(evse))

    @rule(up=st.booleans())
    def link(self, up: bool) -> None:
        self._send(events.LinkUp() if up else events.LinkDown())

    @precondition(lambda self: self.asks)
    @rule(status=statuses, group=st.sampled_from((None, FAMILY)), silent=st.booleans())
    def answer(self, status: AuthStatus, group: IdToken | None, silent: bool) -> None:
        ask = self.asks.pop()
        self._send(events.Unanswered(ask.ask) if silent else events.Answered(ask.ask, TokenInfo(status, group)))

    @precondition(lambda self: self.facts)
    @rule(status=statuses, card=st.sampled_from(CARDS), which=st.integers(0, 3))
    def token_news(self, status: AuthStatus, card: str, which: int) -> None:
        tx_id = list(self.facts)[-1 - which % len(self.facts)]
        self._send(events.TokenReported(tx_id, IdToken(card), TokenInfo(status)))

    @rule(evse=st.sampled_from((None, 1, 2, 9)), card=st.sampled_from(CARDS))
    def remote_start(self, evse: int | None, card: str) -> None:
        self._command(lambda ref: events.RemoteStart(ref, IdToken(card), remote_start_id=ref, evse=evse))

    @precondition(lambda self: self.facts)
    @rule(which=st.integers(0, 3))
    def remote_stop(self, which: int) -> None:
        tx_id = list(self.facts)[-1 - which % len(self.facts)]
        self._command(lambda ref: events.RemoteStop(ref, tx_id))

    @rule(evse=st.sampled_from((1, 2, 9)), stops=st.booleans())
    def unlock(self, evse: int, stops: bool) -> None:
        self._command(lambda ref: events.Unlock(ref, evse, stops_transaction=stops))

    @rule(evse=st.sampled_from((0, 1, 2, 9)), connector=st.sampled_from((None, 1, 4)), operative=st.booleans())
    def availability(self, evse: int, connector: int | None, operative: bool) -> None:
        self._command(lambda ref: events.ChangeAvailability(ref, operative, evse, connector))

    @rule(kind=reset_kinds, evse=st.sampled_from((0, 1, 2, 9)))
    def reset(self, kind: ResetKind, evse: int) -> None:
        self._command(lambda ref: events.Reset(ref, kind, evse))

    @rule(
        variable=st.sampled_from(("TxStartPoint", "TxStopPoint")),
        value=st.sampled_from([p[0] for p in POINTS]),
    )
    def set_points(self, variable: str, value: str) -> None:
        write = events.VariableWrite("TxCtrlr", variable, value)
        self._command(lambda ref: events.SetVariables(ref, (write,)))

    @rule(evse=st.sampled_from((None, 1, 9)))
    def triggers(self, evse: int | None) -> None:
        self._command(lambda ref: events.TriggerTransaction(ref, evse))
        self._command(lambda ref: events.TriggerMeterValues(ref, evse))
        self._command(lambda ref: events.TriggerStatus(ref, evse))
        self._command(events.ClearCache)

    @rule(failed=st.booleans())
    def disk(self, failed: bool) -> None:
        self.save_failed = failed
        self._send(events.SaveFailed("disk full") if failed else events.Saved())

    @rule(
        amps=st.sampled_from((None, 0.0, 8.0, 16.0)),
        phases=st.sampled_from((None, 1)),
        evse=st.sampled_from((0, *EVSES)),
    )
    def limit(self, amps: float | None, phases: int | None, evse: int) -> None:
        """A charging profile, or none any more."""
        if amps is None:
            self._command(events.ClearProfiles)
        else:
            profile = limited(1, Purpose.TX_DEFAULT, (0, amps), phases=phases)
            self._command(lambda ref: events.InstallProfile(ref, profile, evse))

    @rule(evse=st.sampled_from((0, *EVSES)))
    def reset_fault(self, evse: int) -> None:
        welded = {n for n in self.bare if FaultCode.EVSE_CONTACTOR_FAULT in self.stopping[n]}
        self._command(lambda ref: events.ResetFault(ref, evse))
        if evse in welded:
            assert FaultCode.EVSE_CONTACTOR_FAULT in self.stopping[evse], "not while the mirror contact says closed"

    # --- nothing is ever stuck ------------------------------------------------------------------------------------------

    def _nobody(self) -> None:
        """Everything works, nobody is there, and whoever has to has looked at what is latched."""
        self.save_failed = False
        for event in (events.Saved(), events.LinkUp()):
            self._send(event)
        for evse in EVSES:
            self.relay(evse, False)
            self.pilot(evse, "A")
            self.cable(evse, None)
            self.bay(evse, False)
            self.meter(evse, 0, celsius=20.0)
        self.lock(LockState.UNLOCKED)
        self.faults_clear()
        self._command(events.ClearProfiles)
        self.availability(0, None, True)
        for evse in (0, *EVSES):
            self.reset_fault(evse)
            if evse:
                self.availability(evse, None, True)
                self.availability(evse, 1, True)
        for variable in ("TxStartPoint", "TxStopPoint"):
            self.set_points(variable, POINTS[0][0])

    @rule(evse=evse_numbers, patience=st.sampled_from((1.0, 400.0)))
    def charges_again(self, evse: int, patience: float) -> None:
        """From any state: as soon as everything is in order again, whoever comes can charge."""
        self._nobody()
        self.time(400.0)  # transactions whose vehicle may come back are over by then, and resets done
        self._nobody()
        self.time(patience)
        self.bay(evse, True)
        self.cable(evse, 32.0)
        self.pilot(evse, "B")
        self.meter(evse, 0)
        if not self.station.view(self._now()).evse(evse).authorized:
            self.ids += 1
            self._send(CardPresented(evse, f"FRESH{self.ids}"))
        while self.asks:
            self._send(events.Answered(self.asks.pop().ask, TokenInfo(AuthStatus.ACCEPTED)))
        self.obey(evse)
        self.pilot(evse, "C")
        self.time(CHARGES_WITHIN_S)
        assert self.outputs[evse].permit, self.station.view(self._now()).evse(evse)
        self.obey(evse)
        assert self.station.view(self._now()).evse(evse).transaction is not None

    @rule(seconds=st.sampled_from((0.3, 1.0, 2.5, 11.0, 65.0, 400.0)))
    def time(self, seconds: float) -> None:
        end = self.mono + seconds
        for _ in range(500):
            due = self.station.next_deadline()
            if due is None or due > end:
                break
            self.mono = max(self.mono, due)
            self._take(self.station.advance(self._now()))
        self.mono = max(self.mono, end)
        late = [ref for ref, since in self.waiting.items() if self.mono - since > safety.LET_GO_S + 4.0]
        assert not late, "a command is answered soon, and one that stops a vehicle when that has let go"

    @rule()
    def clock(self) -> None:
        self._send(events.ClockStepped(3600.0))

    @rule()
    def power_fails(self) -> None:
        self._send(PowerFailing())
        assert not any(output.permit for output in self.outputs.values())
        assert all(row["ending"] for row in self.rows.get("tx", {}).values()), "whatever was open has its reason saved"

    @rule(cut=st.booleans(), again=st.integers(0, 2))
    def restart(self, cut: bool, again: int) -> None:
        """From the saved rows alone; `again`: before anything could settle."""
        if not cut:
            self._send(events.ShutdownRequested())
            assert not any(output.permit for output in self.outputs.values())
        interrupted = dict(self.rows.get("tx", {}))
        for cause in (StopReason.POWER_LOSS, StopReason.REBOOT, StopReason.REBOOT)[: again + 1]:
            self._start(cause)
        settled = {row["tx_id"]: (row["ending"] or {}).get("reason", "PowerLoss") for row in interrupted.values()}
        self.time(2.5)
        for tx_id, reason in settled.items():
            last = self.facts[tx_id][-1]
            assert last.phase is TxPhase.ENDED, "what was open is closed"
            assert last.stop_reason is StopReason(reason), "with the reason that was settled, or the cause of the cut"

    # --- what must always hold ------------------------------------------------------------------------------------------

    @invariant()
    def permission_is_earned(self) -> None:
        if not self.up:
            return
        view = self.station.view(self._now())
        for info in INFOS:
            output, seen = self.outputs[info.evse], view.evse(info.evse)
            if output.pilot is PilotSignal.PWM:
                assert seen.pilot in (PilotState.B, PilotState.C, PilotState.D)
                assert seen.authorized
                coded = self.cables.get(info.evse)
                assert info.fixed_cable or not info.has_pilot or (coded is not None and output.current_a <= coded)
                assert output.current_a >= info.min_a
            if not output.permit:
                continue
            assert seen.pilot is PilotState.C or (seen.pilot is PilotState.D and info.ventilated)
            assert info.fixed_cable or not info.has_lock or self.locks[info.evse] is LockState.LOCKED
            assert not any(faults.stops_energy(code) for code in seen.faults)
            if output.pilot is not PilotSignal.PWM:
                assert self.mono - self.withdrawn[info.evse] <= safety.LET_GO_S, "a vehicle has so long to let go"
                continue
            assert not self.save_failed
            assert seen.token is not None
            starts_with_energy = "EnergyTransfer" in self.model.members("TxCtrlr", "TxStartPoint")
            assert seen.transaction is not None or starts_with_energy, "energy belongs to a transaction"

    @invariant()
    def a_contactor_that_is_closed_against_orders_is_a_fault(self) -> None:
        for evse, since in self.bare.items() if self.up else ():
            known = FaultCode.EVSE_CONTACTOR_FAULT in self.stopping[evse]
            assert known or self.mono - since <= safety.OPENING_S + 1e-6

    @invariant()
    def one_transaction_per_evse(self) -> None:
        for evse in EVSES:
            running = [t for t, story in self.facts.items() if story[0].evse == evse and not _ended(story)]
            assert len(running) <= 1
            saved = self.rows.get("tx", {}).get(str(evse))
            assert ([saved["tx_id"]] if saved else []) == running, "what is saved as open is what was told as open"
            if saved:
                assert saved["seq"] == len(self.facts[saved["tx_id"]])

    @invariant()
    def the_picture_is_sound(self) -> None:
        if not self.up:
            return
        view = self.station.view(self._now())
        for evse in view.evses:
            assert evse.transaction is None or evse.transaction.energy_wh >= 0
            assert evse.offered_a > 0 or evse.cause, "no current without a reason"


def _ended(story: list[TxFact]) -> bool:
    return story[-1].phase is TxPhase.ENDED


TestAnyStation = AnyStation.TestCase
TestAnyStation.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
