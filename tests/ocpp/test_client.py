"""The client with its real link, dialects and store against a CSMS in the same process, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hal.api import TokenKind
from station.clock import Clock
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, ConnectorNotice
from station.core.events import (
    Answered,
    Event,
    LinkDown,
    LinkUp,
    SecurityNoted,
    SetVariables,
    TokenReported,
    Unanswered,
    VariableWrite,
)
from station.core.facts import Fact, TxFact, to_json
from station.core.types import (
    AuthStatus,
    ChargingState,
    ConnectorPhase,
    ConnectorState,
    EvseInfo,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    StopReason,
    Trigger,
    TxPhase,
    Verdict,
)
from station.core.view import StationView
from station.errors import StoreError
from station.ocpp.client import ClientSettings, OcppClient
from station.ocpp.conversation import Conversation
from station.ocpp.delivery import Delivery
from station.ocpp.dialect import Call, DialectSettings, Services, StationIdentity
from station.ocpp.entries import RetryPolicy
from station.ocpp.link import LinkSettings
from station.ocpp.link_settings import BackOff as LinkBackOff
from station.ocpp.records import RecordQueue
from station.ocpp.registration import BackOff
from station.ocpp.saving import Saver
from station.ocpp.services import CallFromCsms, DataTransfers
from station.ocpp.variables import CommVariables
from station.sim.loop import run
from station.store.ops import AddRecord, Op, StoredRecord, StorePort
from station.store.sqlite import SqliteStore

DIALECTS: Any = {"1.6": "station.ocpp.v16.dialect:create", "2.0.1": "station.ocpp.v201.dialect:create"}
EVSES = (EvseInfo(1), EvseInfo(2))
TOKEN = IdToken("04A1B2C3", TokenKind.ISO14443)
BOTH = ("ocpp2.0.1", "ocpp1.6")
TIME = "2026-03-01T10:00:00Z"
Answer = dict[str, Any] | str | None


class Csms:
    """Scripted: `answers` holds per action a payload, a CALLERROR code, None for silence, or a list of those in turn."""

    def __init__(self, subprotocols: Sequence[str]) -> None:
        self.subprotocols = [Subprotocol(name) for name in subprotocols]
        self.answers: dict[str, Answer | list[Answer]] = {
            "BootNotification": {"status": "Accepted", "currentTime": TIME, "interval": 60},
            "Heartbeat": {"currentTime": TIME},
            "Authorize": {"idTokenInfo": {"status": "Accepted"}},
            "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Blocked"}},
        }
        self.frames: list[list[Any]] = []
        self.times: list[float] = []
        self.offers: list[list[str]] = []
        self.logins: list[str | None] = []
        self.connections: list[ServerConnection] = []
        self.replies: dict[str, asyncio.Future[list[Any]]] = {}
        self.news = asyncio.Event()
        self.numbers = itertools.count(1)
        self.server: Server | None = None

    async def open(self) -> str:
        self.server = await serve(
            self._serve, "127.0.0.1", 0, subprotocols=self.subprotocols, ping_interval=None, compression=None
        )
        return f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/ocpp"

    def speak(self, *subprotocols: str) -> None:
        self.subprotocols[:] = map(Subprotocol, subprotocols)

    async def close(self) -> None:
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        self.offers.append(ws.request.headers.get("Sec-WebSocket-Protocol", "").split(", "))
        self.logins.append(ws.request.headers.get("Authorization"))
        self.connections.append(ws)
        try:
            async for text in ws:
                await self._frame(ws, json.loads(text))
        except ConnectionClosed:
            pass

    async def _frame(self, ws: ServerConnection, frame: list[Any]) -> None:
        self.frames.append(frame)
        self.times.append(asyncio.get_running_loop().time())
        if frame[0] == 2:
            answer = self.answers.get(frame[2], {})
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, str):
                await ws.send(json.dumps([4, frame[1], answer, "", {}]) if answer.isalpha() else answer)
            elif answer is not None:
                await ws.send(json.dumps([3, frame[1], answer]))
        elif frame[1] in self.replies:
            self.replies[frame[1]].set_result(frame)
        self.news.set()

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        number = f"c{next(self.numbers)}"
        self.replies[number] = asyncio.get_running_loop().create_future()
        await self.connections[-1].send(json.dumps([2, number, action, payload]))
        return await self.replies[number]

    def calls(self, *actions: str) -> list[dict[str, Any]]:
        return [f[3] for f in self.frames if f[0] == 2 and (not actions or f[2] in actions)]

    def actions(self) -> list[str]:
        return [f[2] for f in self.frames if f[0] == 2]

    async def until(self, ready: Callable[[], Any], seconds: float = 1000.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                self.news.clear()
                await self.news.wait()

    async def heard(self, action: str, times: int = 1) -> dict[str, Any]:
        await self.until(lambda: len(self.calls(action)) >= times)
        return self.calls(action)[times - 1]


class Gateway:
    """Stands for the core: writes settings for real, answers every other command as told, remembers events."""

    def __init__(self, store: StorePort) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock(loop.time, lambda: 1_700_000_000.0 + loop.time())
        self.model = DeviceModel(standard_definitions(EVSES))
        self.store = store
        self.events: list[Event] = []
        self.set_to: list[float] = []
        self.outlet: OcppClient | None = None
        self.hold: list[Callable[[Verdict], None]] | None = None
        self.produces: Callable[[], None] = lambda: None

    def view(self) -> StationView:
        return StationView(online=True, operative=True, save_failed=False, resetting=False, evses=())

    def now(self) -> Any:
        return self.clock.now()

    def submit(self, event: Event) -> None:
        self.events.append(event)

    def command(self, make: Callable[[int], Event], done: Callable[[Verdict], None]) -> None:
        event = make(1)
        self.events.append(event)
        if self.hold is not None:
            self.hold.append(done)
            return
        changed: list[VariableWrite] = []
        results = []
        if isinstance(event, SetVariables):
            for write in event.writes:
                result = self.model.write(write, by_technician=event.by_technician)
                results.append(result)
                if result.changed:
                    changed.append(write)
        done(Verdict("Accepted", data={"results": results}))
        self.produces()
        for write in changed:
            assert self.outlet is not None
            self.outlet.setting_changed(write.component, write.variable)

    def set_clock(self, wall: float) -> None:
        self.set_to.append(wall)
        self.clock.set_wall(wall)

    def record(self, fact: Fact) -> None:
        record = self.store.next_record_id()
        tx_id = fact.tx_id if isinstance(fact, TxFact) else None
        self.store.commit([AddRecord(record, to_json(fact), tx_id)], lambda _: None)
        assert self.outlet is not None
        self.outlet.record(record, fact)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class BadDays:
    """A store whose commits fail while `bad`."""

    def __init__(self, inner: StorePort) -> None:
        self.inner = inner
        self.bad = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        if self.bad:
            done(StoreError("disk full"))
        else:
            self.inner.commit(ops, done)


class World:
    def __init__(self, subprotocols: Sequence[str], offered: Sequence[str] | None = None) -> None:
        self.csms = Csms(subprotocols)
        self.offered = tuple(offered or subprotocols)
        self.store = BadDays(SqliteStore.open(":memory:", threaded=False, now_wall=lambda: 0.0))
        self.gateway = Gateway(self.store)
        self.ids = itertools.count(1)
        self.seen: list[tuple[str, str, str | None, str]] = []
        self.url = ""

    async def open(self) -> OcppClient:
        self.url = await self.csms.open()
        return self.boot()

    def boot(self, reason: str = "PowerUp", *, record_limit: int = 10_000) -> OcppClient:
        settings = ClientSettings(
            link=LinkSettings(self.url, "CS-1", subprotocols=lambda: self.offered, password="0123456789abcdef"),
            dialect=DialectSettings(StationIdentity("Pilotwire", "Bench"), (1, 2)),
            boot_back_off=BackOff(10.0, 60.0),
            record_limit=record_limit,
        )
        self.client = OcppClient(
            settings, self.gateway, self.store, DIALECTS, lambda: f"m{next(self.ids)}", random.Random(1)
        )
        self.gateway.outlet = self.client
        self.client.on_frame(lambda *frame: self.seen.append(frame))
        self.task = asyncio.create_task(self.client.run(reason))
        return self.client

    async def drop(self) -> None:
        count = len(self.csms.connections)
        self.csms.connections[-1].transport.abort()
        await self.csms.connections[-1].wait_closed()
        assert len(self.csms.connections) == count

    async def close(self) -> None:
        await self.client.stop()
        await self.client.stop()
        await self.csms.close()
        self.store.inner.close()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, left


def play(scene: Callable[[World], Coroutine[Any, Any, None]], *subprotocols: str, offered: Sequence[str] = ()) -> None:
    async def main() -> None:
        world = World(subprotocols, offered or None)
        await world.open()
        await scene(world)
        await world.close()

    run(main())


versions = pytest.mark.parametrize("subprotocol", BOTH)


def tx_fact(seq: int, phase: TxPhase = TxPhase.UPDATED, tx_id: str = "T1", **more: Any) -> TxFact:
    clock = Clock(lambda: 0.0, lambda: 1_772_000_000.0)
    trigger = Trigger.METER_VALUE_PERIODIC if phase is TxPhase.UPDATED else Trigger.AUTHORIZED
    sample = MeterSample(
        clock.now(), ReadingContext.SAMPLE_PERIODIC, (SampledValue("Energy.Active.Import.Register", 5, "Wh"),)
    )
    values: dict[str, Any] = {
        "trigger": trigger,
        "at": clock.now(),
        "evse": 1,
        "connector": 1,
        "charging_state": ChargingState.CHARGING,
        "authorized": True,
        "connected": True,
        "token": TOKEN if phase is TxPhase.STARTED else None,
        "tx_token": TOKEN,
        "register_wh": 100.0 * seq,
        "samples": (sample,) if phase is TxPhase.UPDATED else (),
        "stop_reason": StopReason.LOCAL if phase is TxPhase.ENDED else None,
    }
    return TxFact(tx_id=tx_id, seq=seq, phase=phase, **(values | more))


def status(evse: int, phase: ConnectorPhase) -> ConnectorNotice:
    occupied = ConnectorState.AVAILABLE if phase is ConnectorPhase.AVAILABLE else ConnectorState.OCCUPIED
    return ConnectorNotice(evse, 1 if evse else 0, occupied, phase, Clock(lambda: 0.0, lambda: 0.0).now())


# --- what is no OCPP ------------------------------------------------------------------------------------------------


@versions
def test_invalid_messages_are_a_security_event_once_per_connection(subprotocol: str) -> None:
    """A04.FR.04, without the content, and however many there are: a flood must not wash the security log out."""

    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        await csms.heard("BootNotification", 1)
        await asyncio.sleep(1)
        for text in ('[2,"1","NoSuchAction",{}]', '[2,"2","Reset",{"type":"s3cret"}]', "s3cret", '[2,"3","Reset",[]]'):
            await csms.connections[-1].send(text)
        await asyncio.sleep(1)
        (noted,) = gateway.of(SecurityNoted)
        assert noted.kind == "InvalidMessages"
        assert "Reset" in noted.info
        assert "s3cret" not in noted.info
        await world.drop()
        await asyncio.sleep(60)
        await csms.connections[-1].send("nonsense")
        await asyncio.sleep(1)
        assert len(gateway.of(SecurityNoted)) == 2

    play(scene, subprotocol)


# --- registration ---------------------------------------------------------------------------------------------------


@versions
def test_cold_boot(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        for evse in (2, 1):
            world.client.notice(status(evse, ConnectorPhase.AVAILABLE))
        await csms.heard("StatusNotification", 2)
        assert csms.actions() == ["BootNotification", "StatusNotification", "StatusNotification"]
        evses = [s.get("evseId", s["connectorId"]) for s in csms.calls("StatusNotification")]
        assert evses == [1, 2]
        assert gateway.set_to == [1772359200.0], "the clock is set before the first status"
        assert gateway.of(LinkUp) == [LinkUp(None)]
        assert gateway.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 60
        await csms.heard("Heartbeat", 2)
        assert [round(t) for t in csms.times[-2:]] == [60, 120]
        assert world.client.online
        assert world.client.version == subprotocol.removeprefix("ocpp")
        assert csms.logins[0] is not None

    play(scene, subprotocol)


@versions
def test_any_message_postpones_the_heartbeat(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        await world.csms.heard("BootNotification")
        await asyncio.sleep(40)
        world.client.notice(status(1, ConnectorPhase.PREPARING))
        await world.csms.heard("Heartbeat")
        assert round(world.csms.times[-1]) == 100

    play(scene, subprotocol)


@versions
def test_pending_then_accepted(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        pending = {"status": "Pending", "currentTime": TIME, "interval": 20}
        csms.answers["BootNotification"] = [pending, {"status": "Accepted", "currentTime": TIME, "interval": 0}]
        gateway.record(tx_fact(0, TxPhase.STARTED))
        world.client.notice(status(1, ConnectorPhase.PREPARING))
        await csms.heard("BootNotification")
        reply = await csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        assert reply[2]["status"] == "Accepted"
        await csms.heard("Heartbeat")
        assert csms.actions() == ["BootNotification", "Heartbeat"], "nothing but what was triggered"
        assert gateway.of(LinkUp) == []
        await csms.until(lambda: len(csms.calls()) >= 5)
        assert csms.actions()[2] == "BootNotification"
        assert (
            round(csms.times[csms.frames.index(next(f for f in csms.frames[2:] if f[2] == "BootNotification"))]) == 20
        )
        assert csms.actions()[3] in ("StartTransaction", "TransactionEvent")
        assert csms.actions()[4] == "StatusNotification"

    play(scene, subprotocol)


@versions
def test_rejected_is_silent(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["BootNotification"] = [
            {"status": "Rejected", "currentTime": TIME, "interval": 30},
            {"status": "Rejected", "currentTime": TIME, "interval": 0},
            {"status": "Accepted", "currentTime": TIME, "interval": 60},
        ]
        await csms.heard("BootNotification")
        reply = await csms.call("ClearCache", {})
        assert reply[:3] == [4, "c1", "SecurityError"]
        await csms.heard("BootNotification", 3)
        boots = [t for f, t in zip(csms.frames, csms.times, strict=True) if f[2] == "BootNotification"]
        assert round(boots[1]) == 30
        assert 40 <= boots[2] <= 41, "no interval given: our own"
        assert len(csms.calls()) == 3

    play(scene, subprotocol)


@pytest.mark.parametrize("bad", [None, "InternalError", {}, {"status": "Maybe"}, "no json at all", {"status": 5}])
def test_a_boot_answer_that_is_none_is_asked_for_again(bad: Answer) -> None:
    async def scene(world: World) -> None:
        good = {"status": "Accepted", "currentTime": TIME, "interval": 60}
        world.csms.answers["BootNotification"] = [bad, good]
        await world.csms.heard("BootNotification", 2)
        assert world.csms.times[-1] >= 10
        await world.csms.heard("Heartbeat")
        assert world.client.online

    play(scene, "ocpp2.0.1")


def test_a_boot_answer_with_an_extra_field_is_understood() -> None:
    async def scene(world: World) -> None:
        world.csms.answers["BootNotification"] = {
            "status": "Accepted", "currentTime": TIME, "interval": 5, "vendor": "x",
        }  # fmt: skip
        await world.csms.heard("Heartbeat")
        assert len(world.csms.calls("BootNotification")) == 1

    play(scene, "ocpp1.6")


def test_an_accepted_station_does_not_boot_again_after_a_reconnect() -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        world.client.notice(status(1, ConnectorPhase.AVAILABLE))
        await csms.heard("StatusNotification")
        await world.drop()
        await csms.heard("StatusNotification", 2)
        assert csms.actions() == ["BootNotification", "StatusNotification", "StatusNotification"]
        assert len(gateway.of(LinkDown)) == 1
        up = gateway.of(LinkUp)[1]
        assert 10 <= up.offline_s <= 21

    play(scene, "ocpp1.6")


def test_after_a_short_break_201_repeats_no_status() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        world.client.notice(status(1, ConnectorPhase.AVAILABLE))
        world.client.notice(status(2, ConnectorPhase.AVAILABLE))
        await csms.heard("StatusNotification", 2)
        await world.drop()
        world.client.notice(status(2, ConnectorPhase.PREPARING))
        await csms.heard("Heartbeat")
        assert [s["evseId"] for s in csms.calls("StatusNotification")] == [1, 2, 2]

    play(scene, "ocpp2.0.1")


def test_a_triggered_boot_comes_after_the_answer_and_is_obeyed_when_accepted_in_16() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        reply = await csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert reply[2] == {"status": "Accepted"}
        await csms.heard("BootNotification", 2)
        assert [f[0] for f in csms.frames] == [2, 3, 2]
        assert len(world.gateway.of(LinkUp)) == 1

    play(scene, "ocpp1.6")


# --- records --------------------------------------------------------------------------------------------------------


def test_a_session_in_16() -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        await csms.heard("BootNotification")
        gateway.record(tx_fact(0, TxPhase.STARTED))
        gateway.record(tx_fact(1))
        await csms.heard("MeterValues")
        assert world.client.services.tx_for_csms_id(7) == "T1"
        assert world.client.services.tx_for_csms_id(8) is None
        world.client.notice(status(1, ConnectorPhase.FINISHING))
        gateway.record(tx_fact(2, TxPhase.ENDED))
        await csms.heard("StatusNotification")
        assert csms.actions()[1:] == ["StartTransaction", "MeterValues", "StopTransaction", "StatusNotification"]
        assert csms.calls("MeterValues")[0]["transactionId"] == 7
        assert [e.info.status for e in gateway.of(TokenReported)] == [AuthStatus.BLOCKED]
        assert not world.store.records()
        assert not world.store.contexts()

    play(scene, "ocpp1.6")


@versions
def test_a_call_cut_off_is_repeated_unchanged_under_another_id(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        action = "TransactionEvent" if subprotocol == "ocpp2.0.1" else "StartTransaction"
        good = csms.answers.get(action, {})
        csms.answers[action] = None
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard(action)
        csms.answers[action] = good
        await world.drop()
        await csms.heard(action, 2)
        first, second = (f for f in csms.frames if f[0] == 2 and f[2] == action)
        assert first[3] == second[3]
        assert first[1] != second[1]
        world.gateway.record(tx_fact(1))
        await csms.until(lambda: len(csms.calls("TransactionEvent", "MeterValues")) >= 1)

    play(scene, subprotocol)


def test_a_restarted_client_goes_on_where_the_last_one_was_cut() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        await csms.until(lambda: world.client.services.tx_for_csms_id(7))
        await world.client.stop()
        world.gateway.record(tx_fact(1, TxPhase.ENDED))
        world.boot("Watchdog")
        await csms.heard("StopTransaction")
        assert csms.calls("StopTransaction")[0]["transactionId"] == 7
        assert len(csms.calls("BootNotification")) == 2
        assert len(csms.calls("StartTransaction")) == 1

    play(scene, "ocpp1.6")


def test_a_power_cut_leaves_what_was_committed_and_nothing_else() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["TransactionEvent"] = None
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        first = await csms.heard("TransactionEvent")
        before = list(world.gateway.events)
        await world.client.kill()
        assert world.gateway.events == before
        assert len(world.store.records()) == 1
        csms.answers["TransactionEvent"] = {}
        world.boot("PowerUp")
        assert await csms.heard("TransactionEvent", 2) == first

    play(scene, "ocpp2.0.1")


def test_a_fact_that_comes_in_before_the_start_counts_once() -> None:
    async def scene(world: World) -> None:
        await world.client.stop()
        settings_of = world.client
        world.client = OcppClient(
            settings_of._settings, world.gateway, world.store, DIALECTS, lambda: f"n{next(world.ids)}", random.Random(1)
        )
        world.gateway.outlet = world.client
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        world.task = asyncio.create_task(world.client.run())
        await world.csms.heard("TransactionEvent")
        await world.csms.heard("Heartbeat")
        assert len(world.csms.calls("TransactionEvent")) == 1

    play(scene, "ocpp2.0.1")


def test_a_transaction_is_finished_in_its_version_then_the_link_moves_on() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        await csms.until(lambda: world.client.services.tx_for_csms_id(7))
        csms.speak(*BOTH)
        await world.drop()
        await csms.until(lambda: len(csms.offers) == 2)
        assert csms.offers == [list(BOTH), ["ocpp1.6"]]
        world.gateway.record(tx_fact(1, TxPhase.ENDED))
        world.gateway.record(tx_fact(0, TxPhase.STARTED, "T2"))
        await csms.heard("StopTransaction")
        await csms.heard("StartTransaction", 2)
        world.gateway.record(tx_fact(1, TxPhase.ENDED, "T2"))
        await csms.heard("StopTransaction", 2)
        csms.speak(*BOTH)
        await world.drop()
        await csms.heard("BootNotification", 2)
        assert csms.offers[-1] == list(BOTH)
        assert world.client.version == "2.0.1"

    play(scene, "ocpp1.6", offered=BOTH)


def test_a_restart_in_a_pinned_version_moves_on_by_itself() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        await csms.until(lambda: world.client.services.tx_for_csms_id(7))
        await world.client.stop()
        csms.speak(*BOTH)
        world.gateway.record(tx_fact(1, TxPhase.ENDED))
        world.boot()
        await csms.heard("StopTransaction")
        await csms.heard("BootNotification", 3)
        assert csms.offers[1:] == [["ocpp1.6"], list(BOTH)]
        assert world.client.version == "2.0.1"

    play(scene, "ocpp1.6", offered=BOTH)


async def test_what_was_answered_is_saved_before_the_end() -> None:
    """With the store's own thread and on the real loop."""
    world = World(("ocpp2.0.1",))
    world.store.inner.close()
    world.store.inner = SqliteStore.open(":memory:", threaded=True, now_wall=lambda: 0.0)
    await world.open()
    for seq in range(20):
        world.gateway.record(tx_fact(seq))
    await world.csms.heard("TransactionEvent", 20)
    while world.client.records.queued():
        await asyncio.sleep(0)
    await world.client.stop()
    assert not world.store.records()
    assert [e["seqNo"] for e in world.csms.calls("TransactionEvent")] == list(range(20))
    await world.close()


