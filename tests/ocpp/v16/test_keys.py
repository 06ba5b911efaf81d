"""The table of keys, and values as they go into and come out of the device model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from station.core.device_model import Definition, DeviceModel
from station.core.events import VariableWrite
from station.core.variables import VariableKey
from station.ocpp.v16 import keys

SCHEMAS = Path(__file__).parents[4] / "shared" / "vectors" / "everest-libocpp" / "v16_profile_schemas"
MAPPING = SCHEMAS.parent / "v16_to_v2_mapping.md"

CORE_REQUIRED = {
    "AuthorizeRemoteTxRequests": False,
    "ClockAlignedDataInterval": False,
    "ConnectionTimeOut": False,
    "ConnectorPhaseRotation": False,
    "GetConfigurationMaxKeys": True,
    "HeartbeatInterval": False,
    "LocalAuthorizeOffline": False,
    "LocalPreAuthorize": False,
    "MeterValuesAlignedData": False,
    "MeterValuesSampledData": False,
    "MeterValueSampleInterval": False,
    "NumberOfConnectors": True,
    "ResetRetries": False,
    "StopTransactionOnInvalidId": False,
    "StopTxnAlignedData": False,
    "StopTxnSampledData": False,
    "SupportedFeatureProfiles": True,
    "TransactionMessageAttempts": False,
    "TransactionMessageRetryInterval": False,
    "UnlockConnectorOnEVSideDisconnect": False,
}
"""Chapter 9.1: required keys and whether they are read-only."""


def setting(rig, name):
    found = keys.look_up(name, rig.services.model, rig.settings)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "ChargeProfileMaxStackLevel": "20",
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",  # quirk 11
        "ChargingScheduleMaxPeriods": "1024",
        "ConnectorSwitch3to1PhaseSupported": "false",
        "MaxChargingProfilesInstalled": "100",
    }.items(),
)
def test_every_smart_charging_key_is_told_and_cannot_be_written(rig, name, value):
    """9.3; what the keys promise is what the device model says."""
    found = setting(rig, name)
    assert (found.value, found.read_only) == (value, True)


def test_smart_charging_that_is_switched_off_is_no_feature(rig):
    rig.services.model.write(VariableWrite("SmartChargingCtrlr", "Enabled", "false"))
    assert setting(rig, "SupportedFeatureProfiles").value == "Core,RemoteTrigger"
    assert setting(rig, "SupportedFeatureProfilesMaxLength").value == "2"
    assert keys.look_up("ChargeProfileMaxStackLevel", rig.services.model, rig.settings) is None


def test_a_station_that_may_be_told_power_only_says_so(rig):
    assert rig.services.model.put(VariableKey("SmartChargingCtrlr", "RateUnit"), "W")
    assert setting(rig, "ChargingScheduleAllowedChargingRateUnit").value == "Power"


@pytest.mark.skipif(not MAPPING.exists(), reason="the shared vectors are not here")
def test_smart_charging_keys_are_the_variables_that_an_independent_list_names(rig):
    """Of 2.x; the number of profiles that may be installed is the limit of the number that are."""
    cells = [[cell.strip(" `") for cell in line.split("|")] for line in MAPPING.read_text().splitlines()]
    rows = {row[2]: tuple(row[3:7]) for row in cells if len(row) > 7}
    ours = [key for key in keys.TABLE if key.feature is keys.offered]
    assert len(ours) == 5
    for key in ours:
        kind, component, variable, attribute = rows[key.name]
        if kind == "VariableAttribute":
            assert (key.component, key.variable, "Actual") == (component, variable, attribute)
        else:
            assert (component, variable, attribute) == ("SmartChargingCtrlr", "Entries", "maxLimit")
            entries = rig.services.model.find(component, variable, variable_instance="ChargingProfiles")
            assert setting(rig, key.name).value == f"{entries.max_limit:.0f}"


@pytest.mark.parametrize(("name", "read_only"), CORE_REQUIRED.items())
def test_every_required_core_key_exists(rig, name, read_only):
    found = setting(rig, name)
    assert found.value is not None
    assert found.read_only is read_only


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the shared vectors are not here")
def test_names_and_types_agree_with_an_independent_list(rig):
    known = {}
    for file in SCHEMAS.glob("*.json"):
        known |= json.loads(file.read_text())["properties"]
    ours = {s.key.name: s for s in keys.all_settings(rig.services.model, rig.settings)}
    only_errata = {"MessageTimeout"}
    assert set(ours) - only_errata <= set(known)
    for name in set(ours) & set(known):
        definition = ours[name].definition
        if definition is None:
            continue
        if known[name]["type"] in {"boolean", "integer"}:
            assert definition.data_type == known[name]["type"], name
        else:
            assert definition.data_type not in {"boolean", "integer"}, name


def test_names_compare_without_case_and_are_unique(rig):
    assert setting(rig, "heartbeatINTERVAL").key.name == "HeartbeatInterval"
    assert len({key.name.casefold() for key in keys.TABLE}) == len(keys.TABLE)
    assert all(len(key.name) <= 50 for key in keys.TABLE)


def test_a_key_without_its_variable_is_unknown(rig):
    """Chapter 9: a key that is not present says that the function is not there."""
    assert keys.look_up("Nonsense", rig.services.model, rig.settings) is None
    empty = DeviceModel({})
    assert keys.look_up("AuthorizationCacheEnabled", empty, rig.settings) is None
    assert {s.key.name for s in keys.all_settings(empty, rig.settings)} == {
        "ConnectorPhaseRotation",
        "ConnectorPhaseRotationMaxLength",
        "GetConfigurationMaxKeys",
        "NumberOfConnectors",
        "SupportedFeatureProfiles",
        "SupportedFeatureProfilesMaxLength",
    }


def test_a_credential_is_never_shown(rig):
    rig.services.model.write(VariableWrite("SecurityCtrlr", "BasicAuthPassword", "correct-horse-battery"))
    found = setting(rig, "AuthorizationKey")
    assert (found.value, found.read_only) == (None, False)


def test_computed_values(rig):
    assert setting(rig, "NumberOfConnectors").value == "2"
    assert setting(rig, "SupportedFeatureProfiles").value == "Core,RemoteTrigger,SmartCharging"  # quirk 13: exact names
    assert setting(rig, "ConnectorPhaseRotation").value == "0.Unknown,1.Unknown,2.Unknown"
    assert int(setting(rig, "MeterValuesSampledDataMaxLength").value) >= 7


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ("LocalPreAuthorize", "TRUE", "true"),
        ("LocalPreAuthorize", " False ", "false"),
        ("LocalPreAuthorize", "1", None),
        ("LocalPreAuthorize", "", None),
        ("HeartbeatInterval", "060", "60"),
        ("HeartbeatInterval", " 60 ", "60"),
        ("HeartbeatInterval", "60.5", None),
        ("HeartbeatInterval", "-1", None),
        ("HeartbeatInterval", "1e3", None),
        ("HeartbeatInterval", "٣", None),
        ("WebSocketPingInterval", "-30", None),  # 9.1.34
        ("MeterValuesSampledData", "", ""),
        ("MeterValuesSampledData", " Voltage , Current.Import ", "Voltage,Current.Import"),
        ("MeterValuesSampledData", "Voltage.L1", "Voltage.L1"),  # 9.1.17
        ("MeterValuesSampledData", "Voltage,", None),
        ("MeterValuesSampledData", "Voltage,Nonsense", None),
        ("MeterValuesSampledData", "Voltage.L9", None),
        ("NumberOfConnectors", "3", None),
    ],
)
def test_values_from_the_csms(rig, name, text, written):
    assert keys.wire_value(setting(rig, name), text, rig.settings) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [("1.RST, 2.RTS", "1.RST,2.RTS"), ("0.RST,1.TSR", "0.RST,1.TSR"), ("3.RST", None), ("1.ABC", None), ("RST", None)],
)
def test_phase_rotation_is_per_connector(rig, text, written):
    assert keys.wire_value(setting(rig, "ConnectorPhaseRotation"), text, rig.settings) == written


def test_every_variable_of_the_table_is_in_the_standard_device_model(rig):
    for key in keys.TABLE:
        assert not key.component or key.definition(rig.services.model) is not None, key.name


def test_a_list_that_2_x_has_set_is_shown_in_1_6_words_and_fits_its_field(rig):
    definition = setting(rig, "MeterValuesSampledData").definition
    odd = Definition(definition.key, "MemberList", default=",".join(["Display.Text", *["Voltage.L1"] * 60]))
    [shown] = [
        s.value
        for s in keys.all_settings(DeviceModel({odd.key: odd}), rig.settings)
        if s.key.name == "MeterValuesSampledData"
    ]
    assert set(shown.split(",")) == {"Voltage.L1"}
    assert 480 < len(shown) <= 500
