"""OCTT cases of the SmartCharging profile for a 1.6 station: profiles and composite schedules, and the current that a car gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from station.clock import iso
from station.core.effects import Output
from tests.conformance.profiles16 import DAY_S, composite, drawn, install, offered, on_the_second, profile
from tests.conformance.stage16 import CARD, NAME, OTHER, STRANGER, Stage, octt, play

MAX = "ChargePointMaxProfile"
DEFAULT = "TxDefaultProfile"
TX = "TxProfile"


def most_offered(s: Stage) -> list[float]:
    """Every current that is offered at EVSE 1 from now on."""
    found: list[float] = []

    def turned(_event: object, effects: Sequence[object], _now: object) -> None:
        found.extend(e.current_a for e in effects if isinstance(e, Output) and e.evse == 1)

    s.lab.on_turn(turned)
    return found


@octt()
async def test_tc_056_tx_default_profile(s: Stage) -> None:
    """Told before there is a transaction, by the composite schedule too; then it limits the one that begins."""
    await s.ready()
    now = await on_the_second(s)
    await install(s, 1, profile(41, DEFAULT, (0, 6), (120, 10), (240, 8), start=now, duration=DAY_S))
    assert await composite(s, 1, 300, chargingRateUnit="A") == [(0, 6), (120, 10), (240, 8)]
    await s.charging()
    await asyncio.sleep(20)
    assert offered(s) == (6.0, "profile 41 (TxDefaultProfile)")
    assert drawn(s) == pytest.approx(6, abs=0.2)
    await asyncio.sleep(now + 140 - s.csms.clock.now().wall)
    assert drawn(s) == pytest.approx(10, abs=0.2)


@octt()
async def test_tc_056_tx_default_profile_in_watts(s: Stage) -> None:
    """The same in the other unit: power is the total of all phases."""
    await s.ready()
    now = await on_the_second(s)
    await install(s, 1, profile(41, DEFAULT, (0, 6900.0, 3), start=now, unit="W"))
    assert await composite(s, 1, 300, chargingRateUnit="W") == [(0, 6900)]
    assert await composite(s, 1, 300, chargingRateUnit="A") == [(0, 10)]
    await s.charging()
    await asyncio.sleep(20)
    assert drawn(s) == pytest.approx(10, abs=0.2)


@octt()
async def test_tc_057_tx_profile(s: Stage) -> None:
    """For the running transaction, in place of the default; it is gone with its transaction (3.13.1)."""
    await s.ready()
    await s.charging()
    now = await on_the_second(s)
    await install(s, 1, profile(1, DEFAULT, (0, 8), start=now))
    await install(s, 1, profile(2, TX, (0, 10), (60, 7.5), start=now, duration=200, transactionId=s.transaction))
    assert await composite(s, 1, 300) == [(0, 10), (60, 7.5), (200, 8)]
    await asyncio.sleep(20)
    assert drawn(s) == pytest.approx(10, abs=0.2)
    await asyncio.sleep(60)
    assert offered(s) == (7.5, "profile 2 (TxProfile)")
    s.lab.swipe()
    await s.expect("StopTransaction", transactionId=s.transaction)
    await s.order("ClearChargingProfile", "Unknown", id=2)
    await s.order("ClearChargingProfile", "Accepted", id=1)


@octt()
async def test_tc_058_1_tx_profile_without_a_transaction(s: Stage) -> None:
    """Rejected, with a transactionId and without, and at connector 0."""
    await s.ready()
    wanted = profile(1, TX, (0, 6))
    await install(s, 1, wanted, "Rejected")
    await install(s, 1, wanted | {"transactionId": 1}, "Rejected")
    await install(s, 0, wanted, "Rejected")
    await s.order("ClearChargingProfile", "Unknown")


@octt()
async def test_tc_058_2_tx_profile_of_another_transaction(s: Stage) -> None:
    """A transactionId that is not that of the transaction at the connector: Rejected."""
    await s.ready()
    await s.charging()
    first = s.transaction
    await s.charging(OTHER, evse=2)
    for connector, transaction in ((1, first + 1000), (1, s.transaction), (2, first)):
        await install(s, connector, profile(1, TX, (0, 6), transactionId=transaction), "Rejected")
    await s.order("ClearChargingProfile", "Unknown")
    assert offered(s)[0] == 32.0


@octt()
async def test_tc_059_remote_start_with_a_profile(s: Stage) -> None:
    """The profile is that of the transaction to come: it limits it from its first moment, and goes with it."""
    await s.ready()
    wanted = profile(9, TX, (0, 8), (60, 12))
    highest = most_offered(s)
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1, chargingProfile=wanted)
    await s.expect_status("Preparing")
    s.lab.plug()
    await s.expect("StartTransaction", connectorId=1, idTag=CARD)
    await s.expect_status("Charging")
    assert (await composite(s, 1, 300))[0] == (0, 8)
    await asyncio.sleep(20)
    assert drawn(s) == pytest.approx(8, abs=0.2)
    assert max(highest) == 8
    await asyncio.sleep(60)
    assert drawn(s) == pytest.approx(12, abs=0.2)
    await s.order("RemoteStopTransaction", "Accepted", transactionId=s.transaction)
    await s.expect("StopTransaction", transactionId=s.transaction)
    await s.order("ClearChargingProfile", "Unknown", id=9)


@pytest.mark.parametrize("purpose", [DEFAULT, MAX])
def test_tc_060_remote_start_with_the_wrong_profile(purpose: str) -> None:
    """The profile of a remote start must be a TxProfile."""

    async def case(s: Stage) -> None:
        await s.ready()
        wanted = profile(1, purpose, (0, 10.0), start=s.csms.clock.now().wall)
        await s.order("RemoteStartTransaction", "Rejected", idTag=CARD, connectorId=1, chargingProfile=wanted)
        await s.quiet(10, "Authorize", "StatusNotification")

    play(case)


@octt()
async def test_a_remote_start_with_a_profile_that_cannot_be_is_rejected(s: Stage) -> None:
    """As SetChargingProfile would be, transaction aside; nothing begins."""
    await s.ready()
    for wanted in (
        profile(1, TX, (0, 10), stackLevel=999),
        profile(1, TX, (10, 10)),
        profile(1, TX, (0, 10), chargingProfileKind="Recurring"),
    ):
        await s.order("RemoteStartTransaction", "Rejected", idTag=CARD, connectorId=1, chargingProfile=wanted)
    await s.quiet(10, "Authorize", "StatusNotification")


@octt()
async def test_a_remote_start_that_comes_to_nothing_leaves_no_profile(s: Stage) -> None:
    """The token is not accepted, or nobody plugs in: whoever charges next is not limited."""
    await s.ready()
    await s.configure(AuthorizeRemoteTxRequests="true", ConnectionTimeOut="30")
    for card in (STRANGER, CARD):
        wanted = profile(9, TX, (0, 8))
        await s.order("RemoteStartTransaction", "Accepted", idTag=card, connectorId=1, chargingProfile=wanted)
        await asyncio.sleep(60)
        await s.order("ClearChargingProfile", "Unknown")
        await s.charging(OTHER)
        await asyncio.sleep(20)
        assert drawn(s) == pytest.approx(16, abs=0.2)
        s.lab.swipe(OTHER)
        await s.expect_status("Finishing")
        await s.leave()
        await s.expect_status("Available")


@octt()
async def test_a_remote_start_without_connector_brings_its_profile_where_it_begins(s: Stage) -> None:
    """The station chooses (5.11); the profile follows."""
    await s.ready()
    s.lab.plug(2)
    await s.expect_status("Preparing", 2)
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, chargingProfile=profile(9, TX, (0, 8)))
    await s.expect("StartTransaction", connectorId=2)
    await asyncio.sleep(20)
    assert offered(s, 2) == (8.0, "profile 9 (TxProfile)")


@octt()
async def test_a_default_of_one_connector_counts_before_that_of_all(s: Stage) -> None:
    """3.13.2 and 5.16: on the same level. Replaced by one that is not valid yet, the other counts until then."""
    await s.ready()
    now = await on_the_second(s)
    await install(s, 0, profile(1, DEFAULT, (0, 10), start=now))
    await install(s, 1, profile(2, DEFAULT, (0, 16), start=now))
    assert await composite(s, 1, 60) == [(0, 16)]
    assert await composite(s, 2, 60) == [(0, 10)]
    await install(s, 1, profile(3, DEFAULT, (0, 12), start=now, validFrom=iso(now + 3600)))
    assert await composite(s, 1, 7200) == [(0, 10), (3600, 12)]
    assert sorted(one.profile.id for one in s.lab.view().profiles) == [1, 3]


@octt()
async def test_a_station_maximum_is_for_the_whole_station(s: Stage) -> None:
    """Connector 0 only (3.13.1); two cars share it."""
    await s.ready()
    await install(s, 1, profile(1, MAX, (0, 16)), "Rejected")
    await s.charging()
    await s.charging(OTHER, evse=2)
    await install(s, 0, profile(1, MAX, (0, 20)))
    assert await composite(s, 0, 60) == [(0, 20)]
    await asyncio.sleep(60)
    assert drawn(s) + drawn(s, 2) <= 20.2
    assert min(drawn(s), drawn(s, 2)) >= 5.8


@octt()
async def test_tc_066_composite_schedule(s: Stage) -> None:
    """Station maximum, default and transaction profile in one schedule; without the transaction's, and of the whole station."""
    await s.ready()
    await s.charging()
    now = await on_the_second(s)
    await install(s, 0, profile(1, MAX, (0, 10), start=now, duration=DAY_S))
    default = ((0, 6), (60, 10), (120, 8), (180, 25), (260, 8))
    await install(s, 1, profile(2, DEFAULT, *default, start=now, duration=300))
    tx = ((0, 8), (50, 11), (140, 16), (200, 6), (240, 12))
    await install(s, 1, profile(3, TX, *tx, start=now, duration=260, transactionId=s.transaction))
    expected = [(0, 8), (50, 10), (200, 6), (240, 10), (260, 8), (300, 10)]
    assert await composite(s, 1, 400) == expected
    assert await composite(s, 1, 400, chargingRateUnit="W") == [(start, a * 690) for start, a in expected]
    assert await composite(s, 2, 400) == [(0, 10)]
    assert await composite(s, 0, 400) == [(0, 10)]
    assert await s.call("GetCompositeSchedule", connectorId=3, duration=400) == {"status": "Rejected"}


