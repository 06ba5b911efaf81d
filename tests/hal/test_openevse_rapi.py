"""The codec of RAPI: golden bytes, and that nothing on the wire confuses it for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.drivers import openevse_rapi as rapi
from hal.drivers.openevse_rapi import Booted, Button, Decoder, Other, Reply, Status, encode
from hal.emulators.openevse.device import OpenEvseEmulator
from hal.errors import DeviceError


@pytest.mark.parametrize(
    "line",
    ["$GS^30", "$GC^20", "$GG^24", "$GU^36", "$GV^35", "$G0^53", "$FE^27", "$FS^31", "$FD^26", "$SC 16 V^65"],
)
def test_golden_bytes_of_commands(line: str) -> None:
    command = line[1:].partition("^")[0]
    assert encode(command) == line.encode() + b"\r"


def test_golden_bytes_with_a_sequence_id() -> None:
    assert encode("GS", 0xA1) == b"$GS :A1^5A\r"


@pytest.mark.parametrize(
    ("command", "sequence"),
    [("GS\r", None), ("", None), ("G^S", None), ("FP 0 0 $", None), ("GS", 0), ("GS", 256), ("é", None), ("S  C", 1),
     ("FP 0 0 abcdefghijklmnopqrs", 1), ("A 1 2 3 4 5 6 7 8 9", 1)],
)  # fmt: skip
def test_what_the_board_would_drop_is_not_sent(command: str, sequence: int | None) -> None:
    with pytest.raises(ValueError, match=r"RAPI|sequence|words|characters"):
        encode(command, sequence)


def signed(text: str) -> bytes:
    return text.encode() + b"^%02X\r" % rapi.checksum(text.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$OK :A1", Reply(True, (), 0xA1)),
        ("$NK 32 :07", Reply(False, ("32",), 7)),
        ("$NK", Reply(False)),
        ("$OK 03 120 03 0140 :10", Reply(True, ("03", "120", "03", "0140"), 0x10)),
        ("$AT 03 03 16 0140", Status(3, 3, 0x140, amps=16)),
        ("$AT fe 01 16 0000", Status(0xFE, 1, 0, amps=16)),
        ("$AB 08 8.2.3", Booted(8, "8.2.3")),
        ("$AB 00", Booted(0)),
        ("$AN 1", Button(long=True)),
        ("$WF 01", Other(("WF", "01"))),
    ],
)
def test_messages(text: str, message: rapi.Message) -> None:
    decoder = Decoder()
    assert decoder.feed(signed(text)) == [message]
    assert decoder.spoilt == 0


@pytest.mark.parametrize(
    "line",
    [b"$OK^21\r", b"$OK\r", b"$OK^2\r", b"$^24\r", b"$OK^\r", b"$OK*14\r", b"$OK\xff^df\r", signed("$AT 03"),
     signed("$AT x 1 2 3"), signed("$OK :zz"), b"$" + b"x" * 300 + b"^00\r"],
)  # fmt: skip
def test_a_spoilt_line_is_dropped_and_the_next_one_understood(line: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(line + signed("$OK :01")) == [Reply(True, (), 1)]
    assert decoder.spoilt == 1


def test_a_line_that_lost_its_end_does_not_swallow_the_next() -> None:
    assert Decoder().feed(b"$OK 16 :0" + signed("$AT 01 01 16 0000")) == [Status(1, 1, 0, amps=16)]


@given(st.binary(max_size=400), st.integers(1, 255))
def test_it_survives_any_bytes_and_resynchronises(noise: bytes, sequence: int) -> None:
    decoder = Decoder()
    decoder.feed(noise)
    good = signed(f"$OK 16 :{sequence:02X}")
    assert decoder.feed(b"\r" + good)[-1] == Reply(True, ("16",), sequence)


@given(st.lists(st.sampled_from(["$OK :01", "$NK 6 :02", "$AT 02 02 16 0100", "$AN 0"]), min_size=1), st.data())
def test_pieces_make_no_difference(lines: list[str], data: st.DataObject) -> None:
    wire = b"".join(signed(line) for line in lines)
    decoder, found, rest = Decoder(), [], wire
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        found += decoder.feed(rest[:count])
        rest = rest[count:]
    assert found == Decoder().feed(wire)
    assert len(found) == len(lines)


@given(st.sampled_from(["SC 16 V", "FE", "GS", "SY 5 6"]), st.integers(0, 200), st.integers(0, 7))
def test_a_flipped_bit_never_becomes_another_command(command: str, place: int, bit: int) -> None:
    wire = bytearray(encode(command, 1))
    index = place % (len(wire) - 1)
    wire[index] ^= 1 << bit
    device = OpenEvseEmulator({})
    device.feed(bytes(wire), 0.0)
    # Only a mark that is hit can let a line pass: `^` as part of the text has no checksum, and so many words are refused.
    assert all(word == command or "^" not in bytes(wire).decode("latin-1") for word in device.log)


@given(st.binary(max_size=300))
def test_the_emulated_board_survives_any_bytes_too(noise: bytes) -> None:
    device = OpenEvseEmulator({})
    device.feed(noise, 0.0)
    assert Decoder().feed(device.feed(b"\r" + encode("GV", 9), 0.0))[-1] == Reply(True, ("8.2.3", "5.2.1"), 9)


def test_answers_in_units() -> None:
    ok = lambda *fields: Reply(True, fields)  # noqa: E731 - shorter than a def, used here only
    assert rapi.status_of(ok("fe", "77", "02", "0100")) == Status(0xFE, 2, 0x100, elapsed_s=77)
    assert rapi.capacity_of(ok("6", "80", "16", "32")) == rapi.Capacity(6, 80, 16, 32)
    assert rapi.settings_of(ok("16", "0205")) == (16, 0x205)
    assert rapi.heartbeat_of(ok("5", "6", "2")) == rapi.Heartbeat(5, 6, 2)
    assert rapi.flow_of(ok("-1", "230000")) == (None, 230.0)
    assert rapi.flow_of(ok("15990", "231500")) == (15.99, 231.5)
    assert rapi.energy_of(ok("36000", "1500")) == (36000, 1500)
    assert rapi.hottest_of(ok("251", "-2560", "312")) == 31.2
    assert rapi.hottest_of(ok("-2560", "-2560", "-2560")) is None
    assert rapi.faults_of(ok("1", "0", "ff")) == (1, 0, 255)


@pytest.mark.parametrize("fields", [(), ("01",), ("01", "x", "01", "0000")])
def test_an_answer_that_says_too_little_is_an_error(fields: tuple[str, ...]) -> None:
    with pytest.raises(DeviceError, match="nonsense"):
        rapi.status_of(Reply(True, fields))
