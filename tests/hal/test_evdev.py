"""Keypads, buttons and keyboard-like card readers: real struct input_event bytes through a pipe with a name."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import ButtonPressed, CardPresented, FaultCode, KeyEntered, TokenKind
from hal.drivers.evdev import EvdevReader, KeyDecoder, KeyEvent, claims, create
from hal.drivers.keypad import KEYS, Key, KeypadSettings, PinEntry
from hal.errors import BusError, ConfigError
from tests.hal.openevse_bench import Listener

ENTER, ESC, BACKSPACE, SHIFT = 28, 1, 14, 42
DIGIT = {"1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11}
LETTER = {"a": 30, "b": 48, "c": 46, "d": 32, "e": 18, "f": 33}


def raw(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_700_000_000, 5, kind, code, value)


def stroke(code: int) -> bytes:
    """Down, held, up: as a keyboard sends it, with its scan codes and reports."""
    return b"".join(
        (
            raw(4, 4, 0x70004),
            raw(1, code, 1),
            raw(0, 0, 0),
            raw(1, code, 2),
            raw(0, 0, 1),
            raw(1, code, 0),
            raw(0, 0, 0),
        )
    )


def typed(text: str) -> bytes:
    return b"".join(stroke((DIGIT | LETTER)[character]) for character in text)


class Pad:
    """A device and a driver at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = Listener()
        self.reader: EvdevReader | None = None
        self.plug()

    def plug(self) -> None:
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._fd)

    async def start(self, **settings: object) -> Pad:
        self.reader = create({"port": str(self.path), "grab": False, **settings})
        await self.reader.start(self.listener)
        return self

    def send(self, data: bytes) -> None:
        os.write(self._fd, data)


@pytest.fixture
async def pad(tmp_path: Path) -> AsyncIterator[Pad]:
    found = Pad(tmp_path / "event0")
    yield found
    if found.reader is not None:
        await found.reader.close()
        await found.reader.close()
    if found.path.exists():
        found.unplug()


async def test_a_pin(pad: Pad) -> None:
    await pad.start(evse=2)
    pad.send(typed("12") + stroke(BACKSPACE) + typed("934") + stroke(ENTER))
    await pad.listener.until(KeyEntered(2, "1934"))
    pad.send(typed("99") + stroke(ESC) + typed("5678") + stroke(0x20B))
    await pad.listener.until(KeyEntered(2, "5678"))
    assert "5678" not in repr(pad.listener.heard)


async def test_keys_that_the_kernel_dropped_make_no_pin(pad: Pad) -> None:
    await pad.start()
    pad.send(typed("12") + raw(0, 3, 0) + typed("34") + stroke(ENTER) + typed("4321") + stroke(96))
    await pad.listener.until(KeyEntered(None, "4321"))
    assert len(pad.listener.heard) == 1


async def test_events_in_pieces(pad: Pad) -> None:
    await pad.start()
    data = typed("1234") + stroke(ENTER)
    for at in range(0, len(data), 100):
        pad.send(data[at : at + 100])
        await asyncio.sleep(0)
    await pad.listener.until(KeyEntered(None, "1234"))


async def test_a_button(pad: Pad) -> None:
    await pad.start(use="button", codes=[0x100], evse=3)
    pad.send(stroke(0x101) + stroke(0x100) + stroke(0x100))
    await pad.listener.until(ButtonPressed(3))
    await pad.listener.until(ButtonPressed(3))
    assert pad.listener.heard == [ButtonPressed(3)] * 2


async def test_every_key_may_be_the_button(pad: Pad) -> None:
    await pad.start(use="button")
    pad.send(stroke(57))
    await pad.listener.until(ButtonPressed(1))


async def test_a_card_reader_that_types(pad: Pad) -> None:
    await pad.start(use="card")
    pad.send(typed("04a1b2c3") + stroke(ENTER) + typed("04a1b2c3") + stroke(ENTER))
    await pad.listener.until(CardPresented(None, "04A1B2C3"))
    pad.send(stroke(59) + typed("08010203") + stroke(ENTER))
    await pad.listener.until(CardPresented(None, "08010203", random=True))
    assert len(pad.listener.heard) == 2


async def test_shift_and_text(pad: Pad) -> None:
    await pad.start(use="card", format="text", kind="Local")
    pad.send(raw(1, SHIFT, 1) + typed("ab") + stroke(39) + raw(1, SHIFT, 0) + typed("c1") + stroke(ENTER))
    await pad.listener.until(CardPresented(None, "AB:c1", TokenKind.LOCAL))


