"""Logs for the CSMS (N01): one upload at a time, told step by step.

What is uploaded, and how, is the business of the job (`station.runtime.uploads`); here is what is promised and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.clock import iso
from station.core.effects import Record, Reply
from station.core.events import GetLog, JobDone, JobProgress, TriggerLogStatus
from station.core.facts import LogStatusFact
from station.core.state import JOB_ROW, LogUpload, Turn
from station.core.types import Verdict

UPLOAD_JOB = "log"
SECURITY_LOG = "SecurityLog"
DIAGNOSTICS_LOG = "DiagnosticsLog"
# Left to us when the CSMS does not say (GetLogRequest), and the most that we do at its word.
RETRIES = 2
RETRY_INTERVAL_S = 30.0
MOST_RETRIES = 100
LONGEST_INTERVAL_S = 86_400.0

_ENDINGS = {SECURITY_LOG: ("security", "jsonl"), DIAGNOSTICS_LOG: ("diagnostics", "zip")}
_STATUSES = frozenset(
    {"Uploading", "Uploaded", "UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"}
)


def get_log(turn: Turn, command: GetLog) -> None:
    """N01: the answer names the file; a job uploads it. A second request ends the first (N01.FR.12)."""
    refusal = _refusal(turn, command)
    if refusal is not None:
        turn.emit(Reply(command.ref, refusal))
        return
    filename = _filename(turn, command)
    before = turn.state.upload
    word = "Accepted" if before is None else "AcceptedCanceled"
    turn.emit(Reply(command.ref, Verdict(word, data={"filename": filename})))  # N01.FR.01
    if before is not None:
        turn.cancel_job(before.job)
        _tell(turn, "AcceptedCanceled", before.request_id)  # N01.FR.20
    retries, interval_s = patience(command.retries, command.interval_s)
    job = turn.start_job(
        UPLOAD_JOB,
        {
            "request": command.request_id,
            "log": command.log,
            "url": command.url,
            "filename": filename,
            "oldest": command.oldest,
            "latest": command.latest,
            "retries": retries,
            "interval_s": interval_s,
        },
    )
    turn.state.upload = LogUpload(job, command.request_id)


def patience(retries: int | None, interval_s: float | None) -> tuple[int, float]:
    """How often to try again, and how many seconds apart: as the CSMS wants it, within reason."""
    again = RETRIES if retries is None else min(max(retries, 0), MOST_RETRIES)
    apart = RETRY_INTERVAL_S if interval_s is None else min(max(interval_s, 0.0), LONGEST_INTERVAL_S)
    return again, apart


def moves_files(turn: Turn) -> bool:
    """Whether this station can upload and download at all."""
    return bool(turn.model.members("OCPPCommCtrlr", "FileTransferProtocols"))


def _refusal(turn: Turn, command: GetLog) -> Verdict | None:
    """N01.FR.05: what is not available is not promised."""
    if not moves_files(turn):
        return Verdict("Rejected", "NotEnabled", "this station transfers no files")
    if command.log not in _ENDINGS:
        return Verdict("Rejected", "UnsupportedParam", f"there is no log of type {command.log}")
    oldest, latest = command.oldest, command.latest
    if oldest is not None and latest is not None and oldest > latest:
        return Verdict("Rejected", "InvalidValue", "oldestTimestamp is after latestTimestamp")
    if not turn.now.trusted:
        return None  # we do not know when our own entries were made
    if oldest is not None and oldest > turn.now.wall:
        return Verdict("Rejected", "NotFound", "oldestTimestamp is in the future")
    first = turn.state.first_logged
    if command.log == SECURITY_LOG and latest is not None and first is not None and latest < first:
        return Verdict("Rejected", "NotFound", "the log begins after latestTimestamp")
    return None


def _filename(turn: Turn, command: GetLog) -> str:
    """Says whose log it is, of what kind, for which request and when; safe in every file system and URL."""
    identity = turn.model.text("SecurityCtrlr", "Identity") or "station"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in identity)[:48]
    kind, ending = _ENDINGS[command.log]
    stamp = iso(turn.now.wall)[:19].replace("-", "").replace(":", "") + "Z"
    return f"{safe}_{kind}_{command.request_id}_{stamp}.{ending}"


def job_reported(turn: Turn, event: JobProgress | JobDone) -> None:
    """News of an upload. Of one that was replaced, nothing is told any more."""
    upload = turn.state.upload
    if upload is None or event.job != upload.job:
        return
    if isinstance(event, JobProgress):
        word = event.data.get("status")
        if word in _STATUSES:
            upload.status = str(word)
            _tell(turn, upload.status, upload.request_id)  # N01.FR.07, FR.08
        return
    turn.state.upload = None
    word = None if event.result is None else event.result.get("status")
    # N01.FR.09, FR.10. A job that broke down has no word of its own.
    _tell(turn, str(word) if word in _STATUSES else "UploadFailure", upload.request_id)


def trigger(turn: Turn, command: TriggerLogStatus) -> None:
    """F06: how the upload stands; Idle, without a request, when there is none (N01.FR.13)."""
    turn.emit(Reply(command.ref, Verdict("Accepted")))
    upload = turn.state.upload
    if upload is None:
        _tell(turn, "Idle", None)
    else:
        _tell(turn, upload.status, upload.request_id)


def _tell(turn: Turn, status: str, request_id: int | None) -> None:
    turn.emit(Record(LogStatusFact(status, turn.now, request_id)))


def restore(turn: Turn, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """The job of an upload goes on after a restart, by its own row; whose it is, we read there.

    Raises KeyError, TypeError or ValueError for a row that is none.
    """
    log_rows = rows.get("security_log", {})
    if log_rows:
        turn.state.first_logged = float(log_rows[min(log_rows)]["at"][1])
    for job, row in rows.get(JOB_ROW, {}).items():
        if row["kind"] == UPLOAD_JOB:
            turn.state.upload = LogUpload(job, int(row["arguments"]["request"]))
