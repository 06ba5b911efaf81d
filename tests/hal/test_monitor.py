"""The decoders of the wire: golden frames in words, damage told as such, every byte in exactly one line, cards hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.bus.modbus_rtu import Function, Request, crc16
from hal.drivers import mcu_boards, mcu_wire, pn532_frames
from hal.drivers.openevse_rapi import encode
from hal.monitor import DECODERS, Direction, Seen, Verdict, Wire, decoder
from hal.monitor_base import HIDDEN, mask, text_spans
from hal.monitor_line import LineDecoder
from hal.monitor_mcu import RECEIVED, SENT, McuDecoder
from hal.monitor_modbus import ModbusDecoder
from hal.monitor_pn532 import Pn532Decoder
from hal.monitor_rapi import RapiDecoder, state_words

OUT, IN = Direction.SENT, Direction.RECEIVED
READ = Request(1, Function.READ_INPUT, 0x0034, 2).encode()
UID = bytes.fromhex("04a1b2c3d4e5f6")


def with_crc(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16(body).to_bytes(2, "little")


def chip(body: bytes) -> bytes:
    return b"\x00\x00\xff" + bytes((len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


CARD = chip(bytes.fromhex("d54b010100440007") + UID)


def texts(found: list[Seen]) -> list[str]:
    return [seen.text for seen in found]


# --- Modbus -----------------------------------------------------------------------------------------------------------


def test_modbus_answers_are_told_with_the_registers_that_were_asked_for() -> None:
    modbus = ModbusDecoder()
    assert texts(modbus.feed(OUT, READ, 0.0)) == ["unit 1: read input registers 0x0034..0x0035 (2)"]
    found = modbus.feed(IN, with_crc("01040443661eb8"), 0.01)
    assert texts(found) == ["unit 1: 0x0034..0x0035 (2) = 4366 1eb8 (f32: 230.12)"]
    assert found[0].hex.startswith("01 04 04 43 66")
    modbus.feed(OUT, READ, 0.1)
    assert texts(modbus.feed(IN, with_crc("018402"), 0.1)) == [
        "unit 1: read input registers: exception 2, illegal data address"
    ]
    assert texts(modbus.feed(IN, with_crc("01040400010002"), 0.2)) == ["unit 1: 2 of unknown address = 0001 0002"]


@pytest.mark.parametrize(
    ("request_", "answer", "words"),
    [
        (
            Request(2, Function.READ_COILS, 0, 3),
            "02010105",
            ["unit 2: read coils 0x0000..0x0002 (3)", "unit 2: 0x0000..0x0002 (3) = 101"],
        ),
        (
            Request(2, Function.WRITE_COIL, 7, values=(1,)),
            "02050007ff00",
            ["unit 2: write coil 0x0007 = on", "unit 2: write coil 0x0007 = on: done"],
        ),
        (
            Request(1, Function.WRITE_REGISTER, 1000, values=(16,)),
            "010603e80010",
            ["unit 1: write register 0x03e8 = 16 (0x0010)", "unit 1: write register 0x03e8 = 16 (0x0010): done"],
        ),
        (
            Request(1, Function.WRITE_REGISTERS, 8, values=(1, 2)),
            "011000080002",
            [
                "unit 1: write registers 0x0008..0x0009 (2) = 0001 0002",
                "unit 1: write registers 0x0008..0x0009 (2): done",
            ],
        ),
    ],
)
@pytest.mark.parametrize("tap", [False, True])
def test_modbus_functions(request_: Request, answer: str, words: list[str], tap: bool) -> None:
    """Also on a tap, where requests and answers come from the same side."""
    modbus = ModbusDecoder()
    found = modbus.feed(IN if tap else OUT, request_.encode(), 0.0) + modbus.feed(IN, with_crc(answer), 0.02)
    assert texts(found) == words
    assert {seen.verdict for seen in found} == {Verdict.OK}


def test_modbus_damage_is_told_when_the_line_is_silent_and_the_next_frame_is_understood() -> None:
    modbus = ModbusDecoder()
    broken = READ[:-1] + bytes((READ[-1] ^ 1,))
    assert modbus.feed(OUT, broken, 0.0) == []
    assert modbus.pending
    (seen,) = modbus.flush()
    assert seen.verdict is Verdict.DAMAGED
    assert seen.text == f"unit 1: read input registers: wrong checksum {broken[-2:].hex()}, should be {READ[-2:].hex()}"
    found = modbus.feed(OUT, b"\xfe\x55" + READ, 1.0)
    assert [(seen.verdict, seen.data) for seen in found] == [(Verdict.NOISE, b"\xfe\x55"), (Verdict.OK, READ)]
    assert texts(found)[0] == "noise, 2 bytes"


def test_modbus_text_names_cards() -> None:
    words = tuple(int.from_bytes(pair, "big") for pair in (b"04", b"A1", b"B2", b"C3", b"D4"))
    frame = Request(33, Function.WRITE_REGISTERS, 7000, values=words).encode()
    (seen,) = ModbusDecoder().feed(OUT, frame, 0.0)
    assert seen.text.endswith("= text of 10 characters, hidden")
    assert b"04A1".hex(" ") not in seen.hex
    assert seen.hex.count(HIDDEN) == 10
    (seen,) = ModbusDecoder(show_cards=True).feed(OUT, frame, 0.0)
    assert seen.text.endswith("= '04A1B2C3D4'")
    assert bytes.fromhex(seen.hex) == frame
    assert text_spans(b"\x00abcdefgh\x00short") == ((1, 9),)


# --- RAPI -------------------------------------------------------------------------------------------------------------


def test_rapi_commands_and_answers() -> None:
    rapi = RapiDecoder()
    assert texts(rapi.feed(OUT, encode("GS", 0xA1), 0.0)) == ["$GS :A1^5A  which state?"]
    unasked = encode("AT 02 02 16 0100")
    assert texts(rapi.feed(IN, unasked, 0.1)) == [
        f"{unasked[:-1].decode()}  now B, vehicle connected, 16 A offered, vehicle connected, relay open (0100)"
    ]
    (seen,) = rapi.feed(IN, encode("OK 03 12 03 0140", 0xA1), 0.1)
    assert seen.text.endswith("answer to GS: C, charging, vehicle connected, relay closed, 12 s of charging")
    assert "answer" not in rapi.feed(IN, encode("OK 1", 0xA1), 0.2)[0].text, "it is answered once"
    assert texts(rapi.feed(OUT, encode("SC 16"), 0.3))[0].endswith("set the current for good (EEPROM)")
    assert texts(rapi.feed(OUT, encode("SC 16 V"), 0.3))[0].endswith("set the current")
    assert texts(rapi.feed(IN, encode("AB 00 8.2.3"), 0.3))[0].endswith("has started, firmware 8.2.3")
    assert texts(rapi.feed(IN, encode("NK", 5), 0.3))[0].endswith("refused")
    assert state_words(0x06) == "the GFI tripped"


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("GC", "OK 6 80 16 32", "6 to 80 A, configured 32 A, offers 16 A"),
        ("GE", "OK 16 0008", "offers 16 A, checks that are off: ground"),
        ("GY", "OK 5 6 2", "supervised every 5 s, falls to 6 A, a sign of life is missing and the current reduced"),
        ("SY", "OK 0 6 0", "no supervision of the host"),
        ("GG", "OK -1 230000", "no ammeter, 230.0 V"),
        ("GU", "OK 3600 7", "1.0 Wh in this session, 7 Wh before"),
        ("GP", "OK 250 -2560 -2560", "hottest 25.0 degrees Celsius"),
        ("GF", "OK 1 0 FF", "GFI 1, ground 0, stuck relay 255"),
        ("GS", "OK zz", "answer to GS: zz"),
        ("FE", "OK", "done"),
    ],
)
def test_rapi_answers_in_words(command: str, answer: str, words: str) -> None:
    rapi = RapiDecoder()
    rapi.feed(OUT, encode(command, 7), 0.0)
    assert rapi.feed(IN, encode(answer, 7), 0.0)[0].text.endswith(words)


def test_rapi_damage() -> None:
    rapi = RapiDecoder()
    found = rapi.feed(IN, b"xx$OK 1^00\r$GS" + encode("GS") + b"$GS\r", 0.0)
    assert [(seen.verdict, seen.text.partition("  ")[0]) for seen in found] == [
        (Verdict.NOISE, "noise, 2 bytes"),
        (Verdict.DAMAGED, "$OK 1^00: wrong checksum 00, should be 31"),
        (Verdict.DAMAGED, "$GS: the line has lost its end"),
        (Verdict.OK, "$GS^30"),
        (Verdict.DAMAGED, "$GS: no checksum"),
    ]
    rapi.feed(IN, b"$OK", 1.0)
    assert texts(rapi.flush()) == ["$OK: the line has no end"]


# --- PN532 ------------------------------------------------------------------------------------------------------------


def test_pn532_frames_in_words_and_uids_hidden() -> None:
    pn532 = Pn532Decoder()
    start = pn532_frames.ACK + pn532_frames.WAKE_UP + pn532_frames.encode(pn532_frames.GET_FIRMWARE_VERSION)
    assert texts(pn532.feed(OUT, start, 0.0)) == ["ACK", "wake up", "GetFirmwareVersion"]
    found = pn532.feed(IN, pn532_frames.ACK + chip(bytes.fromhex("d50332010607")), 0.0)
    assert texts(found) == ["ACK", "GetFirmwareVersion: PN532, version 1.6"]
    (seen,) = pn532.feed(IN, CARD, 0.1)
    assert seen.text == f"InListPassiveTarget: card 04{HIDDEN}{HIDDEN} (7 bytes)"
    assert "b2 c3" not in seen.hex
    (seen,) = Pn532Decoder(show_cards=True).feed(IN, CARD, 0.1)
    assert seen.text == "InListPassiveTarget: card 04A1B2C3D4E5F6"
    assert bytes.fromhex(seen.hex) == CARD
    assert texts(pn532.feed(IN, chip(bytes.fromhex("d56100")), 0.2)) == ["InAutoPoll: no card"]
    assert texts(pn532.feed(IN, chip(b"\x7f"), 0.2)) == ["refused: the chip does not know this command"]


@pytest.mark.parametrize("at", range(len(CARD)))
def test_a_damaged_frame_shows_no_card_either(at: int) -> None:
    spoilt = CARD[:at] + bytes((CARD[at] ^ 0x10,)) + CARD[at + 1 :]
    for cut in (len(spoilt), len(spoilt) - 3):
        pn532 = Pn532Decoder()
        found = pn532.feed(IN, spoilt[:cut], 0.0) + pn532.flush()
        assert b"".join(seen.data for seen in found) == spoilt[:cut]
        shown = " ".join(seen.hex for seen in found) + str(texts(found))
        assert "b2 c3" not in shown
        assert "B2C3" not in shown.upper()


# --- MCU --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("09b806eb147ec4a0a500", "yeti: pwm_duty_cycle 26.67 %"),
        ("08c00601bd274cb000", "yeti: allow_power_on 1"),
        ("09b806914ee8edcefb00", "yeti: pwm_duty_cycle 10001 (X1)"),
        ("03b80605c32ea99d00", "yeti: pwm_duty_cycle 0 (state F)"),
        ("0a20904e3801e5eac05f00", "phyverso: pwm_duty_cycle 10000 (X1), connector 1"),
    ],
)
def test_mcu_golden_frames(frame: str, words: str) -> None:
    assert texts(McuDecoder().feed(OUT, bytes.fromhex(frame), 0.0)) == [words]


def test_mcu_messages_of_the_board() -> None:
    mcu = McuDecoder()
    state = mcu_wire.encode(mcu_wire.number_field(102, 2))
    assert texts(mcu.feed(IN, state, 0.0)) == ["yeti: cp_state C"]
    hello = mcu_wire.bytes_field(3, mcu_wire.number_field(2, 1) + mcu_wire.bytes_field(6, b"v1.2"))
    assert texts(mcu.feed(IN, mcu_wire.encode(hello), 0.0)) == ["yeti: keep_alive {hw_type 1, software 'v1.2'}"]
    errors = mcu_wire.bytes_field(104, mcu_wire.number_field(3, 1) + mcu_wire.number_field(1, 0))
    assert texts(mcu.feed(IN, mcu_wire.encode(errors), 0.0)) == ["yeti: error_flags {rcd_triggered}"]
    tida = McuDecoder()
    assert texts(tida.feed(IN, mcu_wire.encode(mcu_wire.number_field(4, 1)), 0.0)) == ["tida: relais_state 1"]
    broken = state[:-2] + bytes((state[-2] ^ 0x40, 0))
    (seen,) = mcu.feed(IN, broken, 0.0)
    assert (seen.verdict, "wrong checksum" in seen.text) == (Verdict.DAMAGED, True)


@pytest.mark.parametrize("board", [mcu_boards.YETI, mcu_boards.TIDA, mcu_boards.PHYVERSO])
def test_mcu_names_are_of_the_drivers_tags(board: mcu_boards.McuBoard) -> None:
    told, orders = RECEIVED[board.name], board.orders
    assert board.tells.keys() <= told.keys()
    for tag, name in ((orders.duty, "pwm_duty_cycle"), (orders.reset, "reset"), (orders.keep_alive, "keep_alive")):
        assert SENT[board.name][tag] == name
    named = {kind: told[tag] for tag, kind in board.tells.items()}
    assert (named[mcu_boards.Kind.PILOT], named[mcu_boards.Kind.ERRORS]) == ("cp_state", "error_flags")
    assert SENT[board.name].keys() >= {orders.lock, orders.power}


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_hidden() -> None:
    line = LineDecoder()
    (seen,) = line.feed(IN, b"\x0204A1B2C3\x03", 0.0)
    assert (seen.text, seen.verdict) == ("line: 8 characters, hidden", Verdict.OK)
    assert seen.hex.split() == [HIDDEN] * 9 + ["03"]
    (seen,) = LineDecoder(show_cards=True).feed(IN, b"04A1B2C3\r\n", 0.0)
    assert seen.text == "line: '04A1B2C3'"
    line.feed(IN, b"04A1", 1.0)
    assert texts(line.flush()) == ["line: 4 characters, hidden, without an end"]
    assert mask(b"\x01", show=False) == HIDDEN


# --- a line of which nobody says what it speaks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rapi", encode("GS", 1)),
        ("modbus", READ),
        ("pn532", pn532_frames.encode(pn532_frames.GET_FIRMWARE_VERSION)),
        ("mcu", bytes.fromhex("09b806eb147ec4a0a500")),
    ],
)
def test_the_protocol_is_found_out(name: str, data: bytes) -> None:
    wire = Wire()
    found = wire.feed(OUT, data[:3], 0.0) + wire.feed(OUT, data[3:], 0.01)
    assert wire.speaks == name
    assert [(seen.verdict, seen.data) for seen in found] == [(Verdict.OK, data)]
    assert wire.idle_s == decoder(name).idle_s


def test_what_nobody_knows_is_hidden() -> None:
    wire = Wire("something new")
    assert wire.feed(IN, b"04A1B2C3\r\n", 0.0) == []
    assert wire.pending
    (seen,) = wire.flush()
    assert (seen.text, seen.verdict) == ("noise, 10 bytes, protocol not known", Verdict.NOISE)
    assert set(seen.hex.split()) == {HIDDEN}
    (seen,) = [*Wire(show_cards=True).feed(IN, b"x" * 3000, 0.0)]
    assert HIDDEN not in seen.hex
    assert seen.short_hex.endswith("... (3000 bytes)")


# --- whatever comes ---------------------------------------------------------------------------------------------------

FRAMES = st.sampled_from(
    [
        READ,
        with_crc("01040443661eb8"),
        encode("GS", 1),
        CARD,
        pn532_frames.ACK,
        bytes.fromhex("08c00601bd274cb000"),
        b"04A1B2C3\r\n",
    ]
)
PIECES = st.lists(
    st.tuples(st.sampled_from(Direction), st.binary(max_size=40) | FRAMES, st.floats(0.0, 0.6)), max_size=12
)


@pytest.mark.parametrize("name", ["", *DECODERS])
@given(pieces=PIECES)
def test_every_byte_is_in_exactly_one_line(name: str, pieces: list[tuple[Direction, bytes, float]]) -> None:
    wire = Wire(name)
    found: list[Seen] = []
    at = 0.0
    for direction, data, pause in pieces:
        at += pause
        found += wire.feed(direction, data, at)
    found += wire.flush()
    assert not wire.pending
    for direction in Direction:
        fed = b"".join(data for way, data, _ in pieces if way is direction)
        assert b"".join(seen.data for seen in found if seen.direction is direction) == fed
    for seen in found:
        assert seen.text.isprintable()
        assert seen.text
        assert len(seen.hex.split()) == len(seen.data)


@pytest.mark.parametrize(
    ("name", "frame"),
    [("modbus", READ), ("rapi", encode("GS", 1)), ("pn532", CARD), ("mcu", bytes.fromhex("09b806eb147ec4a0a500"))],
)
@given(noise=st.binary(max_size=30))
def test_after_noise_and_silence_the_next_frame_is_understood(name: str, frame: bytes, noise: bytes) -> None:
    one = decoder(name)
    one.feed(IN, noise, 0.0)
    one.flush()
    found = one.feed(IN, frame, 10.0) + one.flush()
    assert [(seen.verdict, seen.data) for seen in found] == [(Verdict.OK, frame)]
