"""The OCPP client of one station: link, rpc, dialects, delivery, registration and the core's gateway, tied together.

Everything runs in the event loop's thread. What is to be sent is decided in `_work`, which runs once after whatever
happened in an iteration of the loop, so that records and notices of one event are both known before one of them goes.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from station.clock import Now
from station.core.effects import Ask, NoticeBody
from station.core.events import Event, LinkDown, LinkUp, SetVariables, VariableWrite
from station.core.facts import Fact, TxFact
from station.core.types import IdToken, TokenKind, Verdict
from station.ocpp.client_settings import ClientSettings, DialectFactory, LinkFactory
from station.ocpp.connecting import Connecting
from station.ocpp.conversation import Conversation
from station.ocpp.delivery import Delivery
from station.ocpp.dialect import BootAnswer, Dialect
from station.ocpp.link import Link
from station.ocpp.pump import Pump
from station.ocpp.records import RecordQueue
from station.ocpp.registration import ACCEPTED, Registration
from station.ocpp.saving import Saver
from station.ocpp.services import DataTransfers, StationServices
from station.ocpp.transfer import sign_certificate, transfer
from station.ocpp.trouble import Trouble
from station.ocpp.variables import CommVariables
from station.ocpp.versions import VersionChoice
from station.ocpp.wirelog import FrameListener, WireLog
from station.runtime.ports import GatewayPort
from station.security.api import LeafKind
from station.store.ops import StorePort

_log = logging.getLogger("station.ocpp")


class OcppClient:
    """`Outlet` of the gateway, hooks of the link. One object per (re)boot: `run(reason)`, then `stop()`.

    dialects: version -> factory, or its place as "module:function", imported when first needed.
    ids: an id never used before by this station (LAW 5).
    """

    __slots__ = (
        "_dead",
        "_dialects",
        "_ended",
        "_extra",
        "_factories",
        "_gateway",
        "_ids",
        "_last_version",
        "_link",
        "_offline_since",
        "_online",
        "_pump",
        "_reason",
        "_saver",
        "_settings",
        "_store",
        "_switching",
        "_talk",
        "_variables",
        "_versions",
        "connecting",
        "delivery",
        "records",
        "registration",
        "services",
        "transfers",
        "wire",
    )

    def __init__(
        self,
        settings: ClientSettings,
        gateway: GatewayPort,
        store: StorePort,
        dialects: Mapping[str, str | DialectFactory],
        ids: Callable[[], str],
        rng: random.Random,
        link_factory: LinkFactory = Link,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._store = store
        self._factories = dialects
        self._dialects: dict[str, Dialect | None] = {}
        self._ids = ids
        self._extra = {"station": settings.link.identity}
        self._pump = Pump(self._work, self._stumbled, settings.speed, self._extra)
        self._variables = CommVariables(lambda: gateway.model)
        self.wire = WireLog()
        self.transfers = DataTransfers()
        self.registration = Registration(rng.random, settings.boot_back_off)
        self.records = RecordQueue(self._resolve, settings.record_limit)
        self.services = StationServices(gateway, self.registration, self.records, self.transfers, self._pump.wake)
        variables = self._variables
        self.delivery = Delivery(
            self.records, self.services, policy=variables.retry_policy, hold_s=variables.status_duration_s
        )
        self.services.attach(self.delivery)
        self.connecting = Connecting(settings.link, lambda: gateway.view().network, variables)
        self._versions = VersionChoice(self.connecting.configured, self.records, self._resolve)
        self.connecting.offer = self._versions.offer
        self.records.may_begin = self._versions.may_begin
        self._link = link_factory(self.connecting.settings(), self, rng)
        self._saver = Saver(store, self.delivery, settings.commit_retry_s, self._pump.wake, self._extra)
        self._talk: Conversation | None = None
        self._reason = "PowerUp"
        self._ended = False
        self._dead = False
        self._switching = False
        self._online = False
        self._offline_since: float | None = None
        self._last_version: str | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    async def run(self, reason: str = "PowerUp") -> None:
        """Take over what the store holds, connect and stay connected; returns after `stop()`.

        Raises what is a mistake in a hook, with the link closed: run it under a supervisor, which runs it again.
        reason: why the station (re)booted, a BootReasonEnumType word; only that of the first run counts.
        """
        if self._ended:
            return
        if not self._pump.running:
            self._begin(reason)
        await self._link.run()

    def _begin(self, reason: str) -> None:
        self._reason = reason
        self.records.load(self._store.records(), self._store.contexts(), self._gateway.now())
        for fact in self.records.facts():
            self._hide_pins(fact)
        self.registration.set_heartbeat(self._variables.heartbeat_s())
        self.connecting.begin()
        self._aim()
        self._pump.start()

    async def stop(self) -> None:
        """Close the link, save what was learnt. Idempotent."""
        await self._link.close()
        await self._saver.close(self._gateway.now())
        self._end()

    async def kill(self) -> None:
        """As a power cut: nothing more is saved or submitted, only the socket is closed. Idempotent."""
        self._saver.abort()
        self._end()
        self.wire.clear()
        self._dead = True
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        await self._link.close()

    def _end(self) -> None:
        self._ended = True
        self._pump.end()

    def alive(self) -> bool:
        """False when what is due cannot be done for good (see `Pump`). Having no link is no such thing."""
        return self._pump.alive

    @property
    def online(self) -> bool:
        """The CSMS has accepted us and the link is up."""
        return self._online

    @property
    def version(self) -> str | None:
        """The version spoken now, None without a link."""
        return None if self._talk is None else self._talk.dialect.version

    def on_frame(self, listener: FrameListener) -> Callable[[], None]:
        """Hear every frame, secrets masked; the returned function ends that."""
        return self.wire.listen(listener)

    def transfer(self, vendor: str, message: str | None = None, data: Any = None) -> asyncio.Future[tuple[str, Any]]:
        """DataTransfer to the CSMS (P02): status and data of its answer.

        The future fails with LinkError without a link or an answer. Raises ValueError for a name over its length.
        """
        dialect = None if self._talk is None else self._talk.dialect
        answer = transfer(dialect, self.delivery, vendor, message, data)
        self._pump.wake()
        return answer

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> asyncio.Future[str]:
        """SignCertificate (A02): "Accepted" or "Rejected". The future fails with LinkError without a link or an answer."""
        answer = sign_certificate(None if self._talk is None else self._talk.dialect, self.delivery, csr_pem, kind)
        self._pump.wake()
        return answer

    def abandon(self, version: str) -> int:
        """The operator knows that the CSMS speaks `version` no more: its records become dead letters. How many."""
        count = self.records.abandon(version, f"given up by the operator: OCPP {version}", self._gateway.now())
        self._pump.wake()
        return count

    # --- the gateway's outlet ------------------------------------------------------------------------------------

    def record(self, record: int, fact: Fact) -> None:
        self._hide_pins(fact)
        self.delivery.record(record, fact, self._gateway.now())
        self._pump.wake()

    def notice(self, body: NoticeBody) -> None:
        self.delivery.notice(body, self._gateway.now())
        self._pump.wake()

    def ask(self, ask: Ask) -> None:
        self._hide(ask.token)
        refused = self.delivery.ask(ask, self._gateway.now())
        if refused:
            # Not from within the gateway's handling of the event that asked.
            asyncio.get_running_loop().call_soon(self.submit, refused)
        self._pump.wake()

    def _hide_pins(self, fact: Fact) -> None:
        if isinstance(fact, TxFact):
            self._hide(fact.token)
            self._hide(fact.tx_token)

    def _hide(self, token: IdToken | None) -> None:
        if token is not None and token.kind is TokenKind.KEY_CODE:
            self.wire.hide(token.value)

    def setting_changed(self, component: str, variable: str) -> None:
        match (component.casefold(), variable.casefold()):
            case ("ocppcommctrlr", "websocketpinginterval"):
                self._link.ping_interval_changed()
            case ("ocppcommctrlr", "heartbeatinterval"):
                self.registration.set_heartbeat(self._variables.heartbeat_s())
                self._pump.wake()
            case ("securityctrlr", "basicauthpassword"):  # A01: reconnect with the new one
                self._reconnect("the password has changed")
            case ("securityctrlr", "securityprofile"):  # 1.6 whitepaper, A05.FR.07
                self._reconnect("a higher security profile is wanted", self.connecting.begin)
            case _:
                pass  # everything else is looked up when it is needed

    def certificates_changed(self) -> None:
        """The station's own certificate is another (A02.FR.08): reconnect with it, if it is what proves us."""
        if self.connecting.secured_by_certificate:
            self._reconnect("the station has a new certificate")

    def _reconnect(self, why: str, first: Callable[[], None] = lambda: None) -> None:
        """After a moment, in which a reply leaves."""

        def again() -> None:
            first()
            self.connecting.changed()
            self._aim()
            self._link.reconnect(why, at_once=True)

        asyncio.get_running_loop().call_later(self._settings.reconnect_grace_s, again)

    def _aim(self) -> None:
        """Say how the next attempt is to be made."""
        self._link.configure(self.connecting.settings())

    # --- the link's hooks ----------------------------------------------------------------------------------------

    def on_open(self, subprotocol: str) -> None:
        if self._dead:
            return
        version = subprotocol.removeprefix("ocpp")
        dialect = self._resolve(version)
        if dialect is None:
            self._link.reconnect(f"the CSMS chose {subprotocol}, which nobody here speaks")
            return
        verdict = self._versions.opened(version)
        if verdict.reconnect is not None:
            self._link.reconnect(verdict.reconnect, at_once=True)
            return
        now = self._gateway.now()
        if verdict.abandon is not None:
            why = f"the CSMS speaks OCPP {version} and no longer {verdict.abandon}"
            self.records.abandon(verdict.abandon, why, now)
        self._talk = Conversation(self, dialect, self._link.send, self._ids)
        self._switching = False
        elsewhere = self.connecting.opened()
        self.registration.connected(now, afresh=elsewhere or self._last_version not in (None, version))
        self._last_version = version
        self.delivery.connected(dialect)
        if self.registration.accepted:
            self._up(now)
        self._pump.wake()

    def on_text(self, text: str) -> None:
        if self._talk is not None:
            self.connecting.heard()
            self._talk.receive(text, self._gateway.now())
            # Everything that the text caused has been told by now, so there is no need for another turn of the loop.
            self._pump.now()

    def on_closed(self, reason: str) -> None:
        if self._dead:
            return
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.close()
        self.connecting.closed(was_accepted=self._online)
        self._aim()
        self.registration.disconnected()
        unanswered = self.delivery.disconnected()
        self._down()
        self.submit(unanswered)
        self._pump.wake()

    def on_failed(self, trouble: Trouble) -> None:
        if self._dead:
            return
        self.submit(self.connecting.failed(trouble))
        self._aim()

    # --- what the conversation reports ---------------------------------------------------------------------------

    @property
    def answer_within_s(self) -> float:
        return self._settings.answer_within_s

    @property
    def boot_reason(self) -> str:
        return "Triggered" if self.registration.accepted else self._reason

    def now(self) -> Now:
        return self._gateway.now()

    def timeout_s(self) -> float:
        """MessageTimeout in seconds of the station's clock."""
        return self.connecting.message_timeout_s() * max(self._settings.speed(), 1.0)

    def submit(self, events: Iterable[Event]) -> None:
        for event in events:
            self._gateway.submit(event)

    def clock_told(self, wall: float | None) -> None:
        """The CSMS told the time (B01.FR.06, G02.FR.04), which counts where ClockCtrlr.TimeSource says so."""
        if wall is not None and self._variables.clock_from_heartbeat():
            self._gateway.set_clock(wall)

    def booted(self, answer: BootAnswer, now: Now) -> None:
        """BootNotification was answered: first the clock, then what depends on it."""
        self.registration.boot_answered(answer, now)
        _log.info("BootNotification: %s, interval %s s", answer.status, answer.interval_s, extra=self._extra)
        if answer.status != ACCEPTED:
            if not self.registration.accepted:
                unanswered = self.delivery.suspended()
                self._down()
                self.submit(unanswered)
            return
        self.clock_told(answer.wall)
        if answer.interval_s > 0:  # B01.FR.04
            self.registration.set_heartbeat(answer.interval_s)
            self._keep_heartbeat(round(answer.interval_s))
        self._up(self._gateway.now())

    def _keep_heartbeat(self, interval_s: int) -> None:
        if round(self._variables.heartbeat_s()) == interval_s:
            return
        write = VariableWrite("OCPPCommCtrlr", "HeartbeatInterval", str(interval_s))
        self._gateway.command(lambda ref: SetVariables(ref, (write,), by_technician=True), self._heartbeat_kept)

    def _heartbeat_kept(self, verdict: Verdict) -> None:
        if verdict.status != "Accepted":
            _log.warning("HeartbeatInterval could not be kept: %s", verdict.status, extra=self._extra)

    def _up(self, now: Now) -> None:
        if self._online or self._talk is None:
            return
        self._online = True
        since = self._offline_since
        offline_s = None if since is None else now.mono - since
        everything = (
            offline_s is None
            or offline_s > self._variables.offline_threshold_s()  # B04.FR.01
            or self._talk.dialect.statuses_after_reconnect
        )
        self.delivery.accepted(now, everything=everything)
        self.submit(self.connecting.accepted())
        self._gateway.submit(LinkUp(offline_s))

    def _down(self) -> None:
        if not self._online:
            return
        self._online = False
        self._offline_since = self._gateway.now().mono
        self._gateway.submit(LinkDown())

    # --- what is sent next ---------------------------------------------------------------------------------------

    def _stumbled(self) -> None:
        """A mistake of ours while sending: nobody knows what is in flight, so the next attempt is on another connection."""
        if self._talk is not None:
            self._link.reconnect("a mistake of the station")

    def _work(self) -> float | None:
        """Do what is due; the seconds until something is, None when nothing will be by itself."""
        now = self._gateway.now()
        talk = self._talk
        if talk is not None:
            talk.expire(now)
        self.submit(self.delivery.expire(now))
        self._saver.save(now)
        if talk is not None and not talk.busy:
            while talk.send_next(now):  # False when something was sent, or there is nothing to send
                self._saver.save(now)
            if not talk.busy:
                self._change_version(talk.dialect.version)
        if self._online:
            self._pump.went_well()
        return self._next_due(now)

    def _change_version(self, version: str) -> None:
        """Nothing is being sent: is this connection still the right one for what has to be told?"""
        why = self._versions.wrong(version) if self._online and not self._switching else None
        if why is not None:
            self._switching = True
            self._link.reconnect(why, at_once=True)

    def _next_due(self, now: Now) -> float | None:
        talk = self._talk
        times = [self.delivery.deadline(now)]
        if talk is not None:
            times.append(talk.deadline() if talk.busy else self.registration.deadline())
        due = [when for when in times if when is not None]
        return min(due) - now.mono if due else None

    # --- settings ------------------------------------------------------------------------------------------------

    def _resolve(self, version: str) -> Dialect | None:
        """The dialect of a version, made at its first use; None when this program has none."""
        if version not in self._dialects:
            factory = self._factories.get(version)
            if isinstance(factory, str):
                module, _, name = factory.partition(":")
                factory = getattr(importlib.import_module(module), name)
            self._dialects[version] = None if factory is None else factory(self._settings.dialect)
        return self._dialects[version]
