"""A CSMS that comes back in another version while a car stands there: what it was never told is told whole in the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from station.core.facts import TxFact
from station.sim.csms import EmbeddedCsms, SeenTransaction
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings, run_lab

ID = "PILOT-1"
SOON_S = 130.0
"""The longest pause between two attempts after a short break: the station must not need a second one."""
VARIABLES = {
    "TxCtrlr.TxStartPoint": "EVConnected",
    "AuthCacheCtrlr.Enabled": "true",
    "SampledDataCtrlr.TxUpdatedInterval": "30",
}


def play(work: Callable[[Lab], Coroutine[Any, Any, None]], **changes: str) -> None:
    settings = LabSettings(versions=("1.6", "2.0.1"), variables=VARIABLES | changes, csms_fast=True)
    run_lab(settings, work)


@asynccontextmanager
async def another_csms(lab: Lab, *versions: str) -> AsyncIterator[EmbeddedCsms]:
    """Takes the place of the bench's."""
    csms = EmbeddedCsms(
        KNOWN_TOKENS,
        network=lab.network,
        clock=lab.clock,
        subprotocols=[f"ocpp{version}" for version in versions],
        fast=True,
    )
    async with csms:
        yield csms


async def known_card(lab: Lab) -> None:
    """A whole charge in 1.6, after which the station knows the card."""
    await asyncio.sleep(5)
    assert lab.running.client.version == "1.6"
    lab.plug(1)
    await asyncio.sleep(1)
    lab.swipe()
    await asyncio.sleep(30)
    lab.swipe()
    await asyncio.sleep(10)
    lab.unplug(1)
    await asyncio.sleep(10)
    assert not lab.running.client.services.queued()


def only(csms: EmbeddedCsms) -> SeenTransaction:
    (transaction,) = csms.station(ID).transactions.values()
    return transaction


def facts_of(lab: Lab) -> Callable[[], list[TxFact]]:
    """Hear what the station records from now on."""
    heard: dict[tuple[str, int], TxFact] = {}

    def listen(_event: object, effects: list[Any], _now: object) -> None:
        facts = (getattr(effect, "fact", None) for effect in effects)
        heard.update({(fact.tx_id, fact.seq): fact for fact in facts if isinstance(fact, TxFact)})

    lab.on_turn(listen)
    return lambda: list(heard.values())


def test_plugged_in_16_and_charged_offline_is_told_in_201() -> None:
    async def work(lab: Lab) -> None:
        assert lab.csms is not None
        await known_card(lab)
        old = len(lab.csms.station(ID).transactions)
        facts = facts_of(lab)
        lab.plug(1)
        await asyncio.sleep(10)
        assert [fact.seq for fact in facts()] == [0], "the core has begun, and 1.6 has no words for it"
        assert not lab.running.client.services.queued()
        await lab.csms.stop()
        lab.swipe()
        await asyncio.sleep(40)
        assert lab.view().evses[0].transaction is not None
        async with another_csms(lab, "2.0.1") as csms:
            await csms.wait_connected(ID, SOON_S)
            tx_id = facts()[0].tx_id
            status = await csms.call(ID, "GetTransactionStatus", {"transactionId": tx_id})
            assert status == {"ongoingIndicator": True, "messagesInQueue": True}
            await asyncio.sleep(60)
            lab.swipe()
            await asyncio.sleep(10)
            lab.unplug(1)
            await asyncio.sleep(10)
            told = only(csms)
            assert told.id == tx_id
            assert told.seq_numbers == list(range(len(facts())))
            assert [event["eventType"] for event in told.events][:: len(told.events) - 1] == ["Started", "Ended"]
            assert told.events[0]["triggerReason"] == "CablePluggedIn"
            assert told.events[0]["offline"] is True
            station = csms.station(ID)
            assert station.connections == 1, "it has not looked for 1.6 any more"
            assert station.complaints == []
            assert lab.running.store.dead_letters() == []
        assert len(lab.csms.station(ID).transactions) == old

    play(work)


def test_what_was_told_in_16_still_ends_in_16() -> None:
    """The other half of the rule: one car charges in 1.6, the next one is only plugged when the CSMS goes."""

    async def work(lab: Lab) -> None:
        assert lab.csms is not None
        await known_card(lab)
        facts = facts_of(lab)
        lab.plug(2)
        lab.plug(1)
        await asyncio.sleep(5)
        lab.swipe(evse=1)
        await asyncio.sleep(30)
        await lab.csms.stop()
        lab.reconfigure(versions=("2.0.1", "1.6"))
        await lab.restart()
        await asyncio.sleep(5)
        async with another_csms(lab, "2.0.1", "1.6") as csms:
            await asyncio.sleep(SOON_S)
            assert [t.ended for t in csms.station(ID).transactions.values() if t.stops] == [True]
            assert lab.running.client.version == "2.0.1"
            told = {t.id: t.seq_numbers for t in csms.station(ID).transactions.values() if t.events}
            expected: dict[str, list[int]] = {}
            for fact in facts():
                expected.setdefault(fact.tx_id, []).append(fact.seq)
            del expected[next(fact.tx_id for fact in facts() if fact.evse == 1)]
            assert told == expected, "all but the one that 1.6 has told, from the plug on"
            assert csms.station(ID).complaints == ["StopTransaction of unknown transaction 2"], "this CSMS is new"
        assert lab.running.store.dead_letters() == []

    play(work)


def test_a_plug_that_nobody_follows_up_is_forgotten_in_16() -> None:
    async def work(lab: Lab) -> None:
        assert lab.csms is not None
        await asyncio.sleep(5)
        lab.plug(1)
        await asyncio.sleep(100)
        assert len(lab.running.store.records()) > 1, "kept, as it may still be told in another version"
        lab.unplug(1)
        await asyncio.sleep(10)
        assert lab.csms.station(ID).transactions == {}
        assert lab.running.store.records() == []
        assert lab.running.store.contexts() == {}
        assert lab.running.store.dead_letters() == []

    play(work)
