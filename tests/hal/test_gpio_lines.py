"""GPIO lines by libgpiod's own settings, with a pipe in the place of the kernel's line."""

from __future__ import annotations

import asyncio
import errno
import sys
from datetime import timedelta
from typing import Any

import pytest

from hal.drivers import relay
from hal.drivers.gpio_lines import LibGpiod, LineOfChip
from hal.drivers.relay_settings import read_settings
from hal.errors import BusError, ConfigError
from tests.hal.openevse_bench import Listener
from tests.hal.relay_bench import allow
from tests.hal.test_gpio_input import Line
from tests.tools.needs import missing

try:
    import gpiod
    from gpiod.line import Bias, Direction, Edge, Value
except ImportError:
    gpiod = None


class DrivenLine(Line):
    """A line that may be driven too; `values` are what it was set to."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset
        self.values: list[bool] = []

    def set_value(self, line: int, value: Any) -> None:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        assert line == self.offset
        self.values.append(value is Value.ACTIVE)

    def get_value(self, line: int) -> Any:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        return super().get_value(line)


class Chip:
    def __init__(self) -> None:
        self.lines: dict[int, DrivenLine] = {}
        self.asked: dict[int, Any] = {}
        self.active: set[int] = set()

    def __call__(self, path: str, config: dict[int, Any], consumer: str) -> DrivenLine:
        ((offset, settings),) = config.items()
        if offset == 99:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.asked[offset] = (path, settings, consumer)
        self.lines[offset] = DrivenLine(offset)
        self.lines[offset].active = offset in self.active
        return self.lines[offset]


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    if gpiod is None:
        missing("the package gpiod", "pip install 'pilotwire[gpio]'")
    found = Chip()
    monkeypatch.setattr(gpiod, "request_lines", found)
    return found


async def test_an_output_shows_its_value_from_the_first_moment(chip: Chip) -> None:
    line = LibGpiod().output(LineOfChip("/dev/gpiochip0", 17, active_low=True), active=True)
    path, settings, consumer = chip.asked[17]
    assert (path, consumer) == ("/dev/gpiochip0", "pilotwire")
    assert (settings.direction, settings.active_low) == (Direction.OUTPUT, True)
    assert settings.output_value is Value.ACTIVE
    line.set(False)
    line.set(True)
    assert chip.lines[17].values == [False, True]
    chip.lines[17].gone = True
    with pytest.raises(BusError, match="line 17 cannot be set: it is gone"):
        line.set(False)
    line.release()
    line.release()
    with pytest.raises(BusError, match="it is closed"):
        line.set(False)


async def test_an_input_tells_its_edges(chip: Chip) -> None:
    told = asyncio.Event()
    line = LibGpiod().input(LineOfChip("/dev/gpiochip0", 27, True, "up", 0.02), told.set)
    settings = chip.asked[27][1]
    assert (settings.direction, settings.edge_detection, settings.bias) == (Direction.INPUT, Edge.BOTH, Bias.PULL_UP)
    assert (settings.active_low, settings.debounce_period) == (True, timedelta(seconds=0.02))
    assert not line.active()
    chip.lines[27].change(True, edges=3)
    await asyncio.wait_for(told.wait(), 10)
    assert line.active()
    told.clear()
    chip.lines[27].break_off()
    await asyncio.wait_for(told.wait(), 10)
    with pytest.raises(BusError, match="cannot be read: it is gone"):
        line.active()
    line.release()
    line.release()
    with pytest.raises(BusError, match="it is closed"):
        line.active()


async def test_refusals_are_explained(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    gpio = LibGpiod()
    for ask in (lambda: gpio.output(LineOfChip("x", 99), False), lambda: gpio.input(LineOfChip("x", 99), lambda: None)):
        with pytest.raises(BusError, match=r"x line 99 cannot be opened: .*gpioinfo tells which"):
            ask()
    monkeypatch.setitem(sys.modules, "gpiod", None)
    for ask in (lambda: gpio.output(LineOfChip("x", 1), False), lambda: gpio.input(LineOfChip("x", 1), lambda: None)):
        with pytest.raises(ConfigError, match=r"pilotwire\[gpio\]"):
            ask()


async def test_a_relay_board_on_these_lines(chip: Chip) -> None:
    """A real loop and a real poll: from the edge of an input to the contactor."""
    chip.active = {27, 22}  # mirror and vehicle conduct
    board = relay.create({"contactor": {"line": 17}, "mirror": {"line": 27}, "vehicle": {"line": 22}, "rating_a": 16})
    listener = Listener()
    await board.devices[0].start(listener)
    await allow(board.units[0])
    assert chip.lines[17].values == [False, True]
    chip.lines[27].change(False)
    await listener.relay(True)
    chip.lines[22].change(False)
    for _ in range(1000):
        if chip.lines[17].values[-1] is False:
            break
        await asyncio.sleep(0.01)
    assert chip.lines[17].values == [False, True, False]
    chip.lines[27].change(True)
    await listener.relay(False)
    await board.devices[0].close()
    assert all(line.released for line in chip.lines.values())


async def test_a_safe_command_opens_by_itself(chip: Chip) -> None:
    settings: dict[str, object] = {"contactor": {"line": 17}, "mirror": {"line": 27}, "rating_a": 16}
    chip.active = {27}
    await relay.make_safe(settings)
    assert chip.lines[17].values == [False]
    assert all(line.released for line in chip.lines.values())
    assert read_settings(settings).watchdog is None


async def test_a_probe_reads_the_contacts_and_leaves_the_contactor_alone(chip: Chip) -> None:
    chip.active = {27, 22}
    found = await relay.probe(
        {
            "contactor": {"line": 17},
            "mirror": {"line": 27},
            "vehicle": {"line": 22},
            "demand": {"line": 23},
            "rating_a": 16,
        }
    )
    assert found is not None
    assert found.readout == (("mirror", "no"), ("vehicle", "yes"), ("demand", "no"))
    assert 17 not in chip.lines
    assert all(line.released for line in chip.lines.values())
