"""The front panel of `station sim`: the real program with somebody at its web server, ending in every order."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from station.cli import listen
from station.errors import ConfigError
from station.ocpp.schemas import FOLDERS
from station.sim.panel import PanelOptions, SchemaLibrary, front_panel, panel_settings, together
from station.sim.terminal import SimOptions, run_sim
from tests.sim.console import ROOT, Console
from tests.web.served import TOKEN
from tests.web.small import SmallControl

NOW = {"trust_env": False, "timeout": 20}


@contextmanager
def sim(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`station sim --plain`, and the address of its panel."""
    program = subprocess.Popen(
        [sys.executable, "-m", "station", "sim", "--plain", "--listen", "127.0.0.1:0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        program.stdout.readline()
        line = program.stdout.readline()
        url = re.search(r"front panel: (\S+)$", line)
        assert url, line
        yield program, url[1]
    finally:
        if program.poll() is None:
            program.kill()
        program.communicate()


def test_somebody_acts_in_the_browser_and_ends_it_in_the_terminal() -> None:
    with sim("--no-demo", "--speed", "30") as (program, url), httpx.Client(base_url=url, **NOW) as http:
        assert http.get("/openapi.json").json()["info"]["title"]
        assert "<html" in http.get("/").text
        for name, arguments in (("plug", {"evse": 1}), ("swipe", {"evse": 1, "token": "04A1B2C3"})):
            assert http.post(f"/api/v1/do/{name}", json=arguments).status_code == 200
        with http.stream("GET", "/api/v1/events?topics=state") as stream:
            for line in stream.iter_lines():
                if '"phase":"Charging"' in line:
                    break
            assert http.post("/api/v1/do/pause").status_code == 200
            assert http.get("/api/v1/look/state").json()["result"]["station"]["paused"]
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=30)
    assert program.returncode == 0
    assert err == ""
    assert "0 sessions ended" in out.splitlines()[-1]


def test_as_fast_as_possible_with_somebody_looking_on() -> None:
    """The stream ends with the program."""
    with sim("--speed", "1", "--duration", "6000") as (program, url):
        heard: list[str] = []

        def look_on() -> None:
            with httpx.Client(base_url=url, **NOW) as http, http.stream("GET", "/api/v1/events") as stream:
                assert http.post("/api/v1/do/speed", json={"factor": "max"}).status_code == 200
                heard.extend(line for line in stream.iter_lines() if line.startswith("event: "))

        thread = threading.Thread(target=look_on)
        thread.start()
        _, err = program.communicate(timeout=60)
        thread.join(20)
    assert program.returncode == 0
    assert err == ""
    assert "event: frame" in heard


def test_beside_a_program_that_drives_it() -> None:
    """Standard output is for JSON lines alone; without --listen there is no server."""
    for more, shown in ((["--listen", "127.0.0.1:0"], True), ([], False)):
        program = subprocess.Popen(
            [sys.executable, "-m", "station", "sim", "--stdio", *more],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdin.write('{"do": "plug"}\n')
        program.stdin.flush()
        assert json.loads(program.stdout.readline())["ok"]
        if shown:
            url = program.stderr.readline().removeprefix("front panel: ").strip()
            state = httpx.get(f"{url}api/v1/look/state", **NOW).json()["result"]
            assert state["evses"][0]["car"] is not None
        out, err = program.communicate(timeout=30)
        assert (program.returncode, out, err) == (0, "", "")


def test_a_command_under_way_when_it_ends() -> None:
    with sim("--no-demo", "--speed", "1") as (program, url):
        answers: list[int] = []

        def wait() -> None:
            answers.append(httpx.post(f"{url}api/v1/do/wait", json={"duration": 3600}, **NOW).status_code)

        thread = threading.Thread(target=wait)
        thread.start()
        httpx.get(f"{url}api/v1/look/state", **NOW)
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=30)
        thread.join(20)
    assert program.returncode == 0
    assert err == ""
    assert answers == [503]


def test_the_screen_says_where_it_is() -> None:
    with Console("sim", "--no-demo", columns=80, lines=24) as console:
        screen = console.see("EVSE 2  Available", "front panel: http://127.0.0.1:")
        assert len(screen.splitlines()) <= 24
        found = re.search(r"http://127\.0\.0\.1:\d+/", screen)
        assert found
        assert httpx.get(found[0] + "api/v1/look/state", **NOW).status_code == 200
        console.press("q")
        assert "Traceback" not in console.end()
    assert console.code == 0


def test_with_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with sim("--no-demo", "--token-file", str(tmp_path / "token")) as (program, url):
        assert httpx.get(f"{url}api/v1/look/state", **NOW).status_code == 401
        shown = {"authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{url}api/v1/look/state", headers=shown, **NOW).status_code == 200
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert TOKEN not in out + err
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--speed", "max", "--duration", "5"), False),  # over before a browser has opened
        (("--speed", "max", "--duration", "5", "--listen", "127.0.0.1:0"), True),
        (("--speed", "1000", "--duration", "5"), True),
        (("--speed", "1000", "--duration", "5", "--no-panel"), False),
    ],
)
def test_when_there_is_one(arguments: tuple[str, ...], shown: bool) -> None:
    command = [sys.executable, "-m", "station", "sim", "--plain", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""
    assert ("front panel: http://127.0.0.1:" in done.stdout) == shown


def test_without_the_packages_the_simulator_runs_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "starlette" else real(name))
    assert run_sim(SimOptions(plain=True, speed=1000.0, duration_s=60, panel=PanelOptions())) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].endswith(
        "no front panel: it needs the extra `sim`, pip install 'pilotwire[sim]' (missing: starlette)"
    )
    assert "station > BootNotification" in out[2]


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with sim("--no-demo") as (_, url):
        place = url.removeprefix("http://").rstrip("/")
        with pytest.raises(ConfigError, match=f"--listen: cannot listen on 127.0.0.1, port {place[-5:].lstrip(':')}"):
            run_sim(SimOptions(plain=True, panel=PanelOptions(listen=place)))
    assert capsys.readouterr().out == ""