@octt()
async def test_tc_067_clear_charging_profile(s: Stage) -> None:
    """By id, by what it is, everything; Unknown when nothing fits. What was limited is so no longer."""
    await s.ready()
    await s.charging()
    now = await on_the_second(s)

    async def fill() -> None:
        await install(s, 0, profile(1, MAX, (0, 14), start=now))
        await install(s, 1, profile(2, DEFAULT, (0, 10), start=now))
        await install(s, 1, profile(3, DEFAULT, (0, 8), start=now, stackLevel=1))
        await install(s, 2, profile(4, DEFAULT, (0, 7), start=now))

    await fill()
    assert await composite(s, 1, 60) == [(0, 8)]
    await s.order("ClearChargingProfile", "Unknown", id=99)
    # an id alone decides, whatever else is said
    await s.order("ClearChargingProfile", "Accepted", id=3, connectorId=2, chargingProfilePurpose=MAX, stackLevel=7)
    assert await composite(s, 1, 60) == [(0, 10)]
    await s.order("ClearChargingProfile", "Unknown", connectorId=1, chargingProfilePurpose=DEFAULT, stackLevel=1)
    await s.order("ClearChargingProfile", "Accepted", connectorId=1, chargingProfilePurpose=DEFAULT, stackLevel=0)
    assert await composite(s, 1, 60) == [(0, 14)]
    assert await composite(s, 2, 60) == [(0, 7)]
    await s.order("ClearChargingProfile", "Accepted", chargingProfilePurpose=MAX)
    await asyncio.sleep(40)
    assert offered(s)[0] == 32.0
    await fill()
    await s.order("ClearChargingProfile", "Accepted", connectorId=0)
    await s.order("ClearChargingProfile", "Accepted", stackLevel=0)  # quirk 11: both that have it
    assert await composite(s, 1, 60) == [(0, 8)]
    await s.order("ClearChargingProfile", "Accepted")
    await s.order("ClearChargingProfile", "Unknown")


