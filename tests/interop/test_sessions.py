"""Charging sessions against a CSMS that is not ours: how they begin, go on and end."""

from __future__ import annotations

from typing import Any

import pytest

from station.core.types import ConnectorPhase
from tests.interop.bench import BAD_CARD, CARD, METER_WH, OTHER_CARD, Bench
from tests.interop.conftest import MakeBench
from tests.interop.foreign import Outcome

pytestmark = pytest.mark.npm


async def remote_start(bench: Bench, evse: int = 1, card: str = CARD) -> Outcome:
    if bench.version == "1.6":
        return await bench.csms.call("RemoteStartTransaction", {"idTag": card, "connectorId": evse})
    token = {"idToken": card, "type": "ISO14443"}
    return await bench.csms.call(
        "RequestStartTransaction", {"idToken": token, "remoteStartId": 4711 + evse, "evseId": evse}
    )


async def remote_stop(bench: Bench, evse: int = 1) -> Outcome:
    if bench.version == "1.6":
        starts = bench.csms.heard("StartTransaction", connectorId=evse)
        assert starts[-1].answer is not None
        return await bench.csms.call("RemoteStopTransaction", {"transactionId": starts[-1].answer["transactionId"]})
    events = [event for event in bench.csms.events() if event["evse"]["id"] == evse]
    return await bench.csms.call(
        "RequestStopTransaction", {"transactionId": events[-1]["transactionInfo"]["transactionId"]}
    )


def end(bench: Bench) -> dict[str, Any]:
    """The last end of a transaction."""
    if bench.version == "1.6":
        return bench.csms.heard("StopTransaction")[-1].payload
    return bench.csms.events("Ended")[-1]


def reason(bench: Bench) -> str:
    """stoppedReason, or the reason of 1.6, where Local is left out."""
    payload = end(bench)
    found: str = payload.get("reason", payload.get("transactionInfo", {}).get("stoppedReason", "Local"))
    return found


def triggers(bench: Bench) -> list[str]:
    """Why there were events, readings aside."""
    return [why for why in (e["triggerReason"] for e in bench.csms.events()) if why != "MeterValuePeriodic"]


async def test_cable_first_and_local_stop(bench: Bench) -> None:
    bench.plug()
    phase = "Preparing" if bench.version == "1.6" else "Occupied"
    await bench.until(lambda: phase in bench.csms.statuses(1), f"{phase} before the card")
    bench.swipe()
    await bench.charging()
    await bench.until(lambda: len(bench.facts) >= 5, "readings")
    bench.swipe()
    await bench.at_rest()
    await bench.delivered()
    if bench.version == "1.6":
        await bench.until(lambda: bench.csms.statuses(1)[-1] == "Finishing", "Finishing while the cable is in")
    await bench.leave()
    await bench.until(lambda: bench.csms.statuses(1)[-1] == "Available", "Available once it is gone")
    await bench.proven()
    assert reason(bench) == "Local"
    if bench.version == "1.6":
        assert bench.csms.statuses(1) == ["Available", "Preparing", "Charging", "Finishing", "Available"]
        (start,) = bench.csms.heard("StartTransaction")
        assert start.payload["meterStart"] == METER_WH
        assert end(bench)["meterStop"] == round(bench.register())
        order = [call.action for call in bench.csms.calls]
        assert order.index("StopTransaction") < len(order) - 1 - order[::-1].index("StatusNotification")
        finishing = next(c for c in bench.csms.heard("StatusNotification") if c.payload["status"] == "Finishing")
        assert bench.csms.calls.index(finishing) > order.index("StopTransaction")
    else:
        assert bench.csms.statuses(1) == ["Available", "Occupied", "Available"]
        heard = triggers(bench)
        assert heard[:3] == ["CablePluggedIn", "Authorized", "ChargingStateChanged"]
        assert heard[-1] == "StopAuthorized"
        assert [event.get("idToken", {}).get("idToken") for event in bench.csms.events()].count(CARD) == 2
        assert not any(event.get("offline") for event in bench.csms.events())
        first, last = bench.csms.events()[0], bench.csms.events()[-1]
        assert first["meterValue"][0]["sampledValue"][0]["value"] == METER_WH
        final = last["meterValue"][-1]["sampledValue"][0]
        assert final["context"] == "Transaction.End"
        assert final["value"] == pytest.approx(bench.register(), abs=1.0)


