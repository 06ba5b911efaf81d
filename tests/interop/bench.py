"""A whole station (real loop, real sockets, database in a file) with simulated hardware, in front of the foreign CSMS.

Core and physics run `SPEED` times as fast as the clock on the wall; link, database and Node run in real time.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hal.api import PilotChanged, PilotState
from hal.sim.board import SimBoard, build
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.world import World
from station.app import EvseSetup, StationApp, StationSetup, Surroundings, file_store
from station.clock import Now
from station.core.effects import Effect, Record
from station.core.events import Event
from station.core.facts import TxFact
from station.core.types import TxPhase
from station.core.view import EvseView
from station.ocpp.link import Link, LinkHooks, LinkSettings
from station.sim.loop import DEFAULT_WALL, ScaledScheduler, sleep
from tests.interop.foreign import PATIENCE_S, ForeignCsms, Heard

SPEED = 30.0
METER_WH = 12_345.0
CARD, OTHER_CARD, BAD_CARD = "04A1B2C3", "04D4E5F6", "0BADCA4D"
RECORDS = frozenset(
    {"TransactionEvent", "StartTransaction", "MeterValues", "StopTransaction", "SecurityEventNotification"}
)
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "4",  # runs as fast as the station, see `_link`
    "OCPPCommCtrlr.RetryBackOffRandomRange": "2",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "SampledDataCtrlr.TxUpdatedInterval": "5",
    # Timestamps stay in order: a round trip of 25 ms is a second here, and would look like a wrong clock.
    "ClockCtrlr.TimeSource": "NTP",
}


class Words(NamedTuple):
    """One message about a transaction, by what makes it unique. seq -1: a version without numbers."""

    tx_id: str
    kind: str
    seq: int = -1


class Bench:
    """One station over all of its restarts. `facts`: whatever it recorded about transactions, in order.

    It starts anew by itself whenever it asks for a reboot; `boots` counts the starts.
    """

    def __init__(
        self, csms: ForeignCsms, folder: Path, versions: tuple[str, ...], variables: Mapping[str, str] | None = None
    ) -> None:
        self.csms = csms
        self.setup = StationSetup(
            "CS-interop",
            f"{csms.url}/ocpp",
            versions,
            (EvseSetup(1, "sim", 1), EvseSetup(2, "sim", 2)),
            serial="PW-0001",
            firmware="1.0",
            variables={**QUICK, **(variables or {})},
            meter_poll_s=5.0,
        )
        self.host_boot = "boot of the machine"
        self.csms_ahead_s = 0.0
        self.scheduler = ScaledScheduler(asyncio.get_running_loop(), SPEED)
        self.origin = self.scheduler.time()
        self.begins = DEFAULT_WALL  # wall time of the start
        world = World(now=self.scheduler.time, scheduler=self.scheduler)
        self.sim: SimBoard = build({"evses": 2, "initial_wh": METER_WH}, world, rng=random.Random(1))
        self._file = folder / "station.sqlite3"
        self.facts: list[TxFact] = []
        self.frames: list[tuple[str, str | None, str]] = []
        self.boots = 0
        self._board_up = False
        self._changed = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        csms.changed = self._changed.set

    @property
    def version(self) -> str:
        return self.setup.versions[0]

    def wall(self) -> float:
        return self.begins + self.scheduler.time() - self.origin

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self, *, online: bool = True) -> None:
        """Start the station and, unless told otherwise, wait until it is accepted and has told its states."""
        begin = len(self.csms.calls)
        await self._start()
        self._life = asyncio.create_task(self._reboots())
        await self.until(lambda: self._board_up, "the board")
        if online:
            await self.until(lambda: self.csms.statuses(2, begin), "the states of the connectors")

    async def _start(self) -> None:
        await self.tell_time()
        around = Surroundings(
            boards=lambda: {"sim": self.sim.board},
            open_store=file_store(self._file, self.wall),
            link=_Link,
            scheduler=self.scheduler,
            wall=self.wall,
            seed="interop",
            host_boot=lambda: self.host_boot,
            speed=lambda: SPEED,
        )
        self.boots += 1
        self._board_up = False
        self.app = StationApp(self.setup, around)
        self.app.gateway.listen(self._turned)
        self.app.client.on_frame(self._framed)
        await self.app.start()

    async def _reboots(self) -> None:
        while True:
            await asyncio.shield(self.app.rebooting)
            await self.app.stop()
            await self._start()

    async def stop(self) -> None:
        """The process ends in good order, as for an update; `start` begins the next."""
        if await self._ended():
            await self.app.stop()

    async def power_cut(self) -> None:
        """The machine loses its power, without warning, and gets it back; `start` boots it."""
        if await self._ended():
            self.sim.power_cut()
            await self.app.kill()
            self.sim.power_on()

    async def _ended(self) -> bool:
        """No reboots any more. Whether there is a station to be ended."""
        life, self._life = self._life, None
        if life is None:
            return False
        life.cancel()
        await asyncio.wait([life])
        if not life.cancelled():
            life.result()
        return True

    async def tell_time(self) -> None:
        """The CSMS's clock runs with the station's."""
        if self.csms.running:
            at = (self.wall() + self.csms_ahead_s) * 1000
            clock = {"real": time.time() * 1000, "at": at, "speed": self.scheduler.speed}
            await self.csms.policy(clock=clock)

    async def at_speed(self, speed: float) -> None:
        self.scheduler.set_speed(speed)
        await self.tell_time()

    def reconfigure(self, **fields: Any) -> None:
        """Another configuration from the next start on."""
        self.setup = replace(self.setup, **fields)

    def _turned(self, event: Event | None, effects: list[Effect], _now: Now) -> None:
        self._board_up |= isinstance(event, PilotChanged)
        for effect in effects:
            if isinstance(effect, Record) and isinstance(effect.fact, TxFact):
                self.facts.append(effect.fact)
        self._changed.set()

    def _framed(self, direction: str, text: str, _action: str | None, verdict: str) -> None:
        self.frames.append((direction, verdict, text))
        self._changed.set()

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def until(self, done: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait for something that the station or the CSMS makes true; what it returned."""
        try:
            async with asyncio.timeout(patience_s):
                while not (result := done()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}\n{self._picture()}") from None
        return result

    def _picture(self) -> str:
        """How things stand, for a failed test."""
        frames = [f"{direction:3} {verdict} {text[:300]}" for direction, verdict, text in self.frames[-25:]]
        link = f"link: {self.app.client.online} ({self.app.client._link.last_error}), queue: {self.queued()}"
        return "\n".join([*frames, *map(str, self.app.view().evses), link])

    async def passes(self, seconds: float) -> None:
        """So many seconds of the station's time."""
        await sleep(self.scheduler, seconds)

    # --- people -------------------------------------------------------------------------------------------------------

    def evse(self, number: int = 1) -> EvseView:
        return self.app.view().evse(number)

    def plug(self, evse: int = 1, **car: Any) -> None:
        self.sim.plug(evse, Car(CarSettings(**{"soc_percent": 20.0, **car})))

    def swipe(self, card: str = CARD, evse: int = 1) -> None:
        assert self.sim.swipe(card, evse=evse), "nobody reads the card"

    def register(self, evse: int = 1) -> float:
        return self.sim.evse(evse).meter.register_wh

    async def charging(self, evse: int = 1, wh: float = 20.0) -> None:
        """Wait until the car draws power, and some of it has been counted."""
        begin = self.register(evse)
        await self.until(
            lambda: self.evse(evse).relay_closed and self.register(evse) > begin + wh, f"EVSE {evse} to charge"
        )

    async def at_rest(self, evse: int = 1) -> None:
        """Wait until no transaction runs and the plug can be pulled."""
        lock = self.sim.evse(evse).lock
        await self.until(
            lambda: self.evse(evse).transaction is None and not (lock and lock.bolt_in), f"EVSE {evse} to end"
        )

    async def leave(self, evse: int = 1) -> None:
        """Pull the plug as soon as it is released."""
        lock = self.sim.evse(evse).lock
        await self.until(lambda: not self.evse(evse).authorized and not (lock and lock.bolt_in), "a free plug")
        self.sim.unplug(evse)
        await self.until(lambda: self.evse(evse).pilot is PilotState.A, "an empty socket")
        await self.at_rest(evse)

    async def session(self, evse: int = 1, card: str = CARD, samples: int = 2) -> None:
        """Cable, card, some charging, card, away."""
        self.plug(evse)
        self.swipe(card, evse)
        await self.charging(evse)
        before = len(self.facts)
        await self.until(lambda: len(self.facts) >= before + samples, "periodic readings")
        self.swipe(card, evse)
        await self.leave(evse)

    # --- proof --------------------------------------------------------------------------------------------------------

    def queued(self) -> int:
        return len(self.app.client.records)

    async def delivered(self) -> None:
        """Wait until the CSMS has heard everything recorded so far, and answered it."""

        def complete() -> bool:
            if not self.app.client.online or self.queued():
                return False
            return not Counter(self.expected()) - Counter(self.heard())

        await self.until(complete, "an empty queue")

    def expected(self) -> list[Words]:
        """What the CSMS must hear of what was recorded."""
        return expected_201(self.facts) if self._speaks_201() else expected_16(self.facts)

    def heard(self, calls: list[Heard] | None = None) -> list[Words]:
        calls = [call for call in self.csms.calls if call.answer is not None] if calls is None else calls
        return words_201(calls) if self._speaks_201() else words_16(calls)

    def _speaks_201(self) -> bool:
        return any(one["protocol"] == "ocpp2.0.1" for one in self.csms.opened)

    async def proven(self, *, refused: int = 0, repeats: int = 0) -> None:
        """Everything recorded has arrived once, in order, unchanged; no frame of ours was refused.

        refused: how many CALLERRORs the CSMS was told to give. repeats: at most how many messages may have come twice.
        """
        await self.delivered()
        assert self.csms.mistakes == []
        assert len([one for one in self.csms.refusals if one["by"] == "csms"]) == refused, self.csms.refusals
        heard = once(self.csms.calls, repeats)
        assert_same(self.heard(heard), self.expected())
        self._registers()

    def _registers(self) -> None:
        """1.6: meterStart and meterStop are what the meter showed."""
        starts = {call.answer["transactionId"]: call for call in self.csms.heard("StartTransaction") if call.answer}
        for stop in self.csms.heard("StopTransaction"):
            start = starts[stop.payload["transactionId"]]
            assert METER_WH <= start.payload["meterStart"] <= stop.payload["meterStop"]
            assert stop.payload["meterStop"] <= round(max(self.register(evse) for evse in (1, 2)))


