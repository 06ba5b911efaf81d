"""Keeps the mistakes of guests from their host."""

from __future__ import annotations

from types import TracebackType


class Fence:
    """Around a call of what the host depends on least: a view that listens, a dialect that makes words, a timer's work.

    Whatever the guest raises ends the block and is kept in `error`; the host must look at it and log it. An order to stop
    (cancellation, Ctrl-C) is no mistake and passes. Use it only where the host has something sensible to do without the guest.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Fence:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


def told(error: Exception) -> Exception | None:
    """What the log shows as a traceback: an error of the system (a pipe that nobody reads) is no mistake of the program."""
    return None if isinstance(error, OSError) else error
