"""A button or an emergency stop on one GPIO line, by libgpiod 2 (extra `gpio`). The kernel debounces and wakes us: no polling.

A keypad on GPIO belongs to the kernel (overlay matrix-keypad) and is read by hal.drivers.evdev.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hal.api import ButtonPressed, Fault, FaultCode, Sink
from hal.drivers.gpio_lines import CONSUMER, NEEDS, PULLS, failed
from hal.drivers.reader_life import ReaderLife
from hal.errors import BusError, ConfigError
from hal.settings import SettingsReader

if TYPE_CHECKING:
    import gpiod

log = logging.getLogger("hal.gpio")


@dataclass(frozen=True, slots=True)
class GpioInputSettings:
    """line: its offset in the chip. use: button, or emergency_stop. active_low: a contact to ground. pull: the chip's resistor.

    An emergency stop has a contact that opens (NC): with a contact to ground, an open or cut one reads as pulled up, so
    `active_low` is false there.
    """

    chip: str
    line: int
    use: str
    evse: int
    active_low: bool
    pull: str
    debounce_s: float


def read_settings(settings: Mapping[str, object]) -> GpioInputSettings:
    """Raises ConfigError naming every field that is wrong."""
    reader = SettingsReader("reader", settings)
    if "line" not in settings:
        reader.problems.append(
            "reader.line: is missing; must be the number of a line of the chip (gpioinfo lists them)"
        )
    use = reader.text("use", "button", ("button", "emergency_stop"))
    is_button = use == "button"
    found = GpioInputSettings(
        chip=reader.text("port", "/dev/gpiochip0"),
        line=reader.integer("line", 0, 0, 1023),
        use=use,
        evse=reader.integer("evse", int(is_button), int(is_button), 999),
        active_low=reader.flag("active_low", is_button),
        pull=reader.text("pull", "up", PULLS),
        debounce_s=reader.number("debounce_s", 0.03, 0.0, 1.0),
    )
    reader.finish()
    return found


class GpioInput(ReaderLife):
    """One line; tells ButtonPressed, or the fault EmergencyStop as long as it stands."""

    def __init__(self, settings: GpioInputSettings) -> None:
        super().__init__(f"{settings.chip} line {settings.line}", settings.evse)
        self.settings = settings
        self._request: gpiod.LineRequest | None = None
        self._stopped = False

    async def start(self, sink: Sink) -> None:
        """Ask for the line. Raises BusError, ConfigError."""
        self._stopped = False  # whoever listens now has been told nothing yet
        await super().start(sink)

    async def _reach(self) -> None:
        try:
            import gpiod
            from gpiod.line import Bias, Direction, Edge
        except ImportError as error:
            raise ConfigError(NEEDS) from error
        settings = self.settings
        bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.DISABLED, "as_is": Bias.AS_IS}[settings.pull]
        try:
            line = gpiod.LineSettings(
                direction=Direction.INPUT,
                edge_detection=Edge.RISING if settings.use == "button" else Edge.BOTH,
                bias=bias,
                active_low=settings.active_low,
                debounce_period=timedelta(seconds=settings.debounce_s),
            )
            self._request = gpiod.request_lines(settings.chip, {settings.line: line}, consumer=CONSUMER)
        except (OSError, ValueError) as error:
            raise self._failed("cannot be opened", error) from error

    async def _release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    async def _watch(self) -> None:
        request = self._request
        if request is None:
            raise BusError(f"{self.name}: it is closed; start it first")
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        loop.add_reader(request.fd, changed.set)
        try:
            self._tell_stop(request)
            while True:
                await changed.wait()
                changed.clear()
                try:
                    edges = len(request.read_edge_events())
                except OSError as error:
                    raise self._failed("cannot be read", error) from error
                if self.settings.use == "button":
                    for _ in range(edges):
                        self._emit(ButtonPressed(self.settings.evse))
                else:
                    self._tell_stop(request)
        finally:
            loop.remove_reader(request.fd)

    def _tell_stop(self, request: gpiod.LineRequest) -> None:
        """The level counts, not the edges: they may be lost."""
        if self.settings.use == "button":
            return
        from gpiod.line import Value

        try:
            active = request.get_value(self.settings.line) is Value.ACTIVE
        except OSError as error:
            raise self._failed("cannot be read", error) from error
        self._stop(active, "the emergency stop is pressed, or its circuit is open")

    def _stop(self, active: bool, why: str) -> None:
        if active is not self._stopped:
            self._stopped = active
            self._emit(Fault(self.settings.evse, FaultCode.EMERGENCY_STOP, active, why if active else ""))

    def _fault(self, active: bool, info: str = "") -> None:
        """An emergency stop that cannot be read counts as pressed."""
        if active and self.settings.use == "emergency_stop":
            self._stop(True, info)
        super()._fault(active, info)

    def _failed(self, what: str, error: OSError | ValueError) -> BusError:
        return failed(self.name, what, error)


def create(settings: Mapping[str, object]) -> GpioInput:
    """Factory of reader "gpio". Raises ConfigError naming every field that is wrong."""
    return GpioInput(read_settings(settings))


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """One line of a chip."""
    chip, line = settings.get("port", "/dev/gpiochip0"), settings.get("line")
    return {(f"{chip} line {line}", 0)} if isinstance(chip, str) and isinstance(line, int) else set()
