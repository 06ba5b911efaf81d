"""Faults in the log, with the words of whoever saw them: for a technician who has the journal and no CSMS."""

from __future__ import annotations

import logging

from hal.api import Fault, FaultCode
from station.clock import Now
from station.core.effects import Effect, Record
from station.core.events import Event
from station.core.facts import AlertFact
from station.core.faults import stops_energy

__all__ = ["FaultLog"]

log = logging.getLogger("station.faults")


class FaultLog:
    """A listener of the gateway: one line when a fault begins, one when it is over.

    One that stood before a restart is no news for the CSMS, but it is for the log: then the hardware's own report is told.
    """

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[tuple[int, str]] = set()

    def __call__(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        del now
        for effect in effects:
            if isinstance(effect, Record) and isinstance(effect.fact, AlertFact):
                fact = effect.fact
                self._tell(fact.evse, fact.code, active=fact.active, info=fact.info)
        if isinstance(event, Fault) and event.active:
            self._tell(event.evse, event.code.value, active=True, info=event.info)

    def _tell(self, evse: int, code: str, *, active: bool, info: str) -> None:
        key, where = (evse, code), f"EVSE {evse}" if evse else "the station"
        if active and key not in self._told:
            self._told.add(key)
            level = logging.ERROR if stops_energy(FaultCode(code)) else logging.WARNING
            log.log(level, "%s: fault %s%s", where, code, f": {info}" if info else "")
        elif not active:
            self._told.discard(key)
            log.info("%s: fault %s is over", where, code)
