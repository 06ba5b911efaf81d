"""A station that knows frames and nothing of OCPP, for tests of the embedded CSMS."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from station.ocpp.link_settings import BackOff, LinkSettings
from station.ocpp.trouble import Trouble
from station.sim.csms import EmbeddedCsms
from station.sim.loop import VirtualLoop, run
from station.sim.memory import MemoryLink, MemoryNetwork

BOOT16 = {"chargePointVendor": "V", "chargePointModel": "M"}
BOOT201 = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}
STAMP = "2026-01-01T00:00:00Z"


class Station:
    """A bare station: knows frames, not OCPP. `answers` maps an action to its answer, or to a function that sends."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.send: Callable[[str], Any] = lambda _text: None
        self.answers: dict[str, Any] = {}
        self.received: list[list[Any]] = []
        self.texts: list[str] = []
        self.closed: list[str] = []
        self.opened = 0
        self._ids = itertools.count()
        self._open: dict[str, asyncio.Future[list[Any]]] = {}

    def on_open(self, _subprotocol: str) -> None:
        self.opened += 1

    def on_failed(self, trouble: Trouble) -> None: ...

    def on_closed(self, reason: str) -> None:
        self.closed.append(reason)

    def on_text(self, text: str) -> None:
        self.texts.append(text)
        try:
            frame = json.loads(text)
        except ValueError:
            return
        self.received.append(frame)
        if frame[0] == 2:
            answer = self.answers.get(frame[2])
            if callable(answer):
                answer(frame)
            elif answer is not None:
                self.send(json.dumps([3, frame[1], answer]))
        elif isinstance(frame[1], str) and frame[1] in self._open and not self._open[frame[1]].done():
            self._open[frame[1]].set_result(frame)

    async def call(self, action: str, payload: dict[str, Any], *, seconds: float = 30.0) -> list[Any]:
        """The answering frame. Raises TimeoutError."""
        unique_id = f"s{next(self._ids)}"
        self._open[unique_id] = asyncio.get_running_loop().create_future()
        self.send(json.dumps([2, unique_id, action, payload]))
        return await asyncio.wait_for(self._open[unique_id], seconds)

    async def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """The payload of a good answer."""
        frame = await self.call(action, payload)
        assert frame[0] == 3, frame
        return frame[2]

    async def boot(self) -> Any:
        return await self.ask("BootNotification", BOOT16 if self.version == "1.6" else BOOT201)

    async def authorize(self, token: str) -> Any:
        if self.version == "1.6":
            return (await self.ask("Authorize", {"idTag": token}))["idTagInfo"]
        return (await self.ask("Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}}))["idTokenInfo"]


Body = Callable[[EmbeddedCsms, Station, MemoryNetwork], Coroutine[Any, Any, None]]


def play(version: str, body: Body, *, boot: bool = True, latency_s: float = 0.0, **options: Any) -> EmbeddedCsms:
    """Run `body` with one connected station on virtual time."""

    async def main() -> EmbeddedCsms:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        network = MemoryNetwork(latency_s=latency_s)
        station = Station(version)
        link = MemoryLink(
            network,
            LinkSettings(
                url="ws://memory",
                identity="CS1",
                subprotocols=lambda: [f"ocpp{version}"],
                back_off=lambda: BackOff(1, 0, 0),
            ),
            station,
            random.Random(1),
        )
        station.send = link.send
        async with EmbeddedCsms(clock=loop.clock(), network=network, **options) as csms:
            link.start()
            await csms.wait_connected("CS1")
            if boot:
                await station.boot()
            await body(csms, station, network)
            await link.close()
        return csms

    return run(main())


both = pytest.mark.parametrize("version", ["1.6", "2.0.1"])


def event(seq: int, kind: str = "Updated", **fields: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": STAMP,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq,
        "transactionInfo": {"transactionId": "tx-1"},
        **fields,
    }


HOSTILE = [
    "",
    "null",
    "{}",
    "[]",
    "[2]",
    "[2,3]",
    '[2,"1","Heartbeat"]',
    '[2,"1","Heartbeat",{},{}]',
    '[2,"1",["a"],{}]',
    '[2,"1",{},{}]',
    '[2,{},"Heartbeat",{}]',
    '[2,"1","Heartbeat",[]]',
    '[2,"1","Heartbeat",null]',
    '[2,"1","../../../etc/passwd",{}]',
    '[3,"unknown",{}]',
    "[3,[],{}]",
    '[3,"1"]',
    '[4,"1"]',
    '[4,"1","X"]',
    '[4,{},"X","",{}]',
    '[7,"1",{}]',
    '["2","1","Heartbeat",{}]',
    "[" * 100_000,
    f'[2,"1","Heartbeat",{{"a":{"9" * 5000}}}]',
    '[2,"1","DataTransfer",{"vendorId":"\\ud800"}]',
    "\x00",
]
