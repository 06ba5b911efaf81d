"""Cold boot, Pending and Rejected, resets with and without a charge, and what each boot says of its reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.bench import CARD, METER_WH, Bench
from tests.interop.conftest import MakeBench

pytestmark = pytest.mark.npm


def boots(bench: Bench) -> list[dict[str, Any]]:
    return [call.payload for call in bench.csms.heard("BootNotification")]


async def rebooted(bench: Bench, starts: int = 2) -> None:
    """The station has started that often, and has told its states since."""
    await bench.until(lambda: bench.boots >= starts, "the reboot")
    await bench.until(lambda: len(boots(bench)) >= starts, "BootNotification")
    await bench.until(lambda: bench.app.client.online, "the registration")


async def reset(bench: Bench, kind: str) -> str:
    outcome = await bench.csms.call("Reset", {"type": kind})
    assert outcome.error is None
    assert outcome.ms < 2000
    return str(outcome.status)


def stop_reason(bench: Bench) -> str:
    if bench.version == "1.6":
        return str(bench.csms.heard("StopTransaction")[-1].payload["reason"])
    return str(bench.csms.events("Ended")[-1]["transactionInfo"]["stoppedReason"])


async def test_cold_boot(bench: Bench) -> None:
    """B01: who we are, nothing before it is accepted, then every connector, then heartbeats as told."""
    await bench.csms.policy(boot={"status": "Accepted", "interval": 20})
    await bench.stop()
    bench.host_boot = "another one: the machine was switched off"
    begin = len(bench.csms.calls)
    await bench.start()
    actions = [call.action for call in bench.csms.calls[begin:]]
    assert actions[0] == "BootNotification"
    told = boots(bench)[-1]
    if bench.version == "1.6":
        assert (told["chargePointVendor"], told["chargePointModel"]) == ("Pilotwire", "Station")
        assert bench.csms.statuses(0, begin) == ["Available"]
    else:
        assert told["reason"] == "PowerUp"
        assert told["chargingStation"]["serialNumber"] == "PW-0001"
    assert bench.csms.statuses(1, begin) == bench.csms.statuses(2, begin) == ["Available"]
    await bench.until(lambda: len(bench.csms.heard("Heartbeat", begin)) >= 2, "two heartbeats")
    await bench.proven()


async def test_pending(make_bench: MakeBench, version: str) -> None:
    """B02: nothing of our own but what was asked for, no remote start; settings are taken, then it goes on."""
    bench = await make_bench(version)
    await bench.csms.policy(boot={"status": "Pending", "interval": 60})
    await bench.start(online=False)
    await bench.until(lambda: boots(bench), "BootNotification")
    bench.plug()
    if version == "1.6":
        start = await bench.csms.call("RemoteStartTransaction", {"idTag": CARD, "connectorId": 1})
        setting = await bench.csms.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "55"})
        assert setting.status == "Accepted"
    else:
        token = {"idToken": CARD, "type": "ISO14443"}
        start = await bench.csms.call("RequestStartTransaction", {"idToken": token, "remoteStartId": 1, "evseId": 1})
        report = await bench.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        assert report.status == "Accepted"
        await bench.until(lambda: any(not c.payload.get("tbc") for c in bench.csms.heard("NotifyReport")), "the report")
    assert start.status == "Rejected"
    asked = await bench.csms.call("TriggerMessage", {"requestedMessage": "StatusNotification"})
    assert asked.status == "Accepted"
    await bench.until(lambda: bench.csms.statuses(2), "the states asked for")
    await bench.passes(10)
    allowed = {"BootNotification", "StatusNotification", "NotifyReport"}
    assert {call.action for call in bench.csms.calls} <= allowed
    assert len(boots(bench)) == 1
    await bench.csms.policy(boot={"status": "Accepted", "interval": 300})
    await bench.until(lambda: bench.app.client.online, "the second try")
    assert len(boots(bench)) == 2
    await bench.leave()
    await bench.session()
    await bench.proven()
    assert len(bench.csms.opened) == 1  # B02.FR.08: the socket stays open


async def test_pending_ends_at_once_when_triggered(make_bench: MakeBench, version: str) -> None:
    bench = await make_bench(version)
    await bench.csms.policy(boot={"status": "Pending", "interval": 86400})
    await bench.start(online=False)
    await bench.until(lambda: boots(bench), "BootNotification")
    await bench.csms.policy(boot={"status": "Accepted", "interval": 300})
    asked = await bench.csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert asked.status == "Accepted"
    await bench.until(lambda: bench.app.client.online, "the registration")
    await bench.proven()


async def test_rejected(make_bench: MakeBench, version: str) -> None:
    """B03: silence until the interval has passed; a charge meanwhile is told afterwards."""
    bench = await make_bench(version, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    await bench.csms.policy(boot={"status": "Rejected", "interval": 60})
    await bench.start(online=False)
    await bench.until(lambda: boots(bench), "BootNotification")
    refused = await bench.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert refused.error == "SecurityError"
    await bench.session()
    assert {call.action for call in bench.csms.calls} == {"BootNotification"}
    await bench.csms.policy(boot={"status": "Accepted", "interval": 300})
    await bench.until(lambda: bench.app.client.online, "another try")
    await bench.proven()


async def test_a_boot_without_interval_is_repeated_after_a_pause_of_our_own(
    make_bench: MakeBench, version: str
) -> None:
    """B02.FR.05, B03.FR.06: interval 0 leaves it to us, and we do not flood."""
    bench = await make_bench(version)
    await bench.csms.policy(boot={"status": "Pending", "interval": 0})
    await bench.start(online=False)
    await bench.until(lambda: len(boots(bench)) == 2, "the second try")
    await bench.passes(8)
    assert len(boots(bench)) == 2
    await bench.csms.policy(boot={"status": "Accepted", "interval": 0})
    await bench.until(lambda: bench.app.client.online, "the third try")
    await bench.proven()


@pytest.mark.parametrize("kind", ["first", "second"])
async def test_reset_at_rest(bench: Bench, kind: str) -> None:
    words = {"1.6": ("Hard", "Soft"), "2.0.1": ("Immediate", "OnIdle")}[bench.version]
    assert await reset(bench, words[kind == "second"]) == "Accepted"
    await rebooted(bench)
    if bench.version == "2.0.1":
        assert boots(bench)[-1]["reason"] == ("RemoteReset" if kind == "first" else "ScheduledReset")
    await bench.session()
    await bench.proven(repeats=1)  # the reboot may cut off the answer to what the start before had to tell


@pytest.mark.parametrize("kind", ["Hard", "Soft", "Immediate"])
async def test_reset_ends_the_charge(make_bench: MakeBench, kind: str) -> None:
    """B12.FR.04; 1.6 5.14: the end is told before the reboot, with its reason."""
    bench = await make_bench("2.0.1" if kind == "Immediate" else "1.6")
    await bench.start()
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    assert await reset(bench, kind) == "Accepted"
    await rebooted(bench)
    await bench.delivered()
    assert stop_reason(bench) == {"Hard": "HardReset", "Soft": "SoftReset", "Immediate": "ImmediateReset"}[kind]
    if kind == "Immediate":
        assert bench.csms.events("Ended")[0]["triggerReason"] == "ResetCommand"
        assert boots(bench)[-1]["reason"] == "RemoteReset"
    order = [call.action for call in bench.csms.calls]
    told = "TransactionEvent" if kind == "Immediate" else "StopTransaction"
    assert order.index(told) < len(order) - 1 - order[::-1].index("BootNotification")
    await bench.leave()
    await bench.proven(repeats=1)


async def test_reset_when_idle_waits_for_the_charge(bench_201: Bench) -> None:
    """B12.FR.03: OnIdle."""
    bench = bench_201
    bench.plug()
    bench.swipe()
    await bench.charging()
    assert await reset(bench, "OnIdle") == "Scheduled"
    await bench.passes(10)
    assert bench.evse().relay_closed
    assert bench.boots == 1
    bench.swipe()
    await bench.leave()
    await rebooted(bench)
    assert boots(bench)[-1]["reason"] == "ScheduledReset"
    await bench.proven(repeats=1)


async def test_reset_while_the_csms_is_away(bench: Bench) -> None:
    """The end of the charge cannot be told before the reboot: it is told after it."""
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    action = "StopTransaction" if bench.version == "1.6" else "TransactionEvent"
    has = {} if bench.version == "1.6" else {"eventType": "Ended"}
    await bench.csms.rules({"action": action, "has": has, "do": "never"})
    assert await reset(bench, "Hard" if bench.version == "1.6" else "Immediate") == "Accepted"
    await rebooted(bench)
    await bench.delivered()
    assert stop_reason(bench) == ("HardReset" if bench.version == "1.6" else "ImmediateReset")
    await bench.leave()
    await bench.proven(repeats=1)


@pytest.mark.parametrize("how", ["process", "machine"])
async def test_a_restart_ends_the_charge(bench: Bench, how: str) -> None:
    """Restarted in good order, or the power was cut: the reason tells, the register is that of the last reading."""
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    if how == "process":
        await bench.stop()
    else:
        await bench.power_cut()
        bench.host_boot = "after the power cut"
    await bench.start()
    await bench.delivered()
    assert stop_reason(bench) == ("Reboot" if how == "process" else "PowerLoss")
    if bench.version == "1.6":
        stop = bench.csms.heard("StopTransaction")[-1].payload
        assert METER_WH < stop["meterStop"] <= round(bench.register())
    else:
        assert boots(bench)[-1]["reason"] == ("ApplicationReset" if how == "process" else "PowerUp")
    await bench.leave()
    await bench.proven(repeats=1)


async def test_message_ids_never_repeat_over_restarts(bench: Bench) -> None:
    for _ in range(3):
        await bench.stop()
        await bench.start()
    ids = [call.id for call in bench.csms.calls]
    assert len(ids) == len(set(ids))
    assert all(len(one) <= 36 for one in ids)
