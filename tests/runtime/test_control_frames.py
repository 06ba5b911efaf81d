"""Frames, transactions and dead letters as they are remembered: bounds, what a frame is about, restarts, PINs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hal.api import TokenKind
from station.core.types import IdToken
from station.runtime.control_frames import FrameRecorder, FrameRow
from station.runtime.control_history import TransactionHistory, token_text
from station.runtime.control_memory import Memory
from tests.runtime.control_rig import VERSIONS, Rig, play


class Silent:
    """A host without a program, in which frames are told by hand."""

    program = None
    boots = 0

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[FrameRow] = []
        self.frame: Any = None

    def link_time(self) -> float:
        return self.now

    def hear_frames(self, listener: Any) -> None:
        self.frame = listener

    def hear_turns(self, listener: Any) -> None:
        pass


def recorder(**bounds: int) -> tuple[Silent, FrameRecorder]:
    host = Silent()
    return host, FrameRecorder(host, host.told.append, **bounds)  # type: ignore[arg-type]  # enough of a host


def test_the_ring_is_bounded_in_frames_and_bytes() -> None:
    host, frames = recorder(most=5, most_bytes=1000)
    for number in range(20):
        host.frame(0.0, "out", f'[2,"{number}","Heartbeat",{{}}]', "Heartbeat", "call")
    assert [row.n for row in frames.rows()] == [16, 17, 18, 19, 20]
    assert (frames.newest, frames.row(15), frames.row(21), frames.row(0)) == (20, None, None, None)
    assert frames.row(18) is not None
    host.frame(0.0, "in", '[3,"x",{"a":"' + "y" * 2000 + '"}]', None, "ignored: unknown")
    assert [row.n for row in frames.rows()] == [21], "the newest is kept, whatever its size"


def test_answers_know_their_calls() -> None:
    host, _ = recorder()
    host.frame(1.0, "out", '[2,"a","StatusNotification",{"connectorId":2}]', "StatusNotification", "call")
    host.now = 0.25
    host.frame(2.0, "in", '[3,"a",{}]', "StatusNotification", "result")
    host.frame(2.0, "in", '[3,"a",{}]', None, "ignored: twice")
    host.frame(
        3.0, "in", '[2,"a","ChangeAvailability",{"connectorId":0,"type":"Operative"}]', "ChangeAvailability", "call"
    )
    host.frame(3.0, "out", '[4,"a","NotSupported","",{}]', "ChangeAvailability", "error")
    status, answer, twice, change, refusal = host.told
    assert (status.type, status.evse, status.direction, status.answers) == ("CALL", 2, "sent", None)
    assert (answer.type, answer.evse, answer.latency_ms, answer.answers) == ("CALLRESULT", 2, 250.0, 1)
    assert (twice.answers, twice.latency_ms, twice.verdict) == (None, None, "ignored: twice")
    assert (change.direction, change.evse) == ("received", None)
    assert (refusal.type, refusal.action, refusal.answers, refusal.verdict) == (
        "CALLERROR",
        "ChangeAvailability",
        4,
        "ok",
    )


def test_what_answers_a_call_by_hand_is_no_answer_to_nothing() -> None:
    """The station itself does not wait for it, and says so."""
    host, _ = recorder()
    host.frame(1.0, "out", '[2,"a","Heartbeat",{}]', "Heartbeat", "sent by hand")
    host.frame(2.0, "in", '[3,"a",{"currentTime":"2026-01-01T00:00:00Z"}]', None, "ignored: unknown")
    assert host.told[1].verdict == "ok"


def test_open_calls_are_bounded() -> None:
    host, frames = recorder(most=10)
    for number in range(1000):
        host.frame(0.0, "out", f'[2,"{number}","Heartbeat",{{}}]', "Heartbeat", "call")
    assert len(frames._open) <= 256


@pytest.mark.parametrize(
    ("text", "verdict", "kind", "says"),
    [
        ("{]", "garbage: not JSON", "?", "garbage: not JSON"),
        ("{]", "sent by hand", "?", "is no OCPP message"),
        ("[]", "sent by hand", "?", "is no OCPP message"),
        ('[2,"1"]', "sent by hand", "CALL", "is no OCPP message"),
        ('[true,"1","Heartbeat",{}]', "sent by hand", "?", "is no OCPP message"),
        ('["2",1,[],null]', "sent by hand", "?", "is no OCPP message"),
        ('[2,1,{},"x"]', "sent by hand", "CALL", "ok"),
        ('[3,"1",{"a":1}]', "invalid: a: is not a field", "CALLRESULT", "a: is not a field"),
        ('[2,"1","Nonsense",{}]', "refused: NotImplemented", "CALL", "refused: NotImplemented"),
        ("<12 characters withheld>", "garbage: not JSON", "?", "garbage: not JSON"),
        ("\ud800", "sent by hand", "?", "is no OCPP message"),
    ],
)
def test_whatever_passes_the_wire_has_a_row(text: str, verdict: str, kind: str, says: str) -> None:
    host, _ = recorder()
    host.frame(0.0, "in", text, None, verdict)
    assert (host.told[0].type, host.told[0].verdict) == (kind, says)
    assert set(host.told[0].json()) == set(FrameRow.__dataclass_fields__)


def test_a_pin_is_no_token_to_show() -> None:
    assert token_text(IdToken("1234", TokenKind.KEY_CODE)) == "***"
    assert token_text(IdToken("04A1")) == "04A1"
    assert token_text(None) is None


# --- on a whole station -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_transactions_of_two_evses_are_not_mixed_up(version: str) -> None:
    """1.6 has numbers of its own, and what was recorded offline is told late: each frame is still about its transaction."""

    async def work(rig: Rig) -> None:
        await rig.charging()
        await rig.do("offline")
        await rig.do("plug", evse=2)
        await rig.do("swipe", evse=2, token="04A1B2C3")
        await rig.do("wait", duration=300)
        await rig.do("swipe", evse=2, token="04A1B2C3")
        await rig.do("wait", duration=60)
        await rig.do("online")
        await rig.do("wait", duration="20 min")
        await rig.do("swipe", evse=1)
        await rig.do("wait", duration=60)
        rows = (await rig.do("transactions"))["transactions"]
        assert {row["evse"] for row in rows if row["energy_wh"] > 0} >= {1}
        for row in rows:
            about = await rig.frames(transaction=row["id"], limit=5000)
            assert {frame["evse"] for frame in about} <= {row["evse"]}
            sent = [frame for frame in about if frame["type"] == "CALL"]
            assert 0 < len(sent) <= row["events"]
            assert len({frame["id"] for frame in about}) == len(sent), "each has its answer, and none another's"
            for frame in sent:
                payload = orjson.loads(frame["text"])[3]
                named = payload.get("connectorId", payload.get("evse", {}).get("id", row["evse"]))
                assert named == row["evse"]

    play(work, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_database_holds_is_known_after_a_power_cut(version: str) -> None:
    """The history in memory is one of the host; a new one learns what is not delivered from the station's database."""

    async def work(rig: Rig) -> None:
        await rig.charging()
        await rig.do("offline")
        await rig.do("wait", duration=120)
        await rig.do("power_cut")
        await rig.do("power_on")
        await rig.do("wait", duration=5)
        known = (await rig.do("transactions"))["transactions"]
        fresh = TransactionHistory(rig.lab.host)
        rows = fresh.rows(10)
        waiting = [row for row in known if row["delivered"] < row["events"]]
        assert {row["id"] for row in waiting} <= {row["id"] for row in rows}
        ended = next(row for row in rows if row["stop_reason"] == "PowerLoss")
        whole = fresh.row(ended["id"])
        assert whole is not None
        assert {fact["state"] for fact in whole["facts"]} == {"queued"}
        assert fresh.row("nonsense") is None

    play(work, version)


