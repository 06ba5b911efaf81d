"""hal.drivers.mcu_wire: golden bytes, and a stream that may hold anything. The emulator's codec is the second opinion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.drivers import mcu_wire as wire
from hal.drivers.mcu_boards import ADKIT, BOARDS, PHYVERSO, TIDA, YETI
from hal.drivers.mcu_messages import PortConfig, Speech
from hal.emulators.mcu import wire as other

GOLDEN = [
    ("09b806eb147ec4a0a500", Speech(YETI).duty(2667, 1)),
    ("08c00601bd274cb000", Speech(YETI).power(True, 1)),
    ("09b806914ee8edcefb00", Speech(YETI).duty(10001, 1)),
    ("03b80605c32ea99d00", Speech(YETI).duty(0, 1)),
    ("0a20904e3801e5eac05f00", Speech(PHYVERSO).duty(10000, 1)),
]


@pytest.mark.parametrize(("frame", "payload"), GOLDEN)
def test_golden_frames(frame: str, payload: bytes) -> None:
    assert wire.encode(payload).hex() == frame
    assert list(wire.Frames().feed(bytes.fromhex(frame))) == [payload]
    assert other.frame(payload).hex() == frame


def test_the_checksum_is_jamcrc() -> None:
    assert wire.checksum(b"123456789") == other.crc(b"123456789") == 0x340BC6D9
    packet = b"anything" + wire.checksum(b"anything").to_bytes(4, "little")
    assert wire.checksum(packet) == 0


@given(st.binary(max_size=1100) | st.integers(0, 600).map(lambda size: b"\x01" * size))
def test_cobs_both_ways_as_the_firmware_does_it(data: bytes) -> None:
    coded = wire.cobs(data)
    assert 0 not in coded
    assert wire.uncobs(coded) == data
    packet = data[: wire.MOST_SENT - wire.CHECKSUM]
    receiver = other.Receiver()
    found = [payload for byte in wire.encode(packet) if (payload := receiver.take(byte)) is not None]
    assert found == [packet]
    assert list(wire.Frames().feed(other.frame(packet))) == [packet]


@pytest.mark.parametrize("coded", ["00", "02", "0500", "ff01", "030000", "0301000101"])
def test_what_is_no_cobs(coded: str) -> None:
    assert wire.uncobs(bytes.fromhex(coded)) is None


def test_a_message_that_no_board_takes() -> None:
    with pytest.raises(ValueError, match="1020 bytes at most"):
        wire.encode(bytes(1021))


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=6), st.integers(1, 40))
def test_a_stream_may_be_split_anywhere(payloads: list[bytes], size: int) -> None:
    stream = b"".join(wire.encode(payload) for payload in payloads)
    frames = wire.Frames()
    found = [payload for at in range(0, len(stream), size) for payload in frames.feed(stream[at : at + size])]
    assert found == payloads
    assert frames.spoilt == 0


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_arbitrary_bytes_are_survived_and_the_next_frame_but_one_is_heard(chunks: list[bytes]) -> None:
    frames = wire.Frames()
    for chunk in chunks:
        list(frames.feed(chunk))
    golden = bytes.fromhex(GOLDEN[0][0])
    assert list(frames.feed(golden + golden))[-1:] == [GOLDEN[0][1]]


@given(st.integers(1, 200), st.binary(max_size=60), st.data())
def test_one_flipped_bit_is_dropped_and_counted(tag: int, inner: bytes, data: st.DataObject) -> None:
    payload = wire.bytes_field(tag, inner)
    frame = bytearray(wire.encode(payload))
    bit = data.draw(st.integers(0, len(frame) * 8 - 9))
    frame[bit // 8] ^= 1 << bit % 8
    frames = wire.Frames()
    assert list(frames.feed(bytes(frame))) == []
    assert frames.spoilt >= 1
    assert list(frames.feed(wire.encode(payload))) == [payload]


def test_a_zero_behind_a_frame_is_not_seen_by_the_checksum_but_no_message() -> None:
    """A register of 0 stays 0 over zeros: JAMCRC has no last inversion. One bit of the delimiter does it (01 00)."""
    payload = wire.number_field(103, 2667)
    (longer,) = wire.Frames().feed(wire.encode(payload)[:-1] + b"\x01\x00")
    assert longer[:-1] == payload
    assert wire.fields(longer) is None


def test_a_line_without_end_is_dropped_and_costs_no_memory() -> None:
    frames = wire.Frames()
    for _ in range(20):
        assert list(frames.feed(b"\x55" * 1000)) == []
    assert len(frames._line) <= wire.Frames.MOST
    assert list(frames.feed(b"\0" + wire.encode(b"\x08\x01"))) == [b"\x08\x01"]
    assert frames.spoilt == 1


NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(st.integers(1, 200), NUMBERS | st.binary(max_size=40)), max_size=8))
def test_fields_both_ways(items: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(
        wire.number_field(tag, value) if isinstance(value, int) else wire.bytes_field(tag, value)
        for tag, value in items
    )
    assert data == b"".join(other.put(tag, value) for tag, value in items)
    found = wire.fields(data)
    assert found is not None
    assert [(item.tag, item.value) for item in found] == items


def test_a_float_a_negative_number_and_a_fixed64() -> None:
    (real,) = wire.fields(other.put(7, 12.5)) or ()
    assert (real.real, real.number, real.inner) == (12.5, None, None)
    assert wire.number_field(1, -1) == other.put(1, -1) == bytes.fromhex("08ffffffffffffffffff01")
    assert [item.kind for item in wire.fields(bytes.fromhex("0900000000000000000801")) or ()] == [1, 0]


@settings(max_examples=300)
@given(st.binary(max_size=64))
def test_arbitrary_messages_are_read_or_refused(data: bytes) -> None:
    found = wire.fields(data)
    assert found is None or all(0 < item.tag <= 2**29 - 1 for item in found)
    assert other.get(data) is None or found is None or {item.tag for item in found} <= set(other.get(data) or {})


@pytest.mark.parametrize(
    "data", ["08", "0a05ff", "0d0000", "00", "0b", "08" + "80" * 10 + "01", "08ffffffffffffffffff7f"]
)
def test_messages_that_are_none(data: str) -> None:
    assert wire.fields(bytes.fromhex(data)) is None


def test_orders_that_a_board_does_not_have() -> None:
    with pytest.raises(ValueError, match="no such order"):
        Speech(ADKIT).lock(True, 1)
    with pytest.raises(ValueError, match="no such order"):
        Speech(YETI).rcd(test=True, reset=False, connector=1)
    assert Speech(TIDA).rcd(test=True, reset=False, connector=1).hex() == "420408011000"
    assert Speech(YETI).three_phases(True).hex() == "d00601"


def test_the_configuration_of_a_phyverso() -> None:
    ports = (PortConfig(kind=1, lock=1, socket=True), PortConfig())
    assert Speech(PHYVERSO).configure(ports).hex() == (
        "42270801" + "320c080110011802220208012801" + "3215080010011802220b08ffffffffffffffffff012800"
    )
    assert set(BOARDS) == {"yeti", "adkit", "tida", "phyverso"}
