"""SetNetworkProfile (B09)."""

from __future__ import annotations

import pytest

from station.core.events import SetNetworkProfile
from station.core.types import NetworkProfile, Verdict
from station.ocpp.v201 import network

APN = {"apn": "internet", "apnAuthentication": "NONE", "apnPassword": "hidden"}


def request(**changes):
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "wss://csms/ocpp",
        "messageTimeout": 30,
        "securityProfile": 2,
        "ocppInterface": "Wireless0",
        **changes,
    }
    return {"configurationSlot": 2, "connectionData": data}


def test_one_message():
    assert set(network.HANDLERS) == {"SetNetworkProfile"}


def test_b09_a_profile_goes_to_the_core(station):
    assert station.ask("SetNetworkProfile", request(apn=APN)) == {"status": "Accepted"}
    command = station.commands()[-1]
    assert command == SetNetworkProfile(
        command.ref, 2, NetworkProfile("wss://csms/ocpp", 2, "2.0.1", 30, "Wireless0", "JSON", {"apn": APN})
    )
    assert "hidden" not in repr(command)


@pytest.mark.parametrize(
    ("word", "version"), [("OCPP16", "1.6"), ("OCPP20", "2.0.1"), ("OCPP15", "1.5"), ("OCPP12", "1.2")]
)
def test_versions(station, word, version):
    station.ask("SetNetworkProfile", request(ocppVersion=word))
    assert station.commands()[-1].profile.version == version


@pytest.mark.parametrize("timeout", [0, -5])
def test_a_time_out_of_nothing_is_for_the_core_to_refuse(station, timeout):
    station.ask("SetNetworkProfile", request(messageTimeout=timeout))
    assert station.commands()[-1].profile.message_timeout_s == -1


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (
            Verdict("Rejected", "InvalidConfSlot"),
            {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidConfSlot"}},
        ),
        (Verdict("Rejected", "InternalError"), {"status": "Failed", "statusInfo": {"reasonCode": "InternalError"}}),
    ],
)
def test_b09_refusals(station, verdict, answer):
    station.verdict = verdict
    assert station.ask("SetNetworkProfile", request()) == answer
