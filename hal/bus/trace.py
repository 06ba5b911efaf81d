"""A tap on the serial lines of this process: who watches the wire hears every byte that its drivers send and receive.

As long as nobody listens a port pays one look at an empty tuple for each read and write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Direction(Enum):
    """As seen from this program. Values as `station hal monitor` saves them."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes in the order in which they passed. speaks: name of a decoder of hal.monitor, "" when the driver does not say."""

    port: str
    speaks: str
    direction: Direction
    data: bytes


Listener = Callable[[Passed], None]
"""Called in the middle of a driver's work: it takes the bytes, works on them later, and never raises."""


class Tap:
    """`heard` is what ports look at before they tell anything."""

    __slots__ = ("heard",)

    def __init__(self) -> None:
        self.heard: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear everything from now on; the returned function ends that, also when it is called twice."""
        self.heard = (*self.heard, listener)

        def end() -> None:
            self.heard = tuple(one for one in self.heard if one is not listener)

        return end

    def tell(self, passed: Passed) -> None:
        for listener in self.heard:
            listener(passed)


TAP = Tap()
"""The one of this process."""
