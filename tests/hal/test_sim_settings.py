"""The settings of driver "sim": read as they are documented, every mistake named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hal.errors import ConfigError
from hal.settings import SettingsReader
from hal.sim.evse import EvseSettings
from hal.sim.settings import BOARD_KEYS, EVSE_KEYS, SimKey, read_evse


def test_every_field_of_an_evse_can_be_set() -> None:
    assert [key.name for key in EVSE_KEYS] == [field.name for field in fields(EvseSettings)]
    assert read_evse(SettingsReader("board", {}), "board") == EvseSettings()
    other = {"max_a": 16, "phases": 1, "fixed_cable": True, "connector_type": "cType1", "initial_wh": 5}
    assert read_evse(SettingsReader("board", other), "board") == EvseSettings(**other)


@pytest.mark.parametrize("key", [*BOARD_KEYS, *EVSE_KEYS], ids=lambda key: key.name)
def test_what_a_key_takes_is_what_it_says(key: SimKey) -> None:
    for value in {key.default, key.low, key.high} - {float("inf"), float("-inf")}:
        reader = SettingsReader("board", {key.name: value})
        assert key.read(reader) == value
        reader.finish()
    for value in [None, *(key.high * 2 + 1,) * (key.high < float("inf"))]:
        reader = SettingsReader("board", {key.name: value})
        assert key.read(reader) == key.default
        with pytest.raises(ConfigError, match=rf"board\.{key.name}: must be "):
            reader.finish()


def test_two_phases_are_none() -> None:
    reader = SettingsReader("board", {"phases": 2})
    read_evse(reader, "board")
    with pytest.raises(ConfigError, match=r"board\.phases: must be 1 or 3, is 2"):
        reader.finish()
