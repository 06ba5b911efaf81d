"""Buttons and emergency stops on GPIO: libgpiod's own settings, with a pipe in the place of the kernel's line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from hal.api import ButtonPressed, Fault, FaultCode
from hal.drivers.gpio_input import GpioInput, claims, create
from hal.errors import BusError, ConfigError
from tests.hal.openevse_bench import Listener
from tests.tools.needs import missing

try:
    import gpiod
    from gpiod.line import Bias, Direction, Edge, Value
except ImportError:
    gpiod = None

STOPPED = "the emergency stop is pressed, or its circuit is open"


class Line:
    """What gpiod.LineRequest is to the driver; its edges come through a pipe, as the kernel's come through a file."""

    def __init__(self) -> None:
        self.fd, self._edges = os.pipe()
        self.active = False
        self.gone = False
        self.released = False

    def change(self, active: bool, edges: int = 1) -> None:
        self.active = active
        os.write(self._edges, b"e" * edges)

    def break_off(self) -> None:
        self.gone = True
        os.write(self._edges, b"e")

    def read_edge_events(self) -> list[object]:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        return list(os.read(self.fd, 16))

    def get_value(self, _: int) -> Any:
        return Value.ACTIVE if self.active else Value.INACTIVE

    def release(self) -> None:
        if not self.released:
            self.released = True
            os.close(self.fd)
            os.close(self._edges)


class Chip:
    """Stands for gpiod.request_lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.asked: list[tuple[str, dict[Any, Any], str | None]] = []
        self.refusal: OSError | None = None
        self.active = False
        self.listener = Listener()

    def __call__(self, path: str, config: dict[Any, Any], consumer: str | None = None) -> Line:
        self.asked.append((path, config, consumer))
        if self.refusal is not None:
            raise self.refusal
        line = Line()
        line.active = self.active
        self.lines.append(line)
        return line

    async def start(self, **settings: object) -> GpioInput:
        device = create({"line": 17, **settings})
        await device.start(self.listener)
        return device


@pytest.fixture
async def chip(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Chip]:
    if gpiod is None:
        missing("the package gpiod", "pip install 'pilotwire[gpio]'")
    found = Chip()
    monkeypatch.setattr(gpiod, "request_lines", found)
    yield found
    for line in found.lines:
        line.release()


async def test_a_button_is_asked_for_as_wired(chip: Chip) -> None:
    device = await chip.start(evse=2, debounce_s=0.05)
    ((path, config, consumer),) = chip.asked
    asked = config[17]
    assert (path, consumer) == ("/dev/gpiochip0", "pilotwire")
    assert (asked.direction, asked.edge_detection, asked.bias) == (Direction.INPUT, Edge.RISING, Bias.PULL_UP)
    assert (asked.active_low, asked.debounce_period) == (True, timedelta(seconds=0.05))
    chip.lines[0].change(True, edges=2)
    await chip.listener.until(ButtonPressed(2))
    await chip.listener.until(ButtonPressed(2))
    await device.close()
    await device.close()
    assert chip.lines[0].released
    assert chip.listener.heard == [ButtonPressed(2)] * 2


async def test_an_emergency_stop_tells_its_level(chip: Chip) -> None:
    chip.active = True
    device = await chip.start(use="emergency_stop")
    assert chip.asked[0][1][17].edge_detection is Edge.BOTH
    assert not chip.asked[0][1][17].active_low
    await chip.listener.until(Fault(0, FaultCode.EMERGENCY_STOP, True, STOPPED))
    chip.lines[0].change(True, edges=2)
    chip.lines[0].change(False)
    await chip.listener.until(Fault(0, FaultCode.EMERGENCY_STOP, False))
    assert len(chip.listener.heard) == 2
    await device.close()


async def test_an_emergency_stop_that_cannot_be_read_counts_as_pressed(chip: Chip) -> None:
    device = await chip.start(use="emergency_stop")
    chip.lines[0].break_off()
    assert "gone" in (await chip.listener.fault(FaultCode.EMERGENCY_STOP, True)).info
    await chip.listener.fault(FaultCode.READER_FAILURE, True)
    await chip.listener.fault(FaultCode.READER_FAILURE, False)
    await chip.listener.fault(FaultCode.EMERGENCY_STOP, False)
    await device.close()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOENT, "gpiodetect"), (errno.EBUSY, "gpioinfo"), (errno.EACCES, "group")]
)
async def test_refusals_are_explained(chip: Chip, number: int, words: str) -> None:
    chip.refusal = OSError(number, "no")
    with pytest.raises(BusError, match=words):
        await chip.start()


async def test_the_real_library_finds_no_chip() -> None:
    if gpiod is None:
        missing("the package gpiod", "pip install 'pilotwire[gpio]'")
    with pytest.raises(BusError, match="gpiodetect"):
        await create({"port": "/dev/no-gpiochip", "line": 1}).start(Listener())


async def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(ConfigError, match=r"pilotwire\[gpio\]"):
        await create({"line": 1}).start(Listener())


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        create({"pull": "sideways", "evse": 0, "use": "button", "debounce_s": 5})
    for field in ("line", "pull", "evse", "debounce_s"):
        assert f"reader.{field}" in str(caught.value)
    assert claims({"line": 4}) == {("/dev/gpiochip0 line 4", 0)}
    assert claims({}) == set()
