"""Composite schedules of EVerest's libocpp: 1.6, 2.0.1 and 2.1."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from station.core.charging.composite import Site, Tx
from station.core.charging.policy import Policy
from station.core.charging.profiles import Installed, RateUnit
from tests.core.charging.vectors import LIBOCPP, a_profile, compare, composed, load, needed, wall

FOLDER = "everest-libocpp/"
INSTALLED_AS = {
    "charge_point_max_profile": "ChargePointMaxProfile",
    "tx_default_profile": "TxDefaultProfile",
    "tx_profile": "TxProfile",
}
EARLY = "recurring_active_before_startSchedule"
K01_FR_40 = "K01.FR.40: startSchedule is the start of the recurrence; these ask two weeks before it"
NOT_FLAGGED = {
    (name, f"SingleTxDefaultProfileWithStationMaxForEvse0With{evses}"): K01_FR_40
    for name in ("v2_composite", "v16_composite")
    for evses in ("SingleEvse", "MultipleEvses")
}
"""Judged wrong, with the clause: rows that need a Recurring profile before its startSchedule, but do not carry the flag."""


def rows() -> list[Any]:
    found = []
    for name in ("v2_composite", "v21_composite", "v16_composite", "v16_profile_testsC"):
        for case in load(f"{FOLDER}{name}_expected.json"):
            for index, request in enumerate(case["requests"]):
                found.append(pytest.param(name, case, index, request, id=f"{name}-{case['id']}-{index}"))
    return found


def installed_of(case: dict[str, Any]) -> list[Installed]:
    found = []
    for one in case["profiles"]:
        purpose = INSTALLED_AS.get(one.get("install_as"))
        if one in found:
            continue
        found.append(Installed(a_profile(one["profile"], purpose=purpose), one.get("evseId", one.get("connectorId"))))
    return found


def transactions_of(case: dict[str, Any], index: int, request: dict[str, Any]) -> dict[int, Tx]:
    found = {}
    for one in case["transactions"]:
        if one.get("before_request_index", 0) > index:
            continue
        evse = one.get("evseId", one.get("connectorId"))
        started = one.get("start", request["start"])
        ready = wall(request["start"] if started.startswith("(") else started)
        found[evse] = Tx(str(one.get("transactionId", "tx")), ready)
    return found


@needed
@pytest.mark.parametrize(("name", "case", "index", "request_"), rows())
def test_composite(name: str, case: dict[str, Any], index: int, request_: dict[str, Any]) -> None:
    early = EARLY in request_.get("flags", []) or (name, case["id"]) in NOT_FLAGGED
    _ask(name, case, index, request_, LIBOCPP if early else Policy())


def _ask(name: str, case: dict[str, Any], index: int, request_: dict[str, Any], policy: Policy) -> None:
    station = case["station"]
    unit = RateUnit(request_["chargingRateUnit"])
    if unit is RateUnit.A:
        maximum = Fraction(str(station["default_limit_A"]))
    else:
        # They have a default of its own for W; ours is the same maximum in both units.
        maximum = Fraction(str(station["default_limit_W"])) / (station["line_voltage"] * station["default_phases"])
    start, end = wall(request_["start"]), wall(request_["end"])
    assert start is not None
    assert end is not None
    site = Site(
        1,
        Fraction(station["line_voltage"]),
        station["default_phases"],
        maximum,
        offline_s=request_.get("offline_for_seconds"),
    )
    ours = composed(
        installed_of(case),
        request_.get("evseId", request_.get("connectorId")),
        start=start,
        duration=end - start,
        unit=unit,
        policy=policy,
        site=site,
        txs=transactions_of(case, index, request_),
        evses=station.get("evses", station.get("connectors")),
    )
    assert ours.duration == request_["expected"]["duration"]
    assert ours.start == start
    compare(ours, request_["expected"]["periods"], v21=name == "v21_composite")


@needed
def test_the_list_of_rows_judged_wrong_is_no_longer_than_it_must_be() -> None:
    """By the specification's reading the profile is not there yet: three phases, not the one of the station maximum."""
    for name, case in [
        (row.values[0], row.values[1]) for row in rows() if (row.values[0], row.values[1]["id"]) in NOT_FLAGGED
    ]:
        with pytest.raises(AssertionError):
            _ask(name, case, 0, case["requests"][0], Policy())
