"""Who says that a fault is there: one that several report begins with the first of them and ends with the last.

A driver that has lost its board and the task that cannot switch that board report the same fault; neither may end it for the other.
"""

from __future__ import annotations

from collections.abc import Callable

from hal.api import Fault, FaultCode

__all__ = ["FaultSources"]

Key = tuple[int, FaultCode]


class FaultSources:
    """The faults that hardware reports. submit: takes those that really begin or end. source: who, one name for each."""

    __slots__ = ("_again", "_standing", "_submit")

    def __init__(self, submit: Callable[[Fault], None]) -> None:
        self._submit = submit
        self._standing: dict[Key, set[str]] = {}
        self._again: dict[str, set[Key]] = {}

    def report(self, source: str, fault: Fault) -> None:
        """A fault begins or ends, as `source` sees it. A beginning is always passed on: its words may be new."""
        key = (fault.evse, fault.code)
        sources = self._standing.setdefault(key, set())
        if fault.active:
            sources.add(source)
            if source in self._again:
                self._again[source].add(key)
        else:
            sources.discard(source)
        if not sources:
            del self._standing[key]
        if fault.active or not sources:
            self._submit(fault)

    def begin_anew(self, source: str) -> None:
        """From here to `settle` the source tells all its faults once more: it knows nothing of what it said before."""
        self._again[source] = set()

    def settle(self, source: str) -> None:
        """What it has not told since `begin_anew` is over."""
        told = self._again.pop(source, set())
        for evse, code in [key for key, sources in self._standing.items() if source in sources and key not in told]:
            self.report(source, Fault(evse, code, False))