def test_an_operator_gives_a_version_up() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["StartTransaction"] = None
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        csms.speak("ocpp2.0.1")
        await world.drop()
        assert world.client.records.pinned_versions() == {"1.6"}
        assert world.client.abandon("1.6") == 1
        await csms.heard("BootNotification", 2)
        assert world.client.version == "2.0.1"
        assert [letter.why for letter in world.store.dead_letters()] == ["given up by the operator: OCPP 1.6"]

    play(scene, "ocpp1.6", offered=BOTH)


def test_a_csms_that_speaks_a_version_no_more_does_not_keep_the_station_offline() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["StartTransaction"] = None
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        csms.speak("ocpp2.0.1")
        await world.drop()
        await csms.until(lambda: len(csms.calls("BootNotification")) == 2, 100_000)
        assert world.client.version == "2.0.1"
        (letter,) = world.store.dead_letters()
        assert letter.why == "the CSMS speaks OCPP 2.0.1 and no longer 1.6"
        world.gateway.record(tx_fact(1, TxPhase.ENDED))
        world.gateway.record(tx_fact(0, TxPhase.STARTED, "T2"))
        assert (await csms.heard("TransactionEvent"))["transactionInfo"]["transactionId"] == "T2"
        assert len(world.store.dead_letters()) == 2

    play(scene, "ocpp1.6", offered=BOTH)


