"""The station: `handle(event, now) -> effects`, `advance(now) -> effects`, `next_deadline()`, `restore(rows, now) -> effects`.

Only dispatch lives here; the rules are in `session`, `evse`, `metering` and `commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from hal.api import (
    BayChanged,
    ButtonPressed,
    CardPresented,
    Fault,
    FaultCode,
    KeyEntered,
    LockChanged,
    LockState,
    MeterRead,
    PilotChanged,
    PilotState,
    PowerFailing,
    PowerPathChanged,
    ProximityChanged,
)
from station.clock import Now
from station.core import commands, faults, metering, session
from station.core import evse as rules
from station.core.device_model import DeviceModel
from station.core.effects import Effect, Record
from station.core.events import (
    Answered,
    ChangeAvailability,
    ClearCache,
    ClockStepped,
    Event,
    LinkDown,
    LinkUp,
    MeterFailed,
    RemoteStart,
    RemoteStop,
    Reset,
    Saved,
    SaveFailed,
    SetVariables,
    ShutdownRequested,
    TokenReported,
    TriggerMeterValues,
    TriggerStatus,
    TriggerTransaction,
    Unanswered,
    Unlock,
)
from station.core.facts import SecurityFact
from station.core.restore import restore_state
from station.core.state import EvseState, StationState, Turn
from station.core.transaction import Ending
from station.core.types import EvseInfo, IdToken, StopReason, TokenKind, Trigger
from station.core.view import StationView
from station.core.views import picture

CLOCK_STEP_WORTH_TELLING_S = 60.0
_BUTTON = IdToken("", TokenKind.NO_AUTHORIZATION)


class Station:
    """The state machine of one charging station.

    infos: the EVSEs, numbered from 1. model: the device model. new_id: makes identifiers that never repeat.
    meter_poll_s: how often the meter is looked at while power can flow (0: only when the plan needs it).
    """

    __slots__ = ("_state",)

    def __init__(
        self,
        infos: Sequence[EvseInfo],
        model: DeviceModel,
        new_id: Callable[[], str],
        *,
        meter_poll_s: float = 5.0,
    ) -> None:
        self._state = StationState.fresh(infos, model, new_id, meter_poll_s)

    @property
    def model(self) -> DeviceModel:
        return self._state.model

    def view(self, now: Now) -> StationView:
        """A frozen picture for whoever looks."""
        return picture(self._state, now)

    def next_deadline(self) -> float | None:
        """Monotonic time of the next timer, None when nothing waits."""
        timers = self._state.timers
        return min(timers.values()) if timers else None

    def restore(self, rows: Mapping[str, Mapping[str, Any]], now: Now, cause: StopReason) -> list[Effect]:
        """Take over what was saved, once, before the first event.

        cause: why a transaction found open ended: POWER_LOSS when the machine lost power, REBOOT when only we restarted.
        """
        turn = Turn(self._state, now)
        restore_state(turn, rows, cause)
        turn.emit(Record(SecurityFact("StartupOfTheDevice", now)))
        metering.plan_aligned(turn)
        rules.announce_station(turn)
        for evse in self._state.evses.values():
            session.settle(turn, evse)
            if evse.info.has_meter:
                metering.read(turn, evse)
        return turn.effects

    def advance(self, now: Now) -> list[Effect]:
        """Fire the timers that are due, the earliest first."""
        turn = Turn(self._state, now)
        timers = self._state.timers
        due = sorted((at, key) for key, at in timers.items() if at <= now.mono)
        for at, key in due:
            if timers.get(key) == at:
                del timers[key]
                self._fire(turn, *key)
        commands.continue_reset(turn)
        return turn.effects

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Everything that follows from `event` at `now`."""
        turn = Turn(self._state, now)
        self._dispatch(turn, event)
        commands.continue_reset(turn)
        return turn.effects

    def _dispatch(self, turn: Turn, event: Event) -> None:
        match event:
            case (
                PilotChanged()
                | ProximityChanged()
                | PowerPathChanged()
                | LockChanged()
                | BayChanged()
                | MeterRead()
                | MeterFailed()
            ):
                evse = self._state.evses.get(event.evse)
                if evse is not None:
                    self._hardware(turn, evse, event)
            case CardPresented() | KeyEntered() | ButtonPressed():
                self._presented(turn, event)
            case Fault():
                self._fault(turn, event)
            case PowerFailing():
                self._power_failing(turn)
            case (
                RemoteStart()
                | RemoteStop()
                | Unlock()
                | ChangeAvailability()
                | Reset()
                | SetVariables()
                | ClearCache()
                | TriggerStatus()
                | TriggerMeterValues()
                | TriggerTransaction()
            ):
                _command(turn, event)
            case _:
                self._news(turn, event)

    # --- hardware -----------------------------------------------------------------------------------------------------

    def _hardware(
        self,
        turn: Turn,
        evse: EvseState,
        event: PilotChanged | ProximityChanged | PowerPathChanged | LockChanged | BayChanged | MeterRead | MeterFailed,
    ) -> None:
        match event:
            case PilotChanged(state=seen):
                self._pilot(turn, evse, seen)
            case ProximityChanged(cable_a=cable_a):
                session.cable_changed(turn, evse, cable_a)
            case PowerPathChanged(closed=closed):
                self._power_path(turn, evse, closed=closed)
            case LockChanged(state=lock):
                self._lock(turn, evse, lock)
            case BayChanged(occupied=occupied):
                evse.bay_occupied = occupied
                session.settle(turn, evse, Trigger.EV_DETECTED if occupied else Trigger.EV_DEPARTED)
            case MeterRead(reading=reading):
                session.reading_came(turn, evse, reading)
                if FaultCode.METER_FAILURE in evse.faults:
                    self._set_fault(turn, evse, FaultCode.METER_FAILURE, active=False)
            case MeterFailed(reason=reason):
                if session.reading_failed(turn, evse):
                    self._set_fault(turn, evse, FaultCode.METER_FAILURE, active=True, info=reason)
            case _:
                assert_never(event)

    def _pilot(self, turn: Turn, evse: EvseState, seen: PilotState) -> None:
        was = evse.pilot.connected
        evse.pilot.see(seen)
        self._pilot_fault(turn, evse, seen)
        if evse.pilot.wants_energy:
            evse.ev_reacted = True
            turn.cancel("react", evse.number)
        if evse.pilot.connected and not was:
            session.vehicle_came(turn, evse)
        elif was and not evse.pilot.connected:
            broken = seen in (PilotState.E, PilotState.F)
            session.vehicle_left(
                turn, evse, trigger=Trigger.ABNORMAL_CONDITION if broken else Trigger.EV_COMMUNICATION_LOST
            )
        else:
            session.settle(turn, evse)

    def _pilot_fault(self, turn: Turn, evse: EvseState, seen: PilotState) -> None:
        """E is a short or a dead pilot supply; it clears when the vehicle is unplugged (IEC 61851-1 A.4.5)."""
        if seen is PilotState.E and FaultCode.PILOT_FAULT not in evse.faults:
            self._set_fault(turn, evse, FaultCode.PILOT_FAULT, active=True, info="control pilot at 0 V")
        elif seen is PilotState.A and FaultCode.PILOT_FAULT in evse.faults:
            self._set_fault(turn, evse, FaultCode.PILOT_FAULT, active=False)

    def _power_path(self, turn: Turn, evse: EvseState, *, closed: bool) -> None:
        evse.relay_closed = closed
        metering.poll(turn, evse)
        tx = evse.tx
        if not closed and tx is not None and not tx.open:
            session.ask_final_reading(turn, evse)
        session.settle(turn, evse)

    def _lock(self, turn: Turn, evse: EvseState, lock: LockState) -> None:
        evse.lock = lock
        if lock is LockState.JAMMED:
            commands.unlock_done(turn, evse, unlocked=False)
            self._set_fault(turn, evse, FaultCode.CONNECTOR_LOCK_FAILURE, active=True, info="the lock is jammed")
            return
        if lock is LockState.UNLOCKED:
            commands.unlock_done(turn, evse, unlocked=True)
        if FaultCode.CONNECTOR_LOCK_FAILURE in evse.faults:
            self._set_fault(turn, evse, FaultCode.CONNECTOR_LOCK_FAILURE, active=False)
        else:
            session.settle(turn, evse)

    # --- people -------------------------------------------------------------------------------------------------------

    def _presented(self, turn: Turn, event: CardPresented | KeyEntered | ButtonPressed) -> None:
        match event:
            case CardPresented():
                token = IdToken(event.value, event.kind)
            case KeyEntered():
                token = IdToken(event.pin, TokenKind.KEY_CODE)
            case ButtonPressed():
                token = _BUTTON
        evse = self._state.evses.get(event.evse) if event.evse is not None else self._choose(token)
        if evse is not None:
            session.present(turn, evse, token)

    def _choose(self, token: IdToken) -> EvseState | None:
        """One reader for several EVSEs: stop where this token charges, else start where a vehicle waits, else where it is free."""
        evses = list(self._state.evses.values())
        for evse in evses:
            if (evse.auth is not None and evse.auth.token == token) or evse.lock_holder == token:
                return evse
        for evse in evses:
            if evse.pilot.connected and evse.auth is None and not evse.session_done:
                return evse
        for evse in evses:
            if evse.auth is None and not evse.pilot.connected:
                return evse
        return evses[0] if evses else None

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fault(self, turn: Turn, event: Fault) -> None:
        if event.evse in self._state.evses:
            evse = self._state.evses[event.evse]
            self._set_fault(turn, evse, event.code, active=event.active, info=event.info)
        elif event.evse == 0:
            _mark(self._state.faults, event.code, active=event.active, info=event.info)
            rules.announce_station(turn)
            for each in self._state.evses.values():
                self._fault_changed(turn, each, event.code, active=event.active)

    def _set_fault(self, turn: Turn, evse: EvseState, code: FaultCode, *, active: bool, info: str = "") -> None:
        _mark(evse.faults, code, active=active, info=info)
        self._fault_changed(turn, evse, code, active=active)

    def _fault_changed(self, turn: Turn, evse: EvseState, code: FaultCode, *, active: bool) -> None:
        faulted = rules.stopping_fault(turn, evse) is not None
        for connector in evse.connectors:
            connector.set_faulted(faulted)
        reason = faults.ends_with(code) if active else None
        if reason is not None and evse.open_tx is not None:
            session.begin_ending(turn, evse, Ending(reason, Trigger.ABNORMAL_CONDITION, turn.now))
        session.settle(turn, evse)

    def _power_failing(self, turn: Turn) -> None:
        """Milliseconds are left: no reading is waited for, everything goes into one commit (TC_032_1)."""
        self._state.stopping = True
        for evse in self._state.evses.values():
            if evse.open_tx is not None:
                session.begin_ending(turn, evse, Ending(StopReason.POWER_LOSS, Trigger.ABNORMAL_CONDITION, turn.now))
            session.close(turn, evse)
            session.settle(turn, evse)

    # --- news ---------------------------------------------------------------------------------------------------------

    def _news(
        self,
        turn: Turn,
        event: LinkUp
        | LinkDown
        | Answered
        | Unanswered
        | TokenReported
        | SaveFailed
        | Saved
        | ClockStepped
        | ShutdownRequested,
    ) -> None:
        state = self._state
        match event:
            case LinkUp():
                state.online = True
            case LinkDown():
                state.online = False
            case Answered(ask=ask, info=info):
                session.answered(turn, ask, info)
            case Unanswered(ask=ask):
                session.answered(turn, ask, None)
            case TokenReported(tx_id=tx_id, token=token, info=info):
                session.token_reported(turn, tx_id, token, info)
            case SaveFailed():
                state.save_failed = True
                self._end_all(turn, StopReason.OTHER)
            case Saved():
                state.save_failed = False
                self._settle_all(turn)
            case ClockStepped(by_s=by_s):
                metering.plan_aligned(turn)
                if abs(by_s) >= CLOCK_STEP_WORTH_TELLING_S:
                    turn.emit(Record(SecurityFact("SettingSystemTime", turn.now, f"by {by_s:.0f} s")))
            case ShutdownRequested():
                state.stopping = True
                turn.save("station", "shutdown", {"wall": turn.now.wall})
                self._settle_all(turn)
            case _:
                assert_never(event)

    def _end_all(self, turn: Turn, reason: StopReason) -> None:
        for evse in self._state.evses.values():
            if evse.open_tx is not None:
                session.begin_ending(turn, evse, Ending(reason, Trigger.ABNORMAL_CONDITION, turn.now))
        self._settle_all(turn)

    def _settle_all(self, turn: Turn) -> None:
        for evse in self._state.evses.values():
            session.settle(turn, evse)

    # --- timers -------------------------------------------------------------------------------------------------------

    def _fire(self, turn: Turn, kind: str, number: int) -> None:
        if kind == "aligned":
            metering.aligned_tick(turn)
            return
        evse = self._state.evses[number]
        match kind:
            case "connect":  # E03.FR.05
                session.deauthorize(turn, evse, Trigger.EV_CONNECT_TIMEOUT, StopReason.TIMEOUT)
            case "react":
                evse.ev_reacted = True
                session.settle(turn, evse)
            case "opening":
                session.ask_final_reading(turn, evse)
            case "ending":
                session.close(turn, evse)
            case "unlock":
                commands.unlock_done(turn, evse, unlocked=False)
            case "sample" | "collect" | "poll":
                metering.tick(turn, kind, evse)
            case _:
                raise AssertionError(f"timer {kind} has no rule")


def _mark(faulted: dict[FaultCode, str], code: FaultCode, *, active: bool, info: str) -> None:
    if active:
        faulted[code] = info
    else:
        faulted.pop(code, None)


def _command(
    turn: Turn,
    command: RemoteStart
    | RemoteStop
    | Unlock
    | ChangeAvailability
    | Reset
    | SetVariables
    | ClearCache
    | TriggerStatus
    | TriggerMeterValues
    | TriggerTransaction,
) -> None:
    match command:
        case RemoteStart():
            commands.remote_start(turn, command)
        case RemoteStop():
            commands.remote_stop(turn, command)
        case Unlock():
            commands.unlock(turn, command)
        case ChangeAvailability():
            commands.change_availability(turn, command)
        case Reset():
            commands.reset(turn, command)
        case SetVariables():
            commands.set_variables(turn, command)
        case ClearCache(ref=ref):
            commands.clear_cache(turn, ref)
        case TriggerStatus():
            commands.trigger_status(turn, command)
        case TriggerMeterValues():
            commands.trigger_meter_values(turn, command)
        case TriggerTransaction():
            commands.trigger_transaction(turn, command)
        case _:
            assert_never(command)
