"""A CSMS that answers garbage, never, late, twice, with the wrong id, with a refusal or not at all, to every kind of message.

The station stays safe, charges, and tells everything in the end; what cannot be told lies with its reason where
`read_dead_letters` finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from station.core.facts import TxFact, from_json
from station.sim.csms import EmbeddedCsms, FaultKind, Refusal, SeenFrame
from station.sim.lab import LabSettings
from station.sim.loop import run as run_virtual
from station.store.offline import read_dead_letters
from station.store.ops import DeadLetter
from tests.durability import law5
from tests.durability.bench import Bench, Registers
from tests.durability.safety import Safety

STATION = "PILOT-1"
TX_ACTIONS = {"1.6": ("StartTransaction", "MeterValues", "StopTransaction"), "2.0.1": ("TransactionEvent",)}
ACTIONS = {
    version: ("BootNotification", "Authorize", "StatusNotification", "Heartbeat", *actions)
    for version, actions in TX_ACTIONS.items()
}
HARMLESS: dict[str, tuple[FaultKind, dict[str, Any]]] = {
    "never": (FaultKind.NEVER, {}),
    "a little late": (FaultKind.LATE, {"delay_s": 12.0}),
    "too late": (FaultKind.LATE, {"delay_s": 70.0}),
    "twice": (FaultKind.TWICE, {}),
    "wrong id": (FaultKind.WRONG_ID, {}),
    "garbage": (FaultKind.GARBAGE, {"text": '[3,"'}),
    "refused": (FaultKind.REFUSE, {"code": "InternalError"}),
    "closed": (FaultKind.CLOSE, {"abrupt": True}),
}
"""Once each: nothing may be lost over it."""

Plan = Callable[[EmbeddedCsms], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What remains of a run."""

    frames: list[SeenFrame]
    facts: list[TxFact]
    dead: list[DeadLetter]
    registers: Registers
    complaints: list[str]

    @property
    def dead_facts(self) -> set[tuple[str, int]]:
        facts = (from_json(letter.fact) for letter in self.dead)
        return {(fact.tx_id, fact.seq) for fact in facts if isinstance(fact, TxFact)}


async def charge(bench: Bench) -> None:
    """A driver who holds the card there again when nothing happens."""
    bench.plug(1)
    await asyncio.sleep(2)
    for _ in range(3):
        if not bench.view().evse(1).authorized:
            bench.swipe()
            await asyncio.sleep(45)
    assert bench.view().evse(1).authorized
    await asyncio.sleep(250)
    assert bench.view().evse(1).permit
    bench.swipe()
    await asyncio.sleep(5)
    bench.unplug(1)
    await asyncio.sleep(5)


def live(version: str, folder: Path, plan: Plan, *, heal: bool = False) -> Outcome:
    """Boot, two charges, and time enough to tell it all. heal: the CSMS behaves from the second charge on."""
    settings = LabSettings(
        versions=(version,),
        folder=folder,
        csms_fast=True,
        board={"report_soc": False},
        variables={"SampledDataCtrlr.TxUpdatedInterval": "100"},
    )

    async def run() -> Outcome:
        bench = Bench(settings)
        assert bench.csms is not None
        plan(bench.csms)
        safety = Safety(bench)
        async with bench:
            await asyncio.sleep(5)
            await charge(bench)
            if heal:
                await asyncio.sleep(6_000)  # every record spends its attempts
                bench.csms.faults.clear()
            await charge(bench)
            await asyncio.sleep(1_200)
            assert bench.view().online
            assert not bench.running.store.records(), "something still waits"
            assert safety.broken == []
            assert not bench.view().evse(1).permit
            answer = await bench.csms.call(STATION, "ClearCache", {}, timeout=2)
            assert answer == {"status": "Accepted"}
        return Outcome(
            list(bench.csms.journal.frames),
            [fact for commit in bench.commits for fact in commit.facts],
            read_dead_letters(bench.database),
            bench.board.state(),
            bench.csms.station(STATION).complaints,
        )

    return run_virtual(run())


def told(version: str, outcome: Outcome) -> dict[str, law5.Told]:
    return law5.told_16(outcome.frames, 20) if version == "1.6" else law5.told_201(outcome.frames, 20)


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_one_bad_answer_costs_nothing(version: str, name: str, tmp_path: Path) -> None:
    kind, fields = HARMLESS[name]
    for number, action in enumerate(ACTIONS[version]):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = live(version, folder, _once(kind, action, fields))
        assert outcome.dead == [], action
        # The CALLERROR to a text that is no message carries id "-1", which our CSMS does not wait for.
        assert [text for text in outcome.complaints if not text.endswith("id '-1'")] == [], action
        law5.ids_never_repeat(outcome.frames)
        found = told(version, outcome)
        law5.everything_told(outcome.facts, found, version)
        slack = 0.51 if version == "1.6" else 0.051
        registers = {int(n): row["energy_import_wh"] for n, row in outcome.registers.items()}
        law5.energy_is_whole(found.values(), {1: 0.0, 2: 0.0}, registers, slack)
        assert [tx.ends for tx in found.values()] == [["Local"], ["Local"]], action


