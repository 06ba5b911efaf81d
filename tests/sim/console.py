"""The real program at a real pseudo terminal: what a person would see, and keys that they would press."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
# The session leader takes the terminal, so that Ctrl-C reaches it as a signal; then it becomes the program.
LAUNCH = (
    "import fcntl, runpy, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "sys.argv[0] = 'station'\n"
    "runpy.run_module('station', run_name='__main__')\n"
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOME = "\x1b[H"
PATIENCE_S = 30.0


class Console:
    """`with Console("sim") as console:` runs `station sim`. The screen is what was drawn since the cursor last went home."""

    def __init__(self, *arguments: str, columns: int = 100, lines: int = 30, **environ: str) -> None:
        self._arguments = arguments
        self._size = struct.pack("HHHH", lines, columns, 0, 0)
        self._environ = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "", **environ}
        self.output = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.code: int | None = None

    def __enter__(self) -> Self:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, self._size)
        self.before = self.modes()
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *self._arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            cwd=ROOT,
            env=self._environ,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def modes(self) -> list[Any]:
        """How the terminal is set: echo, line by line..."""
        return termios.tcgetattr(self._theirs)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def screen(self) -> str:
        """The last picture that is complete: another has begun after it."""
        pictures = self.output.split(HOME)
        return _CONTROL.sub("", pictures[-2] if len(pictures) > 1 else pictures[-1]).replace("\r", "")

    def see(self, *words: str, within: float = PATIENCE_S) -> str:
        """Look until all the words are on one screen; returns it."""
        deadline = time.monotonic() + within
        while True:
            screen = self.screen
            if all(word in screen for word in words):
                return screen
            left = deadline - time.monotonic()
            assert left > 0, f"never saw {words} in:\n{screen}"
            assert self._read(left) or self.process.poll() is None, f"it ended:\n{self.output[-2000:]}"

    def end(self, within: float = PATIENCE_S) -> str:
        """Wait for the end; all that was written, without control sequences."""
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end:\n{self.screen}"
            self._read(0.05)
        while self._read(0.0):
            pass
        self.code = self.process.returncode
        return _CONTROL.sub("", self.output)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], min(seconds, 0.2))
        if not ready:
            return False
        self.output += self._decoder.decode(os.read(self._ours, 65536))
        return True
