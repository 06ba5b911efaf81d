"""What the registers of a Modbus EVSE board mean to a station, and what the station wants of it: pure rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hal.api import (
    Fault,
    FaultCode,
    HalEvent,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.boards.model import BoardModel, Words

ASKING = {PilotState.C, PilotState.D}
CONNECTED = {PilotState.B, *ASKING}
OPEN_S = 6.0
"""So long may a vehicle keep the contactor closed after the offer is gone (IEC 61851-1 A.6 seq 10); then it is opened."""
GRACE_S = 4.0
"""For the order to open, where there is one, and the look after it."""
MOST_CABLE_A = 100.0
"""No cable is rated higher; such a word is nonsense."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A board at one moment. letter: None when the state says nothing of the vehicle. cable_a: None: no cable, or not known."""

    letter: PilotState | None
    closed: bool
    cable_a: float | None
    unknown: int | None  # a state that is not in the table


def see(model: BoardModel, words: Words) -> Seen:
    """words: has at least the state."""
    raw = words[model.state.place] & model.state.mask
    letter = model.state.letters.get(raw)
    closed = letter in ASKING
    if model.closed is not None:
        holds = model.closed.test.holds(words)
        closed = holds if model.closed.contact else closed and holds
    return Seen(letter, closed, _cable_a(model, words), None if raw in model.state.letters else raw)


def _cable_a(model: BoardModel, words: Words) -> float | None:
    if model.cable is None:
        return None
    word = words.get(model.cable.place)
    if word is None or word in model.cable.none or word * model.cable.scale > MOST_CABLE_A:
        return None
    return word * model.cable.scale


class Contactor:
    """Whether it is closed, from one look to the next.

    A board without a contact for it tells only that its pilot is off. Of a vehicle that still asks then, nobody knows whether
    it is still connected to the mains: it counts as connected until it stops asking, an order to open has been given, or
    IEC 61851-1 has made the board open (A.6 seq 10).
    """

    __slots__ = ("_model", "_since", "closed")

    def __init__(self, model: BoardModel) -> None:
        self.closed = False
        self._model = model
        self._since: float | None = None  # its pilot is off, and the vehicle still asks

    def look(self, words: Words, now: float, *, cut: bool) -> None:
        """cut: it has been ordered to open at once."""
        seen = see(self._model, words)
        contact = self._model.closed is not None and self._model.closed.contact
        if seen.closed or contact or not self.closed or seen.letter not in ASKING or cut:
            self.closed, self._since = seen.closed, None
        elif self._since is None:
            self._since = now
        elif now - self._since >= OPEN_S + (GRACE_S if self._model.cut is not None else 0.0):
            self.closed, self._since = False, None


class Announcer:
    """Turns looks into events, each told once. letter: of the vehicle, as it was told last."""

    def __init__(self, evse: int, model: BoardModel, *, fixed_cable: bool) -> None:
        self.evse = evse
        self.letter: PilotState | None = None
        self.closed: bool | None = None
        self._model = model
        self._socket = not fixed_cable and model.cable is not None
        self._cable: tuple[bool, float | None] | None = None
        self._told: dict[FaultCode, str] = {}
        self._again = True
        self._lost = ""
        self._since: dict[int, float] = {}  # rule -> when it began to hold
        self._f_since: float | None = None

    def forget(self) -> None:
        """Tell everything anew at the next look; a fault that is over by then is still told as ended."""
        self.letter = self.closed = self._cable = None
        self._again = True

    def lost(self, info: str) -> Iterator[HalEvent]:
        """The board is not reached."""
        self._lost = info
        self._told[FaultCode.INTERNAL_ERROR] = info
        yield Fault(self.evse, FaultCode.INTERNAL_ERROR, True, info)

    def see(self, words: Words, now: float, *, closed: bool, own_f: bool) -> Iterator[HalEvent]:
        """What is new. A fault begins before and ends after the rest. own_f: state F is what was wanted."""
        seen = see(self._model, words)
        letter = self._settled(seen.letter, now, own_f=own_f)
        faults = self._faults(words, seen, now)
        if self._lost and letter is None and self._f_since is not None:
            faults.setdefault(FaultCode.INTERNAL_ERROR, self._lost)  # it answers, but is not ready yet
        else:
            self._lost = ""
        for code, info in faults.items():
            if self._again or code not in self._told:
                yield Fault(self.evse, code, True, info)
        over = [code for code in self._told if code not in faults]
        self._told, self._again = dict(faults), False
        if letter is not None and letter is not self.letter:
            self.letter = letter
            yield PilotChanged(self.evse, letter)
        if closed is not self.closed:
            self.closed = closed
            yield PowerPathChanged(self.evse, closed)
        if self._socket and self.letter is not None:
            yield from self._proximity(seen)
        for code in over:
            yield Fault(self.evse, code, False)

    def _proximity(self, seen: Seen) -> Iterator[HalEvent]:
        plugged = self.letter in CONNECTED
        cable = (plugged, seen.cable_a if plugged else None)
        if cable != self._cable:
            self._cable = cable
            yield ProximityChanged(self.evse, cable[1])

    def _settled(self, letter: PilotState | None, now: float, *, own_f: bool) -> PilotState | None:
        """State F that passes by itself is not told: under it nobody knows that the vehicle is still there."""
        if letter is not PilotState.F or own_f:
            self._f_since = None
            return letter
        if self._f_since is None:
            self._f_since = now
        return letter if now - self._f_since >= self._model.state.settle_f_s else None

    def _faults(self, words: Words, seen: Seen, now: float) -> dict[FaultCode, str]:
        found: dict[FaultCode, str] = {}
        for number, rule in enumerate(self._model.faults):
            if not rule.test.holds(words):
                self._since.pop(number, None)
            elif now - self._since.setdefault(number, now) >= rule.after_s:
                found.setdefault(rule.code, f"{self._model.name}: {rule.info}")
        if seen.unknown is not None:
            words_of_it = f"{self._model.state.place} says {seen.unknown}, a state that its table does not know"
            found.setdefault(FaultCode.INTERNAL_ERROR, f"{self._model.name}: {words_of_it}")
        return found


@dataclass(slots=True)
class Level:
    """What the station wants, from its two levers. The board closes its contactor by itself when the vehicle asks.

    So an offer alone switches it on (without PWM no vehicle would ask), and a permission that is taken away while the vehicle
    asks switches it off until it is given again. withheld: that has happened. number: another one after each change.
    """

    signal: PilotSignal = PilotSignal.OFF
    amps: float = 0.0
    permitted: bool = False
    withheld: bool = False
    number: int = field(default=0, compare=False)

    def offer(self, signal: PilotSignal, amps: float) -> None:
        if signal is PilotSignal.PWM and self.signal is not PilotSignal.PWM:
            self.withheld = False
        self.signal, self.amps = signal, amps
        self.number += 1

    def permit(self, allowed: bool, *, asking: bool) -> None:
        """asking: the vehicle is in C or D, or the contactor is closed."""
        self.permitted = allowed
        if allowed:
            self.withheld = False
        elif asking:
            self.withheld = True
        self.number += 1

    def withhold(self) -> None:
        self.withheld = True
        self.number += 1

    @property
    def on(self) -> bool:
        return self.signal is PilotSignal.PWM and not self.withheld
