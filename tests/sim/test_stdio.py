"""`station sim --stdio` as a program meets it: the real program behind real pipes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from station.sim.csms import EmbeddedCsms
from station.sim.stdio import ENOUGH
from tests.sim.console import ROOT

PROGRAM = (sys.executable, "-W", "error", "-m", "station", "sim", "--stdio")
STRANGER = ROOT / "docs" / "examples" / "stranger.py"
SESSION = (
    {"do": "subscribe", "topics": ["frame", "state", "fact", "refused", "command"]},
    {"do": "plug", "evse": 1, "cable_a": 20, "id": "p"},
    {"do": "swipe", "evse": 1},
    {"do": "wait", "duration": "10 min"},
    {"do": "unplug", "evse": 1},
    {"do": "fault", "code": "GroundFailure", "evse": 2},
    {"do": "offline"},
    {"do": "wait", "duration": 60},
    {"do": "swipe", "evse": 1},
    {"do": "online"},
    {"do": "wait", "duration": "5 min"},
    {"do": "restart"},
    {"do": "power_cut", "warning": True},
    {"do": "power_on"},
    {"do": "wait", "duration": 60},
    {"do": "state"},
    {"do": "transactions"},
    {"do": "dead_letters"},
    {"do": "nonsense"},
)


def text(*requests: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(request).encode() + b"\n" for request in requests)


def run(data: bytes, *arguments: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[bytes]]:
    done = subprocess.run([*PROGRAM, *arguments], input=data, capture_output=True, timeout=100, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()], done


@contextlib.contextmanager
def running(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, **more
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def ask(program: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any]:
    """The answer; events before it are skipped."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(text(request))
    program.stdin.flush()
    while True:
        line = program.stdout.readline()
        assert line, program.stderr.read() if program.stderr else ""
        message: dict[str, Any] = json.loads(line)
        if "event" not in message:
            return message


# --- a stranger -------------------------------------------------------------------------------------------------------


def stranger(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(file), *arguments], capture_output=True, text=True, timeout=100, cwd=ROOT
    )


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
def test_a_stranger_drives_ten_sessions_and_checks_them(version: str) -> None:
    done = stranger(STRANGER, "--ocpp", version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("10 sessions, ")
    assert done.stderr == ""


def test_the_stranger_is_short_and_needs_nothing() -> None:
    lines = STRANGER.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 64
    names = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert names <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("right", "changed", "words"),
    [
        ('"Local": lambda', '"Remote2": lambda', "stop reason for Remote2: Local"),
        ("< 1)", "< -1)", "Wh passed, told"),
        ("goal_wh + 250", "goal_wh", "Wh wanted"),
        ('== told["events"] > 2', '== told["events"] > 2000', "delivered"),
        ("== 10)", "== 11)", "transactions: 10"),
        ('["verdict"] == "ok"', '["verdict"] == "wrong"', "frames that are not valid"),
        ("== (0, [])", "== (1, [])", "waiting records and dead letters: (0, [])"),
    ],
)
def test_the_stranger_notices_what_is_not_as_it_should_be(right: str, changed: str, words: str, tmp_path: Path) -> None:
    """Each check, turned into one that cannot hold."""
    source = STRANGER.read_text(encoding="utf-8")
    assert source.count(right) == 1
    file = tmp_path / "stranger.py"
    file.write_text(source.replace(right, changed), encoding="utf-8")
    done = stranger(file)
    assert done.returncode == 1, done.stdout
    assert words in done.stdout


def test_the_stranger_stops_at_a_refusal() -> None:
    done = stranger(STRANGER, "--evses", "1")
    assert done.returncode == 1
    assert "plug" in done.stderr
    assert "has no EVSE 2" in done.stderr


