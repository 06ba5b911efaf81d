"""Block A: SecurityEventNotification (A04)."""

from __future__ import annotations

from station.clock import Now, best_wall, iso
from station.core.facts import SecurityFact
from station.ocpp.dialect import Frame, Payload
from station.ocpp.v201.fields import cut


def event(fact: SecurityFact, now: Now) -> Frame:
    """SecurityEventNotification."""
    payload: Payload = {"type": cut(fact.kind, 50), "timestamp": iso(best_wall(fact.at, now))}
    if fact.info:
        payload["techInfo"] = cut(fact.info, 255)
    return Frame("SecurityEventNotification", payload)