async def test_card_first(bench: Bench) -> None:
    bench.swipe()
    await bench.until(lambda: bench.evse().authorized, "the authorisation")
    bench.plug()
    await bench.charging()
    bench.swipe()
    await bench.leave()
    await bench.proven()
    if bench.version == "1.6":
        (start,) = bench.csms.heard("StartTransaction")
        assert start.payload["idTag"] == CARD
    else:
        assert triggers(bench)[:2] == ["Authorized", "CablePluggedIn"]


async def test_nobody_plugs_in(make_bench: MakeBench, version: str) -> None:
    """ConnectionTimeOut, E03.FR.05."""
    bench = await make_bench(version, TxCtrlr__EVConnectionTimeOut="20")
    await bench.start()
    bench.swipe()
    await bench.until(lambda: bench.evse().authorized, "the authorisation")
    await bench.until(lambda: not bench.evse().authorized, "the time-out")
    await bench.at_rest()
    await bench.delivered()
    if version == "1.6":
        await bench.until(lambda: bench.csms.statuses(1)[-1] == "Available", "Available again")
        assert bench.csms.statuses(1) == ["Available", "Preparing", "Available"]
        assert not bench.csms.heard("StartTransaction")
    else:
        assert triggers(bench) == ["Authorized", "EVConnectTimeout"]
        assert reason(bench) == "Timeout"
    await bench.proven()
    await bench.session()  # and it works as before
    await bench.proven()


@pytest.mark.parametrize("cable_first", [True, False], ids=["cable first", "start first"])
async def test_remote_start_and_stop(bench: Bench, cable_first: bool) -> None:
    if cable_first:
        bench.plug()
        await bench.until(lambda: len(bench.csms.statuses(1)) == 2, "the cable")
    started = await remote_start(bench)
    assert started.status == "Accepted"
    if not cable_first:
        bench.plug()
    await bench.charging()
    await bench.delivered()
    stopped = await remote_stop(bench)
    assert stopped.status == "Accepted"
    await bench.leave()
    await bench.proven()
    assert reason(bench) == "Remote"
    if bench.version == "2.0.1":
        with_id = [e for e in bench.csms.events() if e["transactionInfo"].get("remoteStartId") == 4712]
        assert "RemoteStart" in [e["triggerReason"] for e in with_id]
        assert triggers(bench)[-1] == "RemoteStop"
    assert max(started.ms, stopped.ms) < 2000
    unknown = await remote_stop(bench)
    assert unknown.status == "Rejected"  # F03: it has ended


@pytest.mark.parametrize("bad", [True, False], ids=["refused", "accepted"])
async def test_remote_start_asks_first(bench: Bench, bad: bool) -> None:
    """AuthorizeRemoteStart: the token is authorised like a card."""
    bench.plug()
    assert (await remote_start(bench, card=BAD_CARD if bad else OTHER_CARD)).status == "Accepted"
    await bench.until(lambda: bench.csms.heard("Authorize"), "the question")
    if bad:
        await bench.passes(10)
        assert not bench.evse().authorized
        assert not bench.evse().relay_closed
    else:
        await bench.charging()
        bench.swipe(OTHER_CARD, 1)
    await bench.leave()
    await bench.proven()


async def test_vehicle_is_unplugged_in_mid_charge(bench: Bench) -> None:
    """StopTxOnEVSideDisconnect true (E09; 1.6 4.10)."""
    bench.plug()
    bench.swipe()
    await bench.charging()
    bench.sim.unplug(1, at_car=True)
    await bench.at_rest()
    await bench.until(lambda: not bench.evse().relay_closed, "an open contactor")
    bench.sim.unplug(1)
    await bench.proven()
    assert reason(bench) == "EVDisconnected"


async def test_vehicle_comes_back(make_bench: MakeBench, version: str) -> None:
    """StopTxOnEVSideDisconnect false (E10): the same transaction goes on."""
    bench = await make_bench(version, TxCtrlr__StopTxOnEVSideDisconnect="false", TxCtrlr__TxStopPoint="Authorized")
    await bench.start()
    bench.plug()
    bench.swipe()
    await bench.charging()
    bench.sim.unplug(1, at_car=True)
    await bench.until(lambda: not bench.evse().relay_closed, "an open contactor")
    await bench.passes(5)
    assert bench.evse().transaction is not None
    bench.plug()
    await bench.charging()
    bench.swipe()
    await bench.leave()
    await bench.proven()
    assert reason(bench) == "Local"
    assert len({fact.tx_id for fact in bench.facts}) == 1


