"""OCPP 1.6J as a dialect: joins the feature files. A later profile is one more file and one more table here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from station.clock import Now
from station.core.effects import ConnectorNotice, MeterNotice, NoticeBody
from station.core.facts import AlertFact, Fact, FirmwareStatusFact, LogStatusFact, SecurityFact, TxFact
from station.core.types import AuthStatus, IdToken, TokenInfo
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
from station.ocpp.v16 import (
    charging,
    configuration,
    core_boot,
    files,
    metering,
    remote,
    security,
    status,
    transactions,
    trigger,
)
from station.ocpp.v16.common import Handler, id_tag, token_info, wall_time
from station.security.api import LeafKind

_HANDLERS: Mapping[str, Handler] = {
    **core_boot.HANDLERS,
    **configuration.HANDLERS,
    **remote.HANDLERS,
    **trigger.HANDLERS,
    **security.HANDLERS,
    **files.HANDLERS,
    **charging.HANDLERS,
}


class Dialect16:
    """The Core, RemoteTrigger and SmartCharging profiles. Stateless: what it remembers of a transaction is the shell's context."""

    version = "1.6"
    subprotocol = "ocpp1.6"
    statuses_after_reconnect = True  # 1.6 has no OfflineThreshold

    __slots__ = ("_settings",)

    def __init__(self, settings: DialectSettings) -> None:
        self._settings = settings

    def boot(self, reason: str) -> Frame:
        return core_boot.boot(self._settings.identity)

    def boot_answer(self, payload: Payload, now: Now) -> BootAnswer:
        return core_boot.boot_answer(payload)

    def heartbeat(self) -> Frame:
        return core_boot.heartbeat()

    def heartbeat_answer(self, payload: Payload) -> float | None:
        return wall_time(payload.get("currentTime"))

    def ask(self, token: IdToken, services: Services) -> Frame:
        return Frame("Authorize", {"idTag": id_tag(token)})

    def ask_answer(self, payload: Payload) -> TokenInfo:
        """An answer without idTagInfo is no acceptance."""
        return token_info(payload) or TokenInfo(AuthStatus.INVALID)

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        """1.6 has no words for what happened offline (the timestamp tells).

        SecurityEventNotification comes from the security whitepaper. A CSMS that uses none of it (security profile 0) often
        answers with an error, so there the event stays in the security log.
        """
        match fact:
            case TxFact():
                return transactions.record(fact, context, now)
            case SecurityFact() if self._settings.security_profile() > 0:
                return Rendered(security.event(fact, now), context)
            case LogStatusFact():
                return Rendered(files.log_status(fact), context)
            case FirmwareStatusFact():
                return Rendered(files.firmware_status(fact), context)
            case SecurityFact() | AlertFact():  # of faults 1.6 tells with StatusNotification
                return Rendered(None, context)
            case _:
                assert_never(fact)

    def record_answer(self, fact: Fact, context: Mapping[str, Any], payload: Payload) -> FactAnswer:
        match fact:
            case TxFact():
                return transactions.record_answer(fact, context, payload)
            case SecurityFact() | LogStatusFact() | FirmwareStatusFact() | AlertFact():
                return FactAnswer(context)
            case _:
                assert_never(fact)

    def record_dropped(self, fact: Fact, context: Mapping[str, Any]) -> Mapping[str, Any]:
        match fact:
            case TxFact():
                return transactions.record_dropped(fact, context)
            case SecurityFact() | LogStatusFact() | FirmwareStatusFact() | AlertFact():
                return context
            case _:
                assert_never(fact)

    def repeats(self, fact: Fact) -> bool:
        """A CSMS without the whitepaper leaves its messages unanswered, and everything behind them would wait."""
        return isinstance(fact, TxFact)

    def finished(self, fact: Fact, context: Mapping[str, Any]) -> bool:
        return not isinstance(fact, TxFact) or transactions.finished(fact)

    def notice(self, body: NoticeBody, services: Services) -> list[Frame]:
        match body:
            case ConnectorNotice():
                return status.notice(body, services)
            case MeterNotice():
                return metering.notice(body, services)
            case _:
                assert_never(body)

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> Frame:
        return core_boot.data_transfer(vendor, message, data)

    def data_transfer_answer(self, payload: Payload) -> tuple[str, Any]:
        return str(payload.get("status", "Rejected")), payload.get("data")

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> Frame:
        return Frame("SignCertificate", {"csr": csr_pem})

    def sign_certificate_answer(self, payload: Payload) -> str:
        return str(payload.get("status", "Rejected"))

    def handle(self, call: Call, services: Services) -> None:
        _HANDLERS[call.action](call, services, self._settings)

    def supports(self, action: str) -> bool:
        return action in _HANDLERS


def create(settings: DialectSettings) -> Dialect:
    """The factory that the composition root looks up by version."""
    return Dialect16(settings)
