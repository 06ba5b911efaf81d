"""`station.core.recording`: facts, rows and security events."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from station.core import recording
from station.core.events import ClockStepped, SecurityNoted
from station.core.types import IdToken, TxPhase
from tests.core.rig import Rig

EVENTS = Path(__file__).parents[3] / "shared" / "vectors" / "appendices" / "2.0.1-v1.4" / "security_events.csv"
CARD = IdToken("04A1B2C3")


def test_what_a_session_tells_once() -> None:
    rig = Rig()
    rig.charge()
    rig.wait(130)
    rig.swipe()
    assert [(f.phase.value, f.token) for f in rig.facts if f.token] == [("Updated", CARD), ("Ended", CARD)]
    assert [f.cable_max_a for f in rig.facts if f.cable_max_a] == [32.0]
    assert [f.phase for f in rig.facts if f.seconds_charging is not None] == [TxPhase.ENDED]
    assert all(f.tx_token == CARD for f in rig.facts[1:])
    assert rig.last.charging_state.value == "EVConnected", "nobody is authorised any more (TC_E_22)"


def test_the_row_follows_every_fact() -> None:
    rig = Rig()
    rig.charge()
    assert rig.rows["tx"]["1"]["seq"] == len(rig.facts)


def test_critical_security_events_are_those_of_the_list() -> None:
    """A04."""
    if not EVENTS.is_file():
        pytest.skip("the OCA's list is not at hand")
    with EVENTS.open(newline="") as file:
        listed = {row["Security Event"]: row["Critical"] == "Yes" for row in csv.DictReader(file, delimiter=";")}
    # Errata 2025-01 (A02.FR.29) name one more, which only the list of 2.1 has: critical.
    assert {kind for kind, critical in listed.items() if critical} == recording.CRITICAL - {
        "DiscardedRenewedClientCertificate"
    }


def test_all_go_to_the_log_and_the_critical_ones_to_the_csms() -> None:
    rig = Rig()
    rig.send(SecurityNoted("InvalidMessages", "x"))
    rig.send(SecurityNoted("InvalidCsmsCertificate", "y"))
    log = rig.rows["security_log"]
    assert [log[key]["kind"] for key in sorted(log)] == [
        "StartupOfTheDevice",
        "InvalidMessages",
        "InvalidCsmsCertificate",
    ]
    assert [(s.kind, s.info) for s in rig.security[1:]] == [("InvalidCsmsCertificate", "y")]
    later = rig.reboot()
    assert list(later.rows["security_log"]) == sorted(later.rows["security_log"]), "keys rise over restarts"


@pytest.mark.parametrize(("by_s", "told"), [(20.0, False), (-21.0, True), (3600.0, True)])
def test_setting_the_clock(by_s: float, told: bool) -> None:
    """ClockCtrlr.TimeAdjustmentReportingThreshold, 20 s by default."""
    rig = Rig()
    rig.send(ClockStepped(by_s))
    assert ("SettingSystemTime" in [s.kind for s in rig.security]) is told
