"""L01 and L02 in the core: when an update goes on, whom it makes wait, what the CSMS is told, and what survives a restart."""

from __future__ import annotations

from typing import Any

import pytest

from station.core.device_model import VariableKey
from station.core.effects import Cancel, Reboot, Record, Start
from station.core.events import ClockStepped, JobDone, JobProgress, TriggerFirmwareStatus, UpdateFirmware
from station.core.facts import FirmwareStatusFact
from station.core.firmware import DOWNLOAD_JOB, INSTALL_JOB
from station.core.types import ConnectorState
from tests.core.rig import WALL, Rig

URL = "https://user:secret@example.com/fw.bin"
ON = {"ChargingStation.FirmwareVersion": "1.0"}
PROTOCOLS = VariableKey("OCPPCommCtrlr", "FileTransferProtocols")
UNSIGNED = {**ON, "OCPP16LegacyCtrlr.AllowUnsignedFirmware": "true"}
SIGNED = {"certificate": "pem", "signature": "c2ln"}


class Station(Rig):
    """With the jobs of an update in the hands of the test."""

    def __init__(self, overrides: dict[str, str] | None = None, protocols: str = "HTTP", **more: Any) -> None:
        Rig.__init__(self, overrides=ON if overrides is None else overrides, **more)
        self.model.put(PROTOCOLS, protocols)

    def update(self, request: int = 1, *, at: float = 0.0, **more: Any) -> Any:
        return self.command(lambda ref: UpdateFirmware(ref, request, URL, at, **{**SIGNED, **more}))

    def job(self, kind: str) -> Start:
        return [effect for effect in self.effects if isinstance(effect, Start) and effect.kind == kind][-1]

    def done(self, kind: str, **result: Any) -> None:
        self.send(JobDone(self.job(kind).job, kind, result=result))

    def downloaded(self) -> None:
        self.send(JobProgress(self.job(DOWNLOAD_JOB).job, DOWNLOAD_JOB, {"status": "Downloaded"}))
        self.done(DOWNLOAD_JOB, status="SignatureVerified", file="fw.bin")

    def told(self) -> list[str]:
        facts = [effect.fact for effect in self.effects if isinstance(effect, Record)]
        return [fact.status for fact in facts if isinstance(fact, FirmwareStatusFact)]

    def ids(self) -> set[int | None]:
        facts = [effect.fact for effect in self.effects if isinstance(effect, Record)]
        return {fact.request_id for fact in facts if isinstance(fact, FirmwareStatusFact)}

    def events(self) -> list[str]:
        return [fact.kind for fact in self.security if fact.kind != "StartupOfTheDevice"]

    def again(self, version: str = "1.0") -> Station:
        return Station({**ON, "ChargingStation.FirmwareVersion": version}, rows=self.rows, boot=self.boot + 1)


def test_from_download_to_installed() -> None:
    """TC_L_01."""
    station = Station()
    assert station.update(5, retries=1, interval_s=2.0).status == "Accepted"
    assert station.job(DOWNLOAD_JOB).arguments == {
        "url": URL,
        "certificate": "pem",
        "signature": "c2ln",
        "retries": 1,
        "interval_s": 2.0,
    }
    station.downloaded()
    assert station.job(INSTALL_JOB).arguments == {"file": "fw.bin", "version": "1.0"}
    station.done(INSTALL_JOB, status="Installed", version="2.0", reboot=False)
    assert station.told() == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
    assert station.ids() == {5}  # L01.FR.10
    assert station.events() == ["FirmwareUpdated"]  # L01.FR.31
    assert "secret" not in repr(station.effects)


def test_the_new_firmware_tells_that_it_is_installed() -> None:
    """L01.FR.32 (a)."""
    station = Station()
    station.update()
    station.downloaded()
    station.done(INSTALL_JOB, status="Installed", version="2.0", reboot=True)
    assert station.told()[-1] == "InstallRebooting"
    assert station.reboots == ["FirmwareUpdate"]
    assert station.rows["station"]["boot"] == {"reason": "FirmwareUpdate"}
    new = station.again("2.0")
    assert new.told() == ["Installed"]
    assert new.events() == ["FirmwareUpdated"]
    assert new.again("2.0").told() == []  # once


