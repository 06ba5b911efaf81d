"""The books: what was recorded against what the CSMS was told, in both versions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from station.runtime.control_people import Plug, Swipe
from station.sim.csms_journal import SeenTransaction
from station.sim.lab import Lab, LabSettings
from station.sim.loop import run
from station.sim.scenario_ledger import Ledger, duplicates, energy_problems, undelivered
from station.sim.scenario_stage import Stage, evse_of


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_session_balances_and_every_tampering_is_noticed(version: str) -> None:
    async def session() -> None:
        lab = Lab(LabSettings(versions=(version,)))
        stage, ledger = Stage(lab, version), Ledger()
        ledger.follow(lab)
        async with lab:
            await asyncio.sleep(2)
            await Plug().act(lab.host)
            await asyncio.sleep(2)
            await Swipe().act(lab.host)
            await asyncio.sleep(600)
            await Swipe().act(lab.host)
            await asyncio.sleep(10)
            seen = stage.transaction(1, running=False)
            assert evse_of(seen) == 1
            told, problems = energy_problems(stage, 1, 1.0)
            assert (problems, undelivered(stage, ledger), duplicates(stage)) == ([], [], [])
            assert told == pytest.approx(lab.board.evse(1).meter.register_wh, abs=1.0)
            facts = list(ledger.facts)
            stranger = [replace(fact, tx_id="never told", seq=number) for number, fact in enumerate(facts)]
            ledger.facts += stranger
            assert undelivered(stage, ledger)
            ledger.facts[:] = facts
            _lose_the_end(stage, seen)
            assert undelivered(stage, ledger)
            lab.board.evse(1).meter.jump(100.0)
            assert any("told" in line for line in energy_problems(stage, 1, 1.0)[1])

    run(session())


def _lose_the_end(stage: Stage, seen: SeenTransaction) -> None:
    """As if the last message had never come."""
    seen.stops.clear()
    frames = stage.csms.journal.frames
    last = [frame for frame in frames if frame.is_call and frame.action == "TransactionEvent"][-1:]
    for frame in last:
        frames.remove(frame)
