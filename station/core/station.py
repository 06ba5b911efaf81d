"""The station: `handle(event, now) -> effects`, `advance(now) -> effects`, `next_deadline()`, `restore(rows, now) -> effects`.

Only dispatch lives here; the rules are in `session`, `permission`, `hardware`, `evse`, `metering` and `commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from hal.api import (
    BayChanged,
    ButtonPressed,
    CardPresented,
    Fault,
    KeyEntered,
    LockChanged,
    MeterRead,
    PilotChanged,
    PowerFailing,
    PowerPathChanged,
    ProximityChanged,
)
from station.clock import Now
from station.core import (
    alerts,
    allowance,
    commands,
    diagnostics,
    firmware,
    hardware,
    metering,
    networking,
    permission,
    presence,
    rcd,
    resetting,
    safety,
    session,
    sharing,
    signing,
    smart,
    unlocking,
)
from station.core import evse as rules
from station.core.charging.memory import ChargingSetup
from station.core.device_model import DeviceModel
from station.core.effects import Effect
from station.core.events import (
    Answered,
    ClockStepped,
    CredentialsChanged,
    Event,
    JobDone,
    JobProgress,
    LinkDown,
    LinkUp,
    MeterFailed,
    NetworkUsed,
    Saved,
    SaveFailed,
    SecurityNoted,
    SelfTested,
    ShutdownRequested,
    SignedReading,
    TokenReported,
    Unanswered,
)
from station.core.recording import save_tx, security
from station.core.restore import restore_state
from station.core.state import EvseState, StationState, Turn
from station.core.transaction import Ending
from station.core.types import EvseInfo, NetworkSetup, StopReason, Trigger
from station.core.view import StationView
from station.core.views import picture

# PowerFailing gave us milliseconds. Whoever still runs after this long has its supply back.
POWER_BACK_S = 10.0
NO_NETWORK = NetworkSetup()

News = LinkUp | LinkDown | SaveFailed | Saved | ClockStepped | SecurityNoted | ShutdownRequested


class Station:
    """The state machine of one charging station.

    infos: the EVSEs, numbered from 1. model: the device model. new_id: makes identifiers that never repeat.
    meter_poll_s: how often the meter is looked at while power can flow (0: only when the plan needs it). network: the way to the CSMS
    as the operator has configured it. charging: limits of the station and how to share them (None: none).
    """

    __slots__ = ("_state",)

    def __init__(
        self,
        infos: Sequence[EvseInfo],
        model: DeviceModel,
        new_id: Callable[[], str],
        *,
        meter_poll_s: float = 5.0,
        network: NetworkSetup = NO_NETWORK,
        charging: ChargingSetup | None = None,
    ) -> None:
        self._state = StationState.fresh(infos, model, new_id, meter_poll_s)
        networking.begin(self._state, network)
        if charging is not None:
            smart.begin(self._state, charging)

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
        security(turn, "StartupOfTheDevice")
        metering.plan_aligned(turn)
        rules.announce_station(turn)
        for evse in self._state.evses.values():
            session.settle(turn, evse)
            if evse.info.has_meter:
                metering.read(turn, evse)
        _plan(turn)
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
        self._proceed(turn)
        return turn.effects

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Everything that follows from `event` at `now`. An event of an EVSE that we do not have is ignored."""
        turn = Turn(self._state, now)
        self._dispatch(turn, event)
        self._proceed(turn)
        return turn.effects

    @staticmethod
    def _proceed(turn: Turn) -> None:
        """What waited for anything that this turn may have brought."""
        for evse in turn.state.evses.values():
            if evse.rcd is not None:
                rcd.proceed(turn, evse)
        _plan(turn)
        firmware.proceed(turn)
        resetting.proceed(turn)

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
                    hardware.happened(turn, evse, event)
                    rcd.noticed(evse, event)
            case CardPresented() | KeyEntered() | ButtonPressed():
                presence.presented(turn, event)
            case Fault():
                self._fault(turn, event)
            case PowerFailing():
                self._power_failing(turn)
            case (
                LinkUp() | LinkDown() | SaveFailed() | Saved() | ClockStepped() | SecurityNoted() | ShutdownRequested()
            ):
                self._news(turn, event)
            case Answered(ask=ask, info=info):
                permission.answered(turn, ask, info)
            case Unanswered(ask=ask):
                permission.answered(turn, ask, None)
            case TokenReported(tx_id=tx_id, token=token, info=info):
                permission.token_reported(turn, tx_id, token, info)
            case CredentialsChanged() | NetworkUsed() | JobProgress() | JobDone() | SelfTested() | SignedReading():
                _reported(turn, event)
            case _:
                commands.obey(turn, event)

    def _fault(self, turn: Turn, event: Fault) -> None:
        state = self._state
        if event.evse in state.evses:
            hardware.set_fault(turn, state.evses[event.evse], event.code, active=event.active, info=event.info)
        elif event.evse == 0:
            hardware.set_station_fault(turn, event.code, active=event.active, info=event.info)

    def _power_failing(self, turn: Turn) -> None:
        """Milliseconds are left: the reason is saved at once. If the meter still answers the end is told, else at the next start,
        with the register that the meter shows then (TC_032_1, TC_032_2).
        """
        self._state.stopping = True
        turn.timer("power", 0, POWER_BACK_S)
        for evse in self._state.evses.values():
            session.begin_ending(turn, evse, Ending(StopReason.POWER_LOSS, Trigger.ABNORMAL_CONDITION, turn.now))
            session.settle(turn, evse)

    # --- news ---------------------------------------------------------------------------------------------------------

    def _news(self, turn: Turn, event: News) -> None:
        state = self._state
        match event:
            case LinkUp():
                state.online = state.accepted = True
                smart.link_changed(turn, online=True)
            case LinkDown():
                state.online = False
                smart.link_changed(turn, online=False)
            case SaveFailed():
                state.save_failed = True
                for evse in state.evses.values():
                    session.begin_ending(turn, evse, Ending(StopReason.OTHER, Trigger.ABNORMAL_CONDITION, turn.now))
                self._settle_all(turn)
            case Saved():
                state.save_failed = False
                self._settle_all(turn)
            case ClockStepped(by_s=by_s):
                metering.plan_aligned(turn)
                firmware.replan(turn)
                allowance.clock_stepped(turn, by_s)
                if abs(by_s) > turn.model.integer("ClockCtrlr", "TimeAdjustmentReportingThreshold"):
                    security(turn, "SettingSystemTime", f"by {by_s:.0f} s")
            case SecurityNoted(kind=kind, info=info):
                security(turn, kind, info)
            case ShutdownRequested():
                state.stopping = True
                turn.cancel("power", 0)
                turn.save("station", "shutdown", {"wall": turn.now.wall})
                self._settle_all(turn)
                self._save_running(turn)
            case _:
                assert_never(event)

    def _settle_all(self, turn: Turn) -> None:
        for evse in self._state.evses.values():
            session.settle(turn, evse)

    def _save_running(self, turn: Turn) -> None:
        """Transactions stay open: the next start closes them (LAW 5). Their rows know the register of this moment."""
        for evse in self._state.evses.values():
            if evse.tx is not None:
                save_tx(turn, evse, evse.tx)
            metering.save_register(turn, evse)

    # --- timers -------------------------------------------------------------------------------------------------------

    def _fire(self, turn: Turn, kind: str, number: int) -> None:
        if kind in metering.ALIGNED:
            metering.aligned_tick(turn, kind)
        elif kind in firmware.TIMERS:
            firmware.due(turn, kind)
        elif kind == alerts.TIMER:
            alerts.settled(turn)
        elif kind in rcd.TIMERS:
            rcd.due(turn, kind, self._state.evses[number])
        elif kind in (allowance.TIMER, sharing.TIMER):
            allowance.due(turn, number)
        elif kind == "power":
            self._state.stopping = False
            self._settle_all(turn)
        else:
            _fire_evse(turn, kind, self._state.evses[number])