async def test_pulled_out_and_plugged_in_again(pad: Pad) -> None:
    await pad.start()
    pad.send(typed("12"))
    await asyncio.sleep(0.02)
    pad.unplug()
    fault = await pad.listener.fault(FaultCode.READER_FAILURE, True)
    assert "plug it in again" in fault.info
    pad.plug()
    await pad.listener.fault(FaultCode.READER_FAILURE, False)
    pad.send(typed("4567") + stroke(ENTER))
    await pad.listener.until(KeyEntered(None, "4567"))


async def test_it_is_grabbed(pad: Pad, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe cannot be; the order to the kernel is EVIOCGRAB, and its refusals are explained."""
    with pytest.raises(BusError, match="no input device"):
        await pad.start(grab=True)
    orders: list[tuple[int, int]] = []

    def ioctl(_: int, order: int, argument: int) -> int:
        orders.append((order, argument))
        if len(orders) > 1:
            raise OSError(errno.EBUSY, "busy")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    await pad.start(grab=True)
    assert orders == [(0x40044590, 1)]
    with pytest.raises(BusError, match="another program"):
        await pad.start(grab=True)


async def test_no_device(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="plugged in"):
        await create({"port": str(tmp_path / "event9")}).start(Listener())


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, ["port"]),
        ({"port": "/dev/input/event0", "use": "card", "max_digits": 4}, ["max_digits"]),
        ({"port": "/dev/input/event0", "use": "button", "evse": 0, "codes": [0]}, ["evse", "codes"]),
        ({"port": "/dev/input/event0", "min_digits": 9, "format": "hex"}, ["min_digits", "format"]),
    ],
)
def test_settings_name_what_is_wrong(settings: dict[str, object], fields: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        create(settings)
    for field in fields:
        assert f"reader.{field}" in str(caught.value)


def test_claims() -> None:
    assert claims({"port": "/dev/input/event0"}) == {("/dev/input/event0", 0)}


# --- without devices ------------------------------------------------------------------------------------------------------


def enter(entry: PinEntry, keys: str, now: float = 0.0) -> str | None:
    for key in keys:
        entry.press(key, now)
    return entry.press(Key.ENTER, now)


def test_too_few_too_many_and_too_slow() -> None:
    entry = PinEntry(KeypadSettings(least=4, most=6, timeout_s=10.0))
    assert enter(entry, "123") is None
    assert enter(entry, "1234567") is None
    assert enter(entry, "1" * 50) is None
    assert enter(entry, "123456") == "123456"
    entry.press("9", 20.0)
    assert enter(entry, "1234", 31.0) == "1234"
    entry.press("9", 40.0)
    entry.forget()
    assert enter(entry, "4321", 40.0) == "4321"


@given(st.lists(st.sampled_from([*"0123456789", *Key])))
def test_a_pin_has_the_right_size_and_only_digits(keys: list[str | Key]) -> None:
    entry = PinEntry(KeypadSettings())
    for key in keys:
        pin = entry.press(key, 0.0)
        assert pin is None or (pin.isdecimal() and 4 <= len(pin) <= 8)


@given(st.lists(st.binary(max_size=100)))
def test_any_bytes_do(pieces: list[bytes]) -> None:
    one, whole = KeyDecoder(), KeyDecoder()
    cut: list[Any] = [key for piece in pieces for key in one.feed(piece)]
    assert cut == list(whole.feed(b"".join(pieces)))


def test_codes_are_those_of_linux() -> None:
    assert [KEYS[code] for code in (2, 11, 79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 0x200, 0x209)] == [*"10123456789009"]
    assert list(KeyDecoder().feed(raw(1, 2, 1) + raw(1, 2, 0))) == [KeyEvent(2, True), KeyEvent(2, False)]


def test_the_struct_is_that_of_this_machine(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    """The C compiler says how large struct input_event is, and where its code is."""
    import subprocess

    compiler = require_tool("cc")
    source = tmp_path / "size.c"
    source.write_text(
        "#include <linux/input.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        'int main(void) { printf("%zu %zu %lu", sizeof(struct input_event), offsetof(struct input_event, code),'
        " (unsigned long)EVIOCGRAB); }\n"
    )
    subprocess.run([compiler, "-o", tmp_path / "size", source], check=True)
    told = subprocess.run([tmp_path / "size"], check=True, capture_output=True, text=True).stdout
    size = struct.Struct("@llHHi").size
    assert told == f"{size} {size - 6} {0x40044590}"
