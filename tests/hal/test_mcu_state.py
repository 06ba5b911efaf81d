"""hal.drivers.mcu_state and mcu_meter: from what a board tells to events and readings, without a board."""

from __future__ import annotations

import pytest

from hal.api import (
    Fault,
    FaultCode,
    HalEvent,
    LockChanged,
    LockState,
    PilotChanged,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.drivers.mcu_boards import Flag
from hal.drivers.mcu_messages import (
    Bolt,
    ErrorsTold,
    PilotTold,
    PowerMeter,
    Proximity,
    ProximityTold,
    RelayTold,
    Told,
)
from hal.drivers.mcu_meter import McuMeter
from hal.drivers.mcu_state import FAULTS, Announcer, BoltWatch
from hal.errors import BusError, DeviceError


def announcer(*, socket: bool = True, one_phase: bool = False) -> Announcer:
    return Announcer(1, BoltWatch(3.0, has_feedback=True), socket=socket, one_phase=one_phase)


def see(teller: Announcer, *told: Told) -> list[HalEvent]:
    for one in told:
        teller.see(one)
    return list(teller.news())


def errors(*flags: Flag, connector: int = 1) -> ErrorsTold:
    return ErrorsTold(connector, frozenset(flags))


# --- faults -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", Flag)
def test_each_flag_is_a_fault_that_begins_and_ends_by_its_bit(flag: Flag) -> None:
    teller = announcer()
    code, words = FAULTS[flag]
    assert see(teller, errors(flag)) == [Fault(1, code, True, words)]
    assert see(teller, errors(flag)) == []
    assert see(teller, errors()) == [Fault(1, code, False)]


def test_the_codes_of_the_flags() -> None:
    assert {flag: code for flag, (code, _) in FAULTS.items()} == {
        Flag.DIODE: FaultCode.PILOT_FAULT,
        Flag.RCD_SELFTEST: FaultCode.GROUND_FAILURE,
        Flag.RCD: FaultCode.GROUND_FAILURE,
        Flag.VENTILATION: FaultCode.INVALID_VEHICLE_MODE,
        Flag.LOCK: FaultCode.CONNECTOR_LOCK_FAILURE,
        Flag.PILOT: FaultCode.PILOT_FAULT,
        Flag.OVER_CURRENT: FaultCode.OVER_CURRENT_FAILURE,
        Flag.HEARTBEAT: FaultCode.INTERNAL_ERROR,
        Flag.CONTACTOR: FaultCode.EVSE_CONTACTOR_FAULT,
        Flag.PROXIMITY: FaultCode.PROXIMITY_FAULT,
    }


def test_two_reasons_of_one_code_are_one_fault_until_both_are_over() -> None:
    teller = announcer()
    assert see(teller, errors(Flag.DIODE)) == [Fault(1, FaultCode.PILOT_FAULT, True, FAULTS[Flag.DIODE][1])]
    assert see(teller, errors(Flag.DIODE, Flag.PILOT)) == []
    assert see(teller, errors(Flag.PILOT)) == []
    assert see(teller, errors()) == [Fault(1, FaultCode.PILOT_FAULT, False)]


def test_flags_of_the_whole_board_do_not_end_those_of_a_connector() -> None:
    teller = announcer()
    see(teller, errors(Flag.DIODE))
    (fault,) = see(teller, errors(Flag.HEARTBEAT, connector=0))
    assert fault == Fault(1, FaultCode.INTERNAL_ERROR, True, FAULTS[Flag.HEARTBEAT][1])
    assert teller.flags == {Flag.DIODE, Flag.HEARTBEAT}
    assert see(teller, errors(connector=0)) == [Fault(1, FaultCode.INTERNAL_ERROR, False)]


def test_a_fault_begins_before_and_ends_after_the_rest() -> None:
    teller = announcer()
    told = see(teller, PilotTold(1, PilotState.B), errors(Flag.DIODE))
    assert told == [Fault(1, FaultCode.PILOT_FAULT, True, FAULTS[Flag.DIODE][1]), PilotChanged(1, PilotState.B)]
    told = see(teller, PilotTold(1, PilotState.A), errors())
    assert told == [PilotChanged(1, PilotState.A), Fault(1, FaultCode.PILOT_FAULT, False)]


def test_a_fault_that_a_restart_has_ended_ends() -> None:
    teller = announcer()
    see(teller, errors(Flag.DIODE), PilotTold(1, PilotState.B), RelayTold(1, closed=True))
    teller.forget()
    teller.assume()
    assert list(teller.news()) == [
        PilotChanged(1, PilotState.A),
        PowerPathChanged(1, False),
        Fault(1, FaultCode.PILOT_FAULT, False),
    ]


def test_an_expected_trip_is_no_fault() -> None:
    teller = announcer()
    teller.quiet = frozenset({Flag.RCD})
    assert see(teller, errors(Flag.RCD)) == []
    teller.quiet = frozenset()
    assert [event.code for event in see(teller) if isinstance(event, Fault)] == [FaultCode.GROUND_FAILURE]


# --- cable, relay -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cable", "one_phase", "amps"),
    [(Proximity.A13, False, 13.0), (Proximity.A20, False, 20.0), (Proximity.A32, False, 32.0),
     (Proximity.A70, False, 63.0), (Proximity.A70, True, 70.0), (Proximity.NONE, False, None)],
)  # fmt: skip
def test_cables(cable: Proximity, one_phase: bool, amps: float | None) -> None:
    teller = announcer(one_phase=one_phase)
    assert see(teller, ProximityTold(1, cable)) == [ProximityChanged(1, amps)]
    assert see(teller, ProximityTold(1, cable)) == []


