"""Frames of the PN532: golden bytes, arbitrary bytes, going on after damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.drivers import pn532_frames as frames
from hal.drivers.pn532_frames import Acknowledged, Damaged, Decoder, NotAcknowledged, Refused, Response

GOLDEN = {
    frames.SAM_CONFIGURATION: "00 00 FF 05 FB D4 14 01 00 01 16 00",
    frames.GET_FIRMWARE_VERSION: "00 00 FF 02 FE D4 02 2A 00",
    frames.IN_LIST_PASSIVE_TARGET: "00 00 FF 04 FC D4 4A 01 00 E1 00",
}


def to_host(body: bytes) -> bytes:
    body = b"\xd5" + body
    return b"\x00\x00\xff" + bytes((len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


@pytest.mark.parametrize(("command", "golden"), GOLDEN.items())
def test_commands_are_those_of_the_manual(command: bytes, golden: str) -> None:
    assert frames.encode(command) == bytes.fromhex(golden)


def test_wake_up_and_handshakes_are_those_of_the_manual() -> None:
    assert bytes.fromhex("55 55" + "00" * 14) == frames.WAKE_UP
    assert list(Decoder().feed(frames.ACK + frames.NACK)) == [Acknowledged(), NotAcknowledged()]
    assert list(Decoder().feed(bytes.fromhex("0000FF01FF7F8100"))) == [Refused()]
    assert frames.auto_poll(20, 2) == bytes.fromhex("60 14 02 00")
    with pytest.raises(ValueError):
        frames.encode(b"")


def test_answers_of_the_manual_and_a_card() -> None:
    version = bytes.fromhex("00 00 FF 06 FA D5 03 32 01 06 07 E8 00")
    assert list(Decoder().feed(version)) == [Response(0x03, bytes.fromhex("32 01 06 07"))]
    card = bytes.fromhex("00 00 FF 0C F4 D5 4B 01 01 00 04 08 04 DE AD BE EF 96 00")
    (response,) = Decoder().feed(card)
    assert isinstance(response, Response)
    assert frames.listed(response.data) == [bytes.fromhex("DEADBEEF")]


@pytest.mark.parametrize("size", [4, 7, 10])
def test_uids_of_every_size(size: int) -> None:
    uid = bytes(range(1, size + 1))
    target = b"\x01\x00\x44\x20" + bytes((size,)) + uid + b"\x06\x75\x77\x81\x02\x80"
    assert frames.listed(b"\x01" + target) == [uid]
    assert frames.polled(b"\x01\x20" + bytes((len(target),)) + target) == [uid]
    other = b"\x11\x02\x01\x00"  # FeliCa: left out
    assert frames.polled(b"\x02" + other + b"\x20" + bytes((len(target),)) + target) == [uid]


@pytest.mark.parametrize("data", ["", "01", "0101000408", "0101000408 05 0102030405", "0101000408040102"])
def test_nonsense_about_cards_is_refused(data: str) -> None:
    with pytest.raises(ValueError):
        frames.listed(bytes.fromhex(data))
    with pytest.raises(ValueError):
        frames.polled(b"\x01\x10\x20" + bytes.fromhex(data))


def test_an_extended_frame() -> None:
    body = b"\xd5\x4b" + bytes(300 - 42)
    data = b"\x00\x00\xff\xff\xff" + bytes((len(body) >> 8, len(body) & 0xFF))
    data += bytes((-sum(data[5:7]) & 0xFF,)) + body + bytes((-sum(body) & 0xFF, 0))
    assert list(Decoder().feed(data)) == [Response(0x4B, body[2:])]


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_do(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        for frame in decoder.feed(piece):
            if isinstance(frame, Response):
                for meaning in (frames.listed, frames.polled):
                    try:
                        meaning(frame.data)
                    except ValueError:
                        continue


@given(st.binary(max_size=260), st.binary(max_size=8))
def test_meanings_of_any_bytes(data: bytes, tail: bytes) -> None:
    for meaning in (frames.listed, frames.polled):
        try:
            assert all(len(uid) in {4, 7, 10} for uid in meaning(data + tail))
        except ValueError:
            continue


@given(st.binary(max_size=30), st.binary(min_size=1, max_size=60), st.data())
def test_however_it_is_cut_the_same_comes_out(noise: bytes, body: bytes, data: st.DataObject) -> None:
    wire = noise + to_host(body) + frames.ACK
    cut = data.draw(st.integers(0, len(wire)))
    pieces, whole = Decoder(), Decoder()
    assert [*pieces.feed(wire[:cut]), *pieces.feed(wire[cut:])] == list(whole.feed(wire))


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=60))
def test_it_finds_its_way_again(noise: bytes, body: bytes) -> None:
    """Noise may promise a frame of 265 bytes at most: after so many it is over."""
    decoder = Decoder()
    wire = to_host(body)
    found = list(decoder.feed(noise + wire * (2 + 300 // len(wire))))
    assert Response(body[0], body[1:]) in found


@given(st.binary(min_size=1, max_size=30), st.data())
def test_a_flipped_bit_never_passes(body: bytes, data: st.DataObject) -> None:
    wire = bytearray(to_host(body))
    bit = data.draw(st.integers(3 * 8, (len(wire) - 1) * 8 - 1))  # behind the start code, before the postamble
    wire[bit // 8] ^= 1 << bit % 8
    assert not any(isinstance(frame, Response | Refused) for frame in Decoder().feed(bytes(wire)))


def test_damage_is_told_once_it_is_sure() -> None:
    wire = bytearray(to_host(b"\x4b\x00"))
    wire[-2] ^= 1
    assert list(Decoder().feed(bytes(wire))) == [Damaged()]