@pytest.mark.parametrize("away", [3_600, 86_400, 86_400 + 330])
def test_a_csms_that_was_away_for_long_still_gets_the_pinned_version(away: float) -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["StartTransaction"] = [None, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}]
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("StartTransaction")
        csms.speak("nonsense")
        await world.drop()
        await asyncio.sleep(away)
        csms.speak(*BOTH)
        await csms.heard("StartTransaction", 2)
        assert world.client.version == "1.6"
        assert csms.calls("StartTransaction")[0] == csms.calls("StartTransaction")[1]
        assert not world.store.dead_letters()

    play(scene, "ocpp1.6", offered=BOTH)


def test_refusals_are_bounded_and_the_next_record_goes_on() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["TransactionEvent"] = ["InternalError", "InternalError", "InternalError", {}]
        three = VariableWrite("OCPPCommCtrlr", "MessageAttempts", "3", variable_instance="TransactionEvent")
        assert world.gateway.model.write(three).status == "Accepted"
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        world.gateway.record(tx_fact(1))
        await csms.heard("TransactionEvent", 4)
        assert [e["seqNo"] for e in csms.calls("TransactionEvent")] == [0, 0, 0, 1]
        times = [t for f, t in zip(csms.frames, csms.times, strict=True) if f[0] == 2 and f[2] == "TransactionEvent"]
        step = world.gateway.model.integer(
            "OCPPCommCtrlr", "MessageAttemptInterval", variable_instance="TransactionEvent"
        )
        assert [round(b - a) for a, b in itertools.pairwise(times)] == [step, 2 * step, 0]
        await csms.until(world.store.dead_letters)

    play(scene, "ocpp2.0.1")