def test_every_wrong_argument_at_once(tmp_path: Path) -> None:
    wrong = PanelOptions("x", tmp_path / "token", tmp_path / "cert")
    with pytest.raises(ConfigError) as caught:
        run_sim(SimOptions(csms_url="http://x", plain=True, panel=wrong))
    options = [problem.partition(":")[0] for problem in caught.value.problems]
    assert options == ["--csms", "--listen", "--token-file", "--tls-key"]
    with pytest.raises(ConfigError, match="--listen"):
        together(lambda: 1, lambda: panel_settings(PanelOptions("x"), hurried=True))
    assert together(lambda: 1, lambda: panel_settings(None, hurried=False)) == (1, None)


async def test_a_browser_is_opened_for_a_person_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("station.sim.panel.open_browser", opened.append)
    monkeypatch.setattr("station.sim.panel.has_desktop", lambda _environ: True)
    settings = panel_settings(PanelOptions("127.0.0.1:0"), hurried=True)
    for browser, person, expected in (
        (None, True, True),
        (None, False, False),
        (False, True, False),
        (True, False, True),
    ):
        with front_panel(SmallControl, settings, browser=browser, person=person) as words:
            assert words.startswith("front panel: http://127.0.0.1:")
        assert bool(opened) == expected
        opened.clear()
        await asyncio.sleep(0)
    with front_panel(SmallControl, None, browser=True, person=True) as words:
        assert words == ""
    assert opened == []


def test_the_command_line_is_read() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    listen.add(parser, port=1234, what="the page")
    assert "127.0.0.1:1234" in parser.format_help()
    given = parser.parse_args(
        ["--listen", "a:1", "--token-file", "t", "--tls-cert", "c", "--tls-key", "k", "--no-browser"]
    )
    assert listen.options(given) == PanelOptions("a:1", Path("t"), Path("c"), Path("k"), browser=False)
    assert listen.options(parser.parse_args([])) == PanelOptions()


@pytest.mark.parametrize("version", sorted(FOLDERS))
def test_every_schema_with_its_prose(version: str) -> None:
    library = SchemaLibrary()
    actions = library.actions(version)
    assert {"Heartbeat", "BootNotification", "MeterValues"} <= set(actions)
    for action in actions:
        schema = library.request(version, action)
        assert schema["type"] == "object"
        jsonschema.Draft4Validator.check_schema(schema)
    for wrong in ("Fly", "../v16/schemas/Heartbeat", ""):
        with pytest.raises(KeyError):
            library.request(version, wrong)
    with pytest.raises(KeyError):
        library.actions("1.5")