def test_a_cable_that_cannot_be_read_is_a_fault_and_a_fixed_one_is_not_read() -> None:
    teller = announcer()
    (fault,) = see(teller, ProximityTold(1, Proximity.FAULT))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.active) == (FaultCode.PROXIMITY_FAULT, True)
    assert see(teller, ProximityTold(1, Proximity.A20)) == [
        ProximityChanged(1, 20.0),
        Fault(1, FaultCode.PROXIMITY_FAULT, False),
    ]
    fixed = announcer(socket=False)
    assert see(fixed, ProximityTold(1, Proximity.FAULT), ProximityTold(1, Proximity.A32)) == []


# --- bolt -------------------------------------------------------------------------------------------------------------------


def test_a_bolt_that_arrives_and_one_that_does_not() -> None:
    bolt = BoltWatch(3.0, has_feedback=True)
    bolt.move(True, 10.0)
    bolt.see(Bolt.UNLOCKED)  # where it still is
    assert (bolt.state, bolt.deadline) == (None, 13.0)
    bolt.see(Bolt.LOCKED)
    assert (bolt.state, bolt.deadline) == (LockState.LOCKED, None)
    bolt.see(Bolt.UNLOCKED)  # by somebody else
    assert bolt.state is LockState.UNLOCKED
    bolt.move(True, 20.0)
    assert not bolt.late(22.9)
    assert bolt.late(23.0)
    assert bolt.state is LockState.JAMMED


def test_a_bolt_that_moves_and_ends_elsewhere_is_jammed_at_once() -> None:
    bolt = BoltWatch(3.0, has_feedback=True)
    bolt.see(Bolt.UNLOCKED)
    for end in (Bolt.UNLOCKED, Bolt.UNDEFINED):
        bolt.move(True, 10.0)
        bolt.see(Bolt.LOCKING)
        assert bolt.deadline is not None
        bolt.see(end)
        assert bolt.state is LockState.JAMMED


def test_a_bolt_without_feedback_is_believed() -> None:
    bolt = BoltWatch(3.0, has_feedback=False)
    bolt.move(True, 0.0)
    assert (bolt.state, bolt.deadline) == (LockState.LOCKED, None)