def test_a_full_disk_delays_records_and_nothing_else() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        world.store.bad = True
        world.client.notice(status(1, ConnectorPhase.PREPARING))
        await csms.heard("StatusNotification")
        assert csms.calls("TransactionEvent") == []
        world.store.bad = False
        await csms.heard("TransactionEvent")
        assert 5 <= csms.times[-1] <= 6
        await csms.until(lambda: not world.client.records.queued())

    play(scene, "ocpp2.0.1")


# --- questions ------------------------------------------------------------------------------------------------------


def test_questions() -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        world.client.ask(Ask(1, TOKEN, 100.0))
        assert gateway.of(Unanswered) == [], "not from within the event that asked"
        await csms.heard("BootNotification")
        assert gateway.of(Unanswered) == [Unanswered(1)]
        await asyncio.sleep(1)
        world.client.ask(Ask(2, TOKEN, 100.0))
        await csms.heard("Authorize")
        await asyncio.sleep(1)
        assert [(e.ask, e.info.status) for e in gateway.of(Answered)] == [(2, AuthStatus.ACCEPTED)]
        csms.answers["Authorize"] = None
        world.client.ask(Ask(3, TOKEN, 12.0))
        await asyncio.sleep(9.5)
        assert len(gateway.of(Unanswered)) == 1
        await asyncio.sleep(1)
        assert gateway.of(Unanswered)[1:] == [Unanswered(3)]
        csms.answers["Authorize"] = "SecurityError"
        await asyncio.sleep(60)
        world.client.ask(Ask(4, TOKEN, 1000.0))
        await asyncio.sleep(1)
        assert gateway.of(Unanswered)[2:] == [Unanswered(4)]

    play(scene, "ocpp2.0.1")


