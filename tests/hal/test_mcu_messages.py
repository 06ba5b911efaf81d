"""hal.drivers.mcu_messages over hal.drivers.mcu_boards: what boards tell, and who tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import PilotState
from hal.drivers.mcu_boards import ADKIT, BOARDS, PHYVERSO, TIDA, YETI, Flag, Kind, McuBoard
from hal.drivers.mcu_messages import (
    Bolt,
    ConfigRequest,
    ErrorsTold,
    KeepAlive,
    LockTold,
    PilotTold,
    PowerMeter,
    Proximity,
    ProximityTold,
    RelayTold,
    ResetDone,
    Telemetry,
    decode,
    recognise,
)
from hal.drivers.mcu_wire import Frames
from hal.emulators.mcu.device import McuEmulator
from hal.emulators.mcu.tags import ERRORS, TAGS
from hal.emulators.mcu.wire import put

CAPABILITIES = (
    put(2, 7) + put(3, 2) + put(4, 1) + put(5, 3) + put(6, "2.2") + put(7, 16.0) + put(8, 6.0) + put(9, 3) + put(11, 1)
)


@pytest.mark.parametrize("name", BOARDS)
def test_both_readings_of_the_protocol_files_agree(name: str) -> None:
    board, tags = BOARDS[name], TAGS[name]
    orders = board.orders
    assert (orders.keep_alive, orders.lock, orders.duty, orders.power) == tags[:4]
    assert (orders.reset, orders.phases, orders.rcd, orders.config) == tags[4:8]
    order = (
        Kind.KEEP_ALIVE, Kind.RESET, Kind.PILOT, Kind.RELAY, Kind.ERRORS, Kind.TELEMETRY, Kind.PROXIMITY, Kind.LOCK,
        Kind.POWER_METER, Kind.CONFIG_REQUEST,
    )  # fmt: skip
    found = {kind: tag for tag, kind in board.tells.items()}
    assert tuple(found.get(kind, 0) for kind in order) == tags[8:]
    known = {index: ERRORS[name][index - 1] for index in board.flags}
    same = {Flag.CONTACTOR: "coil_feedback", Flag.PROXIMITY: "pp"}
    assert known == {index: same.get(flag, flag.value) for index, flag in board.flags.items()}


def test_a_keep_alive_with_what_the_board_can() -> None:
    assert decode(YETI, put(3, CAPABILITIES)) == KeepAlive(
        hw_type=7, hw_revision=2, protocol=(1, 3), software="2.2", max_a=16.0, min_a=6.0, max_phases=3,
        phase_switching=True, configured=True,
    )  # fmt: skip
    silent = decode(TIDA, put(1, put(7, 0.0) + put(8, float("nan")) + put(6, b"\xff\x00evil")))
    assert silent == KeepAlive(protocol=(0, 0), software="\ufffd?evil", configured=True)
    assert decode(PHYVERSO, put(1, put(2, 1) + put(6, "1.0") + put(7, 1))) == KeepAlive(
        1, software="1.0", configured=True
    )
    assert decode(PHYVERSO, put(1, put(6, "1.0"))) == KeepAlive(software="1.0")


@pytest.mark.parametrize(
    ("board", "payload", "told"),
    [
        (YETI, put(101, 1), ResetDone(watchdog=True)),
        (TIDA, put(2, 0), ResetDone(watchdog=False)),
        (YETI, put(102, 2), PilotTold(1, PilotState.C)),
        (PHYVERSO, put(3, 5) + put(6, 2), PilotTold(2, PilotState.F)),
        (PHYVERSO, put(6, 2) + put(3, 5), PilotTold(2, PilotState.F)),
        (ADKIT, put(103, 1), RelayTold(1, closed=True)),
        (PHYVERSO, put(4, put(1, 1) + put(2, 1)) + put(6, 1), RelayTold(1, closed=True)),
        (PHYVERSO, put(4, put(1, 1)) + put(6, 1), RelayTold(1, closed=False)),
        (YETI, put(104, b""), ErrorsTold(1, frozenset())),
        (YETI, put(104, put(1, 1) + put(7, 1) + put(4, 0)), ErrorsTold(1, frozenset({Flag.DIODE, Flag.OVER_CURRENT}))),
        (PHYVERSO, put(5, put(7, 1) + put(8, 1)), ErrorsTold(0, frozenset({Flag.HEARTBEAT, Flag.CONTACTOR}))),
        (YETI, put(105, put(1, 8900) + put(2, 11900)), Telemetry(1, (("cp_high", 8900.0), ("cp_low", 11900.0)))),
        (TIDA, put(6, put(1, 8.9) + put(3, 41.5)), Telemetry(1, (("cp_high", pytest.approx(8.9)), ("temp0_c", 41.5)))),
        (YETI, put(106, 4), ProximityTold(1, Proximity.A70)),
        (TIDA, put(8, 1), LockTold(1, Bolt.UNLOCKED)),
        (PHYVERSO, put(10, 3) + put(6, 1), LockTold(1, Bolt.LOCKING)),
        (PHYVERSO, put(11, b""), ConfigRequest()),
        # Nothing that this driver could use, or nonsense.
        (YETI, b"", None),
        (YETI, put(102, 6), None),
        (YETI, put(106, 6), None),
        (ADKIT, put(107, 1), None),
        (YETI, put(103, b"\x08"), None),
        (PHYVERSO, put(3, 1) + put(6, 3), None),
        (PHYVERSO, put(9, put(1, 1)), None),
        (YETI, put(108, put(2, float("nan"))), None),
        (YETI, b"\xff\xff", None),
    ],
)
def test_what_boards_tell(board: McuBoard, payload: bytes, told: object) -> None:
    assert decode(board, payload) == told


def test_meter_values() -> None:
    inner = b"".join(put(tag, float(tag)) for tag in range(2, 23)) + put(23, 1)
    assert decode(YETI, put(108, inner)) == PowerMeter(
        voltage_v=(2.0, 3.0, 4.0), current_a=(5.0, 6.0, 7.0), neutral_a=8.0, energy_wh=12.0,
        temperature_c=(13.0, 14.0, 15.0, 16.0), power_w=(17.0, 18.0, 19.0), frequency_hz=20.0, wrong_sequence=True,
    )  # fmt: skip


@given(st.binary(max_size=80))
def test_arbitrary_messages_are_survived_by_every_board(payload: bytes) -> None:
    for board in BOARDS.values():
        decode(board, payload)
    recognise(payload)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_is_recognised_by_what_it_tells(name: str) -> None:
    device = McuEmulator({"board": name})
    said = device.tick(0.0) + device.tick(10.0)
    found = {board.name for payload in Frames().feed(said) if (board := recognise(payload)) is not None}
    assert found == {"yeti" if name == "adkit" else name}


def test_a_tida_that_says_little_of_itself_is_no_phyverso() -> None:
    assert recognise(put(1, put(6, "x") + put(4, 1))) is TIDA
    assert recognise(put(1, put(6, "x") + put(7, 16.0))) is TIDA
    assert recognise(put(1, put(6, "x") + put(7, 1))) is PHYVERSO
    assert recognise(put(1, b"")) is None
    assert recognise(put(3, 1)) is None
