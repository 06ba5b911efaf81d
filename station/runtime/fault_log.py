"""Faults in the log, with the words of whoever saw them: for a technician who has the journal and no CSMS."""

from __future__ import annotations

import logging

from hal.api import FaultCode
from station.clock import Now
from station.core.effects import Effect, Record
from station.core.events import Event
from station.core.facts import AlertFact
from station.core.faults import stops_energy

__all__ = ["log_faults"]

log = logging.getLogger("station.faults")


def log_faults(event: Event | None, effects: list[Effect], now: Now) -> None:
    """A listener of the gateway: one line when a fault begins, one when it is over."""
    del event, now
    for effect in effects:
        if isinstance(effect, Record) and isinstance(effect.fact, AlertFact):
            _tell(effect.fact)


def _tell(fact: AlertFact) -> None:
    where = f"EVSE {fact.evse}" if fact.evse else "the station"
    if not fact.active:
        log.info("%s: fault %s is over", where, fact.code)
        return
    level = logging.ERROR if stops_energy(FaultCode(fact.code)) else logging.WARNING
    log.log(level, "%s: fault %s%s", where, fact.code, f": {fact.info}" if fact.info else "")
