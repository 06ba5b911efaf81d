"""Block N: NotifyEvent for faults (N07, G05). Hard-wired notifications: no monitor of the CSMS is behind them."""

from __future__ import annotations

from hal.api import FaultCode
from station.clock import Now, best_wall, iso
from station.core.facts import AlertFact
from station.core.faults import mrec_code
from station.core.problems import part_of, place
from station.ocpp.dialect import Frame, Payload
from station.ocpp.v201.fields import address, cut


def event(fact: AlertFact, now: Now) -> Frame:
    """One event in one message (seqNo 0: N07.FR.07)."""
    at, code = iso(best_wall(fact.at, now)), FaultCode(fact.code)
    where = place(part_of(code, fact.evse), fact.evse, fact.connector)
    info = fact.info.strip()  # padded texts are refused by some
    component: Payload = {"name": where.component}
    if where.evse is not None:
        component["evse"] = address(where.evse, where.connector)
    data: Payload = {
        "eventId": fact.event,
        "timestamp": at,
        # Problem is no threshold that was crossed, but G05 and the OCA's own examples call it Alerting.
        "trigger": "Alerting",
        "actualValue": "true" if fact.problem else "false",
        "techCode": mrec_code(code),
        "techInfo": cut(f"{fact.code}: {info}" if info else fact.code, 500).rstrip(),
        "component": component,
        "variable": {"name": where.variable},
        "eventNotificationType": "HardWiredNotification",
    }
    if not fact.active:
        data["cleared"] = True
    if fact.tx_id is not None:
        data["transactionId"] = fact.tx_id
    return Frame("NotifyEvent", {"generatedAt": iso(now.wall), "seqNo": 0, "eventData": [data]})
