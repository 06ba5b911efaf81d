"""Smart charging by a CSMS that is not ours (2.0.1): profiles set, reported, obeyed, cleared."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.bench import Bench
from tests.interop.test_commands import Order, give

pytestmark = pytest.mark.npm

PROFILE: dict[str, Any] = {
    "id": 10,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.1}]}
    ],
}


def install(evse: int, status: str = "Accepted", **more: Any) -> Order:
    payload = {"evseId": evse, "chargingProfile": {**PROFILE, **more}}
    return Order("SetChargingProfile", payload, {"status": status})


async def test_a_profile_is_set_reported_obeyed_and_cleared(bench_201: Bench) -> None:
    bench = bench_201
    await give(bench, install(1))
    await give(bench, install(0, id=11, stackLevel=1, status="Accepted"))
    await give(bench, install(9, "Rejected", id=12))
    await give(bench, Order("GetChargingProfiles", {"requestId": 5, "chargingProfile": {}}, {"status": "Accepted"}))
    await bench.until(lambda: len(bench.csms.heard("ReportChargingProfiles", requestId=5)) == 2, "both reports")
    first, last = (call.payload for call in bench.csms.heard("ReportChargingProfiles"))
    assert (first["evseId"], first["tbc"], last["evseId"], last["tbc"]) == (0, True, 1, False)
    assert last["chargingProfile"] == [PROFILE]
    await give(bench, Order("ClearChargingProfile", {"chargingProfileId": 11}, {"status": "Accepted"}))

    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.until(lambda: bench.evse().offered_a == 10.1, "the limit to be in force")
    asked = {"evseId": 1, "duration": 600, "chargingRateUnit": "A"}
    schedule = (await give(bench, Order("GetCompositeSchedule", asked, {"status": "Accepted"})))["schedule"]
    assert schedule["duration"] == 600
    assert schedule["chargingSchedulePeriod"][0]["limit"] == 10.1

    criteria = {"chargingProfilePurpose": "TxDefaultProfile"}
    clear = {"chargingProfileCriteria": criteria}
    await give(bench, Order("ClearChargingProfile", clear, {"status": "Accepted"}))
    await bench.until(lambda: bench.evse().offered_a == 32.0, "the hardware's own limit")
    await give(bench, Order("GetChargingProfiles", {"requestId": 6, "chargingProfile": {}}, {"status": "NoProfiles"}))
    bench.swipe()
    await bench.leave()
    await bench.proven()
