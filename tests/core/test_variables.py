"""Addresses, definitions and the values that a variable accepts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.variables import PHASES, VALUE_MAX, Definition, InvalidValueError, VariableKey, canonical, number_text

NAMES = st.text(min_size=1, max_size=50)
KEYS = st.builds(
    VariableKey,
    component=NAMES,
    variable=NAMES,
    component_instance=st.none() | NAMES,
    variable_instance=st.none() | NAMES,
    evse=st.none() | st.integers(0, 500),
)


def variable(data_type: str, **more: object) -> Definition:
    return Definition(VariableKey("Test", "Value"), data_type, **more)  # type: ignore[arg-type]  # any mix of fields


def refused(definition: Definition, text: str) -> str:
    with pytest.raises(InvalidValueError) as caught:
        canonical(definition, text)
    assert text == "" or len(text) < 4 or text not in str(caught.value), "the value is never told"
    return caught.value.reason


# --- addresses ---


@given(KEYS, st.none() | st.integers(0, 9))
def test_a_row_is_the_exact_inverse_of_its_key(key: VariableKey, connector: int | None) -> None:
    if key.evse is not None:
        key = VariableKey(
            key.component, key.variable, key.component_instance, key.variable_instance, key.evse, connector
        )
    assert VariableKey.from_row(key.row) == key


@given(KEYS, KEYS)
def test_two_keys_never_share_a_row(one: VariableKey, other: VariableKey) -> None:
    assert (one == other) == (one.row == other.row)


def test_rows_read_as_an_operator_writes_them() -> None:
    timeout = VariableKey("OCPPCommCtrlr", "MessageTimeout", variable_instance="Default")
    assert timeout.row == "OCPPCommCtrlr.MessageTimeout[Default]"
    assert VariableKey("EVSE", "Power", evse=1).row == "EVSE#1.Power"
    assert VariableKey("Connector", "Available", evse=1, connector=2).row == "Connector#1:2.Available"
    dotted = VariableKey("CustomizationCtrlr", "Enabled", variable_instance="org.example.thing")
    assert dotted.row == "CustomizationCtrlr.Enabled[org.example.thing]"


@pytest.mark.parametrize("text", ["", "TxCtrlr", ".Variable", "A.B.C", "A[x.B", "A#x.B", "A#1:.B", "A.B]", "A#١.B"])
def test_what_is_no_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        VariableKey.from_row(text)


# --- definitions ---


def test_a_definition_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="names"):
        Definition(VariableKey("C", "V" * 51), "string")
    with pytest.raises(ValueError, match="names"):
        Definition(VariableKey("C", "V", variable_instance=""), "string")
    with pytest.raises(ValueError, match="unknown data type"):
        variable("number")
    with pytest.raises(ValueError, match="mutability"):
        variable("string", mutability="Sometimes")
    with pytest.raises(ValueError, match="attributes"):
        variable("string", attributes=())


def test_a_definition_never_shows_its_default() -> None:
    assert "hunter2hunter2hunter2" not in repr(variable("string", default="hunter2hunter2hunter2", secret=True))


# --- values ---


@pytest.mark.parametrize("text", ["true", "TRUE", " True "])
def test_booleans_in_any_case(text: str) -> None:
    assert canonical(variable("boolean", default="false"), text) == "true"


@pytest.mark.parametrize("text", ["", "1", "yes", "truee", "t rue"])
def test_what_is_no_boolean(text: str) -> None:
    assert refused(variable("boolean", default="false"), text) == "InvalidValue"


@pytest.mark.parametrize(
    ("text", "value"), [("0", "0"), ("-0", "0"), (" 42 ", "42"), ("-7", "-7"), ("2147483647",) * 2]
)
def test_integers(text: str, value: str) -> None:
    assert canonical(variable("integer", default="1"), text) == value


@pytest.mark.parametrize(
    "text", ["", "1.0", "1e3", "+5", "007", "0x10", "1_000", "٣", "2147483648", "9" * 400, "banana", "--1", "1 2"]
)
def test_what_is_no_integer(text: str) -> None:
    assert refused(variable("integer", default="1"), text) == "InvalidValue"


@pytest.mark.parametrize(
    ("text", "value"), [("1.50", "1.5"), ("22.0", "22"), ("-0.0", "0"), ("2e3", "2000"), ("0.000001", "1e-06")]
)
def test_decimals(text: str, value: str) -> None:
    assert canonical(variable("decimal", default="1"), text) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1e999", ".5", "5.", "1,5", "+1"])
def test_what_is_no_decimal(text: str) -> None:
    assert refused(variable("decimal", default="1"), text) == "InvalidValue"


def test_limits_of_numbers_include_their_ends() -> None:
    bounded = variable("integer", default="5", min_limit=1, max_limit=10)
    assert [canonical(bounded, text) for text in ("1", "10")] == ["1", "10"]
    assert refused(bounded, "0") == "ValueTooLow"
    assert refused(bounded, "11") == "ValueTooHigh"
    assert canonical(bounded, "11", limits=False) == "11"


def test_limits_of_texts_and_lists_are_lengths() -> None:
    password = variable("string", min_limit=16, max_limit=40)
    assert canonical(password, "p" * 16) == "p" * 16
    assert [refused(password, "p" * n) for n in (0, 15, 41)] == ["ValueOutOfRange"] * 3
    points = variable("MemberList", default="Authorized", min_limit=1, values=("Authorized", "EVConnected"))
    assert refused(points, "") == "ValueOutOfRange"


def test_no_value_is_longer_than_the_field_that_reports_it() -> None:
    assert canonical(variable("string"), "x" * VALUE_MAX) == "x" * VALUE_MAX
    assert refused(variable("string"), "x" * (VALUE_MAX + 1)) == "TooLargeElement"


@pytest.mark.parametrize(
    "text",
    ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.123Z", "2024-02-29T12:00:00+01:00", "2024-02-29t12:00:00z"],
)
def test_date_times(text: str) -> None:
    assert canonical(variable("dateTime"), text) == text.upper()


@pytest.mark.parametrize(
    "text",
    ["2024-02-29", "2024-02-29T12:00:00", "2023-02-29T12:00:00Z", "2024-02-29T25:00:00Z", "yesterday", "1709208000"],
)
def test_what_is_no_date_time(text: str) -> None:
    assert refused(variable("dateTime"), text) == "InvalidValue"


@pytest.mark.parametrize("data_type", ["boolean", "integer", "decimal", "dateTime", "OptionList"])
def test_an_empty_text_unsets_only_what_has_no_default(data_type: str) -> None:
    assert canonical(variable(data_type), "") == ""
    default = {"boolean": "true", "dateTime": "2024-01-01T00:00:00Z", "OptionList": "A"}.get(data_type, "1")
    assert refused(variable(data_type, default=default, values=("A",) if data_type == "OptionList" else ()), "")


def test_an_option_is_one_of_the_list_in_the_lists_spelling() -> None:
    option = variable("OptionList", default="LRU", values=("LRU", "FIFO"))
    assert canonical(option, "fifo") == "FIFO"
    assert refused(option, "LRU;FIFO") == "InvalidValue"


def test_each_member_of_a_list_is_checked() -> None:
    points = variable("MemberList", default="", values=("Authorized", "EVConnected"))
    assert canonical(points, " evconnected , Authorized") == "EVConnected,Authorized"
    assert canonical(points, "") == ""
    for text in ("Authorized,Nothing", "Authorized,,EVConnected", "Authorized,", "Authorized;EVConnected"):
        assert refused(points, text) == "InvalidValue"


def test_a_member_list_is_a_set_and_a_sequence_is_not() -> None:
    assert canonical(variable("MemberList", values=("A", "B")), "B,A,B") == "B,A"
    assert canonical(variable("SequenceList", values=("A", "B")), "B,A,B") == "B,A,B"


def test_a_list_without_values_takes_anything_but_empty_items() -> None:
    assert canonical(variable("SequenceList"), "x, y") == "x,y"
    assert refused(variable("SequenceList"), "xxxx,,yyyy") == "InvalidValue"


def test_measurands_may_carry_a_phase() -> None:
    measurands = variable("MemberList", default="", values=("Voltage", "Current.Import"), phase_suffix=True)
    assert canonical(measurands, "voltage.l1-n,Current.Import.L2") == "Voltage.L1-N,Current.Import.L2"
    for phase in PHASES:
        assert canonical(measurands, f"Voltage.{phase}") == f"Voltage.{phase}"
    for text in ("Voltage.L4", "Voltage.", "Current.L1", "Voltage.L1.L2"):
        assert refused(measurands, text) == "InvalidValue"
    assert refused(variable("MemberList", values=("Voltage",)), "Voltage.L1") == "InvalidValue"


ANY = st.sampled_from(
    [
        variable("boolean"),
        variable("integer", min_limit=-3, max_limit=99),
        variable("decimal"),
        variable("string", max_limit=20),
        variable("dateTime"),
        variable("OptionList", values=("One", "Two")),
        variable("SequenceList", values=("One", "Two")),
        variable("MemberList", values=("One", "Two"), phase_suffix=True),
    ]
)
TEXTS = st.text(max_size=30) | st.from_regex(r"(One|two|TWO\.L1|-?[0-9.e]{1,9}|true)(,(One|Two))?", fullmatch=True)


@given(ANY, TEXTS)
def test_the_canonical_form_is_stable(definition: Definition, text: str) -> None:
    try:
        value = canonical(definition, text)
    except InvalidValueError:
        return
    assert canonical(definition, value) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_lose_nothing_in_their_text(number: float) -> None:
    text = number_text(number)
    assert math.isclose(float(text), number, rel_tol=0, abs_tol=0)
    assert not text.endswith(".0")
    assert text != "-0"
