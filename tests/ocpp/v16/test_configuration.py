"""GetConfiguration and ChangeConfiguration."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.device_model import DeviceModel
from station.core.events import RaiseSecurityProfile, SetVariables, VariableWrite
from station.core.measurands import supported
from station.core.types import Verdict
from station.ocpp.v16 import configuration, keys


def value_of(rig, key):
    [entry] = rig.call("GetConfiguration", key=[key])["configurationKey"]
    return entry.get("value")


def change(rig, key, value):
    return rig.status("ChangeConfiguration", key=key, value=value)


def test_both_actions_are_handled(rig):
    assert all(rig.dialect.supports(action) for action in configuration.HANDLERS)


@pytest.mark.parametrize("asked", [{}, {"key": []}])
def test_tc_019_everything_is_told_when_nothing_is_named(rig, asked):
    answer = rig.call("GetConfiguration", **asked)
    told = {entry["key"]: entry for entry in answer["configurationKey"]}
    assert len(told) == len(answer["configurationKey"]) >= 25
    assert "unknownKey" not in answer
    assert all(isinstance(entry["readonly"], bool) for entry in told.values())  # quirk 13
    assert told["AuthorizationKey"] == {"key": "AuthorizationKey", "readonly": False}
    assert told["SupportedFeatureProfiles"] == {
        "key": "SupportedFeatureProfiles",
        "readonly": True,
        "value": "Core,RemoteTrigger,SmartCharging",
    }


def test_tc_019_known_and_unknown_keys_are_told_apart(rig):
    answer = rig.call("GetConfiguration", key=["heartbeatinterval", "Nonsense", "NumberOfConnectors", "x y"])
    assert answer["configurationKey"] == [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
    ]
    assert answer["unknownKey"] == ["Nonsense", "x y"]


def test_tc_019_only_unknown_keys(rig):
    assert rig.call("GetConfiguration", key=["Nonsense"]) == {"configurationKey": [], "unknownKey": ["Nonsense"]}


@pytest.mark.parametrize(
    ("key", "value", "now"),
    [
        ("MeterValueSampleInterval", "10", "10"),
        ("WebSocketPingInterval", "30", "30"),
        ("LocalPreAuthorize", "TRUE", "true"),
        ("StopTransactionOnInvalidId", "false", "false"),
        ("TransactionMessageAttempts", "5", "5"),
        ("StopTxnSampledData", "", ""),
    ],
)
def test_tc_021_a_change_is_in_force_at_once(rig, key, value, now):
    assert change(rig, key, value) == "Accepted"
    assert value_of(rig, key) == now


def test_a_write_names_the_variable_and_its_instance(rig):
    change(rig, "TransactionMessageAttempts", "7")
    assert rig.services.commands == [
        SetVariables(1, (VariableWrite("OCPPCommCtrlr", "MessageAttempts", "7", variable_instance="TransactionEvent"),))
    ]


def test_tc_040_1_an_unknown_key_is_not_supported(rig):
    assert change(rig, "Nonsense", "1") == "NotSupported"
    assert rig.services.commands == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HeartbeatInterval", "soon"),
        ("HeartbeatInterval", "-1"),
        ("HeartbeatInterval", "0"),  # below the limit of the variable
        ("MeterValueSampleInterval", "86401"),
        ("LocalPreAuthorize", "maybe"),
        ("MeterValuesSampledData", "Voltage,Nonsense"),
        ("MeterValuesSampledData", "RPM"),  # a measurand of 1.6, but none of ours (3.16.4)
        ("NumberOfConnectors", "4"),
        ("SupportedFeatureProfiles", "Core,SmartCharging"),
        ("MessageTimeout", "5"),
        ("SecurityProfile", "-1"),
        ("SecurityProfile", "high"),
        ("AuthorizationKey", "short"),
        ("CpoName", "x" * 65),  # no certificate could name it (RFC 5280, ub-organization-name)
    ],
)
def test_tc_040_2_a_wrong_value_is_rejected_and_changes_nothing(rig, key, value):
    before = value_of(rig, key)
    assert change(rig, key, value) == "Rejected"
    assert value_of(rig, key) == before


def test_a_change_that_waits_for_a_reboot_says_so_and_refuses_nothing_after_it(rig):
    """Quirk 13: stations that refuse everything after RebootRequired are reported as broken."""
    definitions = {d.key: d for d in rig.services.model.definitions()}
    retries = rig.services.model.find("OCPPCommCtrlr", "ResetRetries")
    rig.services.model = DeviceModel({**definitions, retries.key: replace(retries, reboot_required=True)})
    assert change(rig, "ResetRetries", "2") == "RebootRequired"
    assert change(rig, "HeartbeatInterval", "60") == "Accepted"


def test_spaces_belong_to_a_password(rig):
    """Elsewhere they are the CSMS's untidiness; here the CSMS would know another password than the station."""
    assert change(rig, "AuthorizationKey", " correct horse battery ") == "Accepted"
    assert rig.services.model.text("SecurityCtrlr", "BasicAuthPassword") == " correct horse battery "
    assert change(rig, "AuthorizationKey", " fourteen char ") == "Rejected"  # 15 of them


def test_tc_073_the_password_is_taken_and_never_told(rig):
    assert change(rig, "AuthorizationKey", "correct-horse-battery") == "Accepted"
    assert rig.services.model.text("SecurityCtrlr", "BasicAuthPassword") == "correct-horse-battery"
    assert "correct-horse" not in str(rig.call("GetConfiguration"))


def test_quirk_13_measurand_lists_in_full_and_one_at_a_time(rig):
    full = ",".join(supported())
    assert change(rig, "MeterValuesSampledData", full) == "Accepted"
    assert value_of(rig, "MeterValuesSampledData") == full
    for measurand in supported():
        assert change(rig, "MeterValuesSampledData", measurand) == "Accepted"
        assert value_of(rig, "MeterValuesSampledData") == measurand


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict("Rejected"), "Rejected"),  # nothing can be saved now
        (Verdict("Accepted"), "Accepted"),
        (Verdict("Accepted", data={"results": [Verdict("UnknownVariable")]}), "NotSupported"),
        (Verdict("Accepted", data={"results": [Verdict("NotSupportedAttributeType")]}), "Rejected"),
    ],
)
def test_words_for_the_cores_verdict(rig, verdict, word):
    rig.services.verdicts[SetVariables] = verdict
    assert change(rig, "HeartbeatInterval", "60") == word


@given(key=st.text(max_size=50), value=st.text(max_size=500))
def test_any_text_gets_a_legal_answer(new_rig, key, value):
    rig = new_rig()
    known = keys.look_up(key, rig.services.model, rig.settings) is not None  # hypothesis knows the words of our source
    assert change(rig, key, value) in ({"Accepted", "Rejected"} if known else {"NotSupported"})
    assert change(rig, "MeterValuesSampledData", value) in {"Accepted", "Rejected"}
    assert change(rig, "ConnectionTimeOut", value) in {"Accepted", "Rejected"}
    rig.call("GetConfiguration", key=[key, "MeterValuesSampledData", "ConnectionTimeOut"])


@pytest.mark.parametrize(("verdict", "told"), [("Accepted", "Accepted"), ("Rejected", "Rejected")])
def test_a_higher_security_profile_is_a_command(rig, verdict, told):
    """Security whitepaper, A05: the core knows whether what it needs is there."""
    rig.services.verdicts[RaiseSecurityProfile] = Verdict(verdict)
    assert change(rig, "SecurityProfile", "2") == told
    assert rig.services.commands == [RaiseSecurityProfile(1, 2)]
