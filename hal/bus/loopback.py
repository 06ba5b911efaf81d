"""A byte bus in this process: two ends, and on each direction a manipulator that does what bad wires do."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from hal.errors import BusError, ConfigError
from hal.timing import Handle, Scheduler


class Manipulator:
    """Spoils what is written, one `write` at a time, reproducibly by `rng`. As made it changes nothing.

    The chances (0..1) may be changed at any time. drop: the write is lost. duplicate: it comes twice. truncate: a
    random tail of it is lost. flip: one random bit of it is inverted. delay_s: (least, most) seconds that it takes;
    order is kept, so a later write waits for an earlier one. hang_up_after: so many writes get through, then the
    wire is gone for both ends.
    """

    __slots__ = ("delay_s", "drop", "duplicate", "flip", "hang_up_after", "rng", "truncate")

    def __init__(
        self,
        rng: random.Random,
        *,
        delay_s: tuple[float, float] = (0.0, 0.0),
        drop: float = 0.0,
        duplicate: float = 0.0,
        truncate: float = 0.0,
        flip: float = 0.0,
        hang_up_after: int | None = None,
    ) -> None:
        for name, chance in (("drop", drop), ("duplicate", duplicate), ("truncate", truncate), ("flip", flip)):
            if not 0.0 <= chance <= 1.0:
                raise ConfigError(f"manipulator.{name}: must be 0 to 1, is {chance!r}")
        if not 0.0 <= delay_s[0] <= delay_s[1]:
            raise ConfigError(f"manipulator.delay_s: must be (least, most) seconds, is {delay_s!r}")
        self.rng = rng
        self.delay_s = delay_s
        self.drop = drop
        self.duplicate = duplicate
        self.truncate = truncate
        self.flip = flip
        self.hang_up_after = hang_up_after

    def _happens(self, chance: float) -> bool:
        return chance > 0.0 and self.rng.random() < chance

    def hangs_up(self) -> bool:
        """Count one write; True when the wire breaks instead of carrying it."""
        if self.hang_up_after is None:
            return False
        self.hang_up_after -= 1
        return self.hang_up_after < 0

    def spoil(self, data: bytes) -> bytes:
        """What arrives of `data`."""
        if not data or self._happens(self.drop):
            return b""
        if self._happens(self.truncate):
            data = data[: self.rng.randrange(len(data))]
        if data and self._happens(self.flip):
            bit = self.rng.randrange(len(data) * 8)
            spoilt = bytearray(data)
            spoilt[bit // 8] ^= 1 << bit % 8
            data = bytes(spoilt)
        return data * 2 if self._happens(self.duplicate) else data

    def delay(self) -> float:
        """Seconds that the next write takes."""
        least, most = self.delay_s
        return self.rng.uniform(least, most) if most > 0.0 else 0.0


class LoopbackEnd:
    """One end; a ByteStream. Made in pairs by `loopback`. Only one task may read at a time."""

    def __init__(self, manipulator: Manipulator | None, scheduler: Scheduler | None) -> None:
        self._manipulator = manipulator
        self._scheduler = scheduler
        self._peer: LoopbackEnd | None = None
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._line: deque[tuple[float, bytes | None]] = deque()  # under way to the peer; None closes it
        self._handle: Handle | None = None
        self._closed = False
        self._ended = False  # the peer has closed and all of its bytes are here
        self._gone = False

    def _join(self, peer: LoopbackEnd) -> None:
        self._peer = peer

    async def read(self, limit: int = 65536) -> bytes:
        """Wait for 1..limit bytes; b"" at the end of the stream.

        Raises BusError: hung up, closed here, or another task is reading. Bytes that arrived before come first.
        """
        if self._waiter is not None:
            raise BusError("loopback: another task is reading")
        while not self._received:
            if self._gone:
                raise BusError("loopback: the wire is gone")
            if self._closed:
                raise BusError("loopback: closed")
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = bytes(self._received[:limit])
        del self._received[:limit]
        return data

    def write(self, data: bytes) -> None:
        """Send `data` through the manipulator. Raises BusError: hung up, or closed here."""
        if self._gone:
            raise BusError("loopback: the wire is gone")
        if self._closed:
            raise BusError("loopback: closed")
        spoiler = self._manipulator
        if spoiler is None:
            self._send(0.0, bytes(data))
        elif spoiler.hangs_up():
            self.hang_up()
        else:
            self._send(spoiler.delay(), spoiler.spoil(data))

    def close(self) -> None:
        """End of the stream for the peer, after everything that is under way. Idempotent."""
        if not self._closed:
            self._closed = True
            self._wake()
            if not self._gone:
                self._send(0.0, None)

    def hang_up(self) -> None:
        """The adapter is pulled out: both ends fail from now on, bytes under way are lost."""
        for end in (self, self._peer):
            if end is not None:
                end._gone = True
                end._line.clear()
                if end._handle is not None:
                    end._handle.cancel()
                    end._handle = None
                end._wake()

    def _send(self, delay_s: float, data: bytes | None) -> None:
        self._line.append((delay_s, data))
        if self._handle is None:
            self._carry()

    def _carry(self) -> None:
        """Deliver what takes no time; wait for the first that does."""
        while self._line:
            delay_s, data = self._line[0]
            if delay_s > 0.0:
                scheduler = self._scheduler or asyncio.get_running_loop()
                self._handle = scheduler.call_later(delay_s, self._arrived)
                return
            self._line.popleft()
            if self._peer is not None:
                self._peer._feed(data)

    def _arrived(self) -> None:
        self._handle = None
        _, data = self._line[0]
        self._line[0] = (0.0, data)
        self._carry()

    def _feed(self, data: bytes | None) -> None:
        if data is None:
            self._ended = True
        else:
            self._received += data
        if data is None or data:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def loopback(
    a_to_b: Manipulator | None = None, b_to_a: Manipulator | None = None, scheduler: Scheduler | None = None
) -> tuple[LoopbackEnd, LoopbackEnd]:
    """Two ends, a and b. scheduler: for delays; the running asyncio loop unless given."""
    a, b = LoopbackEnd(a_to_b, scheduler), LoopbackEnd(b_to_a, scheduler)
    a._join(b)
    b._join(a)
    return a, b
