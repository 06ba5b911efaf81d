"""The CSMS restarts, breaks the line, or is gone for an hour: nothing is lost, nothing is said twice without need."""

from __future__ import annotations

from functools import partial

import pytest

from tests.interop.bench import CARD, METER_WH, OTHER_CARD, SPEED, Bench, Words, words_201
from tests.interop.conftest import MakeBench

pytestmark = pytest.mark.npm

HOUR_S = 3600.0


async def readings(bench: Bench, more: int) -> None:
    """Wait until so many more facts have been recorded."""
    before = len(bench.facts)
    await bench.until(lambda: len(bench.facts) >= before + more, "more readings")


async def finish(bench: Bench, evse: int = 1, card: str = CARD) -> None:
    bench.swipe(card, evse)
    await bench.leave(evse)


@pytest.mark.parametrize("code", [None, 1012])
async def test_restart_in_mid_transaction(make_bench: MakeBench, version: str, code: int | None) -> None:
    """The listener goes, with every kind of farewell, and comes back on the same port."""
    bench = await make_bench(version)
    await bench.start()
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.csms.stop(code)
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    await readings(bench, 2)
    await bench.until(lambda: bench.queued() >= 2, "a queue")
    begin = len(bench.csms.calls)
    await bench.csms.listen()
    await bench.delivered()
    # B01: accepted once is accepted until the station restarts.
    assert not bench.csms.heard("BootNotification", begin)
    await readings(bench, 1)
    await finish(bench)
    await bench.proven(repeats=1)
    if version == "2.0.1":
        flags = [event.get("offline", False) for event in bench.csms.events()]
        assert True in flags
        assert flags[-1] is False
    else:
        await bench.until(lambda: bench.csms.statuses(1, begin), "statuses after the reconnect")


async def test_the_process_is_replaced(bench: Bench) -> None:
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.csms.vanish()
    await readings(bench, 2)
    await bench.csms.start()
    await readings(bench, 2)
    await finish(bench)
    await bench.proven(repeats=1)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_csms_that_vanishes_for_an_hour(make_bench: MakeBench, version: str) -> None:
    """One charge goes on, another begins and ends with a card that the cache knows."""
    bench = await make_bench(version, SampledDataCtrlr__TxUpdatedInterval="60")
    await bench.start()
    for evse, card in ((1, CARD), (2, OTHER_CARD)):
        bench.plug(evse)
        bench.swipe(card, evse)
        await bench.charging(evse)
    await finish(bench, 2, OTHER_CARD)
    await bench.delivered()
    await bench.csms.vanish()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    begin = len(bench.facts)
    bench.plug(2)
    bench.swipe(OTHER_CARD, 2)
    await bench.charging(2)
    await bench.at_speed(50 * SPEED)
    await bench.passes(HOUR_S / 2)
    await bench.at_speed(SPEED)
    await finish(bench, 2, OTHER_CARD)
    await bench.at_speed(50 * SPEED)
    await bench.passes(HOUR_S / 2)
    await bench.at_speed(SPEED)
    recorded = len(bench.facts) - begin
    assert recorded >= 70
    seen = len(bench.csms.calls)
    await bench.csms.start()
    await bench.tell_time()
    await bench.delivered()
    await finish(bench, 1, CARD)
    await bench.proven(repeats=1)
    assert not bench.csms.heard("BootNotification", seen)
    if version == "1.6":
        assert [call.payload["idTag"] for call in bench.csms.heard("StartTransaction")] == [
            CARD,
            OTHER_CARD,
            OTHER_CARD,
        ]
        assert bench.csms.heard("StopTransaction")[-1].payload["meterStop"] == round(bench.register(1))
        assert bench.register(1) > METER_WH + 9000
    else:
        waited = [call.payload for call in bench.csms.heard("TransactionEvent", seen)]
        missed = {Words(fact.tx_id, fact.phase.value, fact.seq) for fact in bench.facts[begin : begin + recorded]}
        flags = {
            words_201([call])[0]: call.payload.get("offline") for call in bench.csms.heard("TransactionEvent", seen)
        }
        assert {flags[words] for words in missed} == {True}
        assert "offline" not in waited[-1]
    # B04.FR.01: longer than OfflineThreshold, so every connector is told
    for evse in (1, 2):
        await bench.until(partial(bench.csms.statuses, evse, seen), f"the state of connector {evse}")


@pytest.mark.parametrize("what", ["Started", "Updated", "Ended"])
async def test_the_line_breaks_before_the_answer(bench: Bench, what: str) -> None:
    """The CSMS has understood, the answer never came: the same once more, unchanged (quirk 10)."""
    action = {"Started": "StartTransaction", "Updated": "MeterValues", "Ended": "StopTransaction"}[what]
    if bench.version == "2.0.1":
        await bench.csms.rules({"action": "TransactionEvent", "has": {"eventType": what}, "do": "lose"})
    else:
        await bench.csms.rules({"action": action, "do": "lose"})
    await bench.session()
    await bench.proven(repeats=1)
    assert len(bench.csms.opened) == 2
    if bench.version == "1.6":
        assert (
            len(bench.csms.heard(action)) == len({call.payload["timestamp"] for call in bench.csms.heard(action)}) + 1
            if what != "Updated"
            else True
        )
    else:
        heard = bench.csms.events(what)
        double = [event for event in heard if heard.count(event) == 2]
        assert len(double) == 2


async def test_lines_that_break_again_and_again(bench: Bench) -> None:
    await bench.session()  # offline, only a card that is known may charge
    await bench.csms.rules({"action": "*", "do": "lose", "times": 6})
    await bench.session()
    await bench.proven(repeats=6)


async def test_offline_from_the_start(make_bench: MakeBench, version: str) -> None:
    """A whole charge before the CSMS was ever reached; nobody could say who may charge, so anybody may."""
    bench = await make_bench(version, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    await bench.csms.stop()
    await bench.start(online=False)
    await bench.session()
    assert bench.csms.calls == []
    await bench.csms.listen()
    await bench.proven()
    first = [call.action for call in bench.csms.calls]
    assert first[0] == "BootNotification"
    if version == "2.0.1":
        assert all(event["offline"] for event in bench.csms.events())


async def test_an_unknown_card_offline_is_judged_later(make_bench: MakeBench, version: str) -> None:
    """C15, 1.6 4.8: started offline, refused by the CSMS when it hears of it."""
    bench = await make_bench(version, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    await bench.start()
    await bench.csms.policy(tokens={CARD: "Invalid"})
    await bench.csms.stop()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.csms.listen()
    await bench.until(lambda: not bench.evse().authorized, "the end of the authorisation")
    bench.swipe()  # the owner gets the cable back
    await bench.leave()
    await bench.proven()
    if version == "1.6":
        assert bench.csms.heard("StopTransaction")[-1].payload["reason"] == "DeAuthorized"
    else:
        assert bench.csms.events("Ended")[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"


async def test_the_program_restarts_while_offline(bench: Bench) -> None:
    """Records of a finished and of a running charge survive; the running one is closed at the next start."""
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    await bench.csms.stop()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    await readings(bench, 2)
    await bench.stop()
    await bench.start(online=False)
    await bench.csms.listen()
    await bench.delivered()
    await bench.leave()
    await bench.proven(repeats=1)
    if bench.version == "1.6":
        (stop,) = bench.csms.heard("StopTransaction")
        assert stop.payload["reason"] == "Reboot"
        assert METER_WH < stop.payload["meterStop"] <= round(bench.register())
    else:
        assert bench.csms.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Reboot"