# --- repeatable -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
def test_the_same_lines_give_the_same_bytes_however_they_come(version: str) -> None:
    """At once from a file, or one by one with pauses of any length: time passes in commands only."""
    arguments = ("--ocpp", version, "--seed", "x")
    heard, at_once = run(text(*SESSION), *arguments)
    assert at_once.returncode == 0
    assert b"Traceback" not in at_once.stderr
    assert sum("event" in line for line in heard) > 50
    answers = [line for line in heard if "ok" in line]
    assert next(answer["error"].partition(":")[2] for answer in answers if not answer["ok"]) == " the plug is locked"
    assert [number for number, answer in enumerate(answers) if not answer["ok"]] == [4, 18]
    with running(*arguments) as program:
        assert program.stdin is not None
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(program.stdout.read()))  # type: ignore[union-attr]
        reader.start()
        for number, request in enumerate(SESSION):
            for part in (text(request)[:7], text(request)[7:]):
                time.sleep(0.03 * (number % 3))
                program.stdin.write(part)
                program.stdin.flush()
        program.stdin.close()
        reader.join(60)
        assert program.wait(60) == 0
    assert found == [at_once.stdout]


def test_another_seed_is_another_run() -> None:
    lines = text(
        {"do": "subscribe", "topics": ["frame"]}, {"do": "plug"}, {"do": "swipe"}, {"do": "wait", "duration": 60}
    )
    assert run(lines, "--seed", "1")[1].stdout != run(lines, "--seed", "2")[1].stdout


def test_time_stands_still_between_commands() -> None:
    with running() as program:
        ask(program, {"do": "plug"})
        ask(program, {"do": "swipe"})
        before = ask(program, {"do": "state"})["result"]
        time.sleep(0.5)
        assert ask(program, {"do": "state"})["result"] == before
        assert ask(program, {"do": "wait", "duration": 90})["ok"]
        after = ask(program, {"do": "state"})["result"]
    assert after["station"]["mono"] - before["station"]["mono"] == 90
    assert before["station"]["time"].startswith("2026-01-01T00:00:00")
    assert after["evses"][0]["reading"]["power_w"] > 10_000


def test_paced_time_goes_on_by_itself() -> None:
    with running("--speed", "100") as program:
        before = ask(program, {"do": "state"})["result"]["station"]["mono"]
        time.sleep(0.3)
        assert ask(program, {"do": "state"})["result"]["station"]["mono"] - before > 20
        begun = time.monotonic()
        assert ask(program, {"do": "wait", "duration": 50})["ok"]
        assert 0.3 < time.monotonic() - begun < 10
        assert ask(program, {"do": "speed", "factor": "max"})["ok"]
        still = ask(program, {"do": "state"})["result"]["station"]["mono"]
        time.sleep(0.1)
        assert ask(program, {"do": "state"})["result"]["station"]["mono"] == still


# --- input and output -------------------------------------------------------------------------------------------------


def test_a_file_is_as_good_as_a_pipe_and_its_end_ends_the_run(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b'\n  \n{"id": 1, "do": "state"}\nrubbish\n{"id": 2, "do": "wait", "duration": 5}')
    with file.open("rb") as stdin:
        done = subprocess.run(PROGRAM, stdin=stdin, capture_output=True, timeout=60, cwd=ROOT)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("id") for answer in answers] == [1, None, 2]
    assert [answer["ok"] for answer in answers] == [True, False, True]
    assert done.returncode == 0


def test_arguments_that_make_no_sense_together() -> None:
    for arguments, words in (
        (("--duration", "5"), b"--duration"),
        (("--csms", "ws://h", "--speed", "max"), b"--speed"),
    ):
        done = run(b"", *arguments)[1]
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: " + words)


def test_nothing_in_nothing_out() -> None:
    assert run(b"")[1].stdout == b""


def test_a_line_too_long_is_refused_and_the_next_is_carried_out() -> None:
    answers, done = run(b'{"do":"' + b"x" * 1_100_000 + b'"}\n{"do":"pause"}\n')
    assert [answer["ok"] for answer in answers] == [False, True]
    assert "longer than 1048576 bytes" in answers[0]["error"]
    assert done.returncode == 0


