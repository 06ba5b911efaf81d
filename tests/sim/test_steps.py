"""Scenario steps are the command table: nothing is spelled twice, and what is new there can be played."""

from __future__ import annotations

import pytest

from station.runtime.control import TABLE
from station.runtime.control_people import Unplug
from station.sim import play as player
from station.sim.scenario import parse
from station.sim.scenario_show import PlainScreen
from station.sim.steps import COMMANDS, TIME_OF_THE_PLAY

HEAD = 'title = "t"\nteaches = "x"\npause = 1\n'
NEW = """
[[step]]
do = "wait"
duration = 5
[[step]]
do = "set_key"
key = "HeartbeatInterval"
value = "120"
[[step]]
do = "plug"
car = { soc_percent = 30 }
[[step]]
do = "swipe"
type = "ISO14443"
[[step]]
do = "charge"
until_wh = 500
[[step]]
do = "ev"
demand_a = 7
[[step]]
do = "wait"
duration = 30
[[step]]
expect = "state"
where = { power_w = "< 5000" }
[[step]]
do = "ev"
soc_percent = 60
[[step]]
do = "meter"
failing = true
[[step]]
do = "meter"
failing = false
[[step]]
do = "temperature"
celsius = 95
[[step]]
expect = "state"
where = { faults = ["HighTemperature"], relay_closed = false }
[[step]]
do = "temperature"
celsius = 20
[[step]]
do = "clock_jump"
by_s = 20
[[step]]
do = "swipe"
[[step]]
do = "unplug"
[[step]]
expect = "energy"
at_least_wh = 500
[[step]]
do = "identify"
boot_reason = "ScheduledReset"
[[step]]
do = "stop"
[[step]]
do = "start"
[[step]]
expect = "message"
action = "BootNotification"
where = { reason = "ScheduledReset" }
within = "5 min"
ocpp = ["2.0.1"]
[[step]]
expect = "delivered"
within = "5 min"
"""


def test_the_steps_are_the_table() -> None:
    for name, cls in TABLE.items():
        if name in TIME_OF_THE_PLAY or cls.reads:
            assert name not in COMMANDS
        else:
            assert issubclass(COMMANDS[name], cls), name
    assert issubclass(COMMANDS["unplug"], Unplug)
    assert set(COMMANDS) < set(TABLE)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_new_commands_can_be_played(version: str) -> None:
    lines: list[str] = []
    outcome = player.play(parse(HEAD + NEW, "new"), version, PlainScreen(lines.append))
    assert outcome.passed, "\n".join(lines[-40:])


def test_a_refused_command_fails_the_play_with_its_fields() -> None:
    lines: list[str] = []
    text = HEAD + '[[step]]\ndo = "set_key"\nkey = "HeartbeatInterval"\nvalue = "often"\n'
    outcome = player.play(parse(text, "wrong"), "1.6", PlainScreen(lines.append))
    assert not outcome.passed
    assert "value: is no value of HeartbeatInterval" in "\n".join(outcome.reasons)
