"""station.sim.scenario_power, scenario_time: energy and lines watched for a while, and waiting for a time of the clock."""

from __future__ import annotations

import pytest

from station.config_fields import WrongValueError
from station.errors import ScenarioError
from station.sim import play as player
from station.sim.scenario import parse
from station.sim.scenario_kinds import WallTime, next_at
from station.sim.scenario_power import Charged, Supply
from station.sim.scenario_show import PlainScreen
from station.sim.scenario_time import TIME_STEPS

HEAD = 'title = "t"\nteaches = "x"\nocpp = ["2.0.1"]\nbegins = "2026-01-15T21:30:00Z"\n'
CHARGING = '[[step]]\ndo = "plug"\ncar = { max_a = 10 }\n[[step]]\ndo = "swipe"\n[[step]]\ndo = "wait"\nduration = 30\n'


def play(steps: str) -> tuple[player.Outcome, str]:
    lines: list[str] = []
    outcome = player.play(parse(HEAD + steps, "test"), "2.0.1", PlainScreen(lines.append))
    return outcome, "\n".join(lines)


def test_the_clock_begins_where_the_file_says_and_is_waited_for() -> None:
    outcome, text = play('[[step]]\ndo = "until"\nat = "22:00"\n[[step]]\ndo = "until"\nat = "21:00:30"\n')
    assert outcome.passed
    assert outcome.time_s == pytest.approx(23.5 * 3600 + 30, abs=3)
    assert "2026-01-15T21:30:0" in text


def test_a_moment_that_is_past_cannot_be_waited_for() -> None:
    outcome, _ = play('[[step]]\ndo = "until"\nat = "2026-01-15T21:00:00Z"\n')
    assert "2026-01-15T21:00:00.000Z is past" in "\n".join(outcome.reasons)


def test_energy_of_a_while() -> None:
    outcome, text = play(
        CHARGING + '[[step]]\nexpect = "charged"\nat_least_wh = 3300\nat_most_wh = 3500\nuntil = "22:00"\n'
    )
    assert outcome.passed, text
    outcome, text = play(CHARGING + '[[step]]\nexpect = "charged"\nat_most_wh = 100\nduring = "30 min"\n')
    assert not outcome.passed
    assert "at most 100 Wh at EVSE 1 within 30 min" in "\n".join(outcome.reasons)


def test_what_the_lines_carry() -> None:
    rotated = "[station.board]\nsource_ohm = 0.0\nrotation = 'STR'\n"
    plug = '[[step]]\ndo = "plug"\ncar = { max_a = 10, phases = 2 }\n[[step]]\ndo = "swipe"\n'
    watch = '[[step]]\nexpect = "supply"\nat_most_a = {}\nat_least_a = {}\nduring = "1 min"\n'
    outcome, text = play(rotated + plug + watch.format(10, 9.9))
    assert outcome.passed, text
    assert "L1 0.0 A, L2 10.0 A, L3 10.0 A at most in 1 min" in text
    for most, least in ((9.9, 0), (20, 11)):
        outcome, _ = play(rotated + plug + watch.format(most, least))
        assert "L2 10.0 A" in "\n".join(outcome.reasons)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('expect = "charged"', "during: one of during and until must be given"),
        ('expect = "supply"\nat_most_a = 5\nduring = 5\nuntil = "22:00"', "and only one"),
        ('do = "until"\nat = "25:00"', "must be a moment such as"),
        ('expect = "charged"\nuntil = "2026-01-15 22:00"\nduring = "x"', "must be a duration"),
    ],
)
def test_mistakes_are_told_before_the_play(step: str, says: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parse(f"{HEAD}[[step]]\n{step}\n", "test")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-15T18:00:00Z", 1_768_500_000),
        ("2026-01-15T19:00:00+01:00", 1_768_500_000),
        ("22:00", 79_200),
        ("00:00", 0),
    ],
)
def test_times(text: str, seconds: int) -> None:
    assert WallTime(of_day=True).read(text) == seconds


@pytest.mark.parametrize("value", ["24:00", "9:00", "1999-01-01T00:00:00Z", "soon", 5, None, True])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(WrongValueError):
        WallTime(of_day=True).read(value)
    with pytest.raises(WrongValueError):
        WallTime().read("22:00")


def test_the_next_time_of_day() -> None:
    noon = 1_768_478_400.0
    assert next_at(43_200.0, noon) == 0.0
    assert next_at(43_199.0, noon) == 86_399.0
    assert next_at(noon - 5, noon) == -5.0


def test_they_are_in_the_tables() -> None:
    assert list(TIME_STEPS) == ["until"]
    assert Charged(during=5).evse == 1
    assert not list(Supply(5, during=5).problems())
