"""The embedded CSMS: a foreign implementation of the protocol (the `ocpp` package) that answers our station.

It keeps everything that it sees, decides by a `Policy` that may change at any time, and misbehaves on demand. Stations
reach it over a real websocket on this machine, or in memory, or both at once.

    async with EmbeddedCsms(tokens=["04A1B2C3"]) as csms:
        ...                                            # a station connects to f"{csms.url}/CS001"
        await csms.call("CS001", "Reset", {"type": "OnIdle"})
        await csms.wait_for("CS001", "BootNotification")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import ocpp.messages

from station.clock import Clock
from station.errors import LinkError
from station.sim.csms_faults import Fault, FaultKind, Faults
from station.sim.csms_journal import Journal, Payload, Predicate, SeenFrame, SeenStation, SeenTransaction
from station.sim.csms_policy import Policy, Signer, Token
from station.sim.csms_session import POINTS, InvalidAnswerError, Refusal, Session
from station.sim.csms_wire import Connection, PeerGoneError, WebsocketListener
from station.sim.memory import MemoryNetwork

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = [
    "EmbeddedCsms",
    "Fault",
    "FaultKind",
    "InvalidAnswerError",
    "Refusal",
    "SeenFrame",
    "SeenStation",
    "SeenTransaction",
    "Token",
]


class EmbeddedCsms:
    """One CSMS for any number of stations.

    tokens, default_status, boot_status, heartbeat_interval (s): see `Policy`, which `self.policy` changes later.
    clock: what it tells the stations and stamps its journal with; by default the system's.
    network: where stations in this process dial. websocket: whether to listen for others; by default when there is
        no network. host, port (0: any), password (Basic auth: one for every station, or one per id), known (ids that may
        connect), ssl: of that listener. signer: signs certificate requests (A02).
    fast: pass frames by our compiled validators (ten times faster); what they refuse the package judges itself.
    keep_frames: how many frames the journal keeps (None: all).
    """

    def __init__(
        self,
        tokens: Iterable[Token | str] | Mapping[str, str] = (),
        *,
        default_status: str = "Unknown",
        boot_status: str | Sequence[str] = "Accepted",
        heartbeat_interval: int = 300,
        retry_interval: int = 30,
        strict_registration: bool = True,
        clock: Clock | None = None,
        network: MemoryNetwork | None = None,
        websocket: bool | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        password: str | Mapping[str, str] | None = None,
        known: frozenset[str] | None = None,
        signer: Signer | None = None,
        ssl: SSLContext | None = None,
        subprotocols: Sequence[str] = ("ocpp2.0.1", "ocpp1.6"),
        fast: bool = False,
        keep_frames: int | None = None,
    ) -> None:
        unknown = [name for name in subprotocols if name not in POINTS]
        if unknown:
            raise ValueError(f"the embedded CSMS speaks {', '.join(POINTS)}, not {', '.join(unknown)}")
        # In a thread per frame the package's validation costs more than it does, and leaves the virtual loop's time.
        ocpp.messages.ASYNC_VALIDATION = False
        self.clock = clock or Clock()
        self.policy = Policy(
            self.clock,
            tokens,
            default_status=default_status,
            boot_status=boot_status,
            heartbeat_interval_s=heartbeat_interval,
            retry_interval_s=retry_interval,
            strict_registration=strict_registration,
        )
        self.policy.signer = signer
        self.journal = Journal(keep_frames)
        self.faults = Faults()
        self._fast = fast
        self._network = network
        self._subprotocols = tuple(subprotocols)
        self._sessions: dict[str, Session] = {}
        self._arrivals: asyncio.Condition | None = None
        self.link_listeners: list[Callable[[], None]] = []
        """Called when a connection of a station has begun or ended."""
        self._listener: WebsocketListener | None = None
        if websocket or (websocket is None and network is None):
            self._listener = WebsocketListener(
                self._serve, subprotocols=subprotocols, host=host, port=port, password=password, known=known, ssl=ssl
            )

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to listen. Raises OSError when the port is taken."""
        self._arrivals = self._arrivals or asyncio.Condition()
        if self._listener is not None:
            await self._listener.open()
        if self._network is not None:
            self._network.listen(self._serve, self._subprotocols)

    async def stop(self) -> None:
        """Close every connection and stop listening. What was seen stays."""
        await self.go_offline(abrupt=False)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def go_offline(self, *, abrupt: bool = True) -> None:
        """Vanish (abrupt: without a word) and refuse connections until `go_online`. Remembers all that it knew."""
        if self._network is not None:
            self._network.refuse()
        for session in tuple(self._sessions.values()):
            await session.close(1001, "going away", abrupt=abrupt)
        if self._listener is not None:
            await self._listener.close()
        if self._network is not None:
            await self._network.unlisten()

    async def go_online(self) -> None:
        """Come back, on the same port."""
        await self.start()

    @property
    def url(self) -> str:
        """Where stations connect, without their id. Raises LinkError without a websocket listener."""
        return self._web().url

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What it speaks, the best first."""
        return self._subprotocols

    @property
    def listening(self) -> bool:
        """Whether stations can reach its websocket now."""
        return self._listener is not None and self._listener.listening

    @property
    def offers_subprotocol(self) -> bool:
        return self._listener is None or self._listener.offer_subprotocol

    def offer_subprotocol(self, offered: bool) -> None:
        """False: open connections without choosing a subprotocol and stay silent, as some CSMSs do."""
        if self._listener is not None:
            self._listener.offer_subprotocol = offered
        if self._network is not None:
            self._network.offer_subprotocol = offered

    @property
    def speaks_tls(self) -> bool:
        return self._listener is not None and self._listener.url.startswith("wss:")

    @property
    def refuses_tls(self) -> bool:
        return self._listener is not None and self._listener.refuse_tls

    def refuse_tls(self, refuse: bool) -> None:
        """True: every TLS handshake fails from now on. Raises LinkError without a websocket listener."""
        self._web().refuse_tls = refuse

    def set_password(self, station_id: str, password: str | None) -> None:
        """Basic auth password of one station from its next connection on. Raises LinkError without a websocket listener."""
        self._web().set_password(station_id, password)

    def _web(self) -> WebsocketListener:
        if self._listener is None:
            raise LinkError("this CSMS can be reached in memory only")
        return self._listener

    # --- what it knows ------------------------------------------------------------------------------------------------

    def station(self, station_id: str) -> SeenStation:
        """All that is known of a station (an empty record when it never came)."""
        return self.journal.station(station_id)

    def connected(self, station_id: str) -> bool:
        return station_id in self._sessions

    def mark(self) -> int:
        """Now, as a place in the journal: `wait_for(..., since=mark)` does not miss what happens in between."""
        return self.journal.mark()

    async def wait_for(
        self,
        station_id: str,
        action: str,
        predicate: Predicate | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109  # of the loop's time
        *,
        since: int | None = None,
    ) -> Payload:
        """Payload of the next CALL `action` of a station that satisfies `predicate`.

        since: a `mark()` from which on frames that came already count too (0: all). Raises TimeoutError.
        """
        return await self.journal.wait_for(station_id, action, predicate, timeout, since)

    async def wait_connected(self, station_id: str, timeout: float = 30.0) -> None:  # noqa: ASYNC109  # as above
        """Until the station has a connection. Raises TimeoutError."""
        arrivals = self._arrivals = self._arrivals or asyncio.Condition()
        async with asyncio.timeout(timeout), arrivals:
            await arrivals.wait_for(lambda: station_id in self._sessions)

    # --- what it does -------------------------------------------------------------------------------------------------

    async def call(
        self,
        station_id: str,
        action: str,
        payload: Payload | None = None,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109  # of the loop's time
        check: bool = True,
        in_turn: bool = True,
    ) -> Payload | Refusal:
        """Send a CALL with this payload (wire names); returns the answer's payload, or the station's Refusal.

        check: refuse to send what the schema does not allow. in_turn: wait for the answer to an earlier CALL first.
        Raises LinkError (not connected, or gone before it answered), TimeoutError, ValueError (`check` failed),
        InvalidAnswerError, and RuntimeError when called from inside a handler.
        """
        session = self._session(station_id)
        return await session.call(action, payload or {}, timeout_s=timeout, check=check, in_turn=in_turn)

    async def send_raw(self, station_id: str, text: str) -> None:
        """Send any text. Raises LinkError."""
        await self._session(station_id).send_raw(text)

    async def close(self, station_id: str, code: int = 1000, reason: str = "", *, abrupt: bool = False) -> None:
        """Close a station's connection (abrupt: cut it). Raises LinkError."""
        await self._session(station_id).close(code, reason, abrupt=abrupt)

    def fault(self, kind: FaultKind, action: str | None = None, **fields: Any) -> Fault:
        """Plan misbehaviour in answering a CALL of a station; `fields` are those of `Fault`."""
        fault = Fault(kind, action, **fields)
        self.faults.add(fault)
        return fault

    def _session(self, station_id: str) -> Session:
        session = self._sessions.get(station_id)
        if session is None:
            raise LinkError(f"{station_id} is not connected")
        return session

    async def _serve(self, station_id: str, connection: Connection) -> None:
        if connection.subprotocol is None:
            await self._ignore(connection)
            return
        session = Session(
            station_id,
            connection,
            policy=self.policy,
            journal=self.journal,
            faults=self.faults,
            clock=self.clock,
            fast=self._fast,
        )
        old = self._sessions.get(station_id)
        self._sessions[station_id] = session
        if old is not None:
            await old.close(1000, "a newer connection took over")
        await self._tell_arrival()
        self._tell_link()
        try:
            await session.serve()
        finally:
            if self._sessions.get(station_id) is session:
                del self._sessions[station_id]
            self._tell_link()

    def _tell_link(self) -> None:
        for listener in tuple(self.link_listeners):
            listener()

    async def _tell_arrival(self) -> None:
        if self._arrivals is not None:
            async with self._arrivals:
                self._arrivals.notify_all()

    async def _ignore(self, connection: Connection) -> None:
        try:
            while True:
                await connection.recv()
        except PeerGoneError:
            return
