"""What an OpenEVSE board's states mean to a station, and what the station wants of it: pure rules.

State numbers and flags: OpenEVSE/open_evse firmware/open_evse/J1772EvseController.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from hal.api import Fault, FaultCode, HalEvent, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.drivers.openevse_rapi import Status

UNKNOWN = 0x00
STATE_A, STATE_B, STATE_C, STATE_D = 0x01, 0x02, 0x03, 0x04
SLEEPING, DISABLED = 0xFE, 0xFF

HARD_FAULT = 0x0002
AUTH_LOCKED = 0x0008
RELAY_CLOSED = 0x0040
EV_CONNECTED = 0x0100
BOOT_LOCK = 0x4000

BUTTON_OFF = 0x8000  # of the settings: the front button does nothing but tell us

FAULTS: dict[int, tuple[FaultCode, str]] = {
    # J1772: a vehicle that asks for ventilation is refused until it is unplugged.
    STATE_D: (FaultCode.PILOT_FAULT, "the vehicle asks for ventilation (state D)"),
    0x05: (FaultCode.PILOT_FAULT, "diode check failed"),
    0x06: (FaultCode.GROUND_FAILURE, "the GFI tripped"),
    0x07: (FaultCode.GROUND_FAILURE, "no protective earth"),
    0x08: (FaultCode.EVSE_CONTACTOR_FAULT, "the relay is stuck closed"),
    0x09: (FaultCode.GROUND_FAILURE, "the GFI failed its self-test"),
    0x0A: (FaultCode.HIGH_TEMPERATURE, "over-temperature"),
    0x0B: (FaultCode.OVER_CURRENT_FAILURE, "the vehicle draws more than it is offered"),
    0x0E: (FaultCode.EVSE_CONTACTOR_FAULT, "the relay does not close"),
    0x0F: (FaultCode.PROXIMITY_FAULT, "the proximity contact is shorted"),  # newer firmware, as the next two
    0x10: (FaultCode.PROXIMITY_FAULT, "the proximity resistor is missing"),
    0x11: (FaultCode.INTERNAL_ERROR, "EEPROM failure"),
}

CHECKS: dict[str, int] = {
    "diode": 0x0002,
    "ventilation": 0x0004,
    "ground": 0x0008,
    "relay": 0x0010,
    "gfi_test": 0x0200,
    "temperature": 0x0400,
}
"""Safety checks of the board by name, with the flag of the settings (`GE`) that says it is off."""

CHECK_LETTERS = {"diode": "D", "ventilation": "V", "ground": "G", "relay": "R", "gfi_test": "F", "temperature": "T"}
"""The letter of each in the command that switches it: `FF D 1`."""


def is_fault(state: int) -> bool:
    return STATE_D <= state < SLEEPING


def is_closed(status: Status) -> bool:
    return bool(status.vflags & RELAY_CLOSED)


def is_connected(status: Status) -> bool:
    return bool(status.vflags & EV_CONNECTED)


def fault_of(status: Status, before: tuple[FaultCode, str] | None) -> tuple[FaultCode, str] | None:
    """Fault and words of a state. `before`: what stood, for a state that hides it (asleep in a hard fault)."""
    if is_fault(status.state):
        code, words = FAULTS.get(status.state, (FaultCode.INTERNAL_ERROR, "a fault that this driver does not know"))
        recovery = "until the vehicle is unplugged" if status.vflags & HARD_FAULT else "the board tries again by itself"
        return code, f"OpenEVSE state {status.state:02X}: {words}; {recovery}"
    return before if status.vflags & HARD_FAULT else None


def letter_of(status: Status) -> PilotState | None:
    """The vehicle's letter; None while the board is making up its mind."""
    if status.state == UNKNOWN:
        return None
    if status.state == DISABLED:
        return PilotState.F
    if status.state == STATE_A:
        return PilotState.A
    if status.state == STATE_C:  # with its ventilation check off, the board charges a vehicle in D
        return PilotState.D if status.pilot == STATE_D else PilotState.C
    if status.state == STATE_D:
        return PilotState.D
    return PilotState.B if is_connected(status) or status.state == STATE_B else PilotState.A


