"""docs/security.md, "Try it": exactly these commands, typed into two terminals, do what the page says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from station.sim.security_options import PROFILE_WORDS
from tests.tools.needs import find_tool

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
PATIENCE_S = 20.0
DOWN = "NoSecurityDowngrade"


def blocks() -> list[tuple[int, str]]:
    """(terminal, commands) of the section, in order."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Try it\n")[2].partition("\n## ")[0]
    return [
        (int(number), text) for number, text in re.findall(r"```sh\n# terminal ([12])\n(.*?)```", section, re.DOTALL)
    ]


def elsewhere(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The same at ports that are free here: the page's own may be taken, by another test for instance."""
    ports = sorted({port for _, text in found for port in re.findall(r"\b(?:900|819)\d\b", text)})
    with ExitStack() as stack:
        free = {}
        for port in ports:
            held = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            free[port] = str(held.getsockname()[1])
    return [(number, re.sub(r"\b(?:900|819)\d\b", lambda port: free[port[0]], text)) for number, text in found]


class Terminal:
    """A shell. What it shows is collected in `text`."""

    def __init__(self, folder: Path, path: str) -> None:
        self.text = ""
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self.text += line

    def type(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    def see(self, words: str, times: int = 1, since: int = 0) -> str:
        """Wait until it shows that so often; what it has shown since."""
        over = time.monotonic() + PATIENCE_S
        while self.text[since:].count(words) < times:
            assert time.monotonic() < over, f"{words!r} does not come {times} times:\n{self.text[-6000:]}"
            time.sleep(0.05)
        return self.text[since:]

    def run(self, text: str) -> str:
        """Type it, wait for its end; what it showed."""
        since = len(self.text)
        self.type(f'{text}echo "end of" block\n')
        return self.see("end of block", since=since)

    def interrupt(self) -> None:
        """Ctrl-C for what runs in the foreground; the shell ends too, as it is not interactive."""
        os.killpg(self._shell.pid, signal.SIGINT)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        for stream in (self._shell.stdin, self._shell.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Callable[[], Terminal]]:
    """Terminals in one folder, with `station` on the path."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "station").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m station "$@"\n')
    (tools / "station").chmod(0o755)
    folder = tmp_path / "bench"
    folder.mkdir()
    with ExitStack() as stack:

        def opened() -> Terminal:
            terminal = Terminal(folder, f"{tools}:{os.environ['PATH']}")
            stack.callback(terminal.close)
            return terminal

        yield opened


def said(profile: int) -> str:
    return f"security profile {profile}: {PROFILE_WORDS[profile]}"


def test_every_command_of_the_page(open_terminal: Callable[[], Terminal]) -> None:
    find_tool("curl")
    find_tool("bash")
    steps = iter(elsewhere(blocks()))

    def next_for(terminal: int) -> str:
        number, text = next(steps)
        assert number == terminal, text
        return text

    operator = open_terminal()
    operator.run(next_for(1))
    operator.see("stations connect to", 3)
    # Straight into a profile: one after the other for people, at once here.
    stations = []
    for number, line in enumerate([*next_for(2).splitlines(), next_for(2)], start=1):
        station = open_terminal()
        station.type(line.rstrip() + "\n")
        stations.append((station, said(number) if number <= 3 else "refused: unable to get local issuer certificate"))
    for station, words in stations:
        assert "all delivered" in station.see(words) + station.see("sessions ended") or "refused" in words
    assert len(stations) == 4
    # From 1 to 2 to 3.
    line = next_for(2)
    station = open_terminal()
    station.type(line)
    station.see(said(1))
    answers = operator.run(next_for(1))
    assert answers.count("Accepted") == 4, answers
    station.see(said(2))
    assert operator.run(next_for(1)).count("Accepted") == 2
    station.see("station > CertificateSigned result: ")
    assert operator.run(next_for(1)).count("Accepted") == 3
    station.see(said(3))
    assert DOWN in operator.run(next_for(1))
    station.interrupt()
    station.see("sessions ended")
    again = open_terminal()
    again.type(line)
    shown = again.see(said(3))
    assert said(1) not in shown
    again.interrupt()
    operator.run(next_for(1))
    assert list(steps) == []
    everything = "".join(terminal.text for terminal in (operator, station, again, *(one for one, _ in stations)))
    assert "correct-horse-battery" not in everything
    assert "Traceback" not in everything