async def test_two_vehicles_at_once(bench: Bench) -> None:
    for evse, card in ((1, CARD), (2, OTHER_CARD)):
        bench.plug(evse)
        bench.swipe(card, evse)
    await bench.charging(1)
    await bench.charging(2)
    await bench.delivered()
    assert (await remote_stop(bench, 2)).status == "Accepted"
    await bench.leave(2)
    assert bench.evse(1).relay_closed
    bench.swipe()
    await bench.leave(1)
    await bench.proven()
    assert len({fact.tx_id for fact in bench.facts}) == 2
    if bench.version == "1.6":
        ids = {call.answer["transactionId"] for call in bench.csms.heard("StartTransaction") if call.answer}
        assert {call.payload["transactionId"] for call in bench.csms.heard("StopTransaction")} == ids == {0, 1}


async def test_a_card_that_the_csms_refuses(bench: Bench) -> None:
    bench.plug()
    bench.swipe(BAD_CARD, 1)
    await bench.until(lambda: bench.csms.heard("Authorize"), "the question")
    await bench.passes(10)
    assert not bench.evse().relay_closed
    assert not bench.csms.heard("StartTransaction")
    await bench.leave()
    await bench.proven()


async def test_a_card_that_is_refused_too_late(bench: Bench) -> None:
    """E05; 1.6 StopTransactionOnInvalidId: the answer to the start says no."""
    if bench.version == "1.6":
        answer = {"transactionId": 5, "idTagInfo": {"status": "Blocked"}}
        await bench.csms.rules({"action": "StartTransaction", "do": "answer", "payload": answer})
    else:
        answer = {"idTokenInfo": {"status": "Blocked"}}
        rule = {"action": "TransactionEvent", "has": {"triggerReason": "Authorized"}, "do": "answer", "payload": answer}
        await bench.csms.rules(rule)
    bench.plug()
    bench.swipe()
    await bench.until(lambda: len(bench.facts) >= 2, "the authorisation")
    await bench.until(lambda: not bench.evse().authorized, "the end of the authorisation")
    await bench.delivered()
    # E05.FR.03, 1.6 4.8: the cable stays locked until its owner presents the identifier.
    lock = bench.sim.evse(1).lock
    assert lock is not None
    await bench.until(lambda: lock.bolt_in, "the bolt")
    bench.swipe()
    await bench.leave()
    await bench.proven()
    assert reason(bench) == "DeAuthorized"


async def test_a_refused_card_gets_its_last_energy(make_bench: MakeBench, version: str) -> None:
    """MaxEnergyOnInvalidId: so much and not more, and the CSMS hears the end."""
    bench = await make_bench(
        version,
        TxCtrlr__MaxEnergyOnInvalidId="60",
        TxCtrlr__StopTxOnInvalidId="false",
        AuthCtrlr__OfflineTxForUnknownIdEnabled="true",
    )
    await bench.start()
    await bench.csms.policy(tokens={CARD: "Invalid"})
    await bench.csms.stop()
    await bench.until(lambda: not bench.app.client.online, "the end of the line")
    bench.plug()
    bench.swipe()
    await bench.charging(wh=5)
    await bench.csms.listen()
    await bench.delivered()
    assert bench.evse().relay_closed
    await bench.until(lambda: not bench.evse().relay_closed, "the end of the allowance")
    used = bench.register() - METER_WH
    assert 55 < used < 180  # the allowance counts from the refusal, and the meter is read every 5 s
    bench.swipe()
    await bench.leave()
    await bench.proven()


async def test_any_card_stops_only_its_own_charge(bench: Bench) -> None:
    bench.plug()
    bench.swipe()
    await bench.charging()
    bench.swipe(OTHER_CARD, 1)
    await bench.passes(10)
    assert bench.evse().phase is ConnectorPhase.CHARGING
    bench.swipe()
    await bench.leave()
    await bench.proven()
