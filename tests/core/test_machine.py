"""`station.core.machine`: tables for `transitions`."""

from __future__ import annotations

import pytest
from transitions import MachineError

from station.core.machine import fire, rows, table

MACHINE = table(
    ("Off", "On", "Broken"),
    [
        rows("press", ["Off"], "Broken", conditions="is_worn"),
        rows("press", ["Off"], "On"),
        rows("look", ["On"], None),
        rows("mend", ["Broken"], "Off", conditions="is_worn"),
    ],
    "Off",
)


class Lamp:
    __slots__ = ("state", "worn")

    def __init__(self, state: str = "Off", *, worn: bool = False) -> None:
        self.state = state
        self.worn = worn

    def is_worn(self) -> bool:
        return self.worn


def test_rows_are_tried_in_order() -> None:
    for worn, state in ((True, "Broken"), (False, "On")):
        lamp = Lamp(worn=worn)
        assert fire(MACHINE, "press", lamp)
        assert lamp.state == state


def test_allowed_without_effect_refused_and_forbidden() -> None:
    lamp = Lamp("On")
    assert fire(MACHINE, "look", lamp)
    assert lamp.state == "On"
    assert not fire(MACHINE, "mend", Lamp("Broken")), "no condition held"
    with pytest.raises(MachineError):
        fire(MACHINE, "press", lamp)


def test_one_machine_serves_all_models() -> None:
    one, other = Lamp(), Lamp()
    fire(MACHINE, "press", one)
    assert other.state == "Off"
