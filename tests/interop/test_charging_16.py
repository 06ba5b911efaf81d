"""Smart charging by a CSMS that is not ours (1.6, over a real websocket): profiles set, obeyed, combined, cleared; limit 0."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.bench import CARD, Bench
from tests.interop.test_commands import Order, give

pytestmark = pytest.mark.npm


def profile(number: int, purpose: str, limit: float, **more: Any) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **more,
    }


def install(connector: int, wanted: dict[str, Any], status: str = "Accepted") -> Order:
    return Order("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": wanted}, {"status": status})


async def in_force(bench: Bench, current_a: float) -> None:
    await bench.until(lambda: bench.evse().offered_a == current_a, f"{current_a} A to be offered")


async def test_a_profile_is_set_obeyed_combined_and_cleared(bench_16: Bench) -> None:
    bench = bench_16
    await give(bench, install(0, profile(1, "ChargePointMaxProfile", 16.1)))
    await give(bench, install(1, profile(2, "TxDefaultProfile", 10.1)))
    await give(bench, install(1, profile(3, "TxProfile", 8), "Rejected"))  # no transaction
    await give(bench, install(9, profile(4, "TxDefaultProfile", 8), "Rejected"))
    asked = {"connectorId": 1, "duration": 600, "chargingRateUnit": "A"}
    answer = await give(bench, Order("GetCompositeSchedule", asked, {"status": "Accepted", "connectorId": 1}))
    assert answer["chargingSchedule"] == {
        "duration": 600,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1, "numberPhases": 3}],
    }
    bench.plug()
    bench.swipe()
    await bench.charging()
    await in_force(bench, 10.1)
    await give(bench, Order("ClearChargingProfile", {"stackLevel": 0, "connectorId": 1}, {"status": "Accepted"}))
    await in_force(bench, 16.1)
    await give(bench, Order("ClearChargingProfile", {}, {"status": "Accepted"}))
    await in_force(bench, 32.0)
    await give(bench, Order("ClearChargingProfile", {}, {"status": "Unknown"}))
    bench.swipe()
    await bench.leave()
    await bench.proven()


async def test_a_remote_start_brings_its_profile_and_limit_0_suspends(bench_16: Bench) -> None:
    bench = bench_16
    bench.plug()
    start = {"idTag": CARD, "connectorId": 1, "chargingProfile": profile(7, "TxProfile", 9.5)}
    await give(bench, Order("RemoteStartTransaction", start, {"status": "Accepted"}))
    await bench.charging()
    await in_force(bench, 9.5)
    await give(bench, install(1, profile(7, "TxProfile", 0)))
    await bench.until(
        lambda: any(
            call.payload["status"] == "SuspendedEVSE" and call.payload["info"].startswith("profile 7")
            for call in bench.csms.heard("StatusNotification")
        ),
        "SuspendedEVSE, and why",
    )
    await give(bench, install(1, profile(7, "TxProfile", 12)))
    await in_force(bench, 12.0)
    await bench.charging(wh=40.0)
    assert len(bench.csms.heard("StartTransaction")) == 1
    bench.swipe()
    await bench.leave()
    await bench.proven()