def test_when_the_old_firmware_comes_up_again_the_installation_has_failed() -> None:
    station = Station()
    station.update()
    station.downloaded()
    station.done(INSTALL_JOB, status="Installed", version="2.0", reboot=True)
    old = station.again("1.0")
    assert old.told() == ["InstallationFailed"]
    assert old.events() == []
    old.charge()


# --- what is accepted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["InvalidCertificate", "RevokedCertificate"])
def test_a_certificate_that_is_not_valid(word: str) -> None:
    """TC_L_05: L01.FR.22, FR.02."""
    station = Station()
    assert station.update(finding=word).status == word
    assert station.events() == ["InvalidFirmwareSigningCertificate"]
    assert station.told() == []


@pytest.mark.parametrize("missing", ["certificate", "signature"])
def test_half_a_signature_is_none(missing: str) -> None:
    for overrides in (ON, UNSIGNED):
        verdict = Station(overrides).update(**{missing: None})
        assert (verdict.status, verdict.reason) == ("Rejected", "MissingParam")


def test_without_signature_only_where_a_technician_has_allowed_it() -> None:
    """TC_L_18; L02."""
    assert Station().update(certificate=None, signature=None).status == "Rejected"
    station = Station(UNSIGNED)
    assert station.update(certificate=None, signature=None).status == "Accepted"
    station.done(DOWNLOAD_JOB, status="Downloaded", file="fw.bin")
    station.done(INSTALL_JOB, status="Installed")
    assert station.told() == ["Downloading", "Downloaded", "Installing", "Installed"]


def test_a_station_without_files() -> None:
    assert Station(protocols="").update().reason == "NotEnabled"


# --- failures -----------------------------------------------------------------------------------------------------------


def test_a_wrong_signature() -> None:
    """TC_L_06: L01.FR.03."""
    station = Station()
    station.update()
    station.send(JobProgress(station.job(DOWNLOAD_JOB).job, DOWNLOAD_JOB, {"status": "Downloaded"}))
    station.done(DOWNLOAD_JOB, status="InvalidSignature", info="it does not fit")
    assert station.told() == ["Downloading", "Downloaded", "InvalidSignature"]
    assert station.events() == ["InvalidFirmwareSignature"]


@pytest.mark.parametrize(
    "end", [{"result": {"status": "DownloadFailed"}}, {"error": "boom"}, {"result": {"status": "?"}}]
)
def test_a_failed_download(end: dict[str, Any]) -> None:
    """TC_L_07."""
    station = Station()
    station.update()
    station.send(JobDone(station.job(DOWNLOAD_JOB).job, DOWNLOAD_JOB, **end))
    assert station.told() == ["Downloading", "DownloadFailed"]
    assert station.update(2).status == "Accepted"


@pytest.mark.parametrize("status", ["InstallationFailed", "InstallVerificationFailed"])
def test_a_failed_installation(status: str) -> None:
    """TC_L_08: the EVSEs come back."""
    station = Station()
    station.update()
    station.downloaded()
    assert station.notices()[-1].state is ConnectorState.UNAVAILABLE
    station.done(INSTALL_JOB, status=status)
    assert station.told()[-1] == status
    assert station.notices()[-1].state is ConnectorState.AVAILABLE
    station.charge()


# --- when -------------------------------------------------------------------------------------------------------------


def test_retrieved_and_installed_at_their_times() -> None:
    """TC_L_02, TC_L_03."""
    station = Station()
    now = station.now().wall
    station.update(at=now + 60, install_at=now + 300)
    assert station.told() == ["DownloadScheduled"]
    station.wait(59)
    assert station.told() == ["DownloadScheduled"]
    station.wait(2)
    station.downloaded()
    assert station.told()[-2:] == ["SignatureVerified", "InstallScheduled"]
    station.charge()
    station.unplug()
    station.wait(200)
    assert station.told()[-1] == "InstallScheduled"
    station.wait(60)
    assert station.told()[-1] == "Installing"


def test_times_survive_a_restart_and_a_step_of_the_clock() -> None:
    station = Station()
    station.update(at=WALL + 1000)
    again = station.again()
    assert again.told() == []
    again.mono += 850
    again.send(ClockStepped(850))
    again.wait(60)
    assert again.told() == ["Downloading"]


