"""What an OCPP client is made with."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from station.ocpp.dialect import Dialect, DialectSettings
from station.ocpp.link import LinkHooks
from station.ocpp.link_settings import LinkSettings
from station.ocpp.records import DEFAULT_LIMIT
from station.ocpp.registration import BackOff

DialectFactory = Callable[[DialectSettings], Dialect]


class LinkPort(Protocol):
    """What the client needs of `station.ocpp.link.Link`."""

    def configure(self, settings: LinkSettings) -> None: ...
    async def run(self) -> None: ...
    def send(self, text: str) -> bool: ...
    def reconnect(self, reason: str, *, at_once: bool = False) -> None: ...
    def ping_interval_changed(self) -> None: ...
    async def close(self) -> None: ...


class TlsSource(Protocol):
    """Where TLS contexts and the station's certificate come from; asked at every attempt."""

    def context(self, *, certificate: bool) -> ssl.SSLContext:
        """certificate: with our own (profile 3). Raises OSError, ssl.SSLError or SecurityError."""

    def has_certificate(self) -> bool:
        """Whether there may be one of our own; if not after all, `context` raises."""

    def distrusted(self) -> None:
        """The certificate of the CSMS was refused."""

    def refused(self) -> None:
        """Every profile was tried in vain, and a CSMS may have turned away our certificate (A02.FR.28)."""

    def worked(self) -> None:
        """A CSMS has accepted us over TLS."""

    def vouched(self, chain: tuple[bytes, ...]) -> None:
        """A connection stands; `chain` is what vouched for the CSMS, as DER, its own first. Empty without TLS."""


LinkFactory = Callable[[LinkSettings, LinkHooks, random.Random], LinkPort]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How one station speaks with its CSMS.

    link: the endpoint; its `subprotocols` are the configured ones, best first. Ping and back-off come from the device
        model. dialect: what every dialect is made with.
    answer_within_s: a CALL of the CSMS unanswered for so long gets InternalError.
    commit_retry_s: pause before a failed commit is tried again. reconnect_grace_s: lets a reply leave first.
    speed: seconds of the station's monotonic clock per second of the loop, now (scaled towards a foreign CSMS); 0: it stands still.
    """

    link: LinkSettings
    dialect: DialectSettings
    boot_back_off: BackOff = field(default_factory=BackOff)
    record_limit: int = DEFAULT_LIMIT
    answer_within_s: float = 1.5
    commit_retry_s: float = 5.0
    reconnect_grace_s: float = 0.1
    speed: Callable[[], float] = lambda: 1.0
