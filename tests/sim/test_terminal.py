"""`station sim` as a person meets it: the real program at a real terminal, in a pipe, and against a CSMS over the network."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.clock import Now
from station.errors import ConfigError, StationError
from station.sim import terminal
from station.sim.csms import EmbeddedCsms
from station.sim.lab import Lab, LabSettings, run_lab
from station.sim.loop import DEFAULT_WALL
from station.sim.terminal import SimOptions, Tally, run_sim
from tests.sim.console import ROOT, Console

NOBODY = "ws://127.0.0.1:9/secret-path"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, link = logging.getLogger(), logging.getLogger("station.link")
    before = root.handlers[:], root.level, link.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    link.setLevel(before[2])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


# --- at a terminal ----------------------------------------------------------------------------------------------------


def test_a_newcomer_sees_a_car_charge_and_plays_with_it() -> None:
    with Console("sim", columns=120) as console:
        begun = time.monotonic()
        screen = console.see("EVSE 1  Charging", "16.0 A on 3 phases", "because: ", "OCPP 2.0.1 online")
        assert time.monotonic() - begun < 10
        assert "TransactionEvent" in screen
        assert "Authorize" in screen
        console.press("2")
        console.see("keys act on EVSE 2")
        console.press("p")
        console.see("a car is plugged in at EVSE 2", "EVSE 2  Preparing")
        console.press("s")
        console.see("card 0BADCAFE at EVSE 2", "EVSE 2  Charging")
        console.press("p")
        console.see("the plug is locked")
        console.press("f")
        console.see("the RCD of EVSE 2 tripped", "EVSE 2  Faulted", "GroundFailure")
        console.press("f")
        console.see("is reset")
        console.press("x")
        console.see("nothing to stop at EVSE 2")
        console.press("o")
        console.see("the network cable is unplugged", "unplugged from the network")
        console.press("oc")
        console.see("NO POWER", "The power is cut")
        console.press("c")
        console.see("boot 2", "EVSE 1")
        console.press(" ")
        console.see("speed paused")
        console.press("\x03")
        end = console.end()
    assert console.code == 0
    assert "Traceback" not in end
    assert re.search(r"\d sessions? ended .*; \d+ frames, 0 errors", end)
    assert "\x1b[?1049l" in console.output, "the terminal's own screen is back"
    assert "\x1b[?25h" in console.output, "the cursor is back"


def test_the_terminal_is_left_as_it_was_found() -> None:
    with Console("sim", "--no-demo", "--speed", "30", columns=80, lines=24) as console:
        console.see("EVSE 1  Available", "EVSE 2  Available", "OCPP conversation", "quit")
        assert console.modes() != console.before
        console.process.send_signal(signal.SIGTERM)
        console.end()
        assert console.modes() == console.before
    assert console.code == 0


def test_a_small_terminal_and_a_csms_that_is_not_there() -> None:
    """80 x 24 shows both EVSEs, all keys, and who cannot be reached; never the path, which may hold a secret."""
    with Console("sim", "--csms", NOBODY, columns=80, lines=24) as console:
        screen = console.see("offline", "no connection to ws://127.0.0.1:9, trying again: ", "EVSE 1  Preparing")
        for words in ("EVSE 2  Available", "choose EVSE", "plug / unplug", "cut power / on", "quit", "speed x1"):
            assert words in screen
        assert [line for line in screen.splitlines() if len(line) > 80] == []
        assert len(screen.splitlines()) <= 24
        console.press("q")
        end = console.end()
    assert console.code == 0
    assert "secret-path" not in end
    assert "Traceback" not in end


def test_a_dumb_terminal_gets_lines() -> None:
    with Console("sim", "--duration", "5", "--speed", "max", TERM="dumb") as console:
        end = console.end()
    assert console.code == 0
    assert "station > BootNotification" in end
    assert "\x1b" not in console.output


# --- in a pipe --------------------------------------------------------------------------------------------------------


def test_nobody_reads_any_more() -> None:
    """`station sim --plain | head`: it ends at once, without a word of complaint."""
    program = subprocess.Popen(
        [sys.executable, "-m", "station", "sim", "--plain", "--speed", "max"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    assert b"PILOT-1" in program.stdout.readline()
    program.stdout.close()
    assert program.wait(30) == 0
    assert program.stderr.read() == b""
    program.stderr.close()


def test_a_device_that_takes_no_more_ends_it_in_good_order(tmp_path: Path) -> None:
    """`station sim --plain > /dev/full`: one line, and the bench is cleared away."""
    with Path("/dev/full").open("wb") as full:
        program = subprocess.run(
            [sys.executable, "-m", "station", "sim", "--plain", "--store", str(tmp_path)],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert program.returncode == 1
    assert program.stderr == "error: the output cannot be written: No space left on device\n"
    assert not (tmp_path / "station.db-wal").exists(), "the database was closed"


async def test_an_output_that_fails_while_a_frame_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised there; the run ends with it."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    said = terminal.Lines()
    said.say(0.0, "x")
    said.say(0.0, "y")
    with pytest.raises(OSError, match="No space"):
        await said.gone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "station", "sim", "--plain", "--store", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    program.stdout.readline()
    program.send_signal(number)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0
    assert err == ""
    assert "0 sessions ended" in out.splitlines()[-1]
    assert not (tmp_path / "station.db-wal").exists(), "the database was closed"


@pytest.mark.parametrize(("version", "start"), [("2.0.1", "TransactionEvent Started"), ("1.6", "StartTransaction ")])
def test_lines(version: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sim(SimOptions(version=version, speed=None, plain=True, duration_s=900)) == 0
    out = lines(capsys)
    assert f"OCPP {version}, seed 1, towards the embedded CSMS" in out[0]
    assert any("station > BootNotification" in line for line in out)
    assert any(f"station > {start}" in line for line in out)
    assert any("EVSE 1 Charging: 10.9 kW" in line and "offered 32 A, because: car takes less" in line for line in out)
    assert not any("control socket" in line for line in out)
    assert "0 sessions ended (0.000 kWh), 1 running (2." in out[-1]
    assert out[-1].endswith(" 0 errors; all delivered")


class Started:
    """The clock that says when a run begins."""

    def now(self) -> Now:
        return Now(0.0, DEFAULT_WALL)


def test_the_same_seed_gives_the_same_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "Clock", Started)
    options = SimOptions(speed=None, plain=True, duration_s=300, seed="x")
    run_sim(options)
    first = capsys.readouterr().out
    run_sim(options)
    assert capsys.readouterr().out == first


def test_a_csms_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sim(SimOptions(csms_url=NOBODY, speed=100.0, plain=True, duration_s=200.0)) == 0
    captured = capsys.readouterr()
    said = [line for line in captured.out.splitlines() if "no connection to ws://127.0.0.1:9, trying again" in line]
    assert len(said) == 1
    assert "records wait for the CSMS" in captured.out.splitlines()[-1]
    assert captured.err == "", "said once, not twice"
    assert "secret-path" not in captured.out


# --- with a CSMS over the network -------------------------------------------------------------------------------------


async def test_with_your_own_csms(tmp_path: Path) -> None:
    """A websocket, a password, your card; the program is another process."""
    secret = "0123456789abcdef"
    (tmp_path / "password").write_text(secret + "\n")
    async with EmbeddedCsms(["MYCARD"], websocket=True, password=secret) as csms:
        command = [
            *(sys.executable, "-m", "station", "sim", "--plain", "--csms", csms.url, "--id", "CP#7", "--speed", "20"),
            *("--token", "MYCARD", "--password-file", str(tmp_path / "password"), "--duration", "80"),
        ]
        program = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(program.communicate(), 40)
        assert program.returncode == 0
        assert err == b""
        (tx,) = csms.station("CP#7").transactions.values()
        states = [event["transactionInfo"].get("chargingState") for event in tx.events]
        assert "Charging" in states
        assert csms.station("CP#7").complaints == []
        assert secret not in out.decode()


# --- what is wrong with the arguments ---------------------------------------------------------------------------------


def test_every_wrong_argument_at_once_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 41)
    with pytest.raises(ConfigError) as caught:
        run_sim(SimOptions(csms_url="http://x", identity="i" * 49, password_file=tmp_path / "long", plain=True))
    starts = [problem.split(" ")[0] for problem in caught.value.problems]
    assert starts == ["--csms:", "--id:", "--password-file:"]


def test_arguments_that_do_not_fit_each_other(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("0123456789abcdef")
    with pytest.raises(ConfigError) as caught:
        run_sim(
            SimOptions(version="1.6", identity="CP:1", token="T" * 21, password_file=tmp_path / "password", plain=True)
        )
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["--id:", "--token:"]
    assert "colon" in caught.value.problems[0] or "':'" in caught.value.problems[0]
    assert "at most 20" in caught.value.problems[1]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_password_file_that_holds_none(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="--password-file: "):
        run_sim(SimOptions(password_file=file, plain=True))


def test_max_speed_needs_the_embedded_csms() -> None:
    with pytest.raises(ConfigError, match="--speed: max needs the embedded CSMS"):
        run_sim(SimOptions(csms_url=NOBODY, speed=None, plain=True))


def test_a_store_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--store: "):
        run_sim(SimOptions(folder=tmp_path / "file", plain=True))


def test_a_store_in_use(tmp_path: Path) -> None:
    async def work(_lab: Lab) -> None:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "station", "sim", "--plain", "--store", str(tmp_path)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _out, err = await program.communicate()
        assert program.returncode == 1
        assert b"station.db" in err
        assert b"Traceback" not in err

    run_lab(LabSettings(folder=tmp_path, speed=1.0), work)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_the_tally_counts_energy_per_session_and_says_what_waits() -> None:
    async def work(lab: Lab) -> None:
        tally = Tally(lab)
        await asyncio.sleep(5)
        lab.plug(1)
        await asyncio.sleep(1)
        lab.swipe()
        await asyncio.sleep(3600)
        lab.swipe()
        await asyncio.sleep(10)
        text = str(tally)
        assert text.startswith("1 session ended (10.")
        assert text.endswith("0 errors; all delivered")
        await lab.offline()
        lab.unplug(1)
        lab.plug(2)
        await asyncio.sleep(5)
        assert "1 record waits for the CSMS" in str(tally)
        await lab.power_cut()
        assert str(tally).endswith("the power is cut")

    run_lab(LabSettings(csms_fast=True), work)


def test_what_a_task_raises_is_raised() -> None:
    """A view that breaks must not leave a program that only seems to run."""

    async def broken() -> None:
        raise StationError("broken")

    async def work(lab: Lab) -> None:
        with pytest.raises(StationError, match="broken"):
            await terminal._until_over(lab, SimOptions(), set(), broken())

    run_lab(LabSettings(), work)


def test_logs_do_not_spoil_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """They are shown in the note, and the errors once more when the screen is gone."""
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().handlers[:] = [handler]
    panel = type("Panel", (), {"note": ""})()
    with terminal._logs_in(panel):
        logging.getLogger("station.x").warning("a warning")
        assert panel.note == "a warning"
        logging.getLogger("station.x").error("an error")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "an error\n"
    assert logging.getLogger().handlers == [handler]
