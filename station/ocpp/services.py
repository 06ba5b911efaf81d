"""What the handlers of a dialect get: the station around them, and the CALL that they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from station.clock import Now
from station.core.device_model import DeviceModel
from station.core.events import Event
from station.core.types import Verdict
from station.core.view import StationView
from station.ocpp.delivery import Delivery
from station.ocpp.dialect import CertificatePort, FirmwarePort, Frame, Payload
from station.ocpp.records import RecordQueue
from station.ocpp.registration import Registration
from station.runtime.ports import GatewayPort
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

DataTransferHandler = Callable[[Any], tuple[str, Any]]
"""Takes the data of a DataTransfer, gives status and data of the answer."""


class DataTransfers:
    """Vendor extensions (P01): vendor -> message -> handler. Empty unless somebody registers."""

    __slots__ = ("_vendors",)

    def __init__(self) -> None:
        self._vendors: dict[str, dict[str | None, DataTransferHandler]] = {}

    def register(self, vendor: str, message: str | None, handler: DataTransferHandler) -> None:
        """`message` None: for calls without a message id."""
        self._vendors.setdefault(vendor, {})[message] = handler

    def call(self, vendor: str, message: str | None, data: Any) -> tuple[str, Any]:
        messages = self._vendors.get(vendor)
        if messages is None:
            return "UnknownVendorId", None  # P01.FR.05
        handler = messages.get(message)
        if handler is None:
            return "UnknownMessageId", None  # P01.FR.06
        return handler(data)


class NoCertificates:
    """`CertificatePort` of a station without a certificate store."""

    def install(self, use: CertificateUse, pem: str, done: Callable[[Outcome], None]) -> None:
        done(_NO_STORE)

    def delete(self, which: HashData, done: Callable[[Outcome], None], *, keep_in_use: bool = False) -> None:
        done(Outcome("NotFound"))

    def installed(self, uses: frozenset[CertificateUse] | None, done: Callable[[tuple[Installed, ...]], None]) -> None:
        done(())

    def signed(self, chain_pem: str, kind: LeafKind | None, done: Callable[[Outcome], None]) -> None:
        done(_NO_STORE)

    def sign(self, kind: LeafKind) -> Outcome:
        return _NO_STORE


class NoFirmware:
    """`FirmwarePort` of a station that updates no firmware: it knows no manufacturer."""

    def check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        done(Outcome("InvalidCertificate", "NotEnabled", "this station transfers no files"))


_NO_STORE = Outcome("Rejected", "NotEnabled", "this station keeps no certificates")


class StationServices:
    """`station.ocpp.dialect.Services` of one station."""

    __slots__ = (
        "_delivery",
        "_gateway",
        "_records",
        "_registration",
        "_transfers",
        "_wake",
        "certificates",
        "firmware",
    )

    def __init__(
        self,
        gateway: GatewayPort,
        registration: Registration,
        records: RecordQueue,
        transfers: DataTransfers,
        wake: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._registration = registration
        self._records = records
        self._transfers = transfers
        self._wake = wake
        self._delivery: Delivery | None = None
        self.certificates: CertificatePort = NoCertificates()
        self.firmware: FirmwarePort = NoFirmware()

    def attach(self, delivery: Delivery) -> None:
        """Delivery needs us to render, we need it to send."""
        self._delivery = delivery

    @property
    def model(self) -> DeviceModel:
        return self._gateway.model

    def view(self) -> StationView:
        return self._gateway.view()

    def now(self) -> Now:
        return self._gateway.now()

    def command(self, make: Callable[[int], Event], done: Callable[[Verdict], None]) -> None:
        self._gateway.command(make, done)

    def send(self, frame: Frame) -> None:
        if self._delivery is not None:
            self._delivery.send(frame)
        self._wake()

    def sending_series(self) -> bool:
        return self._delivery is not None and self._delivery.sending_series

    def takes_series(self) -> bool:
        return self._delivery is not None and self._delivery.takes_series

    def send_series(self, frames: Iterator[Frame]) -> None:
        if self._delivery is not None:
            self._delivery.send_series(frames)
        self._wake()

    def trigger_boot(self, force: bool = False) -> bool:
        """Send BootNotification soon; False when the CSMS has accepted us already, unless `force` (1.6 obeys always)."""
        granted = self._registration.trigger_boot(force=force)
        self._wake()
        return granted

    def trigger_heartbeat(self) -> None:
        self._registration.trigger_heartbeat()
        self._wake()

    def registration(self) -> str:
        return self._registration.status

    def tx_for_csms_id(self, csms_id: int) -> str | None:
        """The transaction whose delivery context holds this `csms_id` (a 1.6 transactionId; 0 may be a real one)."""
        for tx_id, context in self._records.contexts().items():
            if context.get("csms_id") == csms_id:
                return tx_id
        return None

    def tx_context(self, tx_id: str) -> Mapping[str, Any]:
        return self._records.context(tx_id)

    def queued(self, tx_id: str | None = None) -> bool:
        return self._records.queued(tx_id)

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> tuple[str, Any]:
        return self._transfers.call(vendor, message, data)


class CallFromCsms:
    """One CALL of the CSMS. Only the first of `answer` and `refuse` counts; a later one is dropped.

    answered: called with the payload, or with None, code and description.
    """

    __slots__ = ("_done", "_reply", "action", "payload")

    def __init__(self, action: str, payload: Payload, reply: Callable[[Payload | None, str, str], None]) -> None:
        self.action = action
        self.payload = payload
        self._reply = reply
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def answer(self, payload: Payload) -> None:
        if not self._done:
            self._done = True
            self._reply(payload, "", "")

    def refuse(self, code: str, description: str = "") -> None:
        if not self._done:
            self._done = True
            self._reply(None, code, description)
