"""Line-oriented card readers: what a line names, and the driver over pseudo terminals."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import CardPresented, FaultCode, TokenKind
from hal.drivers.card_token import TokenOptions
from hal.drivers.serial_reader import LONGEST_LINE, SIZES, LineFormat, LineSplitter, SerialReader, claims, create
from hal.emulators.line_reader import create as emulate
from hal.emulators.process import EmulatorProcess
from hal.emulators.serve import PtyPlug, Server
from hal.errors import ConfigError
from tests.hal.openevse_bench import Listener

HEX = LineFormat("hex", "", SIZES)
CARD = CardPresented(None, "04A1B2C3D4E5F6")


def token(form: LineFormat, line: bytes, options: TokenOptions | None = None) -> str | None:
    found = form.event(line, options or TokenOptions())
    return found[1].value if found is not None and found[1] is not None else None


@pytest.mark.parametrize(
    ("form", "line", "value"),
    [
        (HEX, b"04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        (HEX, b" 04:a1:b2:c3 ", "04A1B2C3"),
        (HEX, b"0x04A1B2C3", "04A1B2C3"),
        (HEX, b"04-A1-B2-C3-D4-E5-F6-07-08-09", "04A1B2C3D4E5F6070809"),
        (HEX, b"04A1B2C3D4E", None),  # half a byte
        (HEX, b"04A1B2C3D4E5", None),  # six bytes: something is missing
        (HEX, b"00000000", None),
        (HEX, b"ready", None),
        (HEX, b"", None),
        (HEX, b"\xff\xfe\xfd\xfc", None),
        (LineFormat("hex", "UID:", SIZES), b"UID: DE AD BE EF", "DEADBEEF"),
        (LineFormat("hex", "UID:", SIZES), b"DE AD BE EF", None),
        (LineFormat("hex", "", (6, 7)), b"04A1B2C3D4E5", "04A1B2C3D4E5"),
        (LineFormat("decimal", "", SIZES), b"0077705923", "04A1B2C3"),
        (LineFormat("decimal", "", SIZES), b"1304066069063158", "04A206E08BADF6"),
        (LineFormat("decimal", "", SIZES), b"9" * 25, None),
        (LineFormat("decimal", "", SIZES), b"0", None),
        (LineFormat("decimal", "", SIZES), b"12a", None),
        (LineFormat("text", "", SIZES), b" Employee 12 ", "Employee 12"),
        (LineFormat("text", "", SIZES), b"x" * 37, None),
        (LineFormat("text", "", SIZES), b"a\x07b", None),
    ],
)
def test_what_a_line_names(form: LineFormat, line: bytes, value: str | None) -> None:
    if form.format == "decimal" and value is not None:
        value = f"{int(line):0{14 if int(line) >= 1 << 32 else 8}X}"
    assert token(form, line) == value


def test_options_of_the_token() -> None:
    form = LineFormat("hex", "", (7,))
    options = TokenOptions(1, TokenKind.LOCAL, reverse=True, upper=False, max_bytes=6, prefix="A-")
    assert token(form, b"0102030405067F", options) == "A-060504030201"
    text = LineFormat("text", "", SIZES).event(b"bob", options)
    assert text == (b"bob", CardPresented(1, "A-bob", TokenKind.LOCAL))


def test_random_uids_are_flagged_or_ignored() -> None:
    assert HEX.event(b"08010203", TokenOptions()) == (
        bytes.fromhex("08010203"),
        CardPresented(None, "08010203", random=True),
    )
    assert HEX.event(b"08010203", TokenOptions(random=False)) == (bytes.fromhex("08010203"), None)


def test_lines() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"ab\r\ncd\n\n\x02ef\x03gh", 0.0)) == [b"ab", b"cd", b"ef"]
    assert list(splitter.feed(b"ij\x00", 0.5)) == [b"ghij"]
    assert list(splitter.feed(b"half", 1.0)) == []
    assert list(splitter.feed(b"whole\n", 2.5)) == [b"whole"]
    assert list(splitter.feed(b"x" * (LONGEST_LINE + 1) + b"\nok\n", 2.6)) == [b"ok"]
    assert list(splitter.feed(b"noise\x02ok\n", 2.7)) == [b"ok"]


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_do_and_the_next_line_is_right(pieces: list[bytes]) -> None:
    splitter = LineSplitter()
    for piece in pieces:
        for line in splitter.feed(piece, 0.0):
            assert 0 < len(line) <= LONGEST_LINE
            for form in ("hex", "decimal", "text"):
                value = token(LineFormat(form, "", SIZES), line)
                assert value is None or 0 < len(value) <= 36
    assert list(splitter.feed(b"\n04A1B2C3\n", 0.0))[-1] == b"04A1B2C3"


@given(st.sampled_from(SIZES), st.data())
def test_every_uid_comes_through(size: int, data: st.DataObject) -> None:
    uid = data.draw(st.binary(min_size=size, max_size=size).filter(any))
    separator = data.draw(st.sampled_from([":", "-", " ", "."]))
    assert token(HEX, uid.hex(separator).encode()) == uid.hex().upper()
    assert HEX.uid(uid.hex()) == uid


class Bench:
    def __init__(self, link: Path, **settings: object) -> None:
        self.server = Server(emulate({}), PtyPlug(link), random.Random(1))
        self.server.start()
        self.listener = Listener()
        self.reader: SerialReader = create({"port": self.server.port, "debounce_s": 0.3, **settings})

    async def start(self) -> Bench:
        await self.reader.start(self.listener)
        return self

    async def end(self) -> None:
        await self.reader.close()
        await self.reader.close()
        self.server.stop()


async def test_a_reader_that_repeats_is_heard_once(tmp_path: Path) -> None:
    bench = await Bench(tmp_path / "reader").start()
    bench.server.obey({"say": "RFID reader v1.2 ready\r\n"})
    bench.server.obey({"repeat_s": 0.05, "card": "04A1B2C3D4E5F6"})
    await bench.listener.until(CARD)
    await asyncio.sleep(0.5)
    assert bench.listener.heard == [CARD]
    bench.server.obey({"card": "none"})
    await asyncio.sleep(0.5)
    bench.server.obey({"card": "04A1B2C3D4E5F6", "style": "framed", "repeat_s": 0})
    await bench.listener.until(CARD)
    await bench.end()


@pytest.mark.parametrize(
    ("style", "settings"),
    [
        ("hex", {"format": "hex"}),
        ("colons", {"format": "hex"}),
        ("decimal", {"format": "decimal"}),
        ("hex", {"begins": "UID="}),
    ],
)
async def test_styles(tmp_path: Path, style: str, settings: dict[str, object]) -> None:
    bench = await Bench(tmp_path / "reader", **settings).start()
    bench.server.obey({"style": style, "begins": settings.get("begins", ""), "card": "04A1B2C3D4E5F6"})
    await bench.listener.until(CARD)
    await bench.end()


async def test_pulled_out_and_plugged_in_again(tmp_path: Path) -> None:
    bench = await Bench(tmp_path / "reader", evse=2).start()
    bench.server.obey({"say": "04A1"})
    await asyncio.sleep(0.02)
    bench.server.obey({"hang_up": 0.2})
    fault = await bench.listener.fault(FaultCode.READER_FAILURE, True)
    assert fault.evse == 2
    await bench.listener.fault(FaultCode.READER_FAILURE, False)
    bench.server.obey({"card": "DEADBEEF"})
    await bench.listener.until(CardPresented(2, "DEADBEEF"))
    await bench.end()


async def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    async with EmulatorProcess("line_reader", link=tmp_path / "reader", style="colons") as emulator:
        listener = Listener()
        reader = create({"port": emulator.port})
        await reader.start(listener)
        await emulator.tell(card="04A1B2C3D4E5F6")
        await listener.until(CARD)
        with pytest.raises(ConfigError, match="card"):
            await emulator.tell(card="xy")
        with pytest.raises(ConfigError, match="style"):
            await emulator.tell(style="loud")
        await reader.close()


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        create({"bytes": [99], "format": "x", "debounce_s": -1, "case": "Upper", "evse": -1})
    for field in ("port", "bytes", "format", "debounce_s", "case", "evse"):
        assert f"reader.{field}" in str(caught.value)
    with pytest.raises(ConfigError, match="unknown settings: x"):
        emulate({"x": 1})
    assert claims({"port": "/dev/ttyS0"}) == {("/dev/ttyS0", 0)}