@octt()
async def test_tc_072_stacking(s: Stage) -> None:
    """The higher stackLevel leads as long as it has a period, then the lower one."""
    await s.ready()
    now = await on_the_second(s)
    await install(s, 1, profile(1, DEFAULT, (0, 6), (50, 5), (100, 8), (200, 10), start=now, duration=400))
    await install(s, 1, profile(2, DEFAULT, (0, 7), (100, 9), start=now, duration=150, stackLevel=1))
    assert await composite(s, 1, 350) == [(0, 7), (100, 9), (150, 8), (200, 10)]
    await s.charging()
    await asyncio.sleep(now + 120 - s.csms.clock.now().wall)
    assert offered(s) == (9.0, "profile 2 (TxDefaultProfile)")
    await asyncio.sleep(60)
    assert offered(s) == (8.0, "profile 1 (TxDefaultProfile)")


@octt()
async def test_tc_082_tx_default_profile_in_a_transaction(s: Stage) -> None:
    """Errata 3.8: it holds for the transaction that runs already."""
    await s.ready()
    await s.charging()
    await asyncio.sleep(20)
    assert drawn(s) == pytest.approx(16, abs=0.2)
    now = await on_the_second(s)
    await install(s, 1, profile(1, DEFAULT, (0, 6), (60, 10), (120, 8), start=now, duration=DAY_S))
    assert await composite(s, 1, 300) == [(0, 6), (60, 10), (120, 8)]
    await asyncio.sleep(20)
    assert drawn(s) == pytest.approx(6, abs=0.2)
    await install(s, 1, profile(2, DEFAULT, (0, 12), start=now, duration=DAY_S))  # the same level: in its place
    assert await composite(s, 1, 300) == [(0, 12)]
    await asyncio.sleep(40)
    assert drawn(s) == pytest.approx(12, abs=0.2)
    await s.order("ClearChargingProfile", "Unknown", id=1)


