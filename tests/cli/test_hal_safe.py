"""`station hal safe` after a program that was killed, against an emulated board in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from hal.emulators.process import EmulatorProcess
from station.__main__ import main
from station.cli import hal_safe

# A station in the middle of a charge, as far as its board is concerned; it never ends by itself.
DRIVER = """
import asyncio, sys
from hal.api import PilotSignal, PowerPathChanged
from hal.registry import create_board

async def drive():
    board = create_board("openevse", {"port": sys.argv[1], "timeout_s": 5.0})
    await board.devices[0].start(lambda event: event == PowerPathChanged(1, True) and print("closed", flush=True))
    await board.units[0].pilot.signal(PilotSignal.PWM, 16.0)
    await board.units[0].power.permit(True, 1)
    await asyncio.Event().wait()

asyncio.run(drive())
"""


def config(folder: Path, *boards: str) -> Path:
    """A file that is wrong everywhere but in its boards."""
    file = folder / "station.toml"
    file.write_text("\n".join(["[csms]\nurl = 5\n", *boards]))
    return file


def board(driver: str, number: int, **settings: object) -> str:
    rest = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    return f'[[board]]\ndriver = "{driver}"\nevses = [{number}]\n{rest}'


async def test_after_kill_9(tmp_path: Path) -> None:
    """The relay opens, and a board that is not there is told of and does not keep the other one closed."""
    async with EmulatorProcess("openevse") as emulator:
        await emulator.tell(car="asks")
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DRIVER, emulator.port, stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        assert await asyncio.wait_for(program.stdout.readline(), 30) == b"closed\n"
        program.kill()
        await program.communicate()
        assert (await emulator.tell(look=True))["relay"] is True
        boards = (board("openevse", 1, port=emulator.port), board("openevse", 2, port=tmp_path / "ttyUSB7"))
        safe = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "station", "hal", "safe", "--config", config(tmp_path, *boards)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await asyncio.wait_for(safe.communicate(), 30)
        facts = await emulator.tell(look=True)
    assert facts["relay"] is False
    assert facts["mode"] == "P12"
    text = err.decode()
    assert safe.returncode == 1
    assert "board[1] (openevse): safe, its contactor is open" in text
    assert "board[2] (openevse): not known to be safe" in text
    assert "is the adapter plugged in?" in text
    assert "Traceback" not in text


def test_simulated_boards_are_gone_with_their_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hal", "safe", "--config", str(config(tmp_path, board("sim", 1)))]) == 0
    assert "simulated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("boards", "words"),
    [
        ((), "a [[board]] cannot be read"),
        (("board = 3",), "a [[board]] cannot be read"),
        (("[[board]]\nevses = [1]\n",), "a [[board]] cannot be read"),
        ((board("openevse", 1),), "board.port: is missing"),
        ((board("opnevse", 1),), "did you mean 'openevse'?"),
    ],
)
def test_what_is_not_known_to_be_safe(
    boards: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, *boards)
    if boards == ("board = 3",):
        file.write_text("board = 3\n")
    assert main(["hal", "safe", "--config", str(file)]) == 1
    assert words in capsys.readouterr().err


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hal", "safe", "--config", str(tmp_path / "gone.toml")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def boards_on(*ports: str) -> list[hal_safe._Named]:
    return [
        hal_safe._Named(f"board[{number}] (other)", "other", {"port": port}) for number, port in enumerate(ports, 1)
    ]


async def test_boards_on_one_line_take_turns(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    busy: set[str] = set()
    most = 0

    async def make_safe(_: str, settings: dict[str, str]) -> bool:
        nonlocal most
        assert settings["port"] not in busy, "a port is opened for one only"
        busy.add(settings["port"])
        most = max(most, len(busy))
        await asyncio.sleep(0.01)
        busy.discard(settings["port"])
        return settings["port"] != "c"

    monkeypatch.setattr(hal_safe, "make_safe", make_safe)
    monkeypatch.setattr(hal_safe, "claims", lambda _, settings: {(settings["port"], 1)})
    with caplog.at_level(logging.ERROR):
        assert not await hal_safe._all(boards_on("a", "a", "b", "b", "c"))
    assert most == 3
    assert [record.getMessage() for record in caplog.records] == [
        "board[5] (other): not known to be safe: its driver has no command for that"
    ]


async def test_a_board_that_hangs_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def make_safe(_: str, settings: dict[str, str]) -> bool:
        if settings["port"] == "a":
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(hal_safe, "make_safe", make_safe)
    monkeypatch.setattr(hal_safe, "LIMIT_S", 0.05)
    assert not await hal_safe._all(boards_on("a", "b"))
    assert "it took longer than" in caplog.text