# --- answering ------------------------------------------------------------------------------------------------------


@versions
def test_a_command_that_takes_too_long_gets_internal_error_and_its_late_reply_is_dropped(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        await csms.heard("BootNotification")
        await asyncio.sleep(1)
        gateway.hold = []
        start = asyncio.get_running_loop().time()
        reply = await csms.call("ClearCache", {})
        assert reply[2] == "InternalError"
        assert len(reply) == 5
        assert round(asyncio.get_running_loop().time() - start, 1) == 1.5
        gateway.hold[0](Verdict("Accepted"))
        await csms.heard("Heartbeat")
        assert len([f for f in csms.frames if f[1] == reply[1]]) == 1

    play(scene, subprotocol)


def test_a_reply_leaves_before_what_its_command_produced_and_while_our_call_is_open() -> None:
    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        csms.answers["StatusNotification"] = None
        await csms.heard("BootNotification")
        world.client.notice(status(2, ConnectorPhase.AVAILABLE))
        await csms.heard("StatusNotification")
        gateway.produces = lambda: world.client.notice(status(1, ConnectorPhase.PREPARING))
        reply = await csms.call("ClearCache", {})
        assert reply[2]["status"] == "Accepted"
        await csms.heard("StatusNotification", 2)
        assert [f[0] for f in csms.frames] == [2, 2, 3, 2]

    play(scene, "ocpp1.6")


@versions
def test_what_nobody_handles_is_refused(subprotocol: str) -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        assert (await csms.call("Frobnicate", {}))[2] == "NotImplemented"
        assert (await csms.call("Heartbeat", {}))[2] == "NotSupported"

    play(scene, subprotocol)


def test_a_handler_that_stumbles_still_answers() -> None:
    async def scene(world: World) -> None:
        def stumble(call: Call, services: Services) -> None:
            raise KeyError("a bug")

        dialect: Any = world.client._resolve("2.0.1")
        dialect.handle = stumble
        await world.csms.heard("BootNotification")
        reply = await world.csms.call("ClearCache", {})
        assert reply[:3] == [4, reply[1], "InternalError"]

    play(scene, "ocpp2.0.1")


@versions
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_no_time_of_the_csms_keeps_a_station_from_its_work(subprotocol: str, time: str) -> None:
    """Here the clock takes it, as an older program did: what was recorded then must get through after a restart."""

    async def scene(world: World) -> None:
        csms, gateway = world.csms, world.gateway
        csms.answers["BootNotification"] = {"status": "Accepted", "currentTime": time, "interval": 60}
        await csms.heard("BootNotification")
        await csms.until(lambda: gateway.set_to)
        gateway.clock.set_wall(gateway.set_to[0] + 100)
        at = gateway.now()
        gateway.record(tx_fact(0, TxPhase.STARTED, at=at))
        world.client.notice(replace(status(1, ConnectorPhase.PREPARING), since=at))
        told = await csms.heard("StartTransaction" if "1.6" in subprotocol else "TransactionEvent")
        assert told["timestamp"][:5] in ("9999-", "0001-")
        await csms.heard("StatusNotification")
        assert world.client.online

    play(scene, subprotocol)


def test_a_mistake_in_the_pump_is_logged_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(world: World) -> None:
        csms, client = world.csms, world.client
        await csms.heard("BootNotification")
        good, mistakes = client.delivery.next, []

        def stumble(now: Any) -> Any:
            if len(mistakes) < 2:
                mistakes.append(now)
                raise ValueError("one bug")
            return good(now)

        client.delivery = Stumbling(client.delivery, stumble)
        client.notice(status(1, ConnectorPhase.PREPARING))
        await csms.heard("StatusNotification")
        assert len(mistakes) == 2
        assert "one bug" in caplog.text
        await csms.heard("Heartbeat")

    play(scene, "ocpp2.0.1")


class Stumbling:
    """A delivery whose `next` is another."""

    def __init__(self, inner: Any, choose: Callable[[Any], Any]) -> None:
        self.inner = inner
        self.next = choose

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_a_client_that_gets_nothing_done_shows_no_sign_of_life() -> None:
    async def scene(world: World) -> None:
        client = world.client
        assert client.alive()
        await world.csms.heard("BootNotification")
        await asyncio.sleep(1000)
        assert world.client.alive(), "a quiet one is not dead"

        def stumble(now: Any) -> Any:
            raise ValueError("a bug for good")

        good = client.delivery
        client.delivery = Stumbling(good, stumble)
        client.notice(status(1, ConnectorPhase.PREPARING))
        await asyncio.sleep(10)
        assert client.alive(), "it may get over it"
        await asyncio.sleep(5000)
        assert not client.alive()
        client.delivery = good
        await world.csms.heard("StatusNotification")
        assert client.alive()

    play(scene, "ocpp2.0.1")


def test_the_link_is_run_again_after_a_mistake_and_records_are_loaded_once() -> None:
    """As the supervisor does it."""

    async def scene(world: World) -> None:
        csms, client = world.csms, world.client
        csms.answers["TransactionEvent"] = None
        world.gateway.record(tx_fact(0, TxPhase.STARTED))
        await csms.heard("TransactionEvent")

        def stumble(wall: float) -> None:
            raise RuntimeError("one bug")

        world.gateway.set_clock = stumble  # type: ignore[method-assign]  # what on_text calls
        with pytest.raises(RuntimeError, match="one bug"):
            await asyncio.wait_for(world.task, 1000)
        assert not client.online
        del world.gateway.set_clock
        csms.answers["TransactionEvent"] = {}
        world.task = asyncio.create_task(client.run())
        await csms.until(lambda: not client.records.queued())
        assert {e["seqNo"] for e in csms.calls("TransactionEvent")} == {0}
        assert client.online

    play(scene, "ocpp2.0.1")


def test_a_flood_of_reports_is_refused() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        csms.answers["NotifyReport"] = None
        await csms.heard("BootNotification")
        replies = [await csms.call("GetBaseReport", {"requestId": n, "reportBase": "FullInventory"}) for n in range(20)]
        assert [reply[2]["status"] for reply in replies] == ["Accepted"] + ["Rejected"] * 19
        csms.answers["NotifyReport"] = {}
        await csms.until(lambda: any("tbc" not in part for part in csms.calls("NotifyReport")))
        await asyncio.sleep(1)
        assert {part["requestId"] for part in csms.calls("NotifyReport")} == {0}
        reply = await csms.call("GetBaseReport", {"requestId": 99, "reportBase": "FullInventory"})
        assert reply[2]["status"] == "Accepted"

    play(scene, "ocpp2.0.1")


def test_a_view_that_breaks_does_not_touch_what_is_sent() -> None:
    async def scene(world: World) -> None:
        def broken(*frame: object) -> None:
            raise BrokenPipeError("nobody reads")

        world.client.on_frame(broken)
        await world.csms.heard("Heartbeat", 2)
        assert world.csms.actions() == ["BootNotification", "Heartbeat", "Heartbeat"]

    play(scene, "ocpp2.0.1")


def test_a_new_password_is_used_and_never_shown() -> None:
    async def scene(world: World) -> None:
        csms = world.csms
        await csms.heard("BootNotification")
        secret = "correct-horse-battery"
        item = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": secret,
        }
        await csms.call("SetVariables", {"setVariableData": [item]})
        await csms.until(lambda: len(csms.logins) == 2)
        assert csms.logins[0] != csms.logins[1]
        assert world.seen
        assert not [frame for frame in world.seen if secret in frame[1]]
        assert [f[2] for f in world.seen if f[2] == "SetVariables"] == ["SetVariables"] * 2

    play(scene, "ocpp2.0.1")


