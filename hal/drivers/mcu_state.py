"""What a connector of an EVerest-MCU board shows, as events, each told once. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hal.api import (
    Fault,
    FaultCode,
    HalEvent,
    LockChanged,
    LockState,
    PilotChanged,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.drivers.mcu_boards import Flag
from hal.drivers.mcu_messages import Bolt, ErrorsTold, PilotTold, Proximity, ProximityTold, RelayTold, Told

FAULTS: dict[Flag, tuple[FaultCode, str]] = {
    Flag.DIODE: (FaultCode.PILOT_FAULT, "diode: the vehicle's diode is missing or shorted"),
    Flag.RCD_SELFTEST: (FaultCode.GROUND_FAILURE, "the residual current device failed its self-test"),
    Flag.RCD: (FaultCode.GROUND_FAILURE, "the residual current device tripped"),
    Flag.VENTILATION: (FaultCode.INVALID_VEHICLE_MODE, "the vehicle asks for ventilation (state D)"),
    Flag.LOCK: (FaultCode.CONNECTOR_LOCK_FAILURE, "the lock's motor failed"),
    Flag.PILOT: (FaultCode.PILOT_FAULT, "the pilot signal is wrong"),
    Flag.OVER_CURRENT: (FaultCode.OVER_CURRENT_FAILURE, "the vehicle draws too much"),
    Flag.HEARTBEAT: (FaultCode.INTERNAL_ERROR, "the board does not hear this program"),
    Flag.CONTACTOR: (FaultCode.EVSE_CONTACTOR_FAULT, "the contactor's feedback is not what it should be"),
    Flag.PROXIMITY: (FaultCode.PROXIMITY_FAULT, "the proximity signal is wrong"),
}
CABLE_A = {Proximity.NONE: None, Proximity.A13: 13.0, Proximity.A20: 20.0, Proximity.A32: 32.0}


class BoltWatch:
    """Whether the lock ends where it was sent. has_feedback: the board tells where it is. lock_s: how long it may take."""

    __slots__ = ("_bolt", "_feedback", "_lock_s", "_moving", "deadline", "state", "wanted")

    def __init__(self, lock_s: float, *, has_feedback: bool) -> None:
        self._lock_s = lock_s
        self._feedback = has_feedback
        self._bolt = Bolt.UNDEFINED
        self._moving = False
        self.wanted: bool | None = None  # None: nobody has said
        self.deadline: float | None = None
        self.state: LockState | None = None

    def forget(self) -> None:
        """The board may have restarted: nobody knows where it is."""
        self._bolt, self._moving, self.deadline, self.state = Bolt.UNDEFINED, False, None, None

    def move(self, locked: bool, now: float) -> None:
        self.wanted = locked
        self._moving = False
        self.deadline = now + self._lock_s
        if not self._feedback:
            self._arrive(LockState.LOCKED if locked else LockState.UNLOCKED)
        else:
            self._judge()

    def see(self, bolt: Bolt) -> None:
        self._bolt = bolt
        self._judge()

    def late(self, now: float) -> bool:
        """True once the time is over: it is jammed then."""
        if self.deadline is None or now < self.deadline:
            return False
        self._arrive(LockState.JAMMED)
        return True

    def _judge(self) -> None:
        bolt = self._bolt
        if bolt in {Bolt.LOCKING, Bolt.UNLOCKING}:
            self._moving = True
            return
        shown = {Bolt.LOCKED: LockState.LOCKED, Bolt.UNLOCKED: LockState.UNLOCKED}.get(bolt)
        if self.deadline is None:
            if shown is not None:
                self.state = shown
        elif shown is (LockState.LOCKED if self.wanted else LockState.UNLOCKED):
            self._arrive(shown)
        elif self._moving:
            self._arrive(LockState.JAMMED)  # it has moved, and ended elsewhere

    def _arrive(self, state: LockState) -> None:
        self.state, self.deadline, self._moving = state, None, False


class Announcer:
    """Turns what a board says of one connector into events.

    socket: it has a PP contact of its own. one_phase: then 100 ohm means a cable of 70 A, else of 63 A. letter, closed,
    flags: as the board said last (None: it has not said). quiet: flags that are expected now, and no fault.
    """

    __slots__ = (
        "_cable",
        "_flags",
        "_one_phase",
        "_own",
        "_socket",
        "_told",
        "bolt",
        "closed",
        "evse",
        "letter",
        "quiet",
    )

    def __init__(self, evse: int, bolt: BoltWatch, *, socket: bool, one_phase: bool) -> None:
        self.evse = evse
        self.bolt = bolt
        self._socket = socket
        self._one_phase = one_phase
        self._own: dict[str, tuple[FaultCode, str]] = {}
        self._told: dict[object, object] = {}
        self.quiet: frozenset[Flag] = frozenset()
        self.forget()

    def forget(self) -> None:
        """Nobody knows how the board is; what it says next is told anew. Faults stand until it has spoken."""
        self.letter: PilotState | None = None
        self.closed: bool | None = None
        self._flags: dict[bool, frozenset[Flag]] = {}  # of this connector, and of the board as a whole
        self._cable: Proximity | None = None
        self.bolt.forget()
        for name in ("letter", "closed", "cable", "lock"):
            self._told.pop(name, None)

    @property
    def flags(self) -> frozenset[Flag]:
        return frozenset().union(*self._flags.values())

    def assume(self) -> None:
        """A board that has just been reset, and says nothing of itself, has no vehicle and an open contactor."""
        self.letter = self.letter or PilotState.A
        self.closed = bool(self.closed)

    def trouble(self, name: str, words: str) -> None:
        """A fault InternalError that the driver itself has found; no words: it is over."""
        if words:
            self._own[name] = (FaultCode.INTERNAL_ERROR, words)
        else:
            self._own.pop(name, None)

    def tell_lock_again(self) -> None:
        """Whoever moves a bolt hears how that ended, also when it ends where it was."""
        self._told.pop("lock", None)

    def see(self, told: Told) -> None:
        match told:
            case PilotTold(state=state):
                self.letter = state
            case RelayTold(closed=closed):
                self.closed = closed
            case ErrorsTold(connector=connector, flags=flags):
                self._flags[connector == 0] = flags
            case ProximityTold(cable=cable):
                self._cable = cable
            case _:
                return

    def _faults(self) -> dict[FaultCode, str]:
        """What stands now: one fault of each code, whatever its reasons."""
        found: dict[FaultCode, str] = {}
        reasons = [*self._own.values(), *(FAULTS[flag] for flag in Flag if flag in self.flags - self.quiet)]
        if self._socket and self._cable is Proximity.FAULT:
            reasons.append((FaultCode.PROXIMITY_FAULT, "the cable's PP resistor is none of the standard"))
        for code, words in reasons:
            found[code] = f"{found[code]}; {words}" if code in found else words
        return found

    def news(self) -> Iterator[HalEvent]:
        """What has not been told yet. A fault begins before and ends after the rest."""
        faults = self._faults()
        for code, words in faults.items():
            if code not in self._told:
                self._told[code] = True
                yield Fault(self.evse, code, True, words)
        if self.letter is not None and self._new("letter", self.letter):
            yield PilotChanged(self.evse, self.letter)
        if self.closed is not None and self._new("closed", self.closed):
            yield PowerPathChanged(self.evse, self.closed)
        if self._socket and self._cable not in {None, Proximity.FAULT} and self._new("cable", self._cable):
            yield ProximityChanged(self.evse, self._cable_a())
        if self.bolt.state is not None and self.bolt.deadline is None and self._new("lock", self.bolt.state):
            yield LockChanged(self.evse, self.bolt.state)
        for over in [code for code in self._told if isinstance(code, FaultCode) and code not in faults]:
            del self._told[over]
            yield Fault(self.evse, over, False)

    def _new(self, name: str, value: object) -> bool:
        is_new = self._told.get(name) != value
        self._told[name] = value
        return is_new

    def _cable_a(self) -> float | None:
        if self._cable is Proximity.A70:
            return 70.0 if self._one_phase else 63.0
        return CABLE_A[self._cable or Proximity.NONE]
