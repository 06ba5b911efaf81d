"""`station.core.effects`: what of a level may be applied at once; what never shows its value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hal.api import KeyEntered, PilotSignal, TokenKind
from station.core.effects import Ask, Output, Save
from station.core.events import VariableWrite
from station.core.types import IdToken

outputs = st.builds(
    Output,
    st.just(1),
    st.booleans(),
    st.sampled_from((0.0, 6.0, 16.0, 32.0)),
    st.sampled_from(PilotSignal),
    st.booleans(),
    st.sampled_from((1, 3)),
    st.sampled_from(("board", "cable")),
    st.integers(0, 2),
)


@given(outputs, outputs | st.none())
def test_the_limited_level_never_raises(new: Output, before: Output | None) -> None:
    """LAW 2 (1): restricting waits for nothing, raising waits for the commit."""
    now = new.limited(before)
    was = before or Output(1, False, 0.0, PilotSignal.OFF, locked=False)
    assert now.permit <= was.permit
    assert now.current_a <= was.current_a
    assert now.pilot is not PilotSignal.PWM or was.pilot is PilotSignal.PWM
    # All that restricts is in it.
    assert now.permit <= new.permit
    assert now.current_a <= new.current_a
    assert now.locked <= new.locked, "a plug is released at once"
    assert now.locked <= was.locked
    if not new.permit:
        assert not now.permit


@given(outputs)
def test_a_level_limited_by_itself_is_itself(level: Output) -> None:
    assert level.limited(level) == level
    assert level.same_level(level)
    assert not level.same_level(None)


def test_the_reason_is_not_part_of_the_level() -> None:
    level = Output(1, True, 6.0, PilotSignal.PWM, locked=True, cause="cable")
    assert level.same_level(Output(1, True, 6.0, PilotSignal.PWM, locked=True, cause="board"))
    assert not level.same_level(Output(1, True, 6.0, PilotSignal.PWM, locked=True, lock_attempt=1))


def test_secrets_are_not_shown() -> None:
    """A01, C04: neither a password nor a PIN is ever in a log."""
    pin = IdToken("4711", TokenKind.KEY_CODE)
    shown = repr(
        (
            Save("variable", "SecurityCtrlr.BasicAuthPassword", {"value": "hunter2hunter2hunter2"}),
            VariableWrite("SecurityCtrlr", "BasicAuthPassword", "hunter2hunter2hunter2"),
            KeyEntered(1, "4711"),
            Ask(1, pin, 0.0),
        )
    )
    assert "hunter2" not in shown
    assert "4711" not in shown
    assert "04A1" in repr(IdToken("04A1")), "a card number is no secret"
