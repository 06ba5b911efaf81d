"""Modbus RTU: frames against published bytes and an independent implementation, the master on virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.bus.modbus_rtu import (
    EXCEPTIONS,
    Function,
    ModbusBus,
    ModbusDevice,
    RefusedError,
    Reply,
    Request,
    Timing,
    crc16,
    find_reply,
)
from hal.bus.serial import Line
from hal.emulators.modbus_frames import checksum
from hal.errors import BusError, ConfigError
from station.sim.loop import run as run_virtual
from tests.hal.cable import Answers, Cable

# Wire frames of a Bauer BSM-WS36A, printed by its maker (chargeITmobility/bsm-python, doc/examples/snapshots.md, ocmf.md).
PUBLISHED = [
    (Request(42, Function.WRITE_REGISTERS, 40524, values=(2,)), "2a109e4c0001020002bca5", "2a109e4c0001e9ed", ()),
    (Request(42, Function.READ_HOLDING, 40524, 1), "2a039e4c00016c2e", "2a030200009c42", (0,)),
    (Request(42, Function.READ_HOLDING, 41793, 2), "2a03a3410002b040", "2a0304000000006131", (0, 0)),
    (Request(42, Function.READ_HOLDING, 42293, 2), "2a03a5350002f0d2", "2a03040001000030f1", (1, 0)),
    (
        Request(42, Function.WRITE_REGISTERS, 40260, values=(0x5FEE, 0xE490, 60)),
        "2a109d440003065feee490003cd4b0",
        "2a109d440003e9aa",
        (),
    ),
    (
        Request(42, Function.READ_HOLDING, 40748, 27),
        "2a039f2c001bec07",
        "2a03369f96464773456895a330165154df038d91f61656c0a7f8607ee06c68b2" + "00" * 25 + "51cf",
        (0x9F96, 0x4647, 0x7345, 0x6895, 0xA330, 0x1651, 0x54DF, 0x038D, 0x91F6, 0x1656, 0xC0A7, 0xF860, 0x7EE0, 0x6C68)
        + (0xB200,)
        + (0,) * 12,
    ),
]


def text_of(text: str, registers: int) -> str:
    """A string as Modbus has it, in hex."""
    return text.encode().ljust(2 * registers, b"\0").hex()


def words_of_hex(data: str) -> tuple[int, ...]:
    return tuple(int(data[at : at + 4], 16) for at in range(0, len(data), 4))


META1 = text_of("contract-id: rfid:12345678abcdef", 70)
META2 = text_of("evse-id: DE*BDO*E8025334492*2", 50)
META3 = text_of("csc-sw-version: v1.2.34", 50)
SNAPSHOT = (
    "000000000000000f00002710000100000001" + text_of("001BZR1521070006", 8) + "000010b60007edc862c7e599007800000c43"
    "0007ec3300010000" + META1
)[:400]
PUBLISHED += [
    (Request(42, Function.WRITE_REGISTERS, 40778, values=(2,)), "2a109f4a0001020002ac03", "2a109f4a00010810", ()),
    (Request(42, Function.WRITE_REGISTERS, 41032, values=(2,)), "2a10a048000102000262e2", "2a10a0480001a5c4", ()),
    (
        Request(42, Function.WRITE_REGISTERS, 40279, values=words_of_hex(META1)),
        f"2a109d5700468c{META1}efa0",
        "2a109d570046d99c",
        (),
    ),
    (
        Request(42, Function.WRITE_REGISTERS, 40279, values=words_of_hex(META1 + META2)),
        f"2a109d570078f0{META1}{META2}195c",
        "2a109d570078584c",
        (),
    ),
    (
        Request(42, Function.WRITE_REGISTERS, 40399, values=words_of_hex(META3)),
        f"2a109dcf003264{META3}f0c8",
        "2a109dcf00325854",
        (),
    ),
    (Request(42, Function.READ_HOLDING, 42170, 121), "2a03a4ba007980e6", "2a03f2" + "00" * 242 + "443c", (0,) * 121),
    (
        Request(42, Function.READ_HOLDING, 40523, 100),
        "2a039e4b00641dc4",
        f"2a03c8{SNAPSHOT}3f20",
        words_of_hex(SNAPSHOT),
    ),
]


# Waveshare Modbus RTU Relay, development protocol V2 (waveshare.com/wiki/Modbus_RTU_Relay): on, off, and on for 700 ms.
PUBLISHED += [
    (Request(1, Function.WRITE_COIL, 0, values=(1,)), "01050000ff008c3a", "01050000ff008c3a", ()),
    (Request(1, Function.WRITE_COIL, 0, values=(0,)), "010500000000cdca", "010500000000cdca", ()),
    (Request(1, Function.WRITE_COIL, 0x0200, values=(7,)), "0105020000078db0", "0105020000078db0", ()),
]


@pytest.mark.parametrize(("request_", "sent", "answered", "values"), PUBLISHED)
def test_published_frames(request_: Request, sent: str, answered: str, values: tuple[int, ...]) -> None:
    assert request_.encode().hex() == sent
    assert request_.reply_length == len(bytes.fromhex(answered))
    assert find_reply(request_, bytes.fromhex(answered)) == Reply(values)


def test_crc_has_the_check_value_of_the_catalogue() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert crc16(b"") == 0xFFFF


@given(st.binary(max_size=300))
def test_crc_is_that_of_the_bitwise_algorithm(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == checksum(data)


units = st.integers(1, 247)
BITS = {Function.READ_COILS, Function.READ_DISCRETE}
words = st.integers(0, 0xFFFF)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    function = draw(st.sampled_from(Function))
    unit = draw(units)
    if function in {Function.READ_HOLDING, Function.READ_INPUT, *BITS}:
        count = draw(st.integers(1, 2000 if function in BITS else 125))
        return Request(unit, function, draw(st.integers(0, 0x10000 - count)), count)
    many = function is Function.WRITE_REGISTERS
    values = draw(st.lists(words, min_size=1, max_size=123 if many else 1))
    return Request(unit, function, draw(st.integers(0, 0x10000 - len(values))), values=tuple(values))


def answer_to(request: Request, fill: Callable[[int], int]) -> tuple[bytes, tuple[int, ...]]:
    """A right answer, and the values in it, made without the codec under test."""
    if request.function in BITS:
        values = tuple(fill(at) & 1 for at in range(request.count))
        packed = bytearray((request.count + 7) // 8)
        for at, value in enumerate(values):
            packed[at // 8] |= value << at % 8
        body = bytes((request.unit, request.function, len(packed))) + bytes(packed)
    elif request.function in {Function.READ_HOLDING, Function.READ_INPUT}:
        values = tuple(fill(at) for at in range(request.count))
        data = b"".join(value.to_bytes(2, "big") for value in values)
        body = bytes((request.unit, request.function, len(data))) + data
    else:
        values, body = (), request.encode()[:6]
    return body + checksum(body), values


@given(requests(), st.binary(max_size=400))
def test_arbitrary_bytes_are_survived(request: Request, data: bytes) -> None:
    reply = find_reply(request, data)
    assert reply is None or reply.exception is not None or len(reply.values) <= 2000


@given(requests(), st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 0xFFFF))
def test_an_answer_is_found_behind_noise(request: Request, before: bytes, after: bytes, seed: int) -> None:
    answer, values = answer_to(request, lambda at: (seed + at * 257) & 0xFFFF)
    found = find_reply(request, before + answer + after)
    if find_reply(request, before + answer[:-1]) is None:  # else the noise itself was an answer
        assert found == Reply(values)


@given(requests(), st.data())
def test_a_damaged_answer_is_none(request: Request, data: st.DataObject) -> None:
    answer, _ = answer_to(request, lambda at: at)
    bit = data.draw(st.integers(0, len(answer) * 8 - 1))
    spoilt = bytearray(answer)
    spoilt[bit // 8] ^= 1 << bit % 8
    assert find_reply(request, bytes(spoilt)) is None
    cut = data.draw(st.integers(0, len(answer) - 1))
    assert find_reply(request, answer[:cut]) is None


@given(requests(), st.integers(0, 255))
def test_an_exception_is_told(request: Request, code: int) -> None:
    body = bytes((request.unit, request.function | 0x80, code))
    assert find_reply(request, body + checksum(body)) == Reply(exception=code)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((0, Function.READ_HOLDING, 0, 1), "unit"),
        ((248, Function.READ_HOLDING, 0, 1), "unit"),
        ((1, Function.READ_HOLDING, 0, 126), "at most 125"),
        ((1, Function.READ_HOLDING, 0, 0), "are 0"),
        ((1, Function.READ_HOLDING, 0xFFFF, 2), "address"),
        ((1, Function.READ_HOLDING, -1, 2), "address"),
        ((1, Function.WRITE_REGISTERS, 0, 1, (0,) * 124), "at most 123"),
        ((1, Function.WRITE_REGISTER, 0, 1, (0x10000,)), "values"),
        ((1, Function.WRITE_REGISTER, 0, 1, (1, 2)), "at most 1"),
    ],
)
def test_what_cannot_be_sent_is_a_mistake_of_ours(values: tuple[Any, ...], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        Request(*values)


# --- the master on virtual time ---------------------------------------------------------------------------------------

ASK = Request(1, Function.READ_HOLDING, 0, 1)
OTHER = Request(1, Function.READ_HOLDING, 100, 1)
SECOND_UNIT = Request(2, Function.READ_HOLDING, 0, 1)


def virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(main())


def slave(delay_s: float = 0.01) -> Callable[[bytes, float], Answers]:
    """Answers a read of one register with its own address."""

    def device(data: bytes, now: float) -> Answers:
        body = data[:2] + b"\x02" + data[2:4]
        return [(delay_s, body + checksum(body))]

    return device


def test_gap_and_pause_of_each_device_are_kept() -> None:
    async def main() -> None:
        cable = Cable(slave(0.02), Line("/dev/cable", 9600))
        bus = ModbusBus(cable)
        slow = Timing(gap_s=0.2)
        await bus.ask(ASK, slow)
        await bus.ask(SECOND_UNIT)
        await bus.ask(ASK, slow)
        first, second, third = (moment for moment, _ in cable.sent)
        gap_s = 3.5 * 10 / 9600
        assert second - (first + 0.02) == pytest.approx(gap_s)  # another device: 3.5 characters
        assert third - (first + 0.02) == pytest.approx(0.2)  # the same: its own pause

    virtually(main)


def test_a_fast_line_keeps_two_milliseconds() -> None:
    async def main() -> None:
        cable = Cable(slave(0.0), Line("/dev/cable", 115200))
        bus = ModbusBus(cable)
        await bus.ask(ASK)
        await bus.ask(ASK)
        (first, _), (second, _) = cable.sent
        assert second - first == pytest.approx(0.002, abs=1e-3)
        assert second - first >= 0.002

    virtually(main)


def test_one_transaction_at_a_time() -> None:
    """Two meters that answer slowly, asked by two tasks: requests never overlap, each gets its own answer."""

    async def main() -> None:
        cable = Cable(slave(0.1))
        bus = ModbusBus(cable)
        wanted = [Request(unit, Function.READ_HOLDING, 10 * unit + at, 1) for at in range(5) for unit in (1, 2)]
        got = await asyncio.gather(*(bus.ask(request) for request in wanted))
        assert got == [(request.address,) for request in wanted]
        moments = [moment for moment, _ in cable.sent]
        assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(moments))

    virtually(main)


def test_a_late_answer_never_passes_for_that_of_the_next_request() -> None:
    """An answer names neither request nor address: after a time-out the line must have fallen quiet."""

    async def main() -> None:
        late = [True]

        def device(data: bytes, now: float) -> Answers:
            answers = slave(0.7 if late[0] else 0.01)(data, now)
            late[0] = False
            return answers

        cable = Cable(device)
        bus = ModbusBus(cable)
        once = Timing(timeout_s=0.5, retries=0)
        with pytest.raises(BusError, match=r"/dev/cable.*unit 1, function 3, address 0 .*no answer.*check power"):
            await bus.ask(ASK, once)
        assert await bus.ask(OTHER, once) == (100,)
        assert cable.sent[1][0] - cable.sent[0][0] > 0.7

    virtually(main)


def test_a_cancelled_transaction_leaves_a_quiet_line() -> None:
    async def main() -> None:
        cable = Cable(slave(0.3))
        bus = ModbusBus(cable)
        asking = asyncio.ensure_future(bus.ask(ASK))
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await bus.ask(OTHER) == (100,)

    virtually(main)


def test_noise_is_stepped_over_and_damage_is_repeated() -> None:
    async def main() -> None:
        good = slave(0.01)
        scripts: list[Callable[[bytes, float], Answers]] = [
            lambda data, now: [(0.005, b"\x00\xff\x01\x03"), *good(data, now)],
            lambda data, now: [(0.01, good(data, now)[0][1][:-1] + b"\x00")],
            good,
        ]
        cable = Cable(lambda data, now: scripts.pop(0)(data, now))  # noqa: PLW0108 - a new script for each request
        bus = ModbusBus(cable)
        assert await bus.ask(OTHER) == (100,)
        assert await bus.ask(OTHER) == (100,)
        assert len(cable.sent) == 3
        scripts[:] = [lambda data, now: [(0.01, b"\x01\x03\x02\x00")]] * 3
        with pytest.raises(BusError, match="damaged, 3 times; check parity"):
            await bus.ask(OTHER)

    virtually(main)


def test_an_answer_in_pieces_is_put_together() -> None:
    async def main() -> None:
        def device(data: bytes, now: float) -> Answers:
            whole = slave()(data, now)[0][1]
            return [(0.01 * at, whole[at : at + 1]) for at in range(len(whole))]

        assert await ModbusBus(Cable(device)).ask(OTHER) == (100,)

    virtually(main)


def test_refusals_are_the_devices_errors_and_busy_is_repeated() -> None:
    async def main() -> None:
        codes = [6, 6, 0]

        def device(data: bytes, now: float) -> Answers:
            code = codes.pop(0)
            body = bytes((data[0], data[1] | 0x80, code))
            return slave()(data, now) if code == 0 else [(0.01, body + checksum(body))]

        cable = Cable(device)
        bus = ModbusBus(cable)
        assert await bus.ask(OTHER) == (100,)
        codes[:] = [6, 6, 6]
        with pytest.raises(RefusedError, match=EXCEPTIONS[6]):
            await bus.ask(OTHER)
        codes[:] = [2]
        with pytest.raises(RefusedError, match="illegal data address") as caught:
            await bus.ask(OTHER)
        assert caught.value.code == 2
        codes[:] = [77]
        with pytest.raises(RefusedError, match=r"unknown exception \(77\)"):
            await bus.ask(OTHER)

    virtually(main)


def test_an_adapter_that_hears_itself() -> None:
    async def main() -> None:
        def device(data: bytes, now: float) -> Answers:
            return [(0.0, data), (0.02, data)]  # the echo, then the answer to a write of one register

        def deaf(data: bytes, now: float) -> Answers:
            return [(0.0, data)]

        cable = Cable(device)
        bus = ModbusBus(cable, local_echo=True)
        write = Request(1, Function.WRITE_REGISTER, 5, values=(7,))
        assert await bus.ask(write) == ()
        cable.device = deaf
        with pytest.raises(BusError, match="no answer"):
            await bus.ask(write, Timing(retries=0))

    virtually(main)


def test_a_vanished_adapter_is_opened_again() -> None:
    async def main() -> None:
        cable = Cable(slave())
        bus = ModbusBus(cable)
        assert await bus.ask(OTHER) == (100,)
        cable.unplug()
        with pytest.raises(BusError, match="plugged in"):
            await bus.ask(OTHER)
        cable.unplugged = False
        assert await bus.ask(OTHER) == (100,)
        assert cable.opened == 2

    virtually(main)


def test_a_line_that_is_never_silent_is_told() -> None:
    async def main() -> None:
        cable = Cable(lambda data, now: [])
        bus = ModbusBus(cable)

        async def babble() -> None:
            while True:
                await asyncio.sleep(0.05)
                cable.arrive(b"\x55")

        babbling = asyncio.ensure_future(babble())
        with pytest.raises(BusError, match="never silent"):
            await bus.ask(OTHER)
        babbling.cancel()

    virtually(main)


def test_whoever_watches_sees_both_directions() -> None:
    async def main() -> None:
        seen: list[tuple[str, str]] = []
        bus = ModbusBus(Cable(slave()), trace=lambda way, data: seen.append((way, data.hex())))
        await bus.ask(ASK)
        assert seen == [(">", "010300000001840a"), ("<", "0103020000b844")]

    virtually(main)


def test_a_command_is_sent_once() -> None:
    async def main() -> None:
        cable = Cable(lambda data, now: [])
        device = ModbusDevice(ModbusBus(cable), 1, Timing(0.1, retries=3))
        with pytest.raises(BusError, match="no answer, 1 times"):
            await device.write_register(7051, 0x4200, once=True)
        with pytest.raises(BusError, match="no answer, 4 times"):
            await device.write_coil(20000, True)
        assert [data[:6].hex() for _, data in cable.sent] == ["01061b8b4200"] + ["01054e20ff00"] * 4

    virtually(main)
