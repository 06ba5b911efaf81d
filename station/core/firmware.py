"""Firmware updates (L01, L02): when to retrieve and install, what must end first, and what the CSMS is told.

Steps (`UpdateStep`): RETRIEVE -> DOWNLOAD -> WAIT -> INSTALL -> REBOOT -> ACTIVATE -> DONE; every one may go to DONE at once. The
jobs `DOWNLOAD_JOB` and `INSTALL_JOB` do the work (`station.runtime.updates`) and report statuses in OCPP's own words. The row of
kind `firmware` is saved with every step, so that a restart goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from station.core import session
from station.core.components_station import LEGACY
from station.core.diagnostics import moves_files, patience
from station.core.effects import Reboot, Record, Reply
from station.core.events import JobDone, JobProgress, TriggerFirmwareStatus, UpdateFirmware
from station.core.facts import FirmwareStatusFact
from station.core.recording import security
from station.core.state import FirmwareUpdate, Turn, UpdateStep
from station.core.types import Verdict

DOWNLOAD_JOB = "firmware_download"
INSTALL_JOB = "firmware_install"
ROW = "firmware"
TIMERS = frozenset({"retrieve", "install"})
REBOOT_REASON = "FirmwareUpdate"

_CERTIFICATE_WORDS = frozenset({"InvalidCertificate", "RevokedCertificate"})
_DOWNLOADING = frozenset({"Downloading", "DownloadPaused", "Downloaded", "SignatureVerified"})
_DOWNLOAD_FAILED = frozenset({"DownloadFailed", "InvalidSignature"})
_INSTALL_FAILED = frozenset({"InstallationFailed", "InstallVerificationFailed"})
_UNSTOPPABLE = frozenset({UpdateStep.INSTALL, UpdateStep.REBOOT, UpdateStep.ACTIVATE})


def update(turn: Turn, command: UpdateFirmware) -> None:
    """L01, L02. The certificate was checked before this command was made (L01.FR.21): `finding` says with what result."""
    refusal = _refusal(turn, command)
    if refusal is not None:
        turn.emit(Reply(command.ref, refusal))
        if refusal.status in _CERTIFICATE_WORDS:
            security(turn, "InvalidFirmwareSigningCertificate", refusal.info)  # L01.FR.02
        return
    before = turn.state.firmware
    replaces = before is not None and before.running
    turn.emit(Reply(command.ref, Verdict("AcceptedCanceled" if replaces else "Accepted")))
    if before is not None and replaces:
        _give_up(turn, before)  # L01.FR.24
    one = FirmwareUpdate(command, before=_version(turn))
    turn.state.firmware = one
    if _future(turn, command.retrieve_at):
        _tell(turn, one, "DownloadScheduled")  # L01.FR.13
        _enter(turn, one, UpdateStep.RETRIEVE)
    else:
        _download(turn, one)


def _refusal(turn: Turn, command: UpdateFirmware) -> Verdict | None:
    if not moves_files(turn):
        return Verdict("Rejected", "NotEnabled", "this station transfers no files")
    missing = [name for name in ("certificate", "signature") if not getattr(command, name)]
    unsigned_allowed = turn.model.boolean(LEGACY, "AllowUnsignedFirmware")
    if missing and not (len(missing) == 2 and unsigned_allowed):
        # TC_L_18: this station takes signed firmware only, unless a technician has allowed other (L02).
        return Verdict("Rejected", "MissingParam", f"the firmware's {' and '.join(missing)} must be given")
    if command.finding in _CERTIFICATE_WORDS:
        return Verdict(command.finding, "InvalidCertificate", "it does not lead to an installed manufacturer root")
    running = turn.state.firmware
    if running is not None and running.step in _UNSTOPPABLE:
        return Verdict("Rejected", "FwUpdateInProgress", "the installation has begun")  # L01.FR.27
    return None


def _give_up(turn: Turn, one: FirmwareUpdate) -> None:
    """Another update takes its place; its end is told (note to L01.FR.24)."""
    if one.job is not None:
        turn.cancel_job(one.job)
    _end(turn, one, "InstallationFailed" if one.step is UpdateStep.WAIT else "DownloadFailed")


# --- steps ----------------------------------------------------------------------------------------------------------


def _download(turn: Turn, one: FirmwareUpdate) -> None:
    plan = one.plan
    retries, interval_s = patience(plan.retries, plan.interval_s)
    _tell(turn, one, "Downloading")
    one.job = turn.start_job(
        DOWNLOAD_JOB,
        {
            "url": plan.url,
            "certificate": plan.certificate,
            "signature": plan.signature,
            "retries": retries,
            "interval_s": interval_s,
        },
    )
    _enter(turn, one, UpdateStep.DOWNLOAD)


def proceed(turn: Turn) -> None:
    """Go on with what waited for its time or for transactions to end: called after everything else of a turn."""
    one = turn.state.firmware
    if one is None:
        return
    if one.step is UpdateStep.WAIT and not _future(turn, one.plan.install_at):
        if not _busy(turn):
            _install(turn, one)
        elif one.status != "InstallScheduled":
            _tell(turn, one, "InstallScheduled")  # L01.FR.06, FR.34
            _save(turn, one)
    elif one.step is UpdateStep.REBOOT and not _busy(turn):  # L01.FR.33
        _activate(turn, one)
    _hold_sessions(turn, one)


def _install(turn: Turn, one: FirmwareUpdate) -> None:
    _tell(turn, one, "Installing")
    one.job = turn.start_job(INSTALL_JOB, {"file": one.file, "version": one.before})
    _enter(turn, one, UpdateStep.INSTALL)


def _activate(turn: Turn, one: FirmwareUpdate) -> None:
    """L01.FR.32 (a): the new firmware tells that it is installed."""
    _tell(turn, one, "InstallRebooting")
    _enter(turn, one, UpdateStep.ACTIVATE)
    security(turn, "ResetOrReboot", REBOOT_REASON)
    turn.save("station", "boot", {"reason": REBOOT_REASON})
    turn.emit(Reboot(REBOOT_REASON))


def _hold_sessions(turn: Turn, one: FirmwareUpdate) -> None:
    """L01.FR.07: no EVSE comes into use until the firmware is installed; with AllowNewSessions... only while it is being installed."""
    waits = one.step is UpdateStep.WAIT and not _future(turn, one.plan.install_at)
    allowed = turn.model.boolean("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate")
    hold = one.step in _UNSTOPPABLE or (waits and not allowed)
    if hold is not turn.state.updating:
        turn.state.updating = hold
        for evse in turn.state.evses.values():
            session.settle(turn, evse)


def _busy(turn: Turn) -> bool:
    return any(evse.tx is not None for evse in turn.state.evses.values())


def due(turn: Turn, timer: str) -> None:
    """The time to retrieve or to install has come; `proceed` follows."""
    one = turn.state.firmware
    if one is None:
        return
    if _future(turn, one.plan.retrieve_at if timer == "retrieve" else one.plan.install_at):
        replan(turn)  # the clock was set back
    elif timer == "retrieve" and one.step is UpdateStep.RETRIEVE:
        _download(turn, one)


def replan(turn: Turn) -> None:
    """Wall-clock times have other monotonic ones after a step of the clock."""
    one = turn.state.firmware
    for timer in TIMERS:
        turn.cancel(timer, 0)
    if one is not None and one.step is UpdateStep.RETRIEVE:
        turn.timer("retrieve", 0, max(0.0, one.plan.retrieve_at - turn.now.wall))
    elif one is not None and one.step is UpdateStep.WAIT and one.plan.install_at is not None:
        turn.timer("install", 0, max(0.0, one.plan.install_at - turn.now.wall))


def _future(turn: Turn, wall: float | None) -> bool:
    return wall is not None and wall > turn.now.wall


# --- news -----------------------------------------------------------------------------------------------------------


def job_reported(turn: Turn, event: JobProgress | JobDone) -> None:
    """News of a download or an installation; `proceed` follows."""
    one = turn.state.firmware
    if one is None or event.job != one.job:
        return
    if isinstance(event, JobProgress):
        word = event.data.get("status")
        if one.step is UpdateStep.DOWNLOAD and word in _DOWNLOADING:
            _tell(turn, one, str(word))
            _save(turn, one)
        return
    one.job = None
    result = event.result or {}
    if one.step is UpdateStep.DOWNLOAD:
        _downloaded(turn, one, result)
    elif one.step is UpdateStep.INSTALL:
        _installed(turn, one, result)


def _downloaded(turn: Turn, one: FirmwareUpdate, result: Mapping[str, Any]) -> None:
    word, file = result.get("status"), result.get("file")
    if file is None or word in _DOWNLOAD_FAILED or word not in _DOWNLOADING:
        failure = str(word) if word in _DOWNLOAD_FAILED else "DownloadFailed"
        _end(turn, one, failure)  # L01.FR.30
        if failure == "InvalidSignature":
            security(turn, "InvalidFirmwareSignature", result.get("info"))  # L01.FR.03
        return
    _tell(turn, one, str(word))
    one.file = str(file)
    if _future(turn, one.plan.install_at):
        _tell(turn, one, "InstallScheduled")  # L01.FR.16
    _enter(turn, one, UpdateStep.WAIT)


def _installed(turn: Turn, one: FirmwareUpdate, result: Mapping[str, Any]) -> None:
    word = result.get("status")
    if word != "Installed":
        _end(turn, one, str(word) if word in _INSTALL_FAILED else "InstallationFailed")  # L01.FR.29
        return
    one.expected = result.get("version")
    if result.get("reboot"):
        _enter(turn, one, UpdateStep.REBOOT)
    else:
        _succeed(turn, one)


def _succeed(turn: Turn, one: FirmwareUpdate) -> None:
    _end(turn, one, "Installed")  # L01.FR.28
    security(turn, "FirmwareUpdated", one.expected or _version(turn) or None)  # L01.FR.31


def trigger(turn: Turn, command: TriggerFirmwareStatus) -> None:
    """F06: the status told last (L01.FR.26); Idle when there is none, or it was Installed (L01.FR.25)."""
    turn.emit(Reply(command.ref, Verdict("Accepted")))
    one = turn.state.firmware
    if one is None or one.status in {"", "Installed"}:
        turn.emit(Record(FirmwareStatusFact("Idle", turn.now, signed=command.signed)))
    else:
        turn.emit(Record(FirmwareStatusFact(one.status, turn.now, one.plan.request_id, command.signed)))


def _tell(turn: Turn, one: FirmwareUpdate, status: str) -> None:
    """L01.FR.01: every new status, once."""
    if status != one.status:
        one.status = status
        turn.emit(Record(FirmwareStatusFact(status, turn.now, one.plan.request_id, one.plan.signed)))


def _enter(turn: Turn, one: FirmwareUpdate, step: UpdateStep) -> None:
    one.step = step
    replan(turn)
    _save(turn, one)


def _end(turn: Turn, one: FirmwareUpdate, status: str) -> None:
    one.job = one.file = None
    _tell(turn, one, status)
    _enter(turn, one, UpdateStep.DONE)


def _version(turn: Turn) -> str:
    return turn.model.text("ChargingStation", "FirmwareVersion")


# --- rows -----------------------------------------------------------------------------------------------------------


def _save(turn: Turn, one: FirmwareUpdate) -> None:
    turn.save(
        ROW,
        "update",
        {
            "plan": asdict(one.plan),
            "before": one.before,
            "step": one.step.value,
            "status": one.status,
            "job": one.job,
            "file": one.file,
            "expected": one.expected,
        },
    )


def restore(turn: Turn, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Go on where the restart has interrupted us. Jobs come back by their own rows.

    Raises KeyError, TypeError or ValueError for a row that is none.
    """
    row = rows.get(ROW, {}).get("update")
    if row is None:
        return
    plan = UpdateFirmware(**row["plan"])
    one = FirmwareUpdate(
        plan, row["before"], UpdateStep(row["step"]), row["status"], row["job"], row["file"], row["expected"]
    )
    turn.state.firmware = one
    replan(turn)
    if one.step is UpdateStep.ACTIVATE:
        version = _version(turn)
        if version == one.expected or (one.expected is None and version != one.before):
            _succeed(turn, one)
        else:
            _end(turn, one, "InstallationFailed")  # the firmware before has come up again
    proceed(turn)
