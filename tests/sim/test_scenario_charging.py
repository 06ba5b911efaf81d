"""station.sim.scenario_charging: profiles set, cleared and asked for, in the words of either version."""

from __future__ import annotations

import pytest

from station.config_fields import WrongValueError
from station.errors import ScenarioError
from station.sim import play as player
from station.sim.scenario import parse
from station.sim.scenario_charging import PROFILE_STEPS, Periods
from station.sim.scenario_show import PlainScreen

HEAD = 'title = "t"\nteaches = "x"\nbegins = "2026-01-15T12:00:00Z"\n'
SESSION = '[[step]]\ndo = "plug"\n[[step]]\ndo = "swipe"\n[[step]]\ndo = "wait"\nduration = 10\n'
BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])


def play(steps: str, version: str) -> tuple[player.Outcome, str]:
    lines: list[str] = []
    outcome = player.play(parse(HEAD + steps, "test"), version, PlainScreen(lines.append))
    return outcome, "\n".join(lines)


@BOTH
def test_set_ask_and_clear_say_the_same_in_both_versions(version: str) -> None:
    outcome, text = play(
        SESSION
        + """
        [[step]]
        do = "profile"
        id = 7
        evse = 1
        purpose = "TxProfile"
        kind = "Relative"
        periods = [[0, 16], ["10 min", 9.5, 1]]
        [[step]]
        do = "profile"
        id = 8
        purpose = "ChargingStationMaxProfile"
        start = "2026-01-15T00:00:00Z"
        valid_to = "2026-01-16T00:00:00Z"
        periods = [[0, 30]]
        [[step]]
        do = "composite"
        duration = "1 h"
        unit = "A"
        where = { "periods.0.limit" = 16, "periods.1.limit" = 9.5, "periods.2" = "absent", unit = "A" }
        [[step]]
        do = "clear_profile"
        purpose = "TxProfile"
        evse = 1
        level = 0
        [[step]]
        do = "clear_profile"
        id = 7
        status = "Unknown"
        [[step]]
        do = "clear_profile"
        id = 8
        """,
        version,
    )
    assert outcome.passed, text


@BOTH
@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('do = "profile"\npurpose = "TxProfile"\nevse = 1\nperiods = [[0, 6]]', "no running transaction at EVSE 1"),
        (
            'do = "profile"\npurpose = "ChargingStationMaxProfile"\nevse = 1\nperiods = [[0, 6]]\n'
            'start = "2026-01-15T00:00:00Z"',
            'SetChargingProfile answered "Accepted"',
        ),
        ('do = "clear_profile"\nid = 5', 'ClearChargingProfile answered "Accepted"'),
        ('do = "composite"\nduration = 60\nstatus = "Rejected"', 'GetCompositeSchedule answered "Rejected"'),
        ('do = "composite"\nduration = 60\nwhere = { "periods.0.limit" = 5 }', "a composite schedule with"),
    ],
)
def test_what_comes_out_otherwise_is_told(version: str, step: str, says: str) -> None:
    outcome, _ = play(f'[[step]]\ndo = "wait"\nduration = 5\n[[step]]\n{step}\n', version)
    assert says in "\n".join(outcome.reasons)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('do = "profile"\nperiods = []', "must be a list of periods"),
        ('do = "profile"\nperiods = [[0, 6]]\nkind = "Recurring"', "belongs to kind Recurring"),
        ('do = "profile"\nperiods = [[0, 6]]\nrecurrency = "Daily"', "belongs to kind Recurring"),
        ('do = "profile"\nperiods = [[0, 6]]\npurpose = "Max"', "must be one of"),
    ],
)
def test_mistakes_are_told_before_the_play(step: str, says: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parse(f"{HEAD}[[step]]\n{step}\n", "test")
    assert says in str(raised.value)


def test_periods() -> None:
    assert Periods().read([[0, 16], ["1.5 h", 6.1, 1]]) == ((0, 16.0, None), (5400, 6.1, 1))
    for wrong in (5, [], [5], [[0]], [[0, -1]], [[0, 6, 4]], [["x", 6]], [[0, 6, 1, 1]]):
        with pytest.raises(WrongValueError):
            Periods().read(wrong)


@BOTH
def test_the_station_is_set_up_as_the_file_says(version: str) -> None:
    outcome, text = play(
        "[charging]\nstation_max_a = 11\n"
        + SESSION
        + '[[step]]\nexpect = "state"\nwhere = { offered_a = 11, cause = "~ station" }\n',
        version,
    )
    assert outcome.passed, text
    with pytest.raises(ScenarioError, match=r"charging\.timezone"):
        parse(HEAD + '[charging]\ntimezone = "Mars/Phobos"\n[[step]]\ndo = "wait"\nduration = 1\n', "test")


def test_they_are_in_the_table() -> None:
    assert list(PROFILE_STEPS) == ["profile", "clear_profile", "composite"]
