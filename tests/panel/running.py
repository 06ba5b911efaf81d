"""A real `station sim` in a process of its own, and its control surface over HTTP."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"front panel: (http://\S+/)")
START_WITHIN_S = 40
PROXYLESS = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RunningStation:
    """`url` ends in a slash. `said` are the lines that it wrote until its panel was there, and those since."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        command = [sys.executable, "-u", "-m", "station", "sim", "--plain", "--no-demo", "--no-browser"]
        command += ["--listen", f"127.0.0.1:{port}", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        self.said: list[str] = []
        self._found: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        found = self._found.get(timeout=START_WITHIN_S)
        if found is None:
            self.stop()
            raise AssertionError("station sim did not start:\n" + "".join(self.said))
        self.url = found
        self.port = int(found.rsplit(":", 1)[1].rstrip("/"))

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        for line in stream:
            self.said.append(line)
            match = ADDRESS.search(line)
            if match is not None:
                self._found.put(match[1])
        self._found.put(None)

    def look(self, name: str) -> Any:
        return self._ask(urllib.request.Request(f"{self.url}api/v1/look/{name}"))

    def do(self, name: str, **arguments: object) -> Any:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(arguments).encode()
        return self._ask(urllib.request.Request(f"{self.url}api/v1/do/{name}", body, headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        with PROXYLESS.open(request, timeout=20) as answer:
            return json.load(answer)["result"]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(*arguments: str, port: int = 0) -> Iterator[RunningStation]:
    station = RunningStation(*arguments, port=port)
    try:
        yield station
    finally:
        station.stop()