# How often EVSEs are brought in line in one turn: a share that moves to another EVSE takes two. Should they not come to rest, the
# station goes on with what it has, and looks again a little later.
MOST_ROUNDS = 8
AGAIN_S = 1.0


def _plan(turn: Turn) -> None:
    """Limits may have moved between EVSEs: bring every EVSE concerned in line before the turn ends."""
    charging, evses = turn.state.charging, turn.state.evses
    rules.share_out(turn)
    for _ in range(MOST_ROUNDS):
        if not charging.unsettled:
            return
        numbers, charging.unsettled = sorted(charging.unsettled), set()
        for number in numbers:
            session.settle(turn, evses[number])
    turn.timer(sharing.TIMER, 0, AGAIN_S)


def _reported(
    turn: Turn, event: CredentialsChanged | NetworkUsed | JobProgress | JobDone | SelfTested | SignedReading
) -> None:
    """News from the shell around the core: certificates, the link, jobs, tests. Each job's owner knows its own by their kind."""
    match event:
        case CredentialsChanged() | NetworkUsed():
            networking.happened(turn, event)
        case JobProgress() | JobDone():
            for owner in (diagnostics, firmware):
                owner.job_reported(turn, event)
        case SelfTested(evse=number):
            if number in turn.state.evses:
                rcd.tested(turn, turn.state.evses[number], event)
        case SignedReading(evse=number):
            if number in turn.state.evses:
                session.signature_came(turn, turn.state.evses[number], event)
        case _:
            assert_never(event)


def _fire_evse(turn: Turn, kind: str, evse: EvseState) -> None:
    match kind:
        case "connect":
            permission.no_vehicle(turn, evse)
        case "ask":
            permission.unanswered(turn, evse)
        case "react":
            evse.ev_reacted = True
            session.settle(turn, evse)
        case "opening":
            session.ask_final_reading(turn, evse)
        case "ending":
            session.close(turn, evse)
        case signing.TIMER:
            session.unsigned_end(turn, evse)
        case "unlock":
            unlocking.done(turn, evse, unlocked=False)
        case "lock":
            hardware.lock_silent(turn, evse)
        case "retry":
            metering.read(turn, evse)
        case _ if kind in safety.TIMERS:
            hardware.clock(turn, kind, evse)
        case "sample" | "collect" | "poll":
            metering.tick(turn, kind, evse)
        case _:
            raise AssertionError(f"timer {kind} has no rule")
