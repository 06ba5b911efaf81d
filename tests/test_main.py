"""The command line: what is understood, what is refused, and the exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from station import __version__
from station.__main__ import main, parser
from tests.tools import command_line

ROOT = Path(__file__).parents[1]


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "station", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "station.toml"
    file.write_text(
        '[station]\nid = "CS1"\n[csms]\nurl = "ws://localhost:9000"\n[[board]]\ndriver = "sim"\nevses = [1]\n'
    )
    return file


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["sim", "--speed", "0"],
        ["sim", "--speed", "fast"],
        ["sim", "--speed", "nan"],
        ["sim", "--duration", "-1"],
        ["sim", "--duration", "inf"],
        ["sim", "--duration", "soon"],
        ["sim", "--evses", "0"],
        ["sim", "--evses", "9"],
        ["sim", "--ocpp", "2.1"],
        ["sim", "--token", ""],
        ["sim", "--token", "x" * 37],
        ["sim", "--token", "a\nb"],
        ["sim", "--token", "é€"],
        ["sim", "--token", "a b"],
        ["sim", "--id", "a/b"],
        ["sim", "--id", ""],
        ["sim", "--id", "x" * 49],
        ["play", "1", "--speed", "0"],
        ["run"],
        ["check"],
        ["config", "sample"],
        ["store", "queue"],
    ],
)
def test_what_is_not_understood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "usage: station" in told
    if len(arguments) == 3 and arguments[1].startswith("--"):
        assert f"error: argument {arguments[1]}: " in told


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, word in ((["--version"], f"pilotwire {__version__}"), (["--help"], "sim")):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert word in capsys.readouterr().out


def test_the_usual_speed_depends_on_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times towards the embedded CSMS; as time goes towards a real one, so that time stamps and energy agree there."""
    from station.sim import terminal
    from station.sim.panel import PanelOptions

    seen: list[terminal.SimOptions] = []
    monkeypatch.setattr(terminal, "run_sim", lambda options: seen.append(options) or 0)
    for arguments, speed in (
        ([], 10.0),
        (["--csms", "ws://x"], 1.0),
        (["--csms", "ws://x", "--speed", "5"], 5.0),
        (["--speed", "max"], None),
    ):
        assert main(["sim", *arguments]) == 0
        assert seen[-1].speed == speed
    more = ["--ocpp", "1.6", "--id", "X", "--seed", "s", "--store", "D", "--no-demo", "--plain"]
    main(["sim", *more, "--duration", "3", "--evses", "4", "--token", "T"])
    assert seen[-1] == terminal.SimOptions(
        version="1.6",
        identity="X",
        token="T",
        speed=10.0,
        evses=4,
        seed="s",
        folder=Path("D"),
        demo=False,
        plain=True,
        duration_s=3.0,
        panel=PanelOptions(),
    )
    main(["sim", "--no-panel"])
    assert seen[-1].panel is None


def test_wrong_url(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "--plain", "--csms", "http://x"]) == 2
    assert capsys.readouterr().err == "error: --csms: must begin with ws:// or wss://\n"


# --- configuration ----------------------------------------------------------------------------------------------------