def _faster(settings: LinkSettings) -> LinkSettings:
    inner = settings.back_off

    def scaled() -> Any:
        back_off = inner()
        return replace(
            back_off,
            wait_minimum_s=back_off.wait_minimum_s / SPEED,
            random_range_s=back_off.random_range_s / SPEED,
        )

    return replace(settings, back_off=scaled)


class _Link(Link):
    """The real link; its back-off passes as fast as the station's time."""

    __slots__ = ()

    def __init__(self, settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> None:
        super().__init__(_faster(settings), hooks, rng)

    def configure(self, settings: LinkSettings) -> None:
        super().configure(_faster(settings))


def once(calls: list[Heard], repeats: int) -> list[Heard]:
    """Records without their repetitions, which must be identical and have come over another connection."""
    seen: dict[str, Heard] = {}
    ids: set[str] = set()
    doubles = 0
    for call in calls:
        assert call.id not in ids, f"message id {call.id} was used twice"
        ids.add(call.id)
        if call.action not in RECORDS or call.refused is not None:
            continue
        key = json.dumps([call.action, call.payload], sort_keys=True)
        before = seen.get(key)
        if before is None:
            seen[key] = call
            continue
        doubles += 1
        assert before.conn != call.conn, f"sent twice over one line: {key}"
        seen[key] = call if before.answer is None else before
    assert doubles <= repeats, f"{doubles} messages came twice"
    return list(seen.values())


def assert_same(heard: list[Words], expected: list[Words]) -> None:
    for at, (got, wanted) in enumerate(zip(heard, expected, strict=False)):
        assert got == wanted, f"message {at} is {got}, not {wanted}"
    assert len(heard) == len(expected), f"heard {heard[-3:]} at last, expected {expected[-3:]}"


def words_201(calls: list[Heard]) -> list[Words]:
    return [
        Words(call.payload["transactionInfo"]["transactionId"], call.payload["eventType"], call.payload["seqNo"])
        for call in calls
        if call.action == "TransactionEvent"
    ]


def expected_201(facts: list[TxFact]) -> list[Words]:
    return [Words(fact.tx_id, fact.phase.value, fact.seq) for fact in facts]


def words_16(calls: list[Heard]) -> list[Words]:
    """Messages about transactions, the transactions numbered in the order of their starts."""
    numbers: dict[int, str] = {}
    words = []
    for call in calls:
        if call.action == "StartTransaction":
            assert call.answer is not None
            numbers[call.answer["transactionId"]] = str(len(numbers))
            words.append(Words(numbers[call.answer["transactionId"]], call.action))
        elif call.action in RECORDS and "transactionId" in call.payload and not _asked_for(call):
            words.append(Words(numbers[call.payload["transactionId"]], call.action))
    return words


def _asked_for(call: Heard) -> bool:
    """Readings that TriggerMessage asked for are no record."""
    values = call.payload.get("meterValue", [])
    return any(value["sampledValue"][0].get("context") == "Trigger" for value in values)


def expected_16(facts: list[TxFact]) -> list[Words]:
    """What 1.6 has to say: a start once authorised and plugged, readings, and the end of what has begun."""
    numbers: dict[str, str] = {}
    words = []
    for fact in facts:
        ended = fact.phase is TxPhase.ENDED
        if fact.tx_id in numbers:
            if ended or fact.samples:
                words.append(Words(numbers[fact.tx_id], "StopTransaction" if ended else "MeterValues"))
        elif fact.authorized and fact.connected and not ended:
            numbers[fact.tx_id] = str(len(numbers))
            words.append(Words(numbers[fact.tx_id], "StartTransaction"))
    return words