def test_pins_are_masked_where_the_version_does_not_call_them_so() -> None:
    async def scene(world: World) -> None:
        world.csms.answers["Authorize"] = {"idTagInfo": {"status": "Accepted"}}
        await world.csms.heard("BootNotification")
        await asyncio.sleep(1)
        world.client.ask(Ask(1, IdToken("8642", TokenKind.KEY_CODE), 100.0))
        await world.csms.heard("Authorize")
        shown = [text for direction, text, action, _ in world.seen if action == "Authorize" and direction == "out"]
        assert shown == ['[2,"m2","Authorize",{"idTag":"***"}]'], shown

    play(scene, "ocpp1.6")


def test_vendors() -> None:
    async def scene(world: World) -> None:
        world.client.transfers.register("acme", "echo", lambda data: ("Accepted", data))
        await world.csms.heard("BootNotification")
        call = world.csms.call
        reply = await call("DataTransfer", {"vendorId": "acme", "messageId": "echo", "data": "hi"})
        assert reply[2] == {"status": "Accepted", "data": "hi"}
        assert (await call("DataTransfer", {"vendorId": "acme", "messageId": "no"}))[2]["status"] == "UnknownMessageId"
        assert (await call("DataTransfer", {"vendorId": "nobody"}))[2]["status"] == "UnknownVendorId"

    play(scene, "ocpp1.6")