def test_what_1_6_has_no_words_for_yet_is_not_told() -> None:
    """For the core the transaction begins with the cable, for 1.6 with the card."""

    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do("plug")
        await rig.do("wait", duration=5)
        row = (await rig.do("transactions"))["transactions"][0]
        assert (row["events"], row["delivered"]) == (1, 0)
        await rig.do("swipe")
        await rig.do("wait", duration=5)
        row = (await rig.do("transactions"))["transactions"][0]
        assert row["events"] == row["delivered"] > 1

    play(work, "1.6")


def test_a_running_transaction_is_known_though_all_of_it_was_delivered() -> None:
    async def work(rig: Rig) -> None:
        await rig.charging()
        rows = TransactionHistory(rig.lab.host).rows(10)
        assert (rows[0]["evse"], rows[0]["ended"], rows[0]["token"]) == (1, None, "04A1B2C3")
        assert rows[0]["events"] == rows[0]["delivered"] > 1

    play(work)


def test_the_history_is_bounded() -> None:
    async def work(rig: Rig) -> None:
        few = TransactionHistory(rig.lab.host, most=2, most_facts=10_000)
        thin = TransactionHistory(rig.lab.host, most=100, most_facts=5)
        await rig.do("wait", duration=5)
        for _ in range(4):
            await rig.do("plug")
            await rig.do("wait", duration=5)
            await rig.do("unplug")
            await rig.do("wait", duration=5)
        assert len((await rig.do("transactions"))["transactions"]) == 4
        assert len(few.rows(100)) == 2
        assert 1 <= len(thin.rows(100)) < 4

    play(work)


def test_the_memory_counts_what_was_given_up_only_when_something_left_the_queue() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        memory: Memory = rig.lab.host.memory
        looks: list[int] = []
        store = rig.lab.running.store
        rig.lab.running.store = _Counting(store, looks)  # type: ignore[assignment]  # it only counts
        for _ in range(10):
            assert memory.dead() == 0
        assert len(looks) <= 1
        memory.look_again()
        memory.dead()
        assert len(looks) <= 2
        rig.lab.running.store = store

    play(work)


class _Counting:
    def __init__(self, store: Any, looks: list[int]) -> None:
        self._store = store
        self._looks = looks

    def dead_letters(self) -> Any:
        self._looks.append(1)
        return self._store.dead_letters()


def test_the_same_seed_gives_the_same_events() -> None:
    def events() -> bytes:
        async def work(rig: Rig) -> bytes:
            found: list[Any] = []
            rig.control.subscribe(frozenset({"state", "frame", "fact", "command", "refused"}), found.append)
            await rig.charging()
            await rig.do("ev", demand_a=9)
            await rig.do("charge", until_wh=500)
            await rig.do("swipe")
            await rig.do("wait", duration=60)
            return orjson.dumps(found)

        return bytes(play(work, seed="7"))

    assert events() == events()
