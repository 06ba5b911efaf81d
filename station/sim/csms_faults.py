"""Misbehaviour on demand: what the embedded CSMS does instead of answering a CALL as it should."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = ["Fault", "FaultKind", "Faults", "Strike"]


class FaultKind(Enum):
    """What happens to the answer. All but REFUSE and REPLACE let the CSMS take note of the CALL as usual."""

    LATE = "late"  # it comes `delay_s` later
    NEVER = "never"  # it never comes
    TWICE = "twice"  # it comes two times
    WRONG_ID = "wrong id"  # it comes with an id that nobody asked with
    GARBAGE = "garbage"  # `text` comes in its place
    REFUSE = "refuse"  # a CALLERROR with `code` comes; the CALL is not taken note of
    REPLACE = "replace"  # `payload` is the answer, valid or not
    CLOSE = "close"  # the connection is closed (`abrupt`: cut) in its place


@dataclass(slots=True)
class Fault:
    """`action` None: any CALL; `station` None: of any station; `times` None: until cleared."""

    kind: FaultKind
    action: str | None = None
    station: str | None = None
    times: int | None = 1
    delay_s: float = 60.0
    text: str = "{]"
    code: str = "InternalError"
    description: str = "on demand"
    payload: dict[str, Any] = field(default_factory=dict)
    abrupt: bool = False

    def fits(self, station: str, action: str) -> bool:
        return self.action in {None, action} and self.station in {None, station} and self.times != 0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault has struck this CALL. `wall`: seconds."""

    kind: FaultKind
    station: str
    action: str
    wall: float


class Faults:
    """The faults that are planned; the oldest that fits strikes. `struck`: the latest strikes, oldest first."""

    KEPT = 20

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self.struck: deque[Strike] = deque(maxlen=self.KEPT)

    def __len__(self) -> int:
        return len(self._planned)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._planned))

    def add(self, fault: Fault) -> None:
        self._planned.append(fault)

    def clear(self) -> None:
        self._planned.clear()

    def take(self, station: str, action: str, wall: float = 0.0) -> Fault | None:
        """The fault for this CALL, if any; uses it up by one. wall: now, seconds."""
        for fault in self._planned:
            if fault.fits(station, action):
                self.struck.append(Strike(fault.kind, station, action, wall))
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._planned.remove(fault)
                return fault
        return None