async def test_a_reply_to_a_connection_that_is_gone_is_dropped() -> None:
    world = World(("ocpp2.0.1",))
    client = await world.open()
    await world.csms.heard("BootNotification")
    sent: list[str] = []
    dialect: Any = client._resolve("2.0.1")

    def put(text: str) -> bool:
        sent.append(text)
        return True

    talk = Conversation(client, dialect, put, lambda: "x1")
    world.gateway.hold = []
    talk.receive('[2,"same-id","ClearCache",{}]', world.gateway.now())
    talk.receive("[[[", world.gateway.now())
    assert not talk.busy
    assert [json.loads(text)[:3] for text in sent] == [[4, "-1", "RpcFrameworkError"]]
    talk.close()
    world.gateway.hold[0](Verdict("Accepted"))
    assert len(sent) == 1
    await world.close()


async def test_a_disk_that_refuses_does_not_hold_up_the_end() -> None:
    store = BadDays(SqliteStore.open(":memory:", threaded=False, now_wall=lambda: 0.0))
    unreadable = StoredRecord(1, {"fact": "riddle"}, None, None, None, None, 0)
    nobody: Any = None
    records = RecordQueue(lambda version: None)
    delivery = Delivery(records, nobody)
    now = Clock(lambda: 0.0, lambda: 0.0).now()
    woken: list[int] = []
    saver = Saver(store, delivery, 0.001, lambda: woken.append(1), {})
    store.commit([AddRecord(1, {"fact": "riddle"})], lambda _: None)
    records.load([unreadable], {}, now)
    store.bad = True
    saver.save(now)
    assert len(store.records()) == 1
    store.bad = False
    while store.records():
        await asyncio.sleep(0)
    assert [letter.record for letter in store.dead_letters()] == [1]
    assert woken
    store.bad = True
    records.load([replace(unreadable, record=2)], {}, now)
    await saver.close(now)
    store.inner.close()