def test_whoever_moves_a_bolt_hears_how_it_ended_each_time() -> None:
    teller = announcer()
    teller.bolt.see(Bolt.LOCKED)
    assert list(teller.news()) == [LockChanged(1, LockState.LOCKED)]
    teller.bolt.move(True, 0.0)
    assert list(teller.news()) == []
    teller.tell_lock_again()
    assert list(teller.news()) == [LockChanged(1, LockState.LOCKED)]


# --- meter ------------------------------------------------------------------------------------------------------------------


def values(energy_wh: float, watts: float = 3680.0) -> PowerMeter:
    amps = watts / 230.0
    return PowerMeter(
        (230.0,) * 3, (amps, 0.0, 0.0), 0.0, energy_wh, (31.0, 33.0), (watts, 0.0, 0.0), 50.0, wrong_sequence=False
    )


def meter(phases: int = 1, *, idle_is_silent: bool = False) -> McuMeter:
    return McuMeter("/dev/x", phases, 22080.0, idle_is_silent=idle_is_silent)


def test_a_reading_is_fresh_or_none() -> None:
    mine = meter()
    with pytest.raises(BusError, match="no meter values for 3 s"):
        mine.read(0.0, closed=False)
    mine.see(values(1000.0), 10.0)
    reading = mine.read(12.9, closed=True)
    assert (reading.energy_import_wh, reading.power_w, reading.current_a) == (1000.0, 3680.0, (16.0,))
    assert (reading.voltage_v, reading.frequency_hz, reading.temperature_c) == ((230.0,), 50.0, 33.0)
    with pytest.raises(BusError):
        mine.read(13.1, closed=False)


def test_a_board_that_forgets_its_total_at_a_restart_does_not_run_backwards() -> None:
    mine = meter()
    mine.see(values(5000.0), 0.0)
    assert mine.read(0.0, closed=True).energy_import_wh == 5000.0
    mine.restarted()
    mine.see(values(0.5), 60.0)
    assert mine.read(60.0, closed=True).energy_import_wh == 5000.5
    mine.restarted()
    mine.see(values(60.0), 120.0)  # it had kept that one
    assert mine.read(120.0, closed=True).energy_import_wh == 5060.0


def test_a_total_that_runs_backwards_or_jumps_is_refused() -> None:
    mine = meter()
    mine.see(values(5000.0), 0.0)
    mine.read(0.0, closed=True)
    mine.see(values(4000.0), 1.0)
    with pytest.raises(DeviceError, match="runs backwards"):
        mine.read(1.0, closed=True)
    mine.see(values(5001.0), 2.0)
    assert mine.read(2.0, closed=True).energy_import_wh == 5001.0
    mine.see(values(9e9), 3.0)
    with pytest.raises(DeviceError, match="jumps"):
        mine.read(3.0, closed=True)
    mine.see(values(-1.0), 4.0)
    with pytest.raises(DeviceError, match="register of -1 Wh"):
        mine.read(4.0, closed=True)


def test_a_board_that_measures_only_while_it_charges() -> None:
    mine = meter(idle_is_silent=True)
    reading = mine.read(0.0, closed=False)
    assert (reading.energy_import_wh, reading.power_w, reading.current_a) == (0.0, 0.0, (0.0,))
    with pytest.raises(BusError):
        mine.read(0.0, closed=True)
    mine.see(values(7000.0), 60.0)  # it remembers older sessions: they are not of this one
    assert mine.read(60.0, closed=True).energy_import_wh == 0.0
    mine.see(values(7100.0), 160.0)
    assert mine.read(160.0, closed=True).energy_import_wh == 100.0
    assert mine.read(170.0, closed=False).energy_import_wh == 100.0
    fresh = meter(idle_is_silent=True)
    fresh.read(0.0, closed=False)
    fresh.see(values(4.0), 4.0)
    assert fresh.read(4.0, closed=True).energy_import_wh == 4.0
