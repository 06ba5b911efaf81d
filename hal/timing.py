"""What simulated devices and buses need of an event loop, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    """A callback that is going to be called, unless cancelled before."""

    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What calls back later. An asyncio event loop is one, and so is a loop on virtual time."""

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Handle: ...