def test_a_station_without_variables_has_defaults() -> None:
    bare = CommVariables(lambda: DeviceModel({}))
    assert bare.message_timeout_s() == 30.0
    assert bare.retry_policy() == RetryPolicy(1, 0.0)
    assert bare.back_off(LinkBackOff(1.0, 2.0, 3)) == LinkBackOff(1.0, 2.0, 3)
    assert bare.clock_from_heartbeat()
    assert bare.password() is None
    full = DeviceModel(standard_definitions(EVSES))
    assert full.write(VariableWrite("ClockCtrlr", "TimeSource", "NTP")).changed
    usual = CommVariables(lambda: full)
    assert not usual.clock_from_heartbeat()
    assert usual.back_off(LinkBackOff(1.0, 2.0, 3)) == LinkBackOff(10.0, 10.0, 5)
    assert usual.ping_s() == 30.0


def test_registry_and_call_alone() -> None:
    transfers = DataTransfers()
    transfers.register("a", None, lambda data: ("Rejected", None))
    assert transfers.call("a", None, 1) == ("Rejected", None)
    replies: deque[Any] = deque()
    call = CallFromCsms("Reset", {}, lambda payload, code, text: replies.append((payload, code)))
    call.answer({"status": "Accepted"})
    call.refuse("InternalError")
    assert list(replies) == [({"status": "Accepted"}, "")]
