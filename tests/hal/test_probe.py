"""Finding out what is connected: the plan, the names of ports, who holds one, and meters known by their values."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hal.bus.serial import Line, SerialPort
from hal.drivers.pn532_probe import probe as probe_pn532
from hal.emulators.modbus_board import create as emulate_board
from hal.emulators.modbus_meter import create as emulate_meters
from hal.emulators.pn532 import create as emulate_pn532
from hal.emulators.serve import Emulated, PtyPlug, Server, TcpPlug
from hal.errors import BusError, ConfigError
from hal.found import Found, FoundKind
from hal.meters.model import load
from hal.probe import Question, Trouble, questions, search, trouble_of
from hal.probe_configured import check_board, check_meter, check_reader
from hal.probe_modbus import scan
from hal.probe_ports import Ports, holder, ports
from hal.registry import prober

QUICK_S = 0.05
"""Longest answer of an emulator in this process."""


@contextmanager
def served(device: Emulated) -> Iterator[str]:
    """The name of a port behind which the device is."""
    server = Server(device, PtyPlug(), random.Random(1))
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_most_harmless_question_comes_first_and_each_line_is_asked_once() -> None:
    plan = list(questions("/dev/ttyUSB0"))
    assert [question.protocol for question in plan[:4]] == ["OpenEVSE (RAPI)", "PN532", "EVerest-MCU", "Modbus"]
    buses = [question for question in plan if question.protocol == "Modbus"]
    settings = [(question.line.baud, question.line.parity) for question in buses]
    assert settings[0] == (9600, "N"), "as most devices are delivered"
    assert {(19200, "E"), (115200, "N")} <= set(settings)
    assert len(set(settings)) == len(settings)
    assert str(plan[0]) == "OpenEVSE (RAPI) at 115200 8N1"
    by_rate = {question.line.baud: question.addresses for question in buses}
    assert 33 in by_rate[115200]


def test_what_was_asked_for_limits_the_plan() -> None:
    plan = list(questions("/dev/ttyUSB0", baud=9600, parity="E", addresses=(7, 8, 9)))
    assert {(question.line.baud, question.line.parity) for question in plan} == {(9600, "E")}
    assert {question.protocol for question in plan} == {"Modbus"}
    assert str(plan[0]).endswith("7-9, 33, 42")


async def test_over_a_serial_server_a_bus_is_asked_once_and_its_line_is_the_servers() -> None:
    plan = [question for question in questions("socket://127.0.0.1:4001") if question.protocol == "Modbus"]
    assert [set(question.addresses) for question in plan] == [{1, 33, 42}]
    server = Server(emulate_board({"board": "heidelberg"}), TcpPlug(), random.Random(1))
    server.start()
    try:
        (found,) = await scan(Line(server.port), (1,), QUICK_S)
    finally:
        server.stop()
    assert (found.kind, found.driver, found.settings) == (FoundKind.BOARD, "heidelberg", {"port": server.port})


async def test_a_search_ends_with_the_first_answer_or_with_a_port_that_is_taken() -> None:
    one = Found(FoundKind.READER, "pn532", "a chip", {})
    asked: list[str] = []

    def question(name: str, outcome: tuple[Found, ...] | BusError) -> Question:
        async def ask() -> tuple[Found, ...]:
            if isinstance(outcome, BusError):
                raise outcome
            return outcome

        return Question(name, Line("/dev/x"), ask)

    def failing(number: int) -> BusError:
        error = BusError("/dev/x cannot be opened")
        error.__cause__ = OSError(number, "no")
        return error

    plan = [question("a", ()), question("rate", failing(errno.EINVAL)), question("b", (one,)), question("c", ())]
    report = await search("/dev/x", plan, lambda each: asked.append(each.protocol))
    assert (report.found, report.by, asked) == ((one,), plan[2], ["a", "rate", "b"])
    report = await search("/dev/x", plan[:2], lambda _: None)
    assert (report.trouble, report.asked) == (Trouble.OTHER, 2)
    report = await search("/dev/x", [question("a", failing(errno.EBUSY)), plan[2]], lambda _: None)
    assert (report.trouble, report.asked, report.found) == (Trouble.IN_USE, 0, ())
    assert trouble_of(failing(errno.EACCES)) is Trouble.NO_PERMISSION
    assert trouble_of(failing(errno.ENOENT)) is Trouble.NOT_THERE
    assert trouble_of(BusError("by itself")) is Trouble.OTHER


# --- names of ports ---------------------------------------------------------------------------------------------------


def test_each_device_once_by_its_stable_name(tmp_path: Path) -> None:
    for name in (
        "dev/ttyUSB0",
        "dev/ttyUSB1",
        "dev/ttyACM0",
        "dev/ttyAMA0",
        "dev/gpiochip0",
        "dev/ttyS0",
        "proc/consoles",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder, name, target in (("serial", "usb-FTDI_A-if00", "ttyUSB1"), ("input", "usb-Keypad-event-kbd", "event3")):
        link = tmp_path / "dev" / folder / "by-id" / name
        link.parent.mkdir(parents=True)
        link.symlink_to(f"../../{target}")
    (tmp_path / "proc/consoles").write_text("ttyAMA0              -W- (EC p a)  204:64\n")
    assert ports(tmp_path) == Ports(
        serial=("/dev/serial/by-id/usb-FTDI_A-if00", "/dev/ttyUSB0", "/dev/ttyACM0"),
        consoles=("/dev/ttyAMA0",),
        inputs=("/dev/input/by-id/usb-Keypad-event-kbd",),
        chips=("/dev/gpiochip0",),
    )
    assert ports(tmp_path / "nothing") == Ports()


def test_who_holds_a_port(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    port.touch()
    process = tmp_path / "proc" / "812"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "5").symlink_to(port)
    (process / "cmdline").write_bytes(b"/opt/venv/bin/python\0/opt/venv/bin/station\0run\0")
    assert holder(str(port), tmp_path / "proc") == "process 812 (python station run)"
    assert holder(str(tmp_path / "other"), tmp_path / "proc") == ""
    status = port.stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (tmp_path / "proc" / "locks").write_text(
        f"1: POSIX  ADVISORY  READ 5 00:00:1 0 EOF\n2: FLOCK ADVISORY WRITE 900 {place} 0 EOF\n"
    )
    assert holder(str(port), tmp_path / "proc") == "process 900 (?)"
    assert holder(str(port), tmp_path / "nothing") == ""


# --- devices ----------------------------------------------------------------------------------------------------------


async def test_a_bus_is_asked_at_each_address() -> None:
    with served(emulate_meters({"meters": "sdm120@2,iem3155@4"})) as port:
        found = await scan(Line(port), (1, 2, 4), QUICK_S)
    assert [(one.driver, dict(one.settings).get("address")) for one in found] == [("sdm120", 2), ("iem3155", 4)]
    assert {one.kind for one in found} == {FoundKind.METER}
    assert dict(found[0].readout)["voltage"] == "230.0 V"
    assert found[1].settings["parity"] == "N", "as it was asked, and not as it is delivered"


async def test_a_stranger_is_told_too() -> None:
    meters = emulate_meters({"meters": "sdm120@7"})
    meters.control({"refuse": 2}, 0.0)
    with served(meters) as port:
        (found,) = await scan(Line(port), (7,), QUICK_S)
    assert (found.driver, found.who) == ("", "a Modbus device that fits no table of boards or meters")
    assert found.settings["address"] == 7


async def test_a_reader_shows_that_a_card_lies_on_it_and_not_which() -> None:
    chip = emulate_pn532({})
    chip.control({"card": "04A1B2C3D4E5F6"}, 0.0)
    with served(chip) as port:
        found = await probe_pn532(Line(port, 115200))
        assert found == Found(
            FoundKind.READER, "pn532", "NXP PN532, firmware 1.6", {"port": port}, (("card", "04**** (7 bytes)"),)
        )
        async with asyncio.timeout(10):
            while chip.field:  # it hears so after we have let go
                await asyncio.sleep(0.01)
    with served(emulate_meters({"meters": "sdm120"})) as port:
        assert await probe_pn532(Line(port, 115200), 0.1) is None


# --- what a configuration names ---------------------------------------------------------------------------------------


async def test_configured_devices(tmp_path: Path) -> None:
    with served(emulate_meters({"meters": "sdm630"})) as port:
        check = await check_meter({"model": "sdm630", "port": port})
        assert (check.answered, check.found is not None and check.found.who) == (True, load("sdm630").name)
        silent = await check_meter({"model": "sdm630", "port": port, "address": 9, "timeout_s": QUICK_S, "retries": 0})
        assert (silent.answered, "no answer" in silent.problem) == (False, True)
        holds = SerialPort(Line(port))
        await holds.open()
        taken = await check_reader("serial", {"port": port})
        assert (taken.answered, taken.trouble) == (False, Trouble.IN_USE)
        await holds.close()
        heard = await check_reader("serial", {"port": port})
        assert (heard.answered, heard.trouble) == (None, None)
        board = await check_board("openevse", {"port": port, "timeout_s": 0.1})
        assert (board.answered, board.problem) == (False, "nobody answers, or somebody else")
        assert board.on_host_loss.startswith("reduces to 6 A")
    (tmp_path / "event0").touch()
    there = await check_reader("evdev", {"port": str(tmp_path / "event0"), "use": "keypad"})
    assert there.answered is None
    gone = await check_reader("evdev", {"port": str(tmp_path / "event1"), "use": "keypad"})
    assert (gone.answered, gone.problem.endswith("No such file or directory")) == (False, True)
    simulated = await check_board("sim", {})
    assert simulated.answered is None
    assert prober("pn532", reader=True) is not None
    with pytest.raises(ConfigError, match="unknown driver"):
        await check_board("nothing", {})
    assert not os.path.exists(tmp_path / "event1")
