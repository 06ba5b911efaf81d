"""A station core with obedient hardware around it: what the shell and the board would do, in plain calls and virtual seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hal.api import (
    CardPresented,
    LockChanged,
    LockState,
    MeterRead,
    MeterReading,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
    TokenKind,
)
from station.clock import Now
from station.core.charging.memory import ChargingSetup
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, Effect, Notice, Output, ReadMeter, Reboot, Record, Reply, Save
from station.core.events import Answered, Event, LinkUp, MeterFailed
from station.core.facts import SecurityFact, TxFact
from station.core.station import Station
from station.core.types import AuthStatus, EvseInfo, IdToken, StopReason, TokenInfo, TxPhase, Verdict

WALL = 1_780_000_000.0
ACCEPTED = TokenInfo(AuthStatus.ACCEPTED)


class Rig:
    """`answers` decides what the CSMS says to an Ask; None leaves it open. Hardware obeys unless told otherwise."""

    def __init__(
        self,
        evses: int = 1,
        overrides: Mapping[str, str] | None = None,
        rows: Mapping[str, Mapping[str, Any]] | None = None,
        cause: StopReason = StopReason.POWER_LOSS,
        online: bool = True,
        register_wh: float = 1000.0,
        boot: int = 1,
        info: Callable[[int], EvseInfo] = EvseInfo,
        meter: str = "works",
        charging: ChargingSetup | None = None,
    ) -> None:
        self.mono = 100.0
        self.boot = boot
        self.info = info
        self.infos = tuple(info(n) for n in range(1, evses + 1))
        self.model = DeviceModel(standard_definitions(self.infos, overrides or {}))
        self.count = 0
        self.charging = charging
        self.station = Station(self.infos, self.model, self._new_id, meter_poll_s=5.0, charging=charging)
        self.effects: list[Effect] = []
        self.rows: dict[str, dict[str, Any]] = {kind: dict(r) for kind, r in (rows or {}).items()}
        self.facts: list[TxFact] = []
        self.security: list[SecurityFact] = []
        self.replies: dict[int, Verdict] = {}
        self.reboots: list[str] = []
        self.register = dict.fromkeys(range(1, evses + 1), register_wh)
        self.power_w = 3600.0
        # A per phase that the vehicle would take while the contactor is closed; none: the meter has no currents.
        self.draws: dict[int, tuple[float, ...]] = {}
        self.ignores: set[int] = set()  # EVSEs whose vehicle takes that whatever it is offered
        self.offered: dict[int, float] = {}
        self.celsius: dict[int, float] = {}
        self.answers: Callable[[IdToken], TokenInfo | None] = lambda _token: ACCEPTED
        self.obeys = True
        self.lets_go = True  # vehicles in C stop drawing when the offer is withdrawn, and ask again when there is one
        self.paused: set[int] = set()
        self.meter = meter  # works, fails, or says nothing
        self.lock_works = True
        self.closed: dict[int, bool] = dict.fromkeys(self.register, False)
        self.locked: dict[int, bool] = dict.fromkeys(self.register, False)
        self.ref = 1000
        self._take(self.station.restore(self.rows, self.now(), cause))
        if online:
            self.send(LinkUp())

    def _new_id(self) -> str:
        self.count += 1
        return f"tx-{self.boot}-{self.count}"

    def now(self) -> Now:
        return Now(self.mono, WALL + self.mono, self.boot)

    def send(self, event: Event) -> None:
        self._take(self.station.handle(event, self.now()))

    def command(self, make: Callable[[int], Event]) -> Verdict:
        self.ref += 1
        ref = self.ref
        self.send(make(ref))
        return self.replies[ref]

    def later(self, make: Callable[[int], Event]) -> int:
        """A command whose reply may take its time; returns its ref."""
        self.ref += 1
        self.send(make(self.ref))
        return self.ref

    def wait(self, seconds: float) -> None:
        """Let time pass, firing every timer at its moment."""
        end = self.mono + seconds
        while (due := self.station.next_deadline()) is not None and due <= end:
            self._pass(max(0.0, due - self.mono))
            self._take(self.station.advance(self.now()))
        self._pass(end - self.mono)

    def _pass(self, seconds: float) -> None:
        self.mono += seconds
        for evse, closed in self.closed.items():
            if closed:
                self.register[evse] += self.power_w * seconds / 3600

    def _take(self, effects: list[Effect]) -> None:
        self.effects.extend(effects)
        follow: list[Event] = []
        newest = {e.evse: e for e in effects if isinstance(e, Output)}
        self.offered.update((number, output.current_a) for number, output in newest.items())
        for effect in effects:
            match effect:
                case Save(kind=kind, key=key, value=value):
                    rows = self.rows.setdefault(kind, {})
                    if value is None:
                        rows.pop(key, None)
                    else:
                        rows[key] = value
                case Record(fact=TxFact() as fact):
                    self.facts.append(fact)
                case Record(fact=SecurityFact() as fact):
                    self.security.append(fact)
                case Reply(ref=ref, verdict=verdict):
                    assert ref not in self.replies, "replied twice"
                    self.replies[ref] = verdict
                case Reboot(reason=reason):
                    self.reboots.append(reason)
                case ReadMeter(evse=evse) if self.meter != "silent":
                    follow.append(self._reading(evse))
                case Ask(ask=ask, token=token):
                    info = self.answers(token)
                    if info is not None:
                        follow.append(Answered(ask, info))
                case _:
                    pass
        if self.obeys:
            for output in newest.values():
                follow.extend(self._obey(output))
        for event in follow:
            self.send(event)

    def _obey(self, output: Output) -> list[Event]:
        events: list[Event] = []
        evse = output.evse
        if self.lets_go and output.permit and output.pilot is PilotSignal.OFF:
            self.paused.add(evse)
            events.append(PilotChanged(evse, PilotState.B))
        elif evse in self.paused and output.pilot is PilotSignal.PWM:
            self.paused.discard(evse)
            events.append(PilotChanged(evse, PilotState.C))
        if output.permit != self.closed[evse]:
            self.closed[evse] = output.permit
            events.append(PowerPathChanged(evse, output.permit))
        if output.locked != self.locked[evse] and self.lock_works:
            self.locked[evse] = output.locked
            events.append(LockChanged(evse, LockState.LOCKED if output.locked else LockState.UNLOCKED))
        elif output.locked != self.locked[evse]:
            events.append(LockChanged(evse, LockState.JAMMED))
        return events

    def _reading(self, evse: int) -> Event:
        if self.meter == "fails":
            return MeterFailed(evse, "no answer")
        offered = float("inf") if evse in self.ignores else self.offered.get(evse, 0.0)
        drawn = tuple(min(wished, offered) for wished in self.draws.get(evse, ()))
        return MeterRead(
            evse,
            MeterReading(
                self.register[evse],
                power_w=self.power_w if self.closed[evse] else 0.0,
                current_a=drawn if self.closed[evse] else tuple(0.0 for _ in drawn),
                temperature_c=self.celsius.get(evse),
            ),
        )

    # --- people ---------------------------------------------------------------------------------------------------------

    def plug(self, evse: int = 1, cable_a: float | None = 32.0, state: PilotState = PilotState.B) -> None:
        self.send(ProximityChanged(evse, cable_a))
        self.send(PilotChanged(evse, state))

    def unplug(self, evse: int = 1) -> None:
        self.paused.discard(evse)
        self.send(PilotChanged(evse, PilotState.A))
        self.send(ProximityChanged(evse, None))

    def pilot(self, state: PilotState, evse: int = 1) -> None:
        self.paused.discard(evse)
        self.send(PilotChanged(evse, state))

    def swipe(self, value: str = "04A1B2C3", evse: int | None = 1, kind: TokenKind = TokenKind.ISO14443) -> None:
        self.send(CardPresented(evse, value, kind))

    def charge(self, evse: int = 1, token: str = "04A1B2C3") -> TxFact:
        """Plug, swipe, draw: a running session; returns its first fact."""
        before = len(self.facts)
        self.plug(evse)
        self.swipe(token, evse)
        self.pilot(PilotState.C, evse)
        assert self.closed[evse], "energy must flow now"
        return self.facts[before]

    # --- looks ----------------------------------------------------------------------------------------------------------

    def output(self, evse: int = 1) -> Output:
        return [e for e in self.effects if isinstance(e, Output) and e.evse == evse][-1]

    def notices(self, evse: int = 1) -> list[Any]:
        return [e.body for e in self.effects if isinstance(e, Notice) and e.body.evse == evse]

    def phases(self, evse: int = 1) -> list[str]:
        """Connector phases announced, in order."""
        return [b.phase.value for b in self.notices(evse) if hasattr(b, "phase")]

    def story(self, evse: int | None = None) -> list[tuple[str, str]]:
        return [(f.phase.value, f.trigger.value) for f in self.facts if evse is None or f.evse == evse]

    @property
    def last(self) -> TxFact:
        return self.facts[-1]

    def ended(self) -> list[TxFact]:
        return [f for f in self.facts if f.phase is TxPhase.ENDED]

    def asked(self) -> list[IdToken]:
        return [e.token for e in self.effects if isinstance(e, Ask)]

    def reboot(self, cause: StopReason = StopReason.POWER_LOSS, online: bool = True, meter: str = "works") -> Rig:
        """The station after a power cut now: only the saved rows and the meter's own register survive."""
        new = Rig.__new__(Rig)
        Rig.__init__(
            new,
            evses=len(self.infos),
            rows=self.rows,
            cause=cause,
            online=online,
            boot=self.boot + 1,
            register_wh=self.register[1],
            info=self.info,
            meter=meter,
            charging=self.charging,
        )
        return new
