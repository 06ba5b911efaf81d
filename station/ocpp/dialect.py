"""The seam between the version-neutral shell (link, delivery, registration) and one protocol version.

A dialect is a set of pure translations. It holds no socket, no timer and no queue. Versions do not know each other.
Payloads are wire-shaped dicts (camelCase, see `station.ocpp.wire`). Every outgoing frame is schema-valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from station.clock import Now
from station.core.effects import NoticeBody
from station.core.events import Event
from station.core.facts import Fact
from station.core.types import IdToken, TokenInfo
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """A CALL to be sent: action and payload, without message id."""

    action: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class BootAnswer:
    """What the CSMS made of our BootNotification. `status`: Accepted, Pending or Rejected; `interval_s` may be 0."""

    status: str
    interval_s: float
    wall: float | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A fact in this version's words: None when the version has no message for it. `context` replaces the transaction's."""

    frame: Frame | None
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FactAnswer:
    """Consequences of the CSMS's answer to a fact: the new context and events for the core."""

    context: Mapping[str, Any]
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class StationIdentity:
    """What a BootNotification tells."""

    vendor: str
    model: str
    serial: str | None = None
    firmware: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_serial: str | None = None
    meter_type: str | None = None


class Call(Protocol):
    """One CALL from the CSMS, to be answered exactly once, now or later (within about a second)."""

    @property
    def action(self) -> str: ...
    @property
    def payload(self) -> Payload: ...
    def answer(self, payload: Payload) -> None: ...
    def refuse(self, code: str, description: str = "") -> None: ...


class CertificatePort(Protocol):
    """Certificates as a CSMS manages them. `done` is called once, later, in the loop; every check is made behind it."""

    def install(self, use: CertificateUse, pem: str, done: Callable[[Outcome], None]) -> None:
        """M05: a root certificate."""

    def delete(self, which: HashData, done: Callable[[Outcome], None], *, keep_in_use: bool = False) -> None:
        """M04. keep_in_use: not the CSMS root that the connection rests on (1.6, M04.FR.06)."""

    def installed(self, uses: frozenset[CertificateUse] | None, done: Callable[[tuple[Installed, ...]], None]) -> None:
        """M03; None: all of them."""

    def signed(self, chain_pem: str, kind: LeafKind | None, done: Callable[[Outcome], None]) -> None:
        """A02: the CSMS brings the certificate for our last signing request; kind None: it did not say for which one."""

    def sign(self, kind: LeafKind) -> Outcome:
        """A02: begin a signing request (TriggerMessage); SignCertificate follows."""


class FirmwarePort(Protocol):
    """Whom to believe that a firmware is from its manufacturer."""

    def check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        """L01.FR.21: a signing certificate is Accepted, InvalidCertificate or RevokedCertificate. `done`: once."""


class Services(Protocol):
    """What a dialect's handlers may use of the station around them."""

    certificates: CertificatePort
    firmware: FirmwarePort

    @property
    def model(self) -> Any:
        """Read-only view of the device model (`station.core.device_model.DeviceModel`)."""

    def view(self) -> Any:
        """Frozen picture of the station (`station.core.view.StationView`)."""

    def now(self) -> Now: ...

    def command(self, make: Callable[[int], Event], done: Callable[[Any], None]) -> None:
        """Submit the command that `make(ref)` builds; `done(verdict)` is called when the core replies."""

    def send(self, frame: Frame) -> None:
        """Queue a CALL of this version that nobody waits for (something triggered)."""

    def sending_series(self) -> bool:
        """Whether a series is under way: the next one must wait for its end."""

    def takes_series(self) -> bool:
        """Whether another series may be given; a few may wait."""

    def send_series(self, frames: Iterator[Frame]) -> None:
        """Send CALLs one by one (the parts of a report); each is asked for when its turn has come, and the connection may end
        before. One series after the other.
        """

    def trigger_boot(self, force: bool = False) -> bool:
        """Send BootNotification again; False when the CSMS has already accepted us (F06.FR.17) and `force` is not set."""

    def trigger_heartbeat(self) -> None: ...

    def registration(self) -> str:
        """Accepted, Pending, Rejected or Unregistered."""

    def tx_for_csms_id(self, csms_id: int) -> str | None:
        """Core transaction id for a 1.6 transactionId, None when unknown."""

    def tx_context(self, tx_id: str) -> Mapping[str, Any]:
        """This version's context of a transaction, empty when it has none."""

    def queued(self, tx_id: str | None = None) -> bool:
        """Whether transaction records (of that transaction) wait for delivery (E14)."""

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> tuple[str, Any]:
        """Ask the vendor registry: (status, data). Unknown: ("UnknownVendorId", None) or ("UnknownMessageId", None)."""


@dataclass(frozen=True, slots=True)
class DialectSettings:
    """What every dialect is made with. security_profile: the one in use now (A00), 0 to 3."""

    identity: StationIdentity
    evses: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    security_profile: Callable[[], int] = lambda: 0


class Dialect(Protocol):
    """One protocol version."""

    version: str  # "1.6" | "2.0.1" | "2.1"
    subprotocol: str  # "ocpp1.6" | "ocpp2.0.1" | "ocpp2.1"
    statuses_after_reconnect: bool  # every status is told after every reconnect, however short the break

    def boot(self, reason: str) -> Frame:
        """BootNotification. `reason` is a BootReasonEnumType word (ignored by 1.6)."""

    def boot_answer(self, payload: Payload, now: Now) -> BootAnswer: ...

    def heartbeat(self) -> Frame: ...

    def heartbeat_answer(self, payload: Payload) -> float | None:
        """Wall time of the CSMS, None when unreadable."""

    def ask(self, token: IdToken, services: Services) -> Frame:
        """Authorize."""

    def ask_answer(self, payload: Payload) -> TokenInfo: ...

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        """Words for a fact. Deterministic: the same fact and context give the same frame."""

    def record_answer(self, fact: Fact, context: Mapping[str, Any], payload: Payload) -> FactAnswer: ...

    def record_dropped(self, fact: Fact, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The attempts for this fact are spent; the context that later facts of the transaction see."""

    def repeats(self, fact: Fact) -> bool:
        """Whether the fact is sent again when no answer came in time (E13, A04.FR.02)."""

    def finished(self, fact: Fact, context: Mapping[str, Any]) -> bool:
        """True when after this fact nothing more of its transaction is to be sent in this version."""

    def notice(self, body: NoticeBody, services: Services) -> list[Frame]:
        """Words for a state, may be empty. The shell drops a frame whose words equal those last acknowledged for the
        same key, timestamps aside."""

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> Frame:
        """DataTransfer to the CSMS (P02). Raises ValueError for a name over its length."""

    def data_transfer_answer(self, payload: Payload) -> tuple[str, Any]:
        """Status and data of the CSMS's answer."""

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> Frame:
        """SignCertificate (A02)."""

    def sign_certificate_answer(self, payload: Payload) -> str:
        """Accepted or Rejected."""

    def handle(self, call: Call, services: Services) -> None:
        """Answer a CALL from the CSMS (the payload is already schema-valid). Unknown actions never come here."""

    def supports(self, action: str) -> bool:
        """Whether `handle` has a handler for this known action (else the shell answers NotSupported)."""
