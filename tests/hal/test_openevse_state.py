"""What an OpenEVSE board's states mean, and what is wanted of it: pure rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import Fault, FaultCode, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.drivers.openevse_rapi import Status
from hal.drivers.openevse_state import (
    CHECK_LETTERS,
    CHECKS,
    EV_CONNECTED,
    FAULTS,
    HARD_FAULT,
    RELAY_CLOSED,
    Announcer,
    EnergyRegister,
    Level,
    Target,
    letter_of,
)


@pytest.mark.parametrize(
    ("state", "pilot", "vflags", "letter"),
    [
        (0x00, 0, 0, None),
        (0x01, 1, 0, PilotState.A),
        (0x02, 2, EV_CONNECTED, PilotState.B),
        (0x03, 3, EV_CONNECTED | RELAY_CLOSED, PilotState.C),
        (0x03, 4, EV_CONNECTED | RELAY_CLOSED, PilotState.D),
        (0x04, 4, EV_CONNECTED, PilotState.D),
        (0x06, 3, EV_CONNECTED, PilotState.B),
        (0x06, 1, 0, PilotState.A),
        (0xFE, 3, EV_CONNECTED | RELAY_CLOSED, PilotState.B),
        (0xFE, 1, 0, PilotState.A),
        (0xFF, 1, 0, PilotState.F),
    ],
)
def test_letters(state: int, pilot: int, vflags: int, letter: PilotState | None) -> None:
    assert letter_of(Status(state, pilot, vflags)) is letter


EXPECTED = {
    0x04: FaultCode.PILOT_FAULT,
    0x05: FaultCode.PILOT_FAULT,
    0x06: FaultCode.GROUND_FAILURE,
    0x07: FaultCode.GROUND_FAILURE,
    0x08: FaultCode.EVSE_CONTACTOR_FAULT,
    0x09: FaultCode.GROUND_FAILURE,
    0x0A: FaultCode.HIGH_TEMPERATURE,
    0x0B: FaultCode.OVER_CURRENT_FAILURE,
    0x0C: FaultCode.INTERNAL_ERROR,  # reserved: a fault all the same
    0x0E: FaultCode.EVSE_CONTACTOR_FAULT,
    0x0F: FaultCode.PROXIMITY_FAULT,
    0x10: FaultCode.PROXIMITY_FAULT,
    0x11: FaultCode.INTERNAL_ERROR,
}


@pytest.mark.parametrize(("state", "code"), EXPECTED.items())
def test_every_fault_begins_first_and_ends_last(state: int, code: FaultCode) -> None:
    announcer = Announcer(1)
    list(announcer.see(Status(3, 3, EV_CONNECTED | RELAY_CLOSED)))
    began = list(announcer.see(Status(state, 3, EV_CONNECTED | HARD_FAULT)))
    assert isinstance(began[0], Fault)
    assert (began[0].code, began[0].active) == (code, True)
    assert f"{state:02X}" in began[0].info
    assert PowerPathChanged(1, False) in began
    assert list(announcer.see(Status(state, 3, EV_CONNECTED | HARD_FAULT))) == []
    ended = list(announcer.see(Status(1, 1, 0)))
    assert ended == [PilotChanged(1, PilotState.A), Fault(1, code, False)]


def test_every_fault_has_words() -> None:
    assert FAULTS.keys() <= EXPECTED.keys()
    assert CHECKS.keys() == CHECK_LETTERS.keys()


def test_a_fault_that_becomes_another_is_told_as_both() -> None:
    announcer = Announcer(1)
    list(announcer.see(Status(0x06, 3, EV_CONNECTED)))
    events = list(announcer.see(Status(0x07, 3, EV_CONNECTED)))
    assert events == []  # the same code: it goes on
    events = list(announcer.see(Status(0x08, 3, EV_CONNECTED)))
    assert [(e.code, e.active) for e in events if isinstance(e, Fault)] == [
        (FaultCode.EVSE_CONTACTOR_FAULT, True),
        (FaultCode.GROUND_FAILURE, False),
    ]


def test_sleep_does_not_hide_a_hard_fault() -> None:
    announcer = Announcer(1)
    list(announcer.see(Status(0x0A, 3, EV_CONNECTED | HARD_FAULT)))
    assert list(announcer.see(Status(0xFE, 3, EV_CONNECTED | HARD_FAULT))) == []
    assert Fault(1, FaultCode.HIGH_TEMPERATURE, False) in list(announcer.see(Status(0xFE, 1, 0)))


def test_after_a_loss_everything_is_told_again() -> None:
    announcer = Announcer(1)
    list(announcer.see(Status(0x06, 3, EV_CONNECTED)))
    announcer.forget()
    again = list(announcer.see(Status(0x06, 3, EV_CONNECTED)))
    assert [type(event) for event in again] == [Fault, PilotChanged, PowerPathChanged]
    announcer.forget()  # and what ended meanwhile is told as ended
    assert list(announcer.see(Status(0xFE, 1, 0))) == [
        PilotChanged(1, PilotState.A),
        PowerPathChanged(1, False),
        Fault(1, FaultCode.GROUND_FAILURE, False),
    ]


def test_levers() -> None:
    level = Level()
    assert level.target is Target.ASLEEP
    level.offer(PilotSignal.PWM, 16)  # without PWM no vehicle would ask
    assert level.target is Target.ENABLED
    level.permit(False, asking=False)
    assert level.target is Target.ENABLED
    level.permit(False, asking=True)
    assert level.target is Target.ASLEEP
    level.offer(PilotSignal.PWM, 10)  # another current is no permission
    assert level.target is Target.ASLEEP
    level.permit(True, asking=False)
    assert level.target is Target.ENABLED
    level.permit(False, asking=True)
    level.offer(PilotSignal.OFF, 0)
    level.offer(PilotSignal.PWM, 16)
    assert level.target is Target.ENABLED
    level.offer(PilotSignal.FAULT, 0)
    assert level.target is Target.DISABLED


def test_what_was_withheld_is_offered_again_to_a_vehicle_that_has_let_go() -> None:
    level = Level()
    level.offer(PilotSignal.PWM, 16)
    level.permit(False, asking=True)
    level.settle(asking=False)
    assert level.target is Target.ASLEEP, "nobody has offered anything since"
    level.offer(PilotSignal.PWM, 16)
    level.settle(asking=True)
    assert level.target is Target.ASLEEP, "it still asks"
    level.settle(asking=False)
    assert level.target is Target.ENABLED
    level.withhold()
    level.settle(asking=False)
    assert level.target is Target.ASLEEP


def test_a_board_in_a_fault_is_left_alone_unless_its_relay_is_closed() -> None:
    for target in Target:
        assert target.reached(Status(0x07, 2, EV_CONNECTED))
    assert not Target.ASLEEP.reached(Status(0x07, 2, EV_CONNECTED | RELAY_CLOSED))
    assert not Target.ENABLED.reached(Status(0xFE, 2, EV_CONNECTED))
    assert not Target.ASLEEP.reached(Status(0xFF, 2, EV_CONNECTED))


def test_energy_over_sessions_restarts_and_gaps() -> None:
    register = EnergyRegister()
    assert register.count(7200, 100, connected=True) == 102.0
    assert register.count(36000, 100, connected=True) == 110.0
    assert register.count(36000, 110, connected=False) == 110.0  # it left: the session is in the total now
    register.new_session()
    assert register.count(3600, 110, connected=True) == 111.0
    assert (
        register.count(0, 110, connected=True) == 111.0
    )  # the supply failed: the board has forgotten 1 Wh, we have not
    assert register.count(3600, 110, connected=True) == 112.0
    register.new_session()  # it charged on to 5 Wh, left, and another one has charged 10 Wh: nobody had read in between
    assert register.count(36000, 115, connected=True) == 126.0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=30))
def test_the_register_never_runs_backwards_and_misses_less_than_a_watt_hour_a_session(
    steps: list[tuple[int, bool]],
) -> None:
    register, true_ws, session, total, last, sessions = EnergyRegister(), 0, 0, 0, 0.0, 0
    register.count(0, 0, connected=False)
    for energy_ws, leaves in steps:
        true_ws += energy_ws
        session += energy_ws
        if leaves:
            total += session // 3600
        seen = register.count(session, total, connected=not leaves)
        assert seen >= last
        last = seen
        if leaves:
            session, sessions = 0, sessions + 1
            register.new_session()
    assert abs(last - true_ws / 3600) <= sessions + 1e-6
