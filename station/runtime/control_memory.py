"""What is remembered of a station for those who look: frames, transactions, how much was given up."""

from __future__ import annotations

from collections.abc import Callable

from station.runtime.control_frames import MOST_BYTES, MOST_FRAMES, FrameRecorder, FrameRow
from station.runtime.control_history import TransactionHistory
from station.runtime.control_host import Host

__all__ = ["Memory"]


class Memory:
    """Begins to listen when it is made. One per host, kept over restarts of the program."""

    def __init__(self, host: Host, *, most_frames: int = MOST_FRAMES, most_bytes: int = MOST_BYTES) -> None:
        self._host = host
        self._frame_listeners: list[Callable[[FrameRow], None]] = []
        self.frames = FrameRecorder(host, self._frame, most=most_frames, most_bytes=most_bytes)
        self.history = TransactionHistory(host)
        self._dead = 0
        self._looked: tuple[int, int] | None = None

    def hear_rows(self, listener: Callable[[FrameRow], None]) -> None:
        """Call `listener` with every frame from now on."""
        self._frame_listeners.append(listener)

    def _frame(self, row: FrameRow) -> None:
        for listener in self._frame_listeners:
            listener(row)

    def dead(self) -> int:
        """How many records were given up. Counted again when the queue is another: nothing is given up but from it."""
        program = self._host.program
        if program is None:
            return self._dead
        seen = (self._host.boots, len(program.client.records))
        if seen != self._looked:
            self._looked = seen
            self._dead = len(program.store.dead_letters())
        return self._dead

    def look_again(self) -> None:
        """Something was given up by an operator."""
        self._looked = None
