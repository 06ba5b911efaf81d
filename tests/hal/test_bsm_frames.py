"""Every Modbus frame that the maker of a real meter prints (bsm_frames.txt): our framer on all, our driver against a replay."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyocmf import OCMF

from hal.api import SignedMoment
from hal.bus.modbus_rtu import Function, ModbusBus, ModbusDevice, Reply, Request, Timing, crc16, find_reply
from hal.drivers.meter_signing import BsmMeter
from hal.emulators.modbus_frames import checksum
from hal.errors import BusError
from hal.meters.decode import value_of
from hal.meters.model import Register, load
from station.sim.loop import run
from tests.hal.cable import Answers, Cable

_TOKEN = re.compile(r"'([^']*)'|0\*(\d+)|([0-9a-f]+)|(\s+)|(.)")


@dataclass(frozen=True)
class Pair:
    """A request and its answer as printed; intact: the answer's CRC is right. times: so often it is printed."""

    request: bytes
    answer: bytes
    intact: bool
    times: int

    def decoded(self) -> Request:
        """The request by its fields, read here without the codec under test."""
        unit, function = self.request[:2]
        address, amount = (int.from_bytes(self.request[at : at + 2], "big") for at in (2, 4))
        if function == 3:
            return Request(unit, Function.READ_HOLDING, address, amount)
        data = self.request[7:-2]
        assert (function, self.request[6], len(data)) == (16, 2 * amount, 2 * amount)
        values = tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
        return Request(unit, Function.WRITE_REGISTERS, address, values=values)


def _bytes(text: str) -> bytes:
    found = b""
    for quoted, zeros, digits, _, wrong in _TOKEN.findall(text):
        assert not wrong, text
        found += quoted.encode() + bytes(int(zeros or 0)) + bytes.fromhex(digits)
    return found


def _pairs() -> list[Pair]:
    found, times, request = [], 0, b""
    for line in Path(__file__).with_name("bsm_frames.txt").read_text(encoding="utf-8").splitlines():
        kind, rest = line[:1], line[1:]
        if kind == "x":
            times = int(rest)
        elif kind == ">":
            request = _bytes(rest)
        elif kind in {"<", "!"}:
            found.append(Pair(request, _bytes(rest), kind == "<", times))
    return found


PAIRS = _pairs()
INTACT = [pair for pair in PAIRS if pair.intact]


def test_all_of_them_are_here() -> None:
    """76 pairs printed, many of them twice; one answer is printed wrong."""
    assert sum(pair.times for pair in PAIRS) == 76
    frames = [(frame, pair.times) for pair in PAIRS for frame in (pair.request, pair.answer)]
    wrong = sum(times for frame, times in frames if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"))
    assert (sum(times for _, times in frames), wrong) == (152, 1)
    assert sum(times for frame, times in frames if checksum(frame[:-2]) != frame[-2:]) == 1


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.request[:6].hex())
def test_each_is_made_and_parsed_by_our_framer(pair: Pair) -> None:
    request = pair.decoded()
    assert request.encode() == pair.request
    reply = find_reply(request, pair.answer)
    if not pair.intact:
        assert reply is None
        return
    assert request.reply_length == len(pair.answer)
    if request.function is Function.READ_HOLDING:
        assert reply == Reply(
            tuple(pair.answer[at] << 8 | pair.answer[at + 1] for at in range(3, len(pair.answer) - 2, 2))
        )
    else:
        assert reply == Reply()
    # Behind noise, and behind its own echo (a write's answer begins as the write does: only the whole counts).
    rng = random.Random(pair.request)
    assert find_reply(request, rng.randbytes(7) + pair.answer) == reply
    assert find_reply(request, pair.answer[:-1]) is None


class Replay:
    """Answers what was printed with what was printed; parts of what was read, out of it. `exact` counts the former."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = {pair.request: pair.answer for pair in pairs}
        self.words: dict[int, bytes] = {}
        self.exact = self.parts = 0
        for pair in pairs:
            request = pair.decoded()
            if request.function is Function.READ_HOLDING and pair.intact:
                for at in range(request.count):
                    self.words[request.address + at] = pair.answer[3 + 2 * at : 5 + 2 * at]

    def __call__(self, data: bytes, now: float) -> Answers:
        if data in self.pairs:
            self.exact += 1
            return [(0.02, self.pairs[data])]
        unit, function = data[:2]
        address, count = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
        if function == 3 and all(at in self.words for at in range(address, address + count)):
            self.parts += 1
            body = bytes((unit, 3, 2 * count)) + b"".join(self.words[at] for at in range(address, address + count))
        else:
            body = bytes((unit, function | 0x80, 2))
        return [(0.02, body + checksum(body))]


def replayed() -> tuple[Replay, BsmMeter]:
    """A meter that answers with what was printed; the later answer counts when one thing was asked twice."""
    server = Replay(INTACT)
    device = ModbusDevice(ModbusBus(Cable(server)), 42, Timing(1.0))
    return server, BsmMeter(load("bsm_ws36a"), device, offset_min=60)


def verified(record: str, key: str) -> bool:
    return bool(OCMF.from_string(record).verify_signature(key))


def test_our_driver_signs_as_the_makers_tool_does() -> None:
    """Time, identification, snapshot, status, record: the same requests, byte for byte, and a record that verifies."""

    async def main() -> None:
        server, meter = replayed()
        text = await meter._record(SignedMoment.CURRENT, "contract-id: rfid:12345678abcdef", 1_609_491_600.0)
        assert text is not None
        assert (server.exact, server.parts) == (7, 1)  # only the record's status is asked for alone
        key = await meter.public_key()
        assert verified(text, key)
        assert not verified(text.replace("52620", "52630"), key)

    run(main())


@pytest.mark.parametrize(("record", "kind", "total_wh"), [(42291, "B", 52440), (42791, "E", 52610)])
def test_the_records_of_a_real_charge_are_read_and_verify(record: int, kind: str, total_wh: int) -> None:
    async def main() -> None:
        server, meter = replayed()
        text = (await meter._until_nul(record + 4, 496)).decode()
        assert server.exact == 3
        assert f'"TX":"{kind}"' in text
        assert f'"XV":{total_wh}' in text
        assert verified(text, await meter.public_key())

    run(main())


def test_the_numbers_of_a_snapshot() -> None:
    async def main() -> None:
        _, meter = replayed()
        words = await meter.device.read(3, 41031, 100)  # the end of that charge
        held = dict(enumerate(words, start=41031))
        assert value_of(Register(41035, "u32", exponent=41037), held) == 52610.0
        assert value_of(Register(41033, "u32", exponent=41037), held) == 160.0

    run(main())


def test_the_frame_that_is_printed_wrong_is_refused() -> None:
    async def main() -> None:
        (wrong,) = (pair for pair in PAIRS if not pair.intact)
        device = ModbusDevice(ModbusBus(Cable(Replay([wrong]))), 42, Timing(0.5, retries=1))
        with pytest.raises(BusError, match="damaged"):
            await device.read(3, 40449, 50)
        assert asyncio.get_running_loop().time() < 60.0

    run(main())
