"""Reading and writing the device model: B05, B06, the overlay, and what survives a restart."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from station.core.device_model import Definition, Definitions, DeviceModel, InvalidValueError, VariableKey, WriteResult
from station.core.events import VariableWrite

TIMEOUT = VariableKey("TxCtrlr", "EVConnectionTimeOut")
ATTEMPTS = VariableKey("OCPPCommCtrlr", "MessageAttempts", variable_instance="TransactionEvent")
STATE = VariableKey("EVSE", "AvailabilityState", evse=1)
POWER = VariableKey("EVSE", "Power", evse=1)
PASSWORD = VariableKey("SecurityCtrlr", "BasicAuthPassword")
PHASES = VariableKey("EVSE", "SupplyPhases", evse=1)
POINTS = VariableKey("TxCtrlr", "TxStartPoint")
PANEL = VariableKey("Panel", "Colour", component_instance="Left")
PRIORITY = VariableKey("OCPPCommCtrlr", "NetworkConfigurationPriority")
OFFSET = VariableKey("ClockCtrlr", "NextTimeOffsetTransitionDateTime")

TEMPLATE = Definitions(
    {
        d.key: d
        for d in (
            Definition(TIMEOUT, "integer", default="60", unit="s", min_limit=0, max_limit=3600),
            Definition(ATTEMPTS, "integer", default="5", min_limit=1),
            Definition(
                STATE, "OptionList", "ReadOnly", "Available", values=("Available", "Occupied"), persistent=False
            ),
            Definition(POWER, "decimal", "ReadOnly", max_limit=22000.0, attributes=("Actual", "MaxSet")),
            Definition(PASSWORD, "string", "WriteOnly", min_limit=16, max_limit=40, secret=True),
            Definition(PHASES, "integer", "ReadOnly", "3", constant=True),
            Definition(POINTS, "MemberList", default="EVConnected", values=("EVConnected", "Authorized")),
            Definition(PANEL, "string", default=""),
            Definition(PRIORITY, "SequenceList", default="1", values=("1", "2"), reboot_required=True),
            Definition(OFFSET, "dateTime"),
        )
    }
)


def model(**saved: str) -> DeviceModel:
    return DeviceModel(TEMPLATE, saved)


def write(target: DeviceModel, key: VariableKey, value: str, *, technician: bool = False, **more: str) -> WriteResult:
    request = VariableWrite(
        key.component,
        key.variable,
        value,
        key.component_instance,
        key.variable_instance,
        key.evse,
        key.connector,
        **more,
    )
    return target.write(request, by_technician=technician)


# --- typed reads ---


def test_typed_reads_give_defaults() -> None:
    m = model()
    assert m.integer("TxCtrlr", "EVConnectionTimeOut") == 60
    assert m.integer("OCPPCommCtrlr", "MessageAttempts", variable_instance="TransactionEvent") == 5
    assert m.members("TxCtrlr", "TxStartPoint") == ("EVConnected",)
    assert m.text("EVSE", "AvailabilityState", evse=1) == "Available"


def test_an_unset_variable_reads_as_nothing() -> None:
    m = DeviceModel(
        {
            VariableKey("X", t): Definition(VariableKey("X", t), t)
            for t in ("boolean", "integer", "decimal", "string", "MemberList")
        }
    )
    assert m.boolean("X", "boolean") is False
    assert m.integer("X", "integer") == 0
    assert m.decimal("X", "decimal") == 0.0
    assert m.text("X", "string") == ""
    assert m.members("X", "MemberList") == ()
    assert m.value(VariableKey("X", "string")) is None


def test_a_misspelt_variable_is_our_mistake() -> None:
    with pytest.raises(KeyError, match=r"TxCtrlr\.EVConnTimeOut"):
        model().integer("TxCtrlr", "EVConnTimeOut")
    with pytest.raises(KeyError):
        model().integer("OCPPCommCtrlr", "MessageAttempts")


def test_names_compare_without_case() -> None:
    m = model()
    assert m.find("txctrlr", "EVCONNECTIONTIMEOUT") is TEMPLATE[TIMEOUT]
    assert m.find("panel", "colour", component_instance="LEFT") is TEMPLATE[PANEL]
    assert m.has_component("evse", evse=1)
    assert not m.has_component("evse", evse=2)
    assert m.has_component("Panel", instance="left")
    assert not m.has_component("Panel")


def test_two_definitions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="defined twice"):
        Definitions({k: Definition(k, "string") for k in (VariableKey("A", "b"), VariableKey("a", "B"))})


# --- B05 ---


def test_a_good_value_is_accepted_and_kept_in_canonical_form() -> None:
    m = model()
    assert write(m, TIMEOUT, " 90 ") == WriteResult("Accepted", changed=True, key=TIMEOUT)
    assert (m.value(TIMEOUT), m.integer("TxCtrlr", "EVConnectionTimeOut")) == ("90", 90)
    assert not write(m, TIMEOUT, "90").changed
    assert write(m, TIMEOUT, "60").changed
    assert m.value(TIMEOUT) == "60"


def test_a_write_answers_with_the_models_own_spelling() -> None:
    assert model().write(VariableWrite("TXCTRLR", "evconnectiontimeout", "5")).key == TIMEOUT


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (VariableKey("NoCtrlr", "X"), "UnknownComponent"),  # B05.FR.04
        (VariableKey("TxCtrlr", "X"), "UnknownVariable"),  # B05.FR.05
        (VariableKey("TxCtrlr", "EVConnectionTimeOut", evse=1), "UnknownComponent"),
        (VariableKey("EVSE", "Power", evse=2), "UnknownComponent"),
        (VariableKey("EVSE", "Power"), "UnknownComponent"),
        (VariableKey("EVSE", "Power", evse=1, connector=1), "UnknownComponent"),
        # B06.FR.14, FR.15 and the same for writes: an instance is part of the name.
        (VariableKey("OCPPCommCtrlr", "MessageAttempts"), "UnknownVariable"),
        (VariableKey("OCPPCommCtrlr", "MessageAttempts", variable_instance=""), "UnknownVariable"),
        (VariableKey("OCPPCommCtrlr", "MessageAttempts", variable_instance="Other"), "UnknownVariable"),
        (VariableKey("TxCtrlr", "EVConnectionTimeOut", variable_instance="Other"), "UnknownVariable"),
        (VariableKey("Panel", "Colour"), "UnknownComponent"),
        (VariableKey("Panel", "Colour", component_instance="Right"), "UnknownComponent"),
    ],
)
def test_unknown_addresses(key: VariableKey, status: str) -> None:
    m = model()
    assert write(m, key, "1") == WriteResult(status)
    read = m.read(
        key.component,
        key.variable,
        component_instance=key.component_instance,
        variable_instance=key.variable_instance,
        evse=key.evse,
        connector=key.connector,
    )
    assert (read.status, read.value) == (status, None)  # B06.FR.06, B06.FR.07


def test_an_empty_instance_is_no_instance() -> None:
    assert model().write(VariableWrite("TxCtrlr", "EVConnectionTimeOut", "5", "", "")).status == "Accepted"


def test_attributes_that_a_variable_has_not() -> None:
    m = model()
    assert write(m, TIMEOUT, "1", attribute="Target").status == "NotSupportedAttributeType"  # B05.FR.06
    assert m.read("TxCtrlr", "EVConnectionTimeOut", attribute="MaxSet").status == "NotSupportedAttributeType"
    assert write(m, POWER, "1", attribute="MaxSet").reason == "ReadOnly"
    assert m.read("EVSE", "Power", evse=1, attribute="MaxSet").value == "22000"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (TIMEOUT, "soon", "InvalidValue"),
        (TIMEOUT, "-1", "ValueTooLow"),
        (TIMEOUT, "3601", "ValueTooHigh"),
        (POINTS, "EVConnected,Whatever", "InvalidValue"),
        (STATE, "Occupied", "ReadOnly"),
        (PHASES, "1", "ReadOnly"),
        (PASSWORD, "short", "ValueOutOfRange"),
    ],
)
def test_a_rejected_write_changes_nothing(key: VariableKey, value: str, reason: str) -> None:
    m = model()
    result = write(m, key, value)
    assert (result.status, result.reason, result.changed, result.key) == ("Rejected", reason, False, key)
    assert m.value(key) == TEMPLATE[key].default


def test_a_technician_may_write_what_is_read_only_but_no_constant() -> None:
    m = model()
    assert write(m, STATE, "Occupied", technician=True).changed
    assert write(m, STATE, "Sideways", technician=True).status == "Rejected"
    assert write(m, PHASES, "1", technician=True).reason == "ReadOnly"


def test_a_value_that_waits_for_a_restart_says_so() -> None:
    m = model()
    assert write(m, PRIORITY, "2,1") == WriteResult("RebootRequired", changed=True, key=PRIORITY)
    assert write(m, PRIORITY, "2,1") == WriteResult("RebootRequired", key=PRIORITY)
    assert write(m, PRIORITY, "3").status == "Rejected"


def test_a_registered_validator_has_the_last_word() -> None:
    m, other = model(), model()
    m.register("txctrlr", "EvConnectionTimeOut", lambda _m, w: "no odd seconds" if int(w.value) % 2 else None)
    assert write(m, TIMEOUT, "31") == WriteResult("Rejected", "InvalidValue", "no odd seconds", key=TIMEOUT)
    assert write(m, TIMEOUT, "x").info != "no odd seconds", "it sees well-formed values only"
    assert write(m, TIMEOUT, "32").status == "Accepted"
    assert write(other, TIMEOUT, "31").status == "Accepted"


# --- B06 ---


def test_reading() -> None:
    m = model()
    assert m.read("txctrlr", "EVConnectionTimeOut").value == "60"
    unset = m.read("ClockCtrlr", "NextTimeOffsetTransitionDateTime")
    assert (unset.status, unset.value) == ("Accepted", "")  # B06.FR.13
    write(m, OFFSET, "2030-01-01T00:00:00Z")
    write(m, OFFSET, "")
    assert m.value(OFFSET) is None


def test_a_secret_can_be_written_and_used_but_never_seen() -> None:
    m = model()
    result = write(m, PASSWORD, "correct-horse-battery")
    assert (result.status, result.changed) == ("Accepted", True)
    assert m.text("SecurityCtrlr", "BasicAuthPassword") == "correct-horse-battery"
    read = m.read("SecurityCtrlr", "BasicAuthPassword")
    assert (read.status, read.value, read.reason) == ("Rejected", None, "WriteOnly")  # B06.FR.09
    refused = write(m, PASSWORD, "correct-horse-battery" * 9)
    assert "horse" not in f"{m!r} {result!r} {read!r} {refused!r} {m.find('SecurityCtrlr', 'BasicAuthPassword')!r}"


# --- the station itself ---


def test_the_station_sets_what_others_may_only_read() -> None:
    m = model()
    assert m.put(STATE, "Occupied")
    assert not m.put(STATE, "Occupied")
    assert m.text("EVSE", "AvailabilityState", evse=1) == "Occupied"
    assert m.put(POWER, "23000.5"), "limits bind writers, not measurements"
    assert m.decimal("EVSE", "Power", evse=1) == 23000.5
    with pytest.raises(InvalidValueError):
        m.put(STATE, "Asleep")
    with pytest.raises(KeyError):
        m.put(VariableKey("EVSE", "Power", evse=9), "1")


# --- restart and sharing ---


def test_saved_rows_come_back() -> None:
    m = DeviceModel(TEMPLATE, {TIMEOUT.row: "90", ATTEMPTS.row: "2", PANEL.row: "red", PASSWORD.row: "p" * 20})
    assert m.ignored == ()
    assert [m.value(key) for key in (TIMEOUT, ATTEMPTS, PANEL, PASSWORD)] == ["90", "2", "red", "p" * 20]


def test_rows_that_no_longer_fit_are_left_out_and_named() -> None:
    rows = {
        TIMEOUT.row: "99999",  # out of today's limits
        "Gone.Variable": "1",
        "no row": "1",
        STATE.row: "Occupied",  # not persistent
        PHASES.row: "1",  # follows from the hardware
        POINTS.row: "Authorized",
    }
    m = DeviceModel(TEMPLATE, rows)
    assert set(m.ignored) == set(rows) - {POINTS.row}
    assert [m.value(key) for key in (TIMEOUT, STATE, PHASES, POINTS)] == ["60", "Available", "3", "Authorized"]


def test_stations_share_the_template_and_nothing_else() -> None:
    one, other = model(), model()
    write(one, TIMEOUT, "90")
    assert other.value(TIMEOUT) == "60"
    assert list(one.definitions()) == list(TEMPLATE.values())
    assert sys.getsizeof(one) <= 80
    assert not hasattr(one, "__dict__")


class ModelAgainstDict(RuleBasedStateMachine):
    """Whatever is written, the model agrees with a plain dict, and a restart from the saved rows changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.model = model()
        self.expected = {TIMEOUT: 60, ATTEMPTS: 5}
        self.rows: dict[str, str] = {}

    @rule(key=st.sampled_from([TIMEOUT, ATTEMPTS]), value=st.integers(-2, 4000))
    def write(self, key: VariableKey, value: int) -> None:
        result = write(self.model, key, str(value))
        low, high = TEMPLATE[key].min_limit, TEMPLATE[key].max_limit
        fits = (low is None or value >= low) and (high is None or value <= high)
        assert result.status == ("Accepted" if fits else "Rejected")
        assert result.changed == (fits and value != self.expected[key])
        if fits:
            self.expected[key] = value
        if result.changed:
            self.rows[key.row] = self.model.value(key) or ""

    @rule()
    def restart(self) -> None:
        self.model = DeviceModel(TEMPLATE, self.rows)
        assert self.model.ignored == ()

    @invariant()
    def agrees(self) -> None:
        for key, value in self.expected.items():
            assert self.model.value(key) == str(value)


TestModelAgainstDict = ModelAgainstDict.TestCase
TestModelAgainstDict.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
