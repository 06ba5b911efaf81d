"""The standard components: complete against the OCA's list, well-formed, and adjustable by the operator."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from station.core import components, components_charging, components_control, components_station
from station.core.components import document, standard_definitions
from station.core.components_table import READ_ONLY, WRITE_ONLY, Component
from station.core.device_model import DeviceModel
from station.core.events import VariableWrite
from station.core.measurands import parse, supported
from station.core.types import EvseInfo, TxPoint
from station.core.variables import Definition, VariableKey, canonical
from station.errors import ConfigError

EVSES = (EvseInfo(1), EvseInfo(2, connectors=("cType2", "cCCS2"), max_a=16.0, phases=1))
APPENDIX = Path(__file__).parents[3] / "shared" / "vectors" / "appendices" / "2.0.1-v1.4" / "dm_components_vars.csv"

DIFFERENT_TYPE = {
    # Part 2 calls it an ordered list; as such every slot is checked.
    ("OCPPCommCtrlr", "NetworkConfigurationPriority"): "SequenceList",
    # DataEnumType knows neither of the appendix's two kinds of string.
    ("SecurityCtrlr", "BasicAuthPassword"): "string",
    ("SecurityCtrlr", "Identity"): "string",
}

LATER = {
    "LocalAuthListCtrlr": "local authorisation list (D)",
    "ReservationCtrlr": "reservation (H)",
    "TariffCostCtrlr": "tariff and cost (I)",
    "MonitoringCtrlr": "monitoring (N)",
    "DisplayMessageCtrlr": "display messages (O)",
    "ISO15118Ctrlr": "ISO 15118; what its certificates need (A02) is there",
}

OMITTED = {
    "AuthCacheCtrlr.Storage": "entries are counted, not their bytes",
    "AuthCtrlr.AdditionalInfoItemsPerMessage": "no additional information is ever attached to a token",
    "ClockCtrlr.NextTimeOffsetTransitionDateTime": "nothing is shown in local time",
    "ClockCtrlr.TimeOffset": "nothing is shown in local time",
    "ClockCtrlr.TimeZone": "nothing is shown in local time",
    "ClockCtrlr.NtpServerUri": "NTP belongs to the operating system",
    "ClockCtrlr.NtpSource": "NTP belongs to the operating system",
    "DeviceDataCtrlr.ValueSize": "the sizes to set and to report differ, so the two specific ones are given",
    "EVSE.EvseId": "ISO 15118 comes later",
    "EVSE.ISO15118EvseId": "ISO 15118 comes later",
    "SmartChargingCtrlr.NotifyChargingLimitWithSchedules": "external limits come later",
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": "signed records pass through with the key that they contain",
    "OCPPCommCtrlr.QueueAllMessages": "only records are queued; states are coalesced (B04)",
    "OCPPCommCtrlr.FieldLength": "no field is longer than its schema says",
    "TxCtrlr.ChargingTime": "every transaction reports its own",
}


def template() -> dict[VariableKey, Definition]:
    return standard_definitions(EVSES)


def model(**overrides: str) -> DeviceModel:
    return DeviceModel(standard_definitions(EVSES, overrides))


def appendix() -> list[dict[str, str]]:
    if not APPENDIX.exists():
        pytest.skip("the OCA's appendix is not here")
    with APPENDIX.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


# --- against the OCA's list ---


def test_every_standard_variable_exists_or_is_left_out_for_a_reason() -> None:
    rows = appendix()
    ours = {(k.component, k.variable, k.variable_instance) for k in template()}
    # Of parts that the station only names when they are out of order, nothing else is told.
    present = {key.component for key in template() if key.variable != "Problem"} - LATER.keys()
    missing, required = set(), 0
    for row in rows:
        if row["Specific Component"] not in present:
            continue
        required += row["Required?"] == "yes"
        if (row["Specific Component"], row["Variable"], row["Instance"] or None) not in ours:
            missing.add(f"{row['Specific Component']}.{row['Variable']}")
            assert row["Required?"] == "no", f"{row['Specific Component']}.{row['Variable']} is required"
    assert required > 40
    assert missing == OMITTED.keys()


def test_types_and_units_are_the_standards() -> None:
    checked = 0
    by_name = {(k.component, k.variable, k.variable_instance): d for k, d in template().items()}
    for row in appendix():
        name = (row["Specific Component"], row["Variable"], row["Instance"] or None)
        found = by_name.get(name)
        if found is None:
            continue
        assert found.data_type == DIFFERENT_TYPE.get(name[:2], row["DataType"]), name
        assert (found.unit or "") in row["Unit"].split(", "), name
        checked += 1
    assert checked > 80


def test_no_name_is_invented() -> None:
    rows = appendix()
    standard = {(row["Specific Component"], row["Variable"], row["Instance"] or None) for row in rows}
    generic = {row["Variable"] for row in rows if row["Specific Component"] == "<generic>"}
    standard.add(("SecurityCtrlr", "AllowSecurityProfileDowngrade", None))  # errata 2025-09 to 2.0.1, 2.5
    for key in template():
        if key.component != components_station.LEGACY and key.variable not in generic:
            assert (key.component, key.variable, key.variable_instance) in standard, key.row


# --- form ---


@pytest.mark.parametrize("definition", template().values(), ids=lambda d: d.key.row)
def test_every_definition_is_well_formed(definition: Definition) -> None:
    if definition.default is not None:
        assert canonical(definition, definition.default) == definition.default
    assert definition.description.endswith(".")
    assert len(",".join(definition.values)) <= 1000  # VariableCharacteristicsType.valuesList
    assert len(definition.unit or "") <= 16
    assert definition.data_type != "OptionList" or definition.values
    if definition.constant:
        assert definition.mutability == READ_ONLY
        assert not definition.persistent
    assert definition.secret == (definition.mutability == WRITE_ONLY)


def test_features_to_come_are_announced_as_absent() -> None:
    m = model()
    for name in LATER.keys() - {"TariffCostCtrlr"}:
        assert not m.boolean(name, "Available")
        assert m.write(VariableWrite(name, "Enabled", "true")).reason == "ReadOnly"
    assert not m.boolean("TariffCostCtrlr", "Available", variable_instance="Tariff")


def test_defaults_let_a_first_session_run() -> None:
    m = model()
    assert m.members("TxCtrlr", "TxStartPoint") == m.members("TxCtrlr", "TxStopPoint") == ("EVConnected", "Authorized")
    assert m.integer("TxCtrlr", "EVConnectionTimeOut") == 60
    assert m.integer("SampledDataCtrlr", "TxUpdatedInterval") == 60
    assert m.integer("AlignedDataCtrlr", "Interval") == 0
    assert m.integer("OCPPCommCtrlr", "MessageTimeout", variable_instance="Default") == 30
    assert m.integer("OCPPCommCtrlr", "MessageAttempts", variable_instance="TransactionEvent") == 5
    assert m.integer("OCPPCommCtrlr", "MessageAttemptInterval", variable_instance="TransactionEvent") == 60
    assert m.members("ClockCtrlr", "TimeSource") == ("Heartbeat",)
    assert m.value(VariableKey("SecurityCtrlr", "BasicAuthPassword")) is None


def test_all_transaction_points_can_be_set() -> None:
    m = model()
    every = ",".join(point.value for point in TxPoint)
    assert m.write(VariableWrite("TxCtrlr", "TxStartPoint", every)).status == "Accepted"
    assert m.write(VariableWrite("TxCtrlr", "TxStopPoint", every)).status == "Rejected", "DataSigned stops nothing"
    assert m.write(VariableWrite("TxCtrlr", "TxStopPoint", "PowerPathClosed")).status == "Accepted"
    assert m.write(VariableWrite("TxCtrlr", "TxStartPoint", "")).status == "Rejected"


def test_measurand_lists_take_what_can_be_sampled() -> None:
    m = model()
    for component, variable in (
        ("SampledDataCtrlr", "TxStartedMeasurands"),
        ("SampledDataCtrlr", "TxUpdatedMeasurands"),
        ("SampledDataCtrlr", "TxEndedMeasurands"),
        ("AlignedDataCtrlr", "Measurands"),
        ("AlignedDataCtrlr", "TxEndedMeasurands"),
    ):
        assert m.write(VariableWrite(component, variable, ",".join(supported()))).status == "Accepted"
        assert parse(m.text(component, variable)) == supported()
        assert m.write(VariableWrite(component, variable, "Voltage.L1-N")).status == "Accepted"
        assert m.write(VariableWrite(component, variable, "Power.Reactive.Import")).status == "Rejected"
        assert m.write(VariableWrite(component, variable, "")).status == "Accepted"


# --- hardware ---


def test_evses_and_connectors_follow_the_hardware() -> None:
    m = model()
    assert m.integer("ChargingStation", "SupplyPhases") == 3
    assert [m.integer("EVSE", "SupplyPhases", evse=n) for n in (1, 2)] == [3, 1]
    assert m.text("Connector", "ConnectorType", evse=2, connector=2) == "cCCS2"
    assert not m.has_component("Connector", evse=1, connector=2)
    power = m.find("EVSE", "Power", evse=2)
    assert power is not None
    assert power.max_limit == 16 * 230
    assert m.text("OCPP16LegacyCtrlr", "ConnectorPhaseRotation") == "0.Unknown,1.Unknown,2.Unknown"
    assert m.write(VariableWrite("OCPP16LegacyCtrlr", "ConnectorPhaseRotation", "0.RST,2.TSR")).status == "Accepted"
    assert m.write(VariableWrite("OCPP16LegacyCtrlr", "ConnectorPhaseRotation", "3.RST")).status == "Rejected"


def test_a_station_of_fixed_cables_unlocks_nothing() -> None:
    fixed = standard_definitions([replace(info, fixed_cable=True) for info in EVSES])
    unlock = VariableKey("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
    assert (fixed[unlock].mutability, fixed[unlock].default) == ("ReadOnly", "false")
    assert (template()[unlock].mutability, template()[unlock].default) == ("ReadWrite", "true")


def test_a_large_site_still_has_a_reportable_template() -> None:
    large = standard_definitions([EvseInfo(n) for n in range(1, 41)])
    assert all(len(",".join(d.values)) <= 1000 for d in large.values())


def test_stations_of_one_shape_share_one_template() -> None:
    again = [EvseInfo(1), EvseInfo(2, connectors=("cType2", "cCCS2"), max_a=16.0, phases=1)]
    assert standard_definitions(again) is standard_definitions(EVSES)
    assert standard_definitions(EVSES, {"TxCtrlr.EVConnectionTimeOut": "61"}) is not standard_definitions(EVSES)
    assert template()[VariableKey("TxCtrlr", "EVConnectionTimeOut")].default == "60"


# --- overrides ---


def test_the_operator_sets_other_defaults() -> None:
    m = model(
        **{
            "txctrlr.txstartpoint": "powerpathclosed",
            "OCPPCommCtrlr.MessageTimeout[Default]": "20",
            "ChargingStation.Model": "Bench",
            "EVSE#2.AvailabilityState": "Unavailable",
        }
    )
    assert m.members("TxCtrlr", "TxStartPoint") == ("PowerPathClosed",)
    assert m.integer("OCPPCommCtrlr", "MessageTimeout", variable_instance="Default") == 20
    assert m.text("ChargingStation", "Model") == "Bench"
    assert [m.text("EVSE", "AvailabilityState", evse=n) for n in (1, 2)] == ["Available", "Unavailable"]


def test_what_the_csms_has_set_wins_over_an_override() -> None:
    definitions = standard_definitions(EVSES, {"TxCtrlr.EVConnectionTimeOut": "90"})
    assert DeviceModel(definitions).integer("TxCtrlr", "EVConnectionTimeOut") == 90
    saved = {"TxCtrlr.EVConnectionTimeOut": "60"}
    assert DeviceModel(definitions, saved).integer("TxCtrlr", "EVConnectionTimeOut") == 60


def test_every_mistake_is_told_at_once() -> None:
    secret = "x" * 50
    with pytest.raises(ConfigError) as caught:
        standard_definitions(
            EVSES,
            {
                "TxCtrlr.EVConectionTimeout": "60",
                "Something": "1",
                "SampledDataCtrlr.TxUpdatedInterval": "-1",
                "TxCtrlr.TxStartPoint": "Authorised",
                "EVSE#3.AllowReset": "true",
                "EVSE#1.SupplyPhases": "1",
                "OCPPCommCtrlr.HeartbeatInterval": "30",
                "ocppcommctrlr.heartbeatinterval": "40",
                "SecurityCtrlr.BasicAuthPassword": secret,
            },
        )
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 8
    assert (
        "TxCtrlr.EVConectionTimeout: there is no such variable; did you mean TxCtrlr.EVConnectionTimeOut?" in problems
    )
    assert "EVSE#3.AllowReset: there is no such variable; did you mean EVSE#" in problems
    assert "Something: there is no such variable" in problems
    assert "SampledDataCtrlr.TxUpdatedInterval: the value does not fit: at least 0" in problems
    assert "EVConnected,Authorized" in problems
    assert "EVSE#1.SupplyPhases: follows from the hardware" in problems
    assert "OCPPCommCtrlr.HeartbeatInterval is set twice" in problems
    assert secret not in problems


# --- documentation ---


def test_the_document_has_a_row_for_every_variable_and_no_secret() -> None:
    text = document()
    one = standard_definitions([EvseInfo(1)])
    lines = text.splitlines()
    assert len(lines) == len(one) + 2
    assert {line.count(" | ") for line in lines[2:]} == {7}
    assert "| TxCtrlr | EVConnectionTimeOut | integer | s | 0.. | 60 | ReadWrite | How long" in text
    assert "| OCPPCommCtrlr | MessageTimeout[Default] | integer | s |" in text
    assert text.endswith("|\n")


def test_the_tables_are_disjoint() -> None:
    control = {d.key for d in components_control.control_definitions(unlocks=True)}
    charging = {d.key for d in components_charging.charging_definitions(EVSES)}
    station = {d.key for d in components_station.station_definitions(EVSES)}
    assert len(control) + len(charging) + len(station) == len(control | charging | station)
    assert control | charging | station == template().keys()


def test_a_row_of_the_table() -> None:
    row = Component("X", evse=2)
    live = row("Count", "integer", "0", "A count.", live=True)
    assert (live.key, live.mutability, live.persistent) == (VariableKey("X", "Count", evse=2), READ_ONLY, False)
    assert components.standard_definitions is standard_definitions