def test_check(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(f'{good.read_text()}\n[store]\npath = "{good.parent}/station.db"\n')
    assert main(["check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: good, 1 EVSE, OCPP 2.0.1 then 1.6\n"


def test_check_warns_when_the_database_has_no_place(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(f'{good.read_text()}\n[store]\npath = "{good.parent}/none/station.db"\n')
    assert main(["check", str(good)]) == 0
    assert f"warning: store.path: {good.parent}/none does not exist" in capsys.readouterr().out


def test_check_warns(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(good.read_text().replace("ws://localhost:9000", 'ws://far.example"\npassword = "0123456789abcdef'))
    assert main(["check", str(good)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("warning: line 4: csms.url: the password travels unencrypted")
    assert "0123456789abcdef" not in out


def test_check_tells_every_mistake(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(
        good.read_text().replace("ws:", "http:").replace('"sim"', '"sin"').replace("[1]", '"one"') + "x = 1\n"
    )
    assert main(["check", str(good)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert all(line.startswith("error: line ") for line in lines)
    for word in ("csms.url", "board[1].evses"):
        assert any(word in line for line in lines)


def test_check_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "gone.toml")]) == 2
    assert "station config example > " in capsys.readouterr().err


def test_the_example_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "example"]) == 0
    file = tmp_path / "station.toml"
    file.write_text(capsys.readouterr().out)
    assert main(["check", str(file)]) == 0
    assert ": good, 2 EVSEs, " in capsys.readouterr().out


def test_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "drivers"]) == 0
    boards, meters, readers = capsys.readouterr().out.splitlines()
    assert boards.startswith("[[board]] driver: ")
    assert "sim" in boards.split(": ")[1].split(", ")
    assert meters.startswith("[[meter]] model: abb_b2x, ")
    assert readers == "[[reader]] kind: evdev, gpio, pn532, serial"


# --- store ------------------------------------------------------------------------------------------------------------


def test_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "queue", str(tmp_path / "gone.db")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/gone.db: there is no such file")
    from station.store.sqlite import SqliteStore

    SqliteStore.open(tmp_path / "s.db", threaded=False, now_wall=lambda: 0.0).close()
    for what in ("queue", "dead"):
        assert main(["store", what, str(tmp_path / "s.db")]) == 0
        assert capsys.readouterr().out == ""


# --- processes --------------------------------------------------------------------------------------------------------


def test_arguments_are_understood_without_loading_the_program() -> None:
    """Help and mistakes are quick: nothing heavy is imported for them."""
    code = "import sys; from station.__main__ import parser; parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"asyncio", "ocpp", "websockets", "orjson", "station.app"} & set(loaded.split())


def test_nobody_reads_the_example() -> None:
    """`station config example | head -1` ends without a word."""
    program = subprocess.Popen(
        [sys.executable, "-m", "station", "config", "example"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    assert program.wait(30) == 0
    assert program.stderr.read() == b""
    program.stderr.close()


@pytest.mark.parametrize(
    "arguments", [["config", "example"], ["check", "FILE"], ["play", "05-power-cut", "--plain"], ["play"]], ids=str
)
def test_a_device_that_takes_no_more(arguments: list[str], good: Path) -> None:
    """One line, exit code 1: `station ... > /dev/full`."""
    command = [sys.executable, "-W", "error", "-m", "station", *(str(good) if a == "FILE" else a for a in arguments)]
    with Path("/dev/full").open("wb") as full:
        program = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert program.returncode == 1
    assert program.stderr == "error: the output cannot be written: No space left on device\n"


def test_an_output_that_is_closed_or_shut_in_the_middle(good: Path) -> None:
    """`station ... >&-` has nothing to say it to; `| head -3` has read enough."""
    shell = f"{sys.executable} -m station"
    for command, told in ((f"{shell} check {good} >&-", 0), (f"{shell} play 05-power-cut --plain | head -3", 3)):
        program = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert (program.returncode, program.stderr) == (0, "")
        assert len(program.stdout.splitlines()) == told


def test_an_error_of_the_system_names_its_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_arguments: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("station.__main__._config", fail)
    assert main(["config", "example"]) == 1
    assert capsys.readouterr().err == f"error: [Errno 13] Permission denied: '{tmp_path}'\n"


def test_a_play_can_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "1", "--ocpp", "1.6", "--plain", "--speed", "5000"]) == 0
    slow = capsys.readouterr().out
    assert main(["play", "1", "--ocpp", "1.6", "--plain", "--speed", "max"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split(":")[0] == slow.splitlines()[-1].split(":")[0]


def test_as_a_module() -> None:
    assert run("--version").stdout == f"pilotwire {__version__}\n"


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_of_the_command_line_is_current() -> None:
    assert command_line.PAGE.read_text(encoding="utf-8") == command_line.page(), (
        "run: python -m tests.tools.command_line"
    )


def test_the_page_has_every_command_and_option() -> None:
    page = command_line.page()
    for command in ("sim", "play", "run", "check", "config", "store"):
        assert f"## `station {command}`" in page
    for option in ("--csms URL", "--speed N\\|max", "--config FILE", "--token ID", "--socket [PATH]", "`[scenario]`"):
        assert option in page
    assert "==SUPPRESS==" not in page
    assert parser().prog == "station"


def test_an_old_page_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(command_line, "PAGE", tmp_path / "command-line.md")
    assert command_line.main(["--check"]) == 1
    assert "python -m tests.tools.command_line" in capsys.readouterr().err
    assert command_line.main([]) == 0
    assert command_line.main(["--check"]) == 0