def _once(kind: FaultKind, action: str, fields: dict[str, Any]) -> Plan:
    def plan(csms: EmbeddedCsms) -> None:
        csms.fault(kind, action, **fields)

    return plan


NONSENSE: tuple[dict[str, Any], ...] = (
    {},
    {"status": 7},
    {"transactionId": "x", "idTagInfo": 1},
    {"idTokenInfo": {"status": "Perhaps"}},
)


@pytest.mark.parametrize("payload", NONSENSE, ids=str)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_an_answer_that_makes_no_sense(version: str, payload: dict[str, Any], tmp_path: Path) -> None:
    """Whatever the answer says, the message has arrived: it is told once, or lies among the dead letters with the reason."""
    for number, action in enumerate(ACTIONS[version]):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = live(version, folder, _once(FaultKind.REPLACE, action, {"payload": payload}))
        law5.ids_never_repeat(outcome.frames)
        account_for_all(version, outcome)


def account_for_all(version: str, outcome: Outcome) -> None:
    """Every fact that this version has words for was sent, or is a dead letter with a reason."""
    assert all(letter.why for letter in outcome.dead)
    sent = {
        (frame.payload["transactionInfo"]["transactionId"], frame.payload["seqNo"])
        for frame in outcome.frames
        if frame.is_call and frame.action == "TransactionEvent"
    }
    if version == "2.0.1":
        assert {(fact.tx_id, fact.seq) for fact in outcome.facts} <= sent | outcome.dead_facts
        return
    for tx_id in {fact.tx_id for fact in outcome.facts}:
        of_tx = [fact for fact in outcome.facts if fact.tx_id == tx_id]
        start = law5.start_16(of_tx)
        assert start is not None
        if any(name == tx_id for name, _ in outcome.dead_facts):
            continue
        tx = told(version, outcome)[law5.name_16(start)]
        assert tx.ends == ["Local"]


@pytest.mark.parametrize("kind", [FaultKind.NEVER, FaultKind.REFUSE, FaultKind.GARBAGE, FaultKind.WRONG_ID])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_what_it_never_takes_becomes_dead_letters(version: str, kind: FaultKind, tmp_path: Path) -> None:
    """The attempts that the standard asks for, then the next message; the second charge goes as it should."""

    def plan(csms: EmbeddedCsms) -> None:
        for action in TX_ACTIONS[version]:
            csms.fault(kind, action, times=None)

    outcome = live(version, tmp_path, plan, heal=True)
    first, second = dict.fromkeys(fact.tx_id for fact in outcome.facts)
    account_for_all(version, outcome)
    assert {tx_id for tx_id, _ in outcome.dead_facts} == {first}
    assert any("after 3 attempts" in letter.why or "after 5 attempts" in letter.why for letter in outcome.dead)
    late = [
        frame for frame in outcome.frames if frame.wall >= min(f.at.wall for f in outcome.facts if f.tx_id == second)
    ]
    found = told(version, replace(outcome, frames=late))
    law5.everything_told([fact for fact in outcome.facts if fact.tx_id == second], found, version)
    assert [tx.ends for tx in found.values()] == [["Local"]]


GARBAGE = (
    "",
    "{]",
    "[]",
    "null",
    "[2]",
    '[2,"x"]',
    '[2,"x","Reset"]',
    '[2,"x","NoSuchAction",{}]',
    '[2,{},"Reset",{}]',
    '[2,"y","Reset",[]]',
    '[3,"x",{}]',
    '[4,"x","InternalError","",{}]',
    '[9,"x",{}]',
    "[" * 5_000,
    '[2,"z","TriggerMessage",{"requestedMessage":"' + "a" * 100_000 + '"}]',
)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_garbage_from_nowhere(version: str, tmp_path: Path) -> None:
    """In the middle of a charge; the conversation and the charge go on."""

    async def run() -> None:
        async with Bench(LabSettings(versions=(version,), folder=tmp_path)) as bench:
            assert bench.csms is not None
            safety = Safety(bench)
            await asyncio.sleep(2)
            bench.plug(1)
            await asyncio.sleep(2)
            bench.swipe()
            await asyncio.sleep(60)
            for text in GARBAGE:
                await bench.csms.send_raw(STATION, text)
                await asyncio.sleep(1)
                assert bench.csms.connected(STATION)
                assert bench.view().evse(1).permit
                answer = await bench.csms.call(STATION, "UnlockConnector", _unlock(version), timeout=2)
                assert not isinstance(answer, Refusal)
            assert safety.broken == []

    run_virtual(run())


def _unlock(version: str) -> dict[str, Any]:
    return {"connectorId": 2} if version == "1.6" else {"evseId": 2, "connectorId": 1}
