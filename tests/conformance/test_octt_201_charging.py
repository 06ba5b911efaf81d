"""OCTT cases of block K for a 2.0.1 station: charging profiles set, told, cleared, combined, and obeyed."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterable
from typing import Any

from station.clock import iso, parse_iso
from station.sim.csms import Refusal
from tests.conformance.stage201 import CARD, Payload, Stage201, octt, token

CONTROLLER = "SmartChargingCtrlr"
PHASES = 3
VOLTAGE = 230
HARDWARE_A = 32.0
UNITS = {"A": 1, "W": VOLTAGE * PHASES}
"""Rate unit, and what a limit in ampere is multiplied with."""

Limits = Iterable[tuple[int, float]]


async def whole_second(stage: Stage201) -> int:
    """Wait until a second begins; the wall clock then."""
    now = stage.lab.clock.now().wall
    await asyncio.sleep(math.ceil(now) - now + 0.01)
    return math.floor(stage.lab.clock.now().wall)


def schedule(limits: Limits = ((0, 6.0),), unit: str = "A", **more: Any) -> Payload:
    periods = [{"startPeriod": start, "limit": limit * UNITS[unit], "numberPhases": PHASES} for start, limit in limits]
    return {"id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": periods, **more}


def profile(number: int, purpose: str = "TxDefaultProfile", stack: int = 0, **more: Any) -> Payload:
    """A profile; `limits`, `unit`, `start`, `duration`: of its schedule, which is Relative without a start."""
    start, duration = more.pop("start", None), more.pop("duration", None)
    timing = {} if start is None else {"startSchedule": iso(start)}
    if duration is not None:
        timing["duration"] = duration
    return {
        "id": number,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative" if start is None else "Absolute",
        "chargingSchedule": [schedule(more.pop("limits", ((0, 6.0),)), more.pop("unit", "A"), **timing)],
        **more,
    }


def valid(start: float, end: float | None) -> Payload:
    return {"validFrom": iso(start)} | ({} if end is None else {"validTo": iso(end)})


async def install(stage: Stage201, evse: int, wire: Payload, status: str = "Accepted") -> Payload:
    return await stage.ask(status, "SetChargingProfile", {"evseId": evse, "chargingProfile": wire})


async def station_maximum(stage: Stage201, number: int = 1, stack: int = 0, **more: Any) -> Payload:
    now = stage.lab.clock.now().wall
    wire = profile(number, "ChargingStationMaxProfile", stack, start=math.floor(now), **more)
    await install(stage, 0, wire)
    return wire


async def report(
    stage: Stage201, criterion: Payload | None = None, evse: int | None = None
) -> dict[int, list[Payload]]:
    """Everything that GetChargingProfiles brings: EVSE -> profiles. An empty answer must be NoProfiles."""
    stage.from_now()
    request: Payload = {"requestId": 815, "chargingProfile": criterion or {}}
    if evse is not None:
        request["evseId"] = evse
    answer = await stage.call("GetChargingProfiles", request)
    if answer["status"] == "NoProfiles":
        await stage.quiet("ReportChargingProfiles", 3.0)
        return {}
    assert answer == {"status": "Accepted"}
    await stage.told("ReportChargingProfiles", tbc=False)
    parts = stage.calls("ReportChargingProfiles")
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]  # K09.FR.02
    assert {part["requestId"] for part in parts} == {815}  # K09.FR.01
    assert {part["chargingLimitSource"] for part in parts} == {"CSO"}
    found: dict[int, list[Payload]] = {}
    for part in parts:
        found.setdefault(part["evseId"], []).extend(part["chargingProfile"])
    return found


async def composite(stage: Stage201, evse: int, duration: int, unit: str = "A") -> list[tuple[int, float]]:
    """A composite schedule as (wall second, limit in ampere); it must begin now and be as long as was asked for."""
    asked = {"evseId": evse, "duration": duration, "chargingRateUnit": unit}
    answer = await stage.ask("Accepted", "GetCompositeSchedule", asked)
    found = answer["schedule"]
    assert (found["evseId"], found["duration"], found["chargingRateUnit"]) == (evse, duration, unit)
    begins = parse_iso(found["scheduleStart"])
    assert abs(begins - stage.lab.clock.now().wall) <= 1.0
    periods = found["chargingSchedulePeriod"]
    assert periods[0]["startPeriod"] == 0
    limits = [(round(begins + one["startPeriod"]), one["limit"] / UNITS[unit]) for one in periods]
    assert all(left[1:] != right[1:] for left, right in itertools.pairwise(limits)), "neighbours are merged"
    return limits


async def offered(stage: Stage201, current_a: float, evse: int = 1) -> None:
    await stage.until(lambda: stage.view(evse).offered_a == current_a, f"{current_a} A to be offered")


async def set_and_told(stage: Stage201, evse: int, wire: Payload) -> None:
    """Accepted, and reported by its id as it was set."""
    await install(stage, evse, wire)
    assert await report(stage, {"chargingProfileId": [wire["id"]]}) == {evse: [wire]}


# --- K01: set ---------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_k_01_tx_default_of_one_evse(stage: Stage201) -> None:
    """K01.FR.07, FR.15: it binds this EVSE, and no other."""
    now = await whole_second(stage)
    await set_and_told(stage, 1, profile(10, start=now, duration=86_400))
    await stage.charging(1)
    await offered(stage, 6.0)
    await stage.charging(2)
    await offered(stage, HARDWARE_A, 2)
    in_watt = profile(11, unit="W", limits=[(0, 10)], start=now, duration=86_400)
    await set_and_told(stage, 2, in_watt)
    await offered(stage, 10.0, 2)


@octt()
async def test_tc_k_10_tx_default_of_all_evses(stage: Stage201) -> None:
    """K01.FR.14: applied to every EVSE, and not copied."""
    now = await whole_second(stage)
    await set_and_told(stage, 0, profile(10, start=now, duration=86_400))
    for evse in (1, 2):
        await stage.charging(evse)
        await offered(stage, 6.0, evse)
        assert await report(stage, evse=evse) == {}


@octt()
async def test_tc_k_60_tx_profile_with_ongoing_transaction(stage: Stage201) -> None:
    """K01.FR.04; it goes with its transaction (K02.FR.05)."""
    tx_id = await stage.charging()
    await set_and_told(stage, 1, profile(10, "TxProfile", transactionId=tx_id))
    await offered(stage, 6.0)
    assert await stage.value(f"{CONTROLLER}.Entries[ChargingProfiles]") == "1"
    stage.swipe()
    await stage.event(kind="Ended")
    assert await report(stage) == {}
    assert await stage.value(f"{CONTROLLER}.Entries[ChargingProfiles]") == "0"


@octt()
async def test_tc_k_02_tx_profile_without_transaction(stage: Stage201) -> None:
    """K01.FR.09."""
    answer = await install(stage, 1, profile(10, "TxProfile", transactionId="UNKNOWN-TRANSACTION-ID"), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "TxNotFound"


@octt()
async def test_tc_k_11_tx_profile_for_all_evses(stage: Stage201) -> None:
    """K01.FR.16."""
    tx_id = await stage.charging()
    await install(stage, 0, profile(10, "TxProfile", transactionId=tx_id), "Rejected")
    assert await report(stage) == {}


@octt()
async def test_tc_k_03_station_maximum(stage: Stage201) -> None:
    """It is of the station: at an EVSE it is refused (K04.FR.03), and for all EVSEs together it is kept."""
    now = await whole_second(stage)
    wire = profile(10, "ChargingStationMaxProfile", limits=[(0, 16.0)], start=now, duration=86_400)
    await install(stage, 1, wire, "Rejected")
    await set_and_told(stage, 0, wire)
    for evse in (1, 2):
        await stage.charging(evse)
    await stage.until(lambda: sum(stage.view(evse).offered_a for evse in (1, 2)) <= 16.0, "the fuse to be respected")
    await stage.rest(60.0)
    shares = [stage.view(evse).offered_a for evse in (1, 2)]
    assert 12.0 <= sum(shares) <= 16.0


@octt()
async def test_tc_k_19_recurring(stage: Stage201) -> None:
    """K01.FR.40: from startSchedule on, every day; in a gap the default behaviour is back (K01.FR.13)."""
    now = await whole_second(stage)
    wire = profile(10, start=now - 86_400 - 100, duration=3600, recurrencyKind="Daily")
    wire["chargingProfileKind"] = "Recurring"
    await set_and_told(stage, 1, wire)
    found = await composite(stage, 1, 86_400)
    assert [(second - now, limit) for second, limit in found][1:] == [(3500, HARDWARE_A), (86_300, 6.0)]
    assert found[0][1] == 6.0


@octt({f"{CONTROLLER}.RateUnit": "A"})
async def test_tc_k_12_unit_rejected(stage: Stage201) -> None:
    """K01.FR.26."""
    answer = await install(stage, 1, profile(10, unit="W"), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "UnsupportedRateUnit"
    await install(stage, 1, profile(10))


@octt()
async def test_tc_k_13_persistent_over_reboot(stage: Stage201) -> None:
    """K01.FR.27."""
    now = await whole_second(stage)
    wire = profile(10, start=now, duration=86_400)
    await install(stage, 1, wire)
    await stage.ask("Accepted", "Reset", {"type": "Immediate"})
    await stage.booted(2)
    assert await report(stage, {"chargingProfileId": [10]}) == {1: [wire]}
    stage.from_now()
    await stage.charging(1)
    await offered(stage, 6.0)


@octt()
async def test_tc_k_14_unknown_evse(stage: Stage201) -> None:
    """K01.FR.28."""
    answer = await install(stage, 3, profile(10), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "UnknownEvse"


@octt({f"{CONTROLLER}.Available": "false"})
async def test_tc_k_15_not_supported(stage: Stage201) -> None:
    """K01.FR.29."""
    refusal = await stage.refused("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(10)})
    assert refusal.code == "NotSupported"


@octt({f"{CONTROLLER}.Enabled": "false"})
async def test_switched_off_profiles_do_not_count(stage: Stage201) -> None:
    """The CSMS may switch smart charging off: nothing new is taken; what is there is kept, and counts again later."""
    answer = await install(stage, 1, profile(10), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "NotEnabled"
    await stage.charging(1)
    await offered(stage, HARDWARE_A)
    await stage.set(f"{CONTROLLER}.Enabled", "true")
    await install(stage, 1, profile(10))
    await offered(stage, 6.0)
    await stage.set(f"{CONTROLLER}.Enabled", "false")
    await offered(stage, HARDWARE_A)
    assert set(await report(stage)) == {1}
    await stage.set(f"{CONTROLLER}.Enabled", "true")
    await offered(stage, 6.0)


@octt({f"{CONTROLLER}.LimitChangeSignificance": "1.0"})
async def test_tc_k_28_tx_default_with_ongoing_transaction(stage: Stage201) -> None:
    """K01.FR.32: the transaction goes on under the new default."""
    for unit in UNITS:
        await stage.charging()
        now = await whole_second(stage)
        wire = profile(10, unit=unit, start=now - 5, duration=300, **valid(now - 5, now + 305))
        await install(stage, 1, wire)
        assert (await composite(stage, 1, 300, unit))[0][1] == 6.0
        await offered(stage, 6.0)
        assert stage.view().transaction is not None
        await stage.rest(300.0)
        await offered(stage, HARDWARE_A)
        stage.swipe()
        await stage.event(kind="Ended")
        await stage.leave()
        await stage.rest(2.0)
        stage.from_now()


@octt()
async def test_tc_k_16_unknown_transaction(stage: Stage201) -> None:
    """K01.FR.33."""
    await stage.charging()
    answer = await install(stage, 1, profile(10, "TxProfile", transactionId="UNKNOWN-TRANSACTION-ID"), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "TxNotFound"


@octt()
async def test_tc_k_21_valid_from(stage: Stage201) -> None:
    """K01.FR.36."""
    for unit in UNITS:
        now = await whole_second(stage)
        await install(stage, 1, profile(10, unit=unit, **valid(now + 300, None)))
        assert await composite(stage, 1, 400, unit) == [(now, HARDWARE_A), (now + 300, 6.0)]


@octt()
async def test_tc_k_22_valid_to(stage: Stage201) -> None:
    """K01.FR.37. For EVSE 0 it is the sum of all EVSEs."""
    for unit in UNITS:
        now = await whole_second(stage)
        await install(stage, 0, profile(10, unit=unit, start=now, **valid(now - 5, now + 300)))
        for evse, share in ((0, 2), (1, 1), (2, 1)):
            found = await composite(stage, evse, 400, unit)
            assert found == [(now, 6.0 * share), (now + 300, HARDWARE_A * share)], (unit, evse)


@octt()
async def test_tc_k_23_start_schedule(stage: Stage201) -> None:
    """K01.FR.30."""
    for unit in UNITS:
        now = await whole_second(stage)
        await install(stage, 1, profile(10, unit=unit, start=now + 60, **valid(now + 50, now + 405)))
        assert await composite(stage, 1, 300, unit) == [(now, HARDWARE_A), (now + 60, 6.0)]


@octt()
async def test_tc_k_04_replace_by_id(stage: Stage201) -> None:
    """K01.FR.05, also when it comes for another EVSE."""
    await install(stage, 1, profile(10))
    await set_and_told(stage, 1, profile(10, limits=[(0, 10.0)]))
    await set_and_told(stage, 2, profile(10, limits=[(0, 10.0)]))
    assert await stage.value(f"{CONTROLLER}.Entries[ChargingProfiles]") == "1"
    answer = await install(stage, 2, profile(11), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "DuplicateProfile"  # K01.FR.06


# --- K05: remote start ------------------------------------------------------------------------------------------------


def _start(wire: Payload) -> Payload:
    return {"idToken": token(), "remoteStartId": 4711, "evseId": 1, "chargingProfile": wire}


@octt({"AuthCtrlr.AuthorizeRemoteStart": "true"})
async def test_tc_k_37_remote_start_with_profile(stage: Stage201) -> None:
    """K05.FR.03: the transaction runs under the profile from its first ampere."""
    stage.plug()
    first = await stage.event("CablePluggedIn")
    tx_id = first["transactionInfo"]["transactionId"]
    wire = profile(10, "TxProfile")
    answer = await stage.ask("Accepted", "RequestStartTransaction", _start(wire))
    assert answer["transactionId"] == tx_id
    assert (await stage.told("Authorize"))["idToken"] == token()
    event = await stage.event("RemoteStart")
    assert event["transactionInfo"]["remoteStartId"] == 4711
    await stage.flows()
    await offered(stage, 6.0)
    assert await report(stage, {"chargingProfileId": [10]}) == {1: [{**wire, "transactionId": tx_id}]}


@octt({"TxCtrlr.TxStartPoint": "PowerPathClosed"})
async def test_remote_start_with_profile_before_the_cable(stage: Stage201) -> None:
    """The transaction that the profile is for begins later."""
    await stage.ask("Accepted", "RequestStartTransaction", _start(profile(10, "TxProfile")))
    await stage.rest(2.0)
    stage.plug()
    tx_id = await stage.flows()
    await offered(stage, 6.0)
    (found,) = (await report(stage))[1]
    assert found["transactionId"] == tx_id


@octt()
async def test_remote_start_with_a_bad_profile(stage: Stage201) -> None:
    """K05.FR.02, FR.05: refused with the reason, and nothing starts."""
    late = profile(10, "TxProfile", limits=[(5, 6.0)])
    for wire, reason in ((profile(10), "InvalidProfile"), (late, "InvalidSchedule")):
        answer = await stage.ask("Rejected", "RequestStartTransaction", _start(wire))
        assert answer["statusInfo"]["reasonCode"] == reason
    await stage.quiet("TransactionEvent", 5.0)


async def _ignored(stage: Stage201) -> None:
    stage.plug()
    first = await stage.event("CablePluggedIn")
    answer = await stage.ask("Accepted", "RequestStartTransaction", _start(profile(10, "TxProfile")))
    assert answer["transactionId"] == first["transactionInfo"]["transactionId"]
    event = await stage.event("RemoteStart")
    assert event["transactionInfo"]["remoteStartId"] == 4711
    await stage.flows()
    assert stage.view().offered_a == HARDWARE_A


@octt({f"{CONTROLLER}.Available": "false"})
async def test_tc_k_38_charging_profile_is_ignored(stage: Stage201) -> None:
    """Without smart charging a profile in the request is ignored (F01.FR.12, K05.FR.04)."""
    await _ignored(stage)


@octt({f"{CONTROLLER}.Enabled": "false"})
async def test_switched_off_a_charging_profile_is_ignored(stage: Stage201) -> None:
    """SmartChargingCtrlr.Enabled tells the CSMS whether there is smart charging (K05.FR.04)."""
    await _ignored(stage)


# --- K08: composite schedule ------------------------------------------------------------------------------------------


@octt()
async def test_tc_k_39_no_profile(stage: Stage201) -> None:
    """K08.FR.03: what the hardware can draw, in all."""
    for unit in UNITS:
        now = await whole_second(stage)
        assert await composite(stage, 0, 300, unit) == [(now, 2 * HARDWARE_A)]
        assert await composite(stage, 1, 300, unit) == [(now, HARDWARE_A)]


@octt()
async def test_the_station_draws_what_its_evses_draw(stage: Stage201) -> None:
    """K08.FR.03; who of two that allow the same is the cause makes no period of its own."""
    now = await whole_second(stage)
    await install(stage, 1, profile(10, start=now, duration=200))
    assert await composite(stage, 0, 300) == [(now, 38.0), (now + 200, 64.0)]
    await station_maximum(stage, 11, duration=100, limits=[(0, 38.0)])
    assert await composite(stage, 0, 300) == [(now, 38.0), (now + 200, 64.0)]
    await station_maximum(stage, 11, limits=[(0, 20.0)])
    assert await composite(stage, 0, 300) == [(now, 20.0)]


@octt()
async def test_tc_k_40_stacking(stage: Stage201) -> None:
    """K08.FR.06: as if a transaction ran. The higher stackLevel overrules while its schedule lasts."""
    for unit in UNITS:
        now = await whole_second(stage)
        begin = now - 5
        common: Payload = {"unit": unit, "start": begin, **valid(begin, now + 406)}
        low = profile(10, stack=0, limits=[(0, 6), (100, 8), (200, 10)], duration=400, **common)
        high = profile(11, stack=1, limits=[(0, 7), (100, 9)], duration=150, **common)
        await install(stage, 1, low)
        await install(stage, 1, high)
        assert await composite(stage, 1, 350, unit) == [
            (now, 7),
            (begin + 100, 9),
            (begin + 150, 8),
            (begin + 200, 10),
        ]


@octt()
async def test_tc_k_41_combining_purposes(stage: Stage201) -> None:
    """K08.FR.04, errata: after the default's end the station's maximum is left."""
    tx_id = await stage.charging()
    for unit in UNITS:
        now = await whole_second(stage)
        begin = now - 5
        common: Payload = {"unit": unit, "start": begin}
        timely = {**common, **valid(begin, now + 406)}
        most = profile(10, "ChargingStationMaxProfile", limits=[(0, 10)], duration=86_400, **common)
        default = profile(11, limits=[(0, 6), (60, 10), (120, 8), (180, 15), (260, 8)], duration=300, **timely)
        own = profile(
            12,
            "TxProfile",
            limits=[(0, 8), (50, 11), (140, 16), (200, 6), (240, 12)],
            duration=260,
            transactionId=tx_id,
            **timely,
        )
        await install(stage, 0, most)
        await install(stage, 1, default)
        await install(stage, 1, own)
        assert await composite(stage, 1, 400, unit) == [
            (now, 8),
            (begin + 50, 10),
            (begin + 200, 6),
            (begin + 240, 10),
            (begin + 260, 8),
            (begin + 300, 10),
        ]
        await offered(stage, 8.0)


@octt({f"{CONTROLLER}.RateUnit": "A"})
async def test_tc_k_42_unit_not_supported(stage: Stage201) -> None:
    """K08.FR.07."""
    asked = {"evseId": 1, "duration": 300, "chargingRateUnit": "W"}
    answer = await stage.ask("Rejected", "GetCompositeSchedule", asked)
    assert "schedule" not in answer
    assert answer["statusInfo"]["reasonCode"] == "UnsupportedRateUnit"


@octt()
async def test_tc_k_47_unknown_evse(stage: Stage201) -> None:
    """K08.FR.05."""
    answer = await stage.ask("Rejected", "GetCompositeSchedule", {"evseId": 3, "duration": 300})
    assert "schedule" not in answer
    assert answer["statusInfo"]["reasonCode"] == "UnknownEvse"


# --- K09: report ------------------------------------------------------------------------------------------------------


async def _two(stage: Stage201, stack: int = 0) -> tuple[Payload, Payload]:
    """A maximum of the station, and a default of EVSE 1."""
    default = profile(11, stack=stack)
    most = await station_maximum(stage, 10)
    await install(stage, 1, default)
    return most, default


@octt()
async def test_tc_k_29_report_of_the_station(stage: Stage201) -> None:
    """K09.FR.05."""
    most, _ = await _two(stage)
    assert await report(stage, evse=0) == {0: [most]}


@octt()
async def test_tc_k_30_report_of_an_evse(stage: Stage201) -> None:
    """K09.FR.04."""
    _, default = await _two(stage)
    assert await report(stage, evse=1) == {1: [default]}
    assert await report(stage, evse=2) == {}


@octt()
async def test_tc_k_31_report_of_everything(stage: Stage201) -> None:
    """K09.FR.02, FR.06."""
    most, default = await _two(stage)
    assert await report(stage) == {0: [most], 1: [default]}


@octt()
async def test_tc_k_32_report_by_id(stage: Stage201) -> None:
    """K09.FR.01."""
    most, _ = await _two(stage)
    assert await report(stage, {"chargingProfileId": [10]}) == {0: [most]}


@octt()
async def test_tc_k_33_report_by_stack_level(stage: Stage201) -> None:
    _, default = await _two(stage, stack=1)
    assert await report(stage, {"stackLevel": 1}, evse=1) == {1: [default]}
    assert await report(stage, {"stackLevel": 0}, evse=1) == {}


@octt()
async def test_tc_k_34_report_by_source(stage: Stage201) -> None:
    _, default = await _two(stage, stack=1)
    assert await report(stage, {"chargingLimitSource": ["CSO"]}, evse=1) == {1: [default]}
    assert await report(stage, {"chargingLimitSource": ["EMS"]}, evse=1) == {}


@octt()
async def test_tc_k_35_report_by_purpose(stage: Stage201) -> None:
    _, default = await _two(stage)
    assert await report(stage, {"chargingProfilePurpose": "TxDefaultProfile"}, evse=1) == {1: [default]}
    assert await report(stage, {"chargingProfilePurpose": "TxProfile"}, evse=1) == {}


@octt()
async def test_tc_k_36_report_by_purpose_and_stack_level(stage: Stage201) -> None:
    _, default = await _two(stage)
    criterion = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}
    assert await report(stage, criterion, evse=1) == {1: [default]}
    assert await report(stage, {**criterion, "stackLevel": 1}, evse=1) == {}


# --- K10: clear -------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_k_05_clear_by_id(stage: Stage201) -> None:
    """K10.FR.03."""
    await install(stage, 1, profile(10))
    await stage.ask("Accepted", "ClearChargingProfile", {"chargingProfileId": 10})
    assert await report(stage, {"chargingProfileId": [10]}) == {}


@octt()
async def test_tc_k_06_clear_by_purpose_and_stack_level(stage: Stage201) -> None:
    """K10.FR.04, FR.05: what is left counts at once."""
    criteria = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}
    await install(stage, 1, profile(10, stack=1))
    await install(stage, 1, profile(11, limits=[(0, 10.0)]))
    await stage.charging()
    await offered(stage, 6.0)
    await stage.ask("Accepted", "ClearChargingProfile", {"chargingProfileCriteria": criteria})
    assert await report(stage, criteria) == {}
    await offered(stage, 10.0)


@octt()
async def test_tc_k_24_clear_several(stage: Stage201) -> None:
    """K10.FR.04."""
    criteria = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}
    for number, evse in ((10, 1), (11, 2)):
        await install(stage, evse, profile(number, stack=1))
    await install(stage, 1, profile(12))
    await stage.ask("Accepted", "ClearChargingProfile", {"chargingProfileCriteria": criteria})
    assert await report(stage, criteria) == {}
    assert set(await report(stage)) == {1}


@octt()
async def test_tc_k_07_clear_what_is_not_there(stage: Stage201) -> None:
    """K10.FR.01."""
    await install(stage, 1, profile(10, stack=1))
    criteria = {"chargingProfilePurpose": "ChargingStationMaxProfile", "stackLevel": 0}
    await stage.ask("Unknown", "ClearChargingProfile", {"chargingProfileCriteria": criteria})
    assert set(await report(stage)) == {1}


@octt()
async def test_tc_k_08_clear_without_any(stage: Stage201) -> None:
    """K10.FR.01."""
    await stage.ask("Unknown", "ClearChargingProfile", {"chargingProfileId": 10})


@octt({f"{CONTROLLER}.LimitChangeSignificance": "1.0"})
async def test_tc_k_09_clear_the_default_of_a_transaction(stage: Stage201) -> None:
    """K10.FR.07: it goes on as if it had begun without."""
    for unit in UNITS:
        now = await whole_second(stage)
        await install(stage, 1, profile(10, unit=unit, start=now, duration=405, **valid(now - 5, now + 406)))
        tx_id = await stage.charging()
        assert (await composite(stage, 1, 300, unit))[0][1] == 6.0
        criteria = {"chargingProfilePurpose": "TxDefaultProfile"}
        await stage.ask("Accepted", "ClearChargingProfile", {"chargingProfileCriteria": criteria})
        assert (await composite(stage, 1, 300, unit))[0][1] == HARDWARE_A
        await offered(stage, HARDWARE_A)
        transaction = stage.view().transaction
        assert transaction is not None
        assert transaction.tx_id == tx_id
        stage.swipe()
        await stage.event(kind="Ended")
        await stage.leave()
        await stage.rest(2.0)
        stage.from_now()


# --- beyond the cases -------------------------------------------------------------------------------------------------


@octt()
async def test_a_limit_of_nothing_suspends_and_resumes_the_same_transaction(stage: Stage201) -> None:
    """Also below the least current that a car understands."""
    tx_id = await stage.charging()
    for limit in (0.0, 5.9):
        stage.from_now()
        await install(stage, 1, profile(10, "TxProfile", transactionId=tx_id, limits=[(0, limit), (60, 10.0)]))
        event = await stage.event("ChargingStateChanged", state="SuspendedEVSE")
        assert (event["eventType"], event["transactionInfo"]["transactionId"]) == ("Updated", tx_id)
        assert stage.view().offered_a == 0.0
        await stage.ask("Accepted", "ClearChargingProfile", {"chargingProfileId": 10})
        event = await stage.event("ChargingStateChanged", state="Charging")
        assert event["transactionInfo"]["transactionId"] == tx_id
        await offered(stage, HARDWARE_A)


@octt({"TxCtrlr.TxStartPoint": "PowerPathClosed"})
async def test_a_relative_schedule_begins_when_power_may_flow(stage: Stage201) -> None:
    """K01.FR.42: not when it is installed, and not when the car comes."""
    await install(stage, 1, profile(10, limits=[(0, 6.0), (60, 10.0)]))
    await stage.rest(100.0)
    stage.plug()
    await stage.rest(100.0)
    stage.swipe()
    await stage.flows()
    began = stage.lab.clock.now().wall
    await offered(stage, 6.0)
    await offered(stage, 10.0)
    assert 50.0 <= stage.lab.clock.now().wall - began <= 65.0


@octt()
async def test_offline_the_profiles_that_are_there_count(stage: Stage201) -> None:
    """K06.FR.01, K07.FR.01: for the transaction that runs, and for one that begins offline."""
    await stage.cached(CARD)
    tx_id = await stage.charging()
    now = await whole_second(stage)
    await install(stage, 1, profile(10, "TxProfile", transactionId=tx_id, start=now, limits=[(0, 8.0), (120, 12.0)]))
    await install(stage, 2, profile(11, limits=[(0, 7.0)]))
    await offered(stage, 8.0)
    await stage.offline()
    await offered(stage, 12.0)
    stage.plug(2)
    stage.swipe(evse=2)
    await offered(stage, 7.0, 2)
    await stage.online()
    assert set(await report(stage)) == {1, 2}


@octt()
async def test_after_a_power_cut_the_profiles_are_back(stage: Stage201) -> None:
    """K01.FR.27. The transaction has ended with the power, and its own profile with it (K02.FR.05)."""
    tx_id = await stage.charging()
    await install(stage, 1, profile(10, "TxProfile", transactionId=tx_id))
    most = await station_maximum(stage, 11, limits=[(0, 16.0)])
    await stage.lab.power_cut()
    await stage.rest(2.0)
    await stage.lab.power_on()
    await stage.booted(2)
    assert await report(stage) == {0: [most]}


@octt(boot=("Pending", "Accepted"), ready=False)
async def test_profiles_may_be_set_before_we_are_accepted(stage: Stage201) -> None:
    """B02: whatever the CSMS asks for meanwhile is answered."""
    await stage.until(lambda: stage.seen.boots, "the first boot")
    await set_and_told(stage, 1, profile(10))
    await stage.until(lambda: stage.lab.view().online, "to be accepted")
    await stage.charging()
    await offered(stage, 6.0)


@octt()
async def test_requests_that_no_station_can_serve(stage: Stage201) -> None:
    """In bounded time, and with a reason."""
    periods = [{"startPeriod": second, "limit": 6} for second in range(1025)]
    wire = {**profile(10), "chargingSchedule": [{"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": periods}]}
    refusal = await stage.csms.call(stage.id, "SetChargingProfile", {"evseId": 1, "chargingProfile": wire}, check=False)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "OccurrenceConstraintViolation"
    backwards = await install(stage, 1, profile(10, limits=[(0, 6.0), (60, 7.0), (30, 8.0)]), "Rejected")
    assert backwards["statusInfo"]["reasonCode"] == "InvalidSchedule"
    longest = {"evseId": 1, "duration": 2**31 - 1}
    answer = await stage.ask("Accepted", "GetCompositeSchedule", longest)
    assert len(answer["schedule"]["chargingSchedulePeriod"]) == 1
    await stage.ask("Rejected", "GetCompositeSchedule", {"evseId": 1, "duration": -1})
