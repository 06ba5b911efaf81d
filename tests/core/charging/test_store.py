"""`station.core.charging.store`: rows hold everything, and nothing else is taken for a row."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.charging.profiles import Installed, Kind, Period, Profile, Purpose, Rates, RateUnit, Schedule
from station.core.charging.store import from_row, profile_from_json, profile_to_json, to_row
from tests.core.charging import any_profile

PLAIN = Installed(
    Profile(1, 0, Purpose.TX_DEFAULT, Kind.ABSOLUTE, (Schedule(RateUnit.A, (Period(0, Rates(16_000)),), 0),)), 1
)


@given(any_profile.installed)
def test_what_is_stored_comes_back(installed: Installed) -> None:
    row = to_row(installed)
    assert from_row(row) == installed
    assert from_row(json.loads(json.dumps(row))) == installed
    assert from_row(orjson.loads(orjson.dumps(row))) == installed
    assert profile_from_json(profile_to_json(installed.profile)) == installed.profile


def test_every_field_is_in_a_full_row() -> None:
    """A field that somebody adds to a profile must be added to its row."""
    period = Period(7, Rates(1, 2, 3), 1, 2, Rates(-1), Rates(5, 6), Rates(7), any_profile.OperationMode.IDLE, {"a": 1})
    schedule = Schedule(RateUnit.W, (period,), 3, 4, 5, 6, True, 8, (9,), (80, 10), {"b": 2})
    profile = Profile(
        1,
        2,
        Purpose.PRIORITY,
        Kind.RECURRING,
        (schedule,),
        any_profile.Recurrency.WEEKLY,
        3,
        4,
        "t",
        5,
        True,
        6,
        7,
        {"c": 3},
    )
    row = to_row(Installed(profile, 1, any_profile.LimitSource.EMS, 9, spent=True))
    for record, kind in (
        (row, Installed),
        (row["profile"], Profile),
        (row["profile"]["schedules"][0], Schedule),
        (row["profile"]["schedules"][0]["periods"][0], Period),
    ):
        assert set(record) == {field.name for field in fields(kind)}


def test_a_plain_profile_makes_a_small_row() -> None:
    assert to_row(PLAIN) == {
        "evse": 1,
        "at": 0,
        "source": "CSO",
        "profile": {
            "id": 1,
            "stack_level": 0,
            "purpose": "TxDefaultProfile",
            "kind": "Absolute",
            "schedules": [
                {"unit": "A", "id": 0, "randomized_delay": 0, "start": 0, "periods": [{"start": 0, "limit": 16_000}]}
            ],
        },
    }


def test_decimals_of_the_wire_become_plain_numbers() -> None:
    profile = replace(PLAIN.profile, extra={"price": [Decimal("0.25"), Decimal(3)]})
    assert json.loads(json.dumps(to_row(replace(PLAIN, profile=profile))))["profile"]["extra"] == {"price": [0.25, 3]}


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def _places(row: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(row, dict):
        found += [place for key, value in row.items() for place in _places(value, (*path, key))]
    elif isinstance(row, list):
        found += [place for key, value in enumerate(row) for place in _places(value, (*path, key))]
    return found


@given(any_profile.installed, st.data())
def test_a_spoilt_row_is_read_or_refused(installed: Installed, data: st.DataObject) -> None:
    """Never anything but KeyError, TypeError or ValueError, which is what whoever restores is ready for."""
    row = json.loads(json.dumps(to_row(installed)))
    place = data.draw(st.sampled_from(_places(row)))
    value = data.draw(values)
    if not place:
        row = value
    else:
        spot = row
        for step in place[:-1]:
            spot = spot[step]
        spot[place[-1]] = value
    try:
        read = from_row(row)
    except (KeyError, TypeError, ValueError):
        return
    assert isinstance(read, Installed)


@pytest.mark.parametrize(
    "change",
    [
        {"evse": "1"},
        {"evse": True},
        {"at": 1.5},
        {"source": "Nobody"},
        {"profile": None},
        {"profile": {}},
        {"spent": 1},
    ],
)
def test_what_is_no_row_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_row({**to_row(PLAIN), **change})
