"""Single key presses from the terminal, without Enter (Linux, macOS, WSL)."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keyboard(pressed: Callable[[str], object]) -> Iterator[None]:
    """Call `pressed(key)` for every key while open; the terminal is put back as it was. Needs a running loop and a terminal.

    Ctrl-C stays a signal. Keys that send several characters (arrows) arrive as one text.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def ready() -> None:
        text = os.read(descriptor, 64).decode(errors="replace")
        if not text:
            loop.remove_reader(descriptor)
        elif text.startswith("\x1b"):
            pressed(text)
        else:
            for key in text:
                pressed(key)

    try:
        tty.setcbreak(descriptor)
        loop.add_reader(descriptor, ready)
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