@octt()
async def test_the_keys_say_what_is_enforced(s: Stage) -> None:
    """9.3: one more than the keys promise is Rejected."""
    await s.ready()
    now = await on_the_second(s)
    names = ("ChargeProfileMaxStackLevel", "ChargingScheduleMaxPeriods", "MaxChargingProfilesInstalled")
    answer = await s.call("GetConfiguration", key=list(names))
    level, periods, places = (int(entry["value"]) for entry in answer["configurationKey"])
    await install(s, 1, profile(1, DEFAULT, (0, 6), start=now, stackLevel=level))
    await install(s, 1, profile(1, DEFAULT, (0, 6), start=now, stackLevel=level + 1), "Rejected")
    await install(s, 1, profile(1, DEFAULT, *((n, 6 + n % 2) for n in range(periods)), start=now))
    await install(s, 1, profile(1, DEFAULT, *((n, 6 + n % 2) for n in range(periods + 1)), start=now), "Rejected")
    await s.order("ClearChargingProfile", "Accepted")
    where = [(connector, stack) for stack in range(level + 1) for connector in (0, 1, 2)]
    purposes = [(DEFAULT, *spot) for spot in where] + [(MAX, 0, stack) for stack in range(level + 1)]
    for number, (purpose, connector, stack) in enumerate(purposes[:places]):
        await install(s, connector, profile(number, purpose, (0, 6), start=now, stackLevel=stack))
    if places < len(purposes):
        purpose, connector, stack = purposes[places]
        await install(s, connector, profile(places, purpose, (0, 6), start=now, stackLevel=stack), "Rejected")


@octt()
async def test_profiles_survive_a_power_failure(s: Stage) -> None:
    """Errata 3.37: all but those of a transaction that is over."""
    await s.ready()
    await s.charging()
    now = await on_the_second(s)
    await install(s, 1, profile(1, DEFAULT, (0, 9), start=now))
    await install(s, 1, profile(2, TX, (0, 7), start=now, transactionId=s.transaction))
    assert await composite(s, 1, 60) == [(0, 7)]
    await s.lab.power_cut()
    s.skip()
    await asyncio.sleep(30)
    await s.lab.power_on()
    await s.expect("StopTransaction", reason="PowerLoss", within=120)
    assert await composite(s, 1, 60) == [(0, 9)]
    await s.order("ClearChargingProfile", "Unknown", id=2)


@octt()
async def test_profiles_go_on_offline(s: Stage) -> None:
    """The schedule is followed without the CSMS (3.13.5)."""
    await s.ready()
    now = await on_the_second(s)
    await install(s, 1, profile(1, DEFAULT, (0, 6), (300, 12), start=now))
    await s.charging()
    await s.lab.offline()
    await asyncio.sleep(60)
    assert drawn(s) == pytest.approx(6, abs=0.2)
    await asyncio.sleep(300)
    assert drawn(s) == pytest.approx(12, abs=0.2)
    await s.lab.go_online()
    await s.csms.wait_connected(NAME, 600)
    await asyncio.sleep(1)
    assert await composite(s, 1, 60) == [(0, 12)]


@octt()
async def test_the_status_names_what_binds(s: Stage) -> None:
    """SuspendedEVSE says why in `info` (4.9), in at most 50 characters."""
    await s.ready()
    await s.charging()
    await install(s, 1, profile(2_147_483_647, TX, (0, 0), transactionId=s.transaction))
    told = await s.expect_status("SuspendedEVSE")
    assert told["info"].startswith("profile 2147483647 (TxProfile)")
    assert len(told["info"]) <= 50
    assert told["errorCode"] == "NoError"
    await s.order("ClearChargingProfile", "Accepted", id=2_147_483_647)
    told = await s.expect_status("Charging", within=60)
    assert "info" not in told