class Announcer:
    """Turns states into events, each told once."""

    __slots__ = ("_closed", "_fault", "_letter", "evse")

    def __init__(self, evse: int) -> None:
        self.evse = evse
        self._letter: PilotState | None = None
        self._closed: bool | None = None
        self._fault: tuple[FaultCode, str] | None = None

    def forget(self) -> None:
        """Tell everything anew at the next state; a fault that is over by then is still told as ended."""
        self._letter = self._closed = None

    def see(self, status: Status) -> Iterator[HalEvent]:
        """What is new. A fault begins before and ends after the rest."""
        fault = fault_of(status, self._fault)
        code = None if fault is None else fault[0]
        told = None if self._fault is None else self._fault[0]
        over = told if told is not code else None
        again = self._closed is None
        self._fault = fault
        if fault is not None and (fault[0] is not told or again):
            yield Fault(self.evse, fault[0], True, fault[1])
        letter, closed = letter_of(status), is_closed(status)
        if letter is not None and letter is not self._letter:
            self._letter = letter
            yield PilotChanged(self.evse, letter)
        if closed is not self._closed:
            self._closed = closed
            yield PowerPathChanged(self.evse, closed)
        if over is not None:
            yield Fault(self.evse, over, False)


class Target(Enum):
    """Where the board has to be. A board in a fault of its own is safe and is left there: no command may hide the fault."""

    ENABLED = "FE"
    ASLEEP = "FS"
    DISABLED = "FD"

    def reached(self, status: Status) -> bool:
        if self is Target.ENABLED:
            return status.state not in {SLEEPING, DISABLED}
        if is_fault(status.state) and not is_closed(status):
            return True
        return status.state == (SLEEPING if self is Target.ASLEEP else DISABLED)


@dataclass(slots=True)
class Level:
    """What the station wants, from its two levers. The board closes its relay by itself when it is enabled and the vehicle asks.

    So an offer alone enables it (without PWM no vehicle would ask), and a permission that is taken away while the vehicle
    asks puts it to sleep until it is given again. withheld: that has happened. renewed: it was offered current since; as soon as the
    vehicle has let go, that is an offer like any other.
    """

    signal: PilotSignal = PilotSignal.OFF
    amps: int = 0
    permitted: bool = False
    withheld: bool = False
    renewed: bool = False

    def offer(self, signal: PilotSignal, amps: int) -> None:
        self.renewed = signal is PilotSignal.PWM
        if signal is PilotSignal.PWM and self.signal is not PilotSignal.PWM:
            self.withheld = False
        self.signal, self.amps = signal, amps

    def permit(self, allowed: bool, *, asking: bool) -> None:
        """asking: the vehicle is in C or D, or the relay is closed."""
        self.permitted = allowed
        if allowed:
            self.withheld = False
        elif asking:
            self.withhold()

    def withhold(self) -> None:
        """The board sleeps until the permission is given, or current is offered anew."""
        self.withheld, self.renewed = True, False

    def settle(self, *, asking: bool) -> None:
        """What was withheld may be offered again, if it was renewed and the vehicle has let go. asking: as for `permit`."""
        if self.renewed and not asking:
            self.withheld = False

    @property
    def target(self) -> Target:
        if self.signal is PilotSignal.FAULT:
            return Target.DISABLED
        if self.signal is PilotSignal.OFF or self.withheld:
            return Target.ASLEEP
        return Target.ENABLED


class EnergyRegister:
    """A register that only grows, from a session counter that begins anew and a total that lags behind it.

    The board adds a session to its total when the vehicle leaves, in whole Wh, and keeps showing it until the next one
    comes. It forgets a session during which it loses its supply; what had been read of it is not lost here.
    """

    __slots__ = ("_added", "_fresh", "_session_ws", "_total_wh", "_ws")

    def __init__(self) -> None:
        self._ws: float | None = None
        self._session_ws = 0
        self._total_wh = 0
        self._added = False  # the session that was read last was in the total already
        self._fresh = False

    def count(self, session_ws: int, total_wh: int, *, connected: bool) -> float:
        """The register in Wh."""
        added = not connected
        if self._ws is None:
            self._ws = total_wh * 3600.0 + (session_ws if connected else 0)
        elif self._fresh or session_ws < self._session_ws:
            known_ws = (0 if self._added else self._session_ws) + (session_ws if added else 0)
            missed_ws = (total_wh - self._total_wh) * 3600 - known_ws  # of sessions before, after the last reading
            self._ws += session_ws + max(0, missed_ws)
        else:
            self._ws += session_ws - self._session_ws
            # It may lag a moment behind the vehicle's leaving.
            added = added and (self._added or total_wh > self._total_wh or session_ws < 3600)
        self._session_ws, self._total_wh, self._added, self._fresh = session_ws, total_wh, added, False
        return self._ws / 3600

    def new_session(self) -> None:
        """A vehicle has come: the session counter has begun anew, even if it is past the last reading already."""
        self._fresh = self._ws is not None
