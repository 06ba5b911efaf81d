"""GPIO lines as drivers use them: an input that tells when it changes, an output. By libgpiod 2 (extra `gpio`).

The narrow half (`Gpio`) is what a driver is written against; a test puts lines of its own there. When a program ends the
kernel takes its lines back: what an output then shows "is not guaranteed" (gpioset(1)); with the pinctrl driver of
a Raspberry Pi it depends on `persist_gpio_outputs`.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hal.errors import BusError, ConfigError

if TYPE_CHECKING:
    import gpiod

CONSUMER = "pilotwire"
NEEDS = "GPIO needs the package gpiod 2: pip install 'pilotwire[gpio]'"
ADVICE = {
    errno.ENOENT: "there is no such chip: gpiodetect lists them",
    errno.ENODEV: "it is gone: plug it in again",
    errno.EACCES: "no permission: put the user into the group that owns it (gpio on Raspberry Pi OS)",
    errno.EPERM: "no permission: put the user into the group that owns it (gpio on Raspberry Pi OS)",
    errno.EBUSY: "another program or driver has this line: gpioinfo tells which",
    errno.EINVAL: "the chip has no such line, or cannot do this with it (edges, pull): gpioinfo lists them",
    errno.ENOTTY: "it is no GPIO chip: gpiodetect lists them",
}
PULLS = ("up", "down", "none", "as_is")


@dataclass(frozen=True, slots=True)
class LineOfChip:
    """line: its offset in the chip. active_low: a contact to ground. pull: the chip's resistor. debounce_s: by the kernel."""

    chip: str
    line: int
    active_low: bool = False
    pull: str = "as_is"
    debounce_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.chip} line {self.line}"


class InputLine(Protocol):
    """One line that is read."""

    def active(self) -> bool:
        """As it is now. Raises BusError."""

    def release(self) -> None:
        """Give it back. Idempotent."""


class OutputLine(Protocol):
    """One line that is driven."""

    def set(self, active: bool) -> None:
        """Raises BusError."""

    def release(self) -> None:
        """Give it back. Idempotent."""


class Gpio(Protocol):
    """Where lines come from."""

    def input(self, where: LineOfChip, changed: Callable[[], None]) -> InputLine:
        """Ask for an input; `changed` is called by the loop after each edge. Raises BusError, ConfigError."""

    def output(self, where: LineOfChip, active: bool) -> OutputLine:
        """Ask for an output that shows `active` from the first moment. Raises BusError, ConfigError."""


def failed(where: object, what: str, error: OSError | ValueError) -> BusError:
    """What went wrong with a line, and what to do next."""
    return BusError(f"{where} {what}: {ADVICE.get(getattr(error, 'errno', None) or 0, str(error))}")


class _Input:
    def __init__(self, where: LineOfChip, request: gpiod.LineRequest, changed: Callable[[], None]) -> None:
        from gpiod.line import Value

        self._where = where
        self._request: gpiod.LineRequest | None = request
        self._active = Value.ACTIVE
        self._changed = changed
        self._fd = request.fd
        asyncio.get_running_loop().add_reader(self._fd, self._edges)

    def _edges(self) -> None:
        """Take the edges away; the level counts. A line that cannot be read any more says so when it is asked."""
        if self._request is None:
            return
        try:
            self._request.read_edge_events()
        except OSError:
            asyncio.get_running_loop().remove_reader(self._fd)  # it would be readable for ever
        self._changed()

    def active(self) -> bool:
        if self._request is None:
            raise BusError(f"{self._where}: it is closed; start it first")
        try:
            return self._request.get_value(self._where.line) is self._active
        except OSError as error:
            raise failed(self._where, "cannot be read", error) from error

    def release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            request.release()


class _Output:
    def __init__(self, where: LineOfChip, request: gpiod.LineRequest) -> None:
        self._where = where
        self._request: gpiod.LineRequest | None = request

    def set(self, active: bool) -> None:
        from gpiod.line import Value

        if self._request is None:
            raise BusError(f"{self._where}: it is closed; start it first")
        try:
            self._request.set_value(self._where.line, Value.ACTIVE if active else Value.INACTIVE)
        except OSError as error:
            raise failed(self._where, "cannot be set", error) from error

    def release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()


class LibGpiod:
    """The lines of this machine."""

    def input(self, where: LineOfChip, changed: Callable[[], None]) -> InputLine:
        try:
            import gpiod
            from gpiod.line import Bias, Direction, Edge
        except ImportError as error:
            raise ConfigError(NEEDS) from error
        bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.DISABLED, "as_is": Bias.AS_IS}[where.pull]
        try:
            settings = gpiod.LineSettings(
                direction=Direction.INPUT,
                edge_detection=Edge.BOTH,
                bias=bias,
                active_low=where.active_low,
                debounce_period=timedelta(seconds=where.debounce_s),
            )
            return _Input(where, gpiod.request_lines(where.chip, {where.line: settings}, consumer=CONSUMER), changed)
        except (OSError, ValueError) as error:
            raise failed(where, "cannot be opened", error) from error

    def output(self, where: LineOfChip, active: bool) -> OutputLine:
        try:
            import gpiod
            from gpiod.line import Direction, Value
        except ImportError as error:
            raise ConfigError(NEEDS) from error
        try:
            settings = gpiod.LineSettings(
                direction=Direction.OUTPUT,
                active_low=where.active_low,
                output_value=Value.ACTIVE if active else Value.INACTIVE,
            )
            return _Output(where, gpiod.request_lines(where.chip, {where.line: settings}, consumer=CONSUMER))
        except (OSError, ValueError) as error:
            raise failed(where, "cannot be opened", error) from error
