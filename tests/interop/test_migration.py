"""From 1.6 to 2.0.1 with a database that holds unfinished business: nothing is lost, nothing is told in two versions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from station.core.facts import TxFact
from tests.interop.bench import CARD, Bench, expected_201, words_201
from tests.interop.conftest import MakeBench
from tests.interop.foreign import Heard

pytestmark = pytest.mark.npm

NEW = ("2.0.1", "1.6")


def spoken(bench: Bench, since: int = 0) -> list[str]:
    """Versions of the lines in their order, repetitions left out."""
    found: list[str] = []
    for line in bench.csms.opened[since:]:
        version = line["protocol"].removeprefix("ocpp")
        if found[-1:] != [version]:
            found.append(version)
    return found


def in_201(bench: Bench) -> list[Heard]:
    return [call for call in bench.csms.calls if call.protocol == "ocpp2.0.1"]


def of_transaction(facts: list[TxFact], tx_ids: set[str]) -> Iterator[TxFact]:
    return (fact for fact in facts if fact.tx_id in tx_ids)


async def proven(bench: Bench, facts: list[TxFact], repeats: int = 0) -> None:
    """Nothing was refused, and 2.0.1 has heard exactly these facts."""
    expected = expected_201(facts)
    await bench.until(
        lambda: len(words_201([c for c in in_201(bench) if c.answer is not None])) >= len(expected), "all events"
    )
    assert words_201(in_201(bench)) == expected
    assert bench.csms.mistakes == []
    assert bench.csms.refusals == []
    assert bench.app.client.version == "2.0.1"
    heard = [call for call in bench.csms.calls if call.action in ("StartTransaction", "StopTransaction")]
    assert len(heard) <= len({str(call.payload) for call in heard}) + repeats


@pytest.fixture
async def bench(make_bench: MakeBench) -> Bench:
    """A station in 1.6 with a charge that the CSMS knows of."""
    bench = await make_bench("1.6")
    await bench.start()
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    assert len(bench.csms.heard("StartTransaction")) == 1
    return bench


async def test_what_began_in_16_ends_in_16(bench: Bench) -> None:
    """Restarted with both versions, 2.0.1 first: the open charge is closed in 1.6, then the link changes over."""
    await bench.stop()
    bench.reconfigure(versions=NEW)
    lines = len(bench.csms.opened)
    await bench.start(online=False)
    await bench.until(lambda: bench.app.client.version == "2.0.1" and bench.app.client.online, "2.0.1")
    assert spoken(bench, lines) == ["1.6", "2.0.1"]
    (stop,) = bench.csms.heard("StopTransaction")
    (start,) = bench.csms.heard("StartTransaction")
    assert start.answer is not None
    assert stop.payload["transactionId"] == start.answer["transactionId"]
    assert stop.payload["reason"] == "Reboot"
    old = bench.facts[0].tx_id
    await bench.leave()
    await bench.session()
    await proven(bench, [fact for fact in bench.facts if fact.tx_id != old])
    boots = [call for call in bench.csms.heard("BootNotification") if call.protocol == "ocpp2.0.1"]
    assert len(boots) == 1  # a new version is a new registration


async def test_unsent_transactions_go_whole_into_the_new_version(bench: Bench) -> None:
    """Finished offline in 1.6 times, never told: rendered in 2.0.1, from the first event to the last."""
    bench.swipe()
    await bench.leave()
    await bench.delivered()
    await bench.csms.stop()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    begin = len(bench.facts)
    await bench.session()
    await bench.session()
    unsent = bench.facts[begin:]
    assert len({fact.tx_id for fact in unsent}) == 2
    await bench.stop()
    bench.reconfigure(versions=NEW)
    lines = len(bench.csms.opened)
    await bench.csms.listen()
    await bench.start(online=False)
    await proven(bench, bench.facts[begin:])
    assert spoken(bench, lines) == ["2.0.1"]
    assert all(call.payload["offline"] for call in in_201(bench) if call.action == "TransactionEvent")


async def test_both_at_once(bench: Bench) -> None:
    """One charge was told in 1.6 and ended offline, another was never told."""
    await bench.csms.stop()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    bench.swipe()
    await bench.leave()
    begin = len(bench.facts)
    await bench.session()
    await bench.stop()
    bench.reconfigure(versions=NEW)
    lines = len(bench.csms.opened)
    await bench.csms.listen()
    await bench.start(online=False)
    await proven(bench, bench.facts[begin:], repeats=1)
    assert spoken(bench, lines) == ["1.6", "2.0.1"]
    (stop,) = {str(call.payload) for call in bench.csms.heard("StopTransaction")}
    assert CARD in stop
    assert len(bench.csms.heard("StartTransaction")) == 1


async def test_back_to_16(make_bench: MakeBench) -> None:
    """The CSMS is rolled back while a charge runs: 2.0.1 is finished first, then 1.6 is spoken again."""
    bench = await make_bench("2.0.1")
    await bench.start()
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    await bench.stop()
    bench.reconfigure(versions=("1.6", "2.0.1"))
    lines = len(bench.csms.opened)
    await bench.csms.policy(protocols=["ocpp1.6", "ocpp2.0.1"])
    await bench.start(online=False)
    await bench.until(lambda: bench.app.client.version == "1.6" and bench.app.client.online, "1.6")
    assert spoken(bench, lines) == ["2.0.1", "1.6"]
    old = bench.facts[0].tx_id
    assert words_201(bench.csms.calls) == expected_201([fact for fact in bench.facts if fact.tx_id == old])
    await bench.leave()
    await bench.session()
    await bench.until(lambda: bench.csms.heard("StopTransaction"), "the end in 1.6")
    assert bench.csms.mistakes == []
    assert bench.csms.refusals == []
