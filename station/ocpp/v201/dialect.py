"""The 2.0.1 dialect: composes the functional blocks behind `station.ocpp.dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from station.clock import Now
from station.core.effects import ConnectorNotice, MeterNotice, NoticeBody
from station.core.facts import AlertFact, Fact, FirmwareStatusFact, LogStatusFact, SecurityFact, TxFact
from station.core.types import IdToken, TokenInfo, TxPhase
from station.ocpp.dialect import (
    BootAnswer,
    Call,
    Dialect,
    DialectSettings,
    FactAnswer,
    Frame,
    Payload,
    Rendered,
    Services,
)
from station.ocpp.v201 import (
    alerts,
    authorization,
    availability,
    certificates,
    charging,
    data_transfer,
    files,
    metering,
    network,
    provisioning,
    remote,
    reports,
    security,
    transactions,
    variables,
)
from station.ocpp.v201.fields import Handler
from station.security.api import LeafKind

HANDLERS: Mapping[str, Handler] = {
    **provisioning.HANDLERS,
    **variables.HANDLERS,
    **reports.HANDLERS,
    **authorization.HANDLERS,
    **transactions.HANDLERS,
    **remote.HANDLERS,
    **availability.HANDLERS,
    **certificates.HANDLERS,
    **charging.HANDLERS,
    **data_transfer.HANDLERS,
    **files.HANDLERS,
    **network.HANDLERS,
}


class Dialect201:
    """OCPP 2.0.1. Keeps nothing: a transaction carries its own id in this version, so facts need no context."""

    version: str = "2.0.1"
    subprotocol: str = "ocpp2.0.1"
    statuses_after_reconnect: bool = False  # B04: only after OfflineThreshold
    handlers: Mapping[str, Handler] = HANDLERS

    def __init__(self, settings: DialectSettings) -> None:
        self._identity = settings.identity

    def boot(self, reason: str) -> Frame:
        return provisioning.boot(self._identity, reason)

    def boot_answer(self, payload: Payload, now: Now) -> BootAnswer:
        return provisioning.boot_answer(payload)

    def heartbeat(self) -> Frame:
        return availability.heartbeat()

    def heartbeat_answer(self, payload: Payload) -> float | None:
        return availability.heartbeat_answer(payload)

    def ask(self, token: IdToken, services: Services) -> Frame:
        return authorization.authorize(token)

    def ask_answer(self, payload: Payload) -> TokenInfo:
        return authorization.authorize_answer(payload)

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        match fact:
            case TxFact():
                return Rendered(transactions.event(fact, now, offline=offline), context)
            case SecurityFact():
                return Rendered(security.event(fact, now), context)
            case LogStatusFact():
                return Rendered(files.log_status(fact), context)
            case FirmwareStatusFact():
                return Rendered(files.firmware_status(fact), context)
            case AlertFact():
                return Rendered(alerts.event(fact, now), context)
            case _:
                assert_never(fact)

    def record_answer(self, fact: Fact, context: Mapping[str, Any], payload: Payload) -> FactAnswer:
        return FactAnswer(context, transactions.answer(fact, payload) if isinstance(fact, TxFact) else ())

    def record_dropped(self, fact: Fact, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """E13.FR.04: dropped, and the next one goes on by itself."""
        return context

    def repeats(self, fact: Fact) -> bool:
        return True

    def finished(self, fact: Fact, context: Mapping[str, Any]) -> bool:
        return not isinstance(fact, TxFact) or fact.phase is TxPhase.ENDED

    def notice(self, body: NoticeBody, services: Services) -> list[Frame]:
        match body:
            case ConnectorNotice():
                return availability.notice(body, services.now())
            case MeterNotice():
                return metering.notice(body, services.now())
            case _:
                assert_never(body)

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> Frame:
        return data_transfer.request(vendor, message, data)

    def data_transfer_answer(self, payload: Payload) -> tuple[str, Any]:
        return str(payload.get("status", "Rejected")), payload.get("data")

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> Frame:
        return Frame("SignCertificate", {"csr": csr_pem, "certificateType": kind.value})

    def sign_certificate_answer(self, payload: Payload) -> str:
        return str(payload.get("status", "Rejected"))

    def handle(self, call: Call, services: Services) -> None:
        self.handlers[call.action](call, services)

    def supports(self, action: str) -> bool:
        return action in self.handlers


def create(settings: DialectSettings) -> Dialect:
    """The dialect of one station."""
    return Dialect201(settings)