def test_a_download_is_taken_up_again_by_its_job() -> None:
    station = Station()
    station.update()
    job = station.job(DOWNLOAD_JOB)
    again = station.again()
    again.send(JobDone(job.job, DOWNLOAD_JOB, result={"status": "SignatureVerified", "file": "fw.bin"}))
    assert again.told() == ["SignatureVerified", "Installing"]


def test_waits_for_transactions_and_lets_nobody_new_in() -> None:
    """TC_L_15: L01.FR.06, FR.07, FR.34."""
    station = Station(evses=2)
    station.charge(1)
    station.update()
    station.downloaded()
    assert station.told()[-1] == "InstallScheduled"
    assert station.notices(2)[-1].state is ConnectorState.UNAVAILABLE
    assert station.notices(1)[-1].state is ConnectorState.OCCUPIED
    waiting = Station(rows=station.rows, evses=2, boot=2)  # the restart ends the transaction
    waiting.wait(5)
    assert waiting.told() == ["Installing"]
    station.swipe(evse=1)
    station.wait(5)
    assert station.told()[-1] == "Installing"
    station.unplug(1)
    assert station.notices(1)[-1].state is ConnectorState.UNAVAILABLE
    station.done(INSTALL_JOB, status="Installed")
    assert station.notices(1)[-1].state is ConnectorState.AVAILABLE
    assert station.notices(2)[-1].state is ConnectorState.AVAILABLE


def test_new_sessions_may_begin_where_that_is_allowed() -> None:
    """TC_L_14."""
    station = Station({**ON, "ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"}, evses=2)
    station.charge(1)
    station.update()
    station.downloaded()
    assert station.told()[-1] == "InstallScheduled"
    station.charge(2, "0BADCAFE")
    station.swipe(evse=1)
    station.wait(5)
    assert station.told()[-1] == "InstallScheduled"
    station.swipe("0BADCAFE", evse=2)
    station.wait(5)
    assert station.told()[-1] == "Installing"


# --- a second request -------------------------------------------------------------------------------------------------


def test_a_second_update_takes_the_place_of_the_first() -> None:
    """TC_L_10: L01.FR.24."""
    station = Station()
    station.update(1)
    first = station.job(DOWNLOAD_JOB)
    assert station.update(2).status == "AcceptedCanceled"
    assert Cancel(first.job) in station.effects
    station.send(JobDone(first.job, DOWNLOAD_JOB, cancelled=True))
    assert station.told() == ["Downloading", "DownloadFailed", "Downloading"]
    station.downloaded()
    assert station.update(3).reason == "FwUpdateInProgress"  # L01.FR.27


def test_a_scheduled_installation_can_be_cancelled() -> None:
    station = Station()
    station.update(1, install_at=WALL + 1e6)
    station.downloaded()
    assert station.update(2, at=WALL + 1e6).status == "AcceptedCanceled"
    assert station.told()[-2:] == ["InstallationFailed", "DownloadScheduled"]


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_trigger() -> None:
    """L01.FR.25, FR.26: TC_F_17 to TC_F_19."""
    station = Station()
    station.command(TriggerFirmwareStatus)
    station.update(8)
    station.command(TriggerFirmwareStatus)
    station.downloaded()
    station.done(INSTALL_JOB, status="Installed")
    station.command(lambda ref: TriggerFirmwareStatus(ref, signed=False))
    facts = [e.fact for e in station.effects if isinstance(e, Record) and isinstance(e.fact, FirmwareStatusFact)]
    assert [(fact.status, fact.request_id) for fact in facts[:3]] == [
        ("Idle", None),
        ("Downloading", 8),
        ("Downloading", 8),
    ]
    assert (facts[-1].status, facts[-1].request_id, facts[-1].signed) == ("Idle", None, False)


def test_the_last_status_survives_a_restart() -> None:
    station = Station()
    station.update(8)
    station.done(DOWNLOAD_JOB, status="DownloadFailed")
    again = station.again()
    again.command(TriggerFirmwareStatus)
    assert again.told() == ["DownloadFailed"]
    assert again.ids() == {8}


def test_a_bad_row_is_reported_and_left() -> None:
    station = Station(rows={"firmware": {"update": {"step": "?"}}})
    assert station.update().status == "Accepted"
    assert not any(isinstance(effect, Reboot) for effect in station.effects)
