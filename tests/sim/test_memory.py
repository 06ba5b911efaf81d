"""The in-memory link: order, loss, refusal, back-off, subprotocols."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from station.ocpp.link_settings import BackOff, LinkSettings
from station.ocpp.trouble import Trouble
from station.sim.csms_wire import Connection, PeerGoneError
from station.sim.loop import run
from station.sim.memory import MemoryLink, MemoryNetwork


class Owner:
    """Hooks that remember, with the loop's time."""

    def __init__(self) -> None:
        self.log: list[tuple[float, str, str]] = []

    def _note(self, what: str, text: str) -> None:
        self.log.append((round(asyncio.get_running_loop().time(), 3), what, text))

    def on_open(self, subprotocol: str) -> None:
        self._note("open", subprotocol)

    def on_text(self, text: str) -> None:
        self._note("text", text)

    def on_failed(self, trouble: Trouble) -> None: ...

    def on_closed(self, reason: str) -> None:
        self._note("closed", reason)

    def of(self, what: str) -> list[str]:
        return [text for _, kind, text in self.log if kind == what]

    def times(self, what: str) -> list[float]:
        return [at for at, kind, _ in self.log if kind == what]


class Server:
    """Echoes, and keeps what came."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.open: list[Connection] = []
        self.most_open = 0

    async def __call__(self, station: str, connection: Connection) -> None:
        self.open.append(connection)
        self.most_open = max(self.most_open, len(self.open))
        try:
            while True:
                text = await connection.recv()
                self.got.append(text)
                await connection.send(f"{station}:{text}")
        except PeerGoneError:
            self.open.remove(connection)


def settings(*, offered: tuple[str, ...] = ("ocpp2.0.1", "ocpp1.6"), ping_s: float = 60.0) -> LinkSettings:
    return LinkSettings(
        url="ws://memory",
        identity="CS1",
        subprotocols=lambda: offered,
        ping_interval=lambda: ping_s,
        back_off=lambda: BackOff(10, 0, 3),
    )


Body = Callable[[MemoryNetwork, MemoryLink, Owner, Server], Coroutine[Any, Any, None]]


def play(body: Body, *, latency_s: float = 0.0, link_settings: LinkSettings | None = None) -> tuple[Owner, Server]:
    owner, server = Owner(), Server()

    async def main() -> None:
        network = MemoryNetwork(latency_s=latency_s)
        network.listen(server, ["ocpp1.6", "ocpp2.0.1"])
        link = MemoryLink(network, link_settings or settings(), owner, random.Random(1))
        link.start()
        await asyncio.sleep(1)
        await body(network, link, owner, server)
        await link.close()
        await network.unlisten()

    run(main())
    return owner, server


def test_frames_arrive_in_order_both_ways() -> None:
    async def body(_network: MemoryNetwork, link: MemoryLink, _owner: Owner, _server: Server) -> None:
        for number in range(50):
            assert link.send(str(number))
        await asyncio.sleep(10)

    for latency in (0.0, 0.3):
        owner, server = play(body, latency_s=latency)
        assert server.got == [str(n) for n in range(50)]
        assert owner.of("text") == [f"CS1:{n}" for n in range(50)]
        assert owner.of("open") == ["ocpp2.0.1"]


def test_latency_holds_for_each_direction() -> None:
    async def body(_network: MemoryNetwork, link: MemoryLink, _owner: Owner, _server: Server) -> None:
        link.send("x")
        await asyncio.sleep(5)

    owner, _ = play(body, latency_s=0.25)
    assert owner.times("text") == [1.5]


def test_a_cut_loses_what_is_on_its_way_and_the_link_comes_back() -> None:
    async def body(network: MemoryNetwork, link: MemoryLink, _owner: Owner, _server: Server) -> None:
        link.send("lost")
        network.cut("CS1")
        assert not link.send("dropped")
        await asyncio.sleep(50)
        network.restore("CS1")
        await asyncio.sleep(100)
        link.send("kept")
        await asyncio.sleep(1)

    owner, server = play(body, latency_s=0.1)
    assert server.got == ["kept"]
    assert owner.of("closed")[0] == "the connection was lost"
    # Lost at 1.0; dialled after 10, 20 and 40 seconds, plus a round trip each.
    assert owner.times("open") == [0.2, 1.0 + 10 + 20 + 40 + 3 * 0.2]


def test_a_silent_cut_is_noticed_by_the_ping() -> None:
    async def body(network: MemoryNetwork, link: MemoryLink, owner: Owner, _server: Server) -> None:
        network.cut(silent=True)
        assert link.send("into the void")
        await asyncio.sleep(79)
        assert owner.of("closed") == []
        await asyncio.sleep(2)

    owner, server = play(body)
    assert server.got == []
    assert owner.times("closed") == [81.0]


def test_without_pings_a_silent_cut_stays_unnoticed() -> None:
    async def body(network: MemoryNetwork, _link: MemoryLink, owner: Owner, _server: Server) -> None:
        network.cut(silent=True)
        await asyncio.sleep(100_000)
        assert owner.of("closed") == []

    play(body, link_settings=settings(ping_s=0))


def test_refused_connections_back_off_to_a_ceiling() -> None:
    async def body(network: MemoryNetwork, link: MemoryLink, _owner: Owner, _server: Server) -> None:
        await network.unlisten()
        await asyncio.sleep(1000)
        assert link.last_error == "connection refused"
        network.listen(Server(), ["ocpp1.6"])
        await asyncio.sleep(100)

    owner, _ = play(body)
    reopened = owner.times("open")[1]
    # 10 + 20 + 40 + 80, then 80 each.
    assert (reopened - 1 - 150) % 80 == 0
    assert owner.of("open") == ["ocpp2.0.1", "ocpp1.6"]


def test_no_common_subprotocol_and_none_at_all_are_failures() -> None:
    async def body(network: MemoryNetwork, link: MemoryLink, owner: Owner, server: Server) -> None:
        assert owner.of("open") == []
        assert "supports none" in str(link.last_error)
        network.listen(server, ["ocpp2.1"])
        network.offer_subprotocol = False
        await asyncio.sleep(200)
        assert owner.of("open") == []
        assert "chose none" in str(link.last_error)
        assert server.open == []
        network.offer_subprotocol = True
        await asyncio.sleep(200)

    owner, _ = play(body, link_settings=settings(offered=("ocpp2.1",)))
    assert owner.of("open") == ["ocpp2.1"]


def test_reconnect_keeps_one_connection_at_a_time() -> None:
    async def body(_network: MemoryNetwork, link: MemoryLink, owner: Owner, _server: Server) -> None:
        for number in range(5):
            link.send(f"before {number}")
            await asyncio.sleep(1)
            link.reconnect("new password", at_once=True)
            assert not link.send("nobody there")
            await asyncio.sleep(1)
        assert owner.of("closed") == ["new password"] * 5
        link.reconnect("fresh", at_once=True)  # no message came over this one: it has to wait
        await asyncio.sleep(1)
        link.reconnect("again", at_once=True)

    for latency in (0.0, 0.1):
        owner, server = play(body, latency_s=latency)
        assert server.got == [f"before {n}" for n in range(5)]
        assert server.most_open == 1
        assert len(owner.of("open")) >= 6
        kinds = [kind for _, kind, _ in owner.log if kind != "text"]
        assert kinds == ["open", "closed"] * (len(kinds) // 2)


def test_the_csms_may_close_or_reset() -> None:
    async def body(_network: MemoryNetwork, _link: MemoryLink, _owner: Owner, server: Server) -> None:
        await server.open[0].send("last words")
        await server.open[0].close(1001, "going away")
        await asyncio.sleep(20)
        await server.open[0].send("never seen")
        await server.open[0].close(abrupt=True)
        await asyncio.sleep(20)

    owner, _ = play(body)
    assert owner.of("text") == ["last words"]
    assert owner.of("closed")[:2] == ["closed by the CSMS (1001 going away)", "connection reset"]