def test_what_cannot_be_read_is_told() -> None:
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        done = subprocess.run(PROGRAM, stdin=descriptor, capture_output=True, timeout=60, cwd=ROOT)
    finally:
        os.close(descriptor)
    assert done.returncode == 1
    assert b"directory" in done.stderr
    assert b"Traceback" not in done.stderr


def test_who_has_read_enough_is_content() -> None:
    with running() as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert ask(program, {"do": "state"})["ok"]
        program.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            program.stdin.write(text({"do": "state"}))
            program.stdin.flush()
        assert program.wait(30) == 0
        assert program.stderr is not None
        assert program.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            PROGRAM, input=text({"do": "state"}), stdout=full, stderr=subprocess.PIPE, timeout=60, cwd=ROOT
        )
    assert done.returncode == 1
    assert b"the output cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_also_in_the_middle_of_a_long_wait(number: signal.Signals) -> None:
    with running("--speed", "1") as program:
        assert program.stdin is not None
        assert ask(program, {"do": "state"})["ok"]
        program.stdin.write(text({"do": "wait", "duration": 10_000}))
        program.stdin.flush()
        time.sleep(0.2)
        program.send_signal(number)
        assert program.wait(30) == 0
        assert program.stderr is not None
        assert program.stderr.read() == b""


def test_a_signal_ends_it_while_nothing_comes_in() -> None:
    with running() as program:
        assert ask(program, {"do": "state"})["ok"]
        program.terminate()
        assert program.wait(30) == 0


def test_a_reader_who_does_not_read_stops_time_and_loses_nothing() -> None:
    """The station waits for its reader, however long it takes, and can be told to end meanwhile."""
    request = text({"do": "subscribe", "topics": ["frame", "state"]}, {"do": "plug"}, {"do": "swipe"})
    waiting = text({"do": "wait", "duration": "1 h"}, {"do": "state"})
    expected, _ = run(request + waiting)
    assert len(json.dumps(expected)) > 4 * ENOUGH
    with running() as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(request + waiting)
        program.stdin.flush()
        time.sleep(2.0)
        program.stdin.close()
        assert program.poll() is None, "it waits for its reader"
        assert [json.loads(line) for line in program.stdout] == expected
        assert program.wait(30) == 0
    with running() as program:
        assert program.stdin is not None
        assert ask(program, {"do": "state"})["ok"]
        program.stdin.write(request + waiting)
        program.stdin.flush()
        time.sleep(1.0)
        program.terminate()
        assert program.wait(30) == 0


def test_logs_go_to_standard_error() -> None:
    _, done = run(text({"do": "send_raw", "text": "[2,"}, {"do": "wait", "duration": 5}))
    assert all(json.loads(line) for line in done.stdout.splitlines())


# --- towards a foreign CSMS ---------------------------------------------------------------------------------------------


async def test_towards_a_foreign_csms_time_is_real() -> None:
    import asyncio

    async with EmbeddedCsms(websocket=True) as csms:
        program = await asyncio.create_subprocess_exec(
            *PROGRAM, "--csms", csms.url, "--id", "RIG-1", stdin=-1, stdout=-1, stderr=-1, cwd=ROOT
        )
        assert program.stdin is not None
        assert program.stdout is not None
        await csms.wait_for("RIG-1", "BootNotification", since=0, timeout=30)
        mark = csms.mark()
        requests: Sequence[dict[str, Any]] = (
            {"do": "plug"},
            {"do": "swipe", "token": "04A1B2C3"},
            {"do": "wait", "duration": 1},
        )
        for request in requests:
            program.stdin.write(text(request))
            assert json.loads(await asyncio.wait_for(program.stdout.readline(), 30))["ok"]
        await csms.wait_for("RIG-1", "TransactionEvent", since=mark, timeout=30)
        program.stdin.write_eof()
        out, err = await asyncio.wait_for(program.communicate(), 30)
    assert program.returncode == 0, err
    assert out == b""
