"""The embedded CSMS over real websockets."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from station.errors import LinkError
from station.ocpp.link import Link
from station.ocpp.link_settings import LinkSettings
from station.sim.csms import EmbeddedCsms
from station.sim.loop import VirtualLoop, run
from station.sim.memory import MemoryNetwork
from tests.sim.bare_station import HOSTILE, Station, both

# --- real sockets ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def dialled(csms: EmbeddedCsms, version: str, name: str = "CS1", **options: Any) -> AsyncIterator[Station]:
    station = Station(version)
    async with connect(f"{csms.url}/{name}", subprotocols=[Subprotocol(f"ocpp{version}")], **options) as websocket:
        station.on_open(str(websocket.subprotocol))
        pump = asyncio.ensure_future(_pump(websocket, station))
        sending: set[asyncio.Future[None]] = set()

        def send(text: str) -> None:
            task = asyncio.ensure_future(websocket.send(text))
            sending.add(task)
            task.add_done_callback(sending.discard)

        station.send = send
        yield station
    await pump


async def _pump(websocket: ClientConnection, station: Station) -> None:
    try:
        async for text in websocket:
            station.on_text(str(text))
        station.on_closed("closed")
    except ConnectionClosed as error:
        station.on_closed(str(error))


@both
async def test_over_a_real_websocket(version: str) -> None:
    async with EmbeddedCsms(tokens=["04AA"]) as csms, dialled(csms, version) as station:
        assert (await station.boot())["status"] == "Accepted"
        assert (await station.authorize("04AA"))["status"] == "Accepted"
        station.answers["ClearCache"] = {"status": "Accepted"}
        assert await csms.call("CS1", "ClearCache") == {"status": "Accepted"}
        for text in HOSTILE:
            if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
                station.send(text)
        await station.ask("Heartbeat", {})
        assert csms.connected("CS1")


async def test_an_unknown_subprotocol_is_refused() -> None:
    async with EmbeddedCsms() as csms:
        with pytest.raises(InvalidStatus, match="400"):
            await connect(f"{csms.url}/CS1", subprotocols=[Subprotocol("ocpp2.1")])
        with pytest.raises(InvalidStatus, match="400"):
            await connect(f"{csms.url}/CS1")


async def test_no_subprotocol_on_demand_and_then_silence() -> None:
    async with EmbeddedCsms() as csms:
        csms.offer_subprotocol(False)
        async with connect(f"{csms.url}/CS1", subprotocols=[Subprotocol("ocpp1.6")]) as websocket:
            assert websocket.subprotocol is None
            await websocket.send('[2,"1","Heartbeat",{}]')
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(websocket.recv(), 0.05)
        assert not csms.connected("CS1")


async def test_basic_auth_is_the_station_s_id_and_the_password() -> None:
    async with EmbeddedCsms(password="pass word") as csms:
        good = csms.url.replace("ws://", "ws://CS1:pass%20word@")
        async with connect(f"{good}/CS1", subprotocols=[Subprotocol("ocpp1.6")]):
            await csms.wait_connected("CS1")
        for url in (csms.url, csms.url.replace("ws://", "ws://CS2:pass%20word@")):
            with pytest.raises(InvalidStatus, match="401"):
                await connect(f"{url}/CS1", subprotocols=[Subprotocol("ocpp1.6")])
        with pytest.raises(InvalidStatus, match="401"):
            await connect(
                f"{csms.url}/CS1",
                subprotocols=[Subprotocol("ocpp1.6")],
                additional_headers={"Authorization": "Basic !!!"},
            )


async def test_a_newer_connection_takes_over() -> None:
    async with EmbeddedCsms() as csms, dialled(csms, "1.6") as first:
        await first.boot()
        async with dialled(csms, "1.6") as second:
            await second.ask("Heartbeat", {})
            assert len(first.closed) == 1
            second.answers["ClearCache"] = {"status": "Accepted"}
            await csms.call("CS1", "ClearCache")


@pytest.mark.parametrize("abrupt", [False, True])
async def test_vanishing_and_coming_back_on_the_same_port(abrupt: bool) -> None:
    async with EmbeddedCsms() as csms:
        url = csms.url
        async with dialled(csms, "1.6") as station:
            await station.boot()
            await csms.go_offline(abrupt=abrupt)
        assert len(station.closed) == 1
        assert ("1001" in station.closed[0]) is not abrupt or station.closed[0] == "closed"
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await connect(f"{url}/CS1", subprotocols=[Subprotocol("ocpp1.6")])
        await csms.go_online()
        assert csms.url == url
        async with dialled(csms, "1.6") as station:
            await station.ask("Heartbeat", {})


def test_a_csms_in_memory_has_no_url() -> None:
    with pytest.raises(LinkError, match="memory"):
        _ = EmbeddedCsms(network=MemoryNetwork()).url


def test_the_real_link_on_virtual_time() -> None:
    """Ten hours with the firmware's own link over real sockets: no spurious time-out, and it outlives an outage."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        station = Station("2.0.1")

        async def opened(times: int) -> None:
            """Until the station, too, knows of its connection: the CSMS has it a moment earlier."""
            async with asyncio.timeout(1000):
                while station.opened < times:
                    await asyncio.sleep(1)

        async with EmbeddedCsms(clock=loop.clock(), fast=True) as csms:
            settings = LinkSettings(url=csms.url, identity="CS1", subprotocols=lambda: ["ocpp2.0.1", "ocpp1.6"])
            link = Link(settings, station, random.Random(1))
            station.send = link.send
            link.start()
            await opened(1)
            await station.boot()
            for _ in range(300):
                await asyncio.sleep(60)
                await station.ask("Heartbeat", {})
            await csms.go_offline()
            await asyncio.sleep(3600)
            await csms.go_online()
            await opened(2)
            for _ in range(300):
                await asyncio.sleep(60)
                await station.ask("Heartbeat", {})
            assert station.opened == 2
            assert csms.station("CS1").complaints == []
            await link.close()

    run(main())
