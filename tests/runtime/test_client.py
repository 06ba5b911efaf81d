"""The generated client: made from the table, and the same over the socket, standard input and output, and HTTP."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from station.client import Station
from station.config_fields import Flag, Integer, Number, Text, setting
from station.errors import ControlError
from station.runtime.client_base import ClientError, ControlClient, SocketTransport
from station.runtime.client_generate import main, render
from station.runtime.client_http import HttpTransport
from station.runtime.control import TABLE
from station.runtime.control_command import Command
from tests.sim.console import ROOT

SIM = (sys.executable, "-W", "error", "-m", "station", "sim", "--plain", "--no-demo", "--speed", "100")


# --- three ways -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def simulator(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*SIM, *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True) as program:
        try:
            yield program
        finally:
            program.terminate()
            program.communicate()
    assert program.returncode == 0


@contextlib.contextmanager
def over_socket() -> Iterator[Station]:
    with tempfile.TemporaryDirectory(prefix="pw-") as folder:
        path = Path(folder) / "c.sock"
        with simulator("--no-panel", "--socket", str(path)):
            for _ in range(3000):
                if path.exists():
                    break
                time.sleep(0.01)
            with Station.over_socket(path) as station:
                yield station


@contextlib.contextmanager
def over_stdio() -> Iterator[Station]:
    with Station.over_stdio("--speed", "100") as station:
        yield station


@contextlib.contextmanager
def over_http() -> Iterator[Station]:
    with simulator("--no-browser", "--listen", "127.0.0.1:0") as program:
        assert program.stdout is not None
        url = next(found[0] for line in program.stdout if (found := re.search(r"http://[\d.:]+", line)))
        with Station.over_http(url) as station:
            yield station


@pytest.mark.parametrize("way", [over_socket, over_stdio, over_http])
def test_a_session_is_the_same_whichever_way_it_goes(
    way: Callable[[], contextlib.AbstractContextManager[Station]],
) -> None:
    with way() as station:
        station.subscribe("frame", "command")
        car = station.plug(cable_a=20, car={"max_a": 16})["car"]
        assert car is not None
        assert car["soc_percent"] == 20
        station.swipe()
        station.wait("1 min")
        evse = station.state()["evses"][0]
        assert evse["pilot"] == "C"
        assert evse["transaction"] is not None
        told = station.transaction(evse["transaction"]["id"])
        assert told["stop_reason"] is None
        assert station.next_event("command")["name"] == "plug"
        assert station.next_event("frame")["verdict"] == "ok"
        with pytest.raises(ControlError) as refused:
            station.plug(cable_a=19)  # type: ignore[arg-type]
        assert refused.value.code == "invalid"
        assert [problem.field for problem in refused.value.problems] == ["cable_a"]
        with pytest.raises(ControlError) as refused:
            station.unplug()
        assert refused.value.code == "conflict"
        with pytest.raises(ControlError) as refused:
            station.do("nonsense", {})
        assert refused.value.code == "unknown"
        assert station.fault("GroundFailure") is None  # type: ignore[func-returns-value]
        station.timeout_s = 0.2
        with pytest.raises(ClientError, match="has not answered wait"):
            station.wait("10 h")


def test_the_example_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "control_lines.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "control_lines.md", "exec"), {})
    assert capsys.readouterr().out == "TransactionEvent\n"


# --- a station that is not there, or is none --------------------------------------------------------------------------


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="no station answers there"):
        Station.over_socket(tmp_path / "c.sock")
    with Station.over_http("http://127.0.0.1:9") as station:
        with pytest.raises(ClientError, match=r"http://127.0.0.1:9 has not answered state: .*refused"):
            station.state()
        with pytest.raises(ClientError, match="tells no events"):
            station.subscribe("frame")
        with pytest.raises(ClientError, match="nothing is subscribed to"):
            station.next_event("frame")
    for url in ("ws://host", "host:80", "http://"):
        with pytest.raises(ClientError, match="is no address of a station"):
            HttpTransport(url)


def test_a_simulator_that_does_not_start() -> None:
    with (
        pytest.raises(ClientError, match=r"has ended with exit code 2|has hung up|cannot be reached"),
        Station.over_stdio("--evses", "99") as station,
    ):
        station.state()


def test_a_station_that_hangs_up(tmp_path: Path) -> None:
    import socket

    path = tempfile.mktemp(prefix="pw-")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        client = ControlClient(SocketTransport(path))
        peer, _ = listener.accept()
        peer.close()
        with pytest.raises(ClientError, match=r"hung up|cannot be reached"):
            client.do("state", {})
        client.close()
    os.unlink(path)


class _NoStation(BaseHTTPRequestHandler):
    seen: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: Any) -> None:
        return


def test_a_web_server_that_is_no_station_and_the_token() -> None:
    with HTTPServer(("127.0.0.1", 0), _NoStation) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://user:secret@127.0.0.1:{server.server_port}"
        with Station.over_http(url, token="0123456789abcdef") as station:
            with pytest.raises(ClientError, match="answers 200 and no JSON object") as error:
                station.state()
            assert "secret" not in str(error.value)
        server.shutdown()
        thread.join()
    assert _NoStation.seen == ["Bearer 0123456789abcdef"]


# --- the generator ----------------------------------------------------------------------------------------------------


def test_the_file_is_what_the_table_makes_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, "python -m station.runtime.client_generate"
    file = tmp_path / "client.py"
    assert main(["--check", "--into", str(file)]) == 1
    assert not file.exists()
    assert main(["--into", str(file)]) == 0
    assert main(["--check", "--into", str(file)]) == 0
    file.write_text(file.read_text() + "\n")
    assert main(["--check", "--into", str(file)]) == 1
    assert "out of date: client.py" in capsys.readouterr().out


def test_every_command_has_a_method_with_its_fields() -> None:
    for name, cls in TABLE.items():
        method = getattr(Station, name)
        fields = [f.name for f in cls.__dataclass_fields__.values() if "kind" in f.metadata]  # type: ignore[attr-defined]
        assert list(inspect.signature(method).parameters) == ["self", *fields]
        assert inspect.getdoc(method)
    base = {name for name in vars(ControlClient) if not name.startswith("_")}
    assert not base & TABLE.keys(), "a command must not hide what a client does itself"


@dataclass(frozen=True, slots=True)
class Odd(Command):
    r"""Says "so": C:\temp, and a whole lot more words that do not fit into the rest of this one line of text, so it wraps."""

    name: ClassVar[str] = "odd_one"
    count: int = setting(Integer(0, 1, (0, 1)), "How many.")
    word: str | None = setting(Text(choices=tuple(f"choice-{n}" for n in range(12))), "Which.", default=None)
    flag: bool = setting(Flag(), "Whether.", default=True)
    factor: float = setting(Number(0, 1), "How much.", default=0.5)


def test_what_it_writes_is_python_as_ruff_formats_it(tmp_path: Path) -> None:
    text = render([Odd])
    assert 'OddOneWord = Literal[\n    "choice-0",\n' in text
    assert (
        "    def odd_one(\n        self, count: Literal[0, 1], word: OddOneWord | None = None, flag: bool = True, factor: float = 0.5\n"
        "    ) -> None:\n" in text
    )
    compile(text, "client.py", "exec")
    for generated in (text, render(TABLE.values())):
        file = tmp_path / "client.py"
        file.write_text(generated, encoding="utf-8")
        ruff = (sys.executable, "-m", "ruff")
        settings = ("--config", str(ROOT / "pyproject.toml"))
        for check in (("format", "--check"), ("check", "--ignore", "F401,RUF100")):
            done = subprocess.run([*ruff, *check, *settings, str(file)], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
