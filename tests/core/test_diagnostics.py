"""N01 in the core: what is promised, which upload goes on, and what the CSMS is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from hal.api import PilotState
from station.core.device_model import VariableKey
from station.core.diagnostics import MOST_RETRIES, RETRIES, UPLOAD_JOB
from station.core.effects import Cancel, Record, Reply, Save, Start
from station.core.events import ClockStepped, GetLog, JobDone, JobProgress, SaveFailed, SecurityNoted, TriggerLogStatus
from station.core.facts import LogStatusFact
from tests.core.rig import WALL, Rig

URL = "ftp://user:secret@example.com/logs/"
PROTOCOLS = VariableKey("OCPPCommCtrlr", "FileTransferProtocols")


def rig(**more: Any) -> Rig:
    station = Rig(**more)
    station.model.put(PROTOCOLS, "HTTP,FTP")
    return station


def get_log(station: Rig, request: int = 1, log: str = "DiagnosticsLog", **more: Any) -> Any:
    return station.command(lambda ref: GetLog(ref, request, log, URL, **more))


def told(station: Rig) -> list[tuple[str, int | None]]:
    facts = [effect.fact for effect in station.effects if isinstance(effect, Record)]
    return [(fact.status, fact.request_id) for fact in facts if isinstance(fact, LogStatusFact)]


def started(station: Rig) -> list[Start]:
    return [effect for effect in station.effects if isinstance(effect, Start) and effect.kind == UPLOAD_JOB]


def done(station: Rig, job: str, status: str | None = None, **more: Any) -> None:
    station.send(JobDone(job, UPLOAD_JOB, result=None if status is None else {"status": status}, **more))


def test_accepted_names_the_file_and_starts_the_job() -> None:
    """TC_N_25: Accepted with a filename, Uploading, Uploaded, all with the request's id."""
    station = rig()
    verdict = get_log(station, 7, oldest=WALL, retries=3, interval_s=10.0)
    assert verdict.status == "Accepted"
    name = str(verdict.data["filename"])
    assert name.startswith("station_diagnostics_7_2026")
    assert name.endswith("Z.zip")
    (start,) = started(station)
    assert start.arguments == {
        "request": 7,
        "log": "DiagnosticsLog",
        "url": URL,
        "filename": name,
        "oldest": WALL,
        "latest": None,
        "retries": 3,
        "interval_s": 10.0,
    }
    station.send(JobProgress(start.job, UPLOAD_JOB, {"status": "Uploading"}))
    done(station, start.job, "Uploaded")
    assert told(station) == [("Uploading", 7), ("Uploaded", 7)]


def test_the_job_is_part_of_the_commit_that_comes_before_the_reply() -> None:
    """A power cut right after the answer does not lose what was promised (LAW 5)."""
    station = rig()
    station.effects.clear()
    get_log(station, 1)
    (start,) = started(station)
    assert isinstance(station.effects[0], Reply)
    assert station.rows["job"][start.job] == {
        "kind": UPLOAD_JOB,
        "arguments": start.arguments,
        "attempts": 0,
        "state": {},
    }


def test_the_address_is_in_no_repr() -> None:
    station = rig()
    get_log(station)
    assert "secret" not in repr(station.effects)
    assert "secret" not in repr(GetLog(1, 1, "SecurityLog", URL))


def test_a_second_request_ends_the_first() -> None:
    """N01.FR.12, FR.20 (TC_N_36)."""
    station = rig()
    get_log(station, 1)
    (first,) = started(station)
    station.send(JobProgress(first.job, UPLOAD_JOB, {"status": "Uploading"}))
    verdict = get_log(station, 2, "SecurityLog")
    assert verdict.status == "AcceptedCanceled"
    assert str(verdict.data["filename"]).endswith(".jsonl")
    assert Cancel(first.job) in station.effects
    assert Save("job", first.job, None) in station.effects
    second = started(station)[1]
    assert second.job != first.job
    done(station, first.job, cancelled=True)
    station.send(JobProgress(second.job, UPLOAD_JOB, {"status": "Uploading"}))
    done(station, second.job, "Uploaded")
    assert told(station) == [("Uploading", 1), ("AcceptedCanceled", 1), ("Uploading", 2), ("Uploaded", 2)]


@pytest.mark.parametrize("status", ["UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"])
def test_failures_are_told_as_they_are(status: str) -> None:
    """N01.FR.10."""
    station = rig()
    get_log(station, 4)
    done(station, started(station)[0].job, status)
    assert told(station) == [(status, 4)]


@pytest.mark.parametrize("end", [{"error": "boom"}, {"cancelled": True}, {"status": "Nonsense"}, {"status": None}])
def test_a_job_that_broke_down_is_an_upload_failure(end: dict[str, Any]) -> None:
    station = rig()
    get_log(station, 4)
    done(station, started(station)[0].job, **end)
    assert told(station) == [("UploadFailure", 4)]
    assert get_log(station, 5).status == "Accepted"


def test_nonsense_of_a_job_is_not_told() -> None:
    station = rig()
    get_log(station)
    station.send(JobProgress(started(station)[0].job, UPLOAD_JOB, {"status": "Half"}))
    station.send(JobProgress("other", UPLOAD_JOB, {"status": "Uploading"}))
    assert told(station) == []


def test_patience_is_ours_when_the_csms_does_not_say_and_bounded_when_it_does() -> None:
    station = rig()
    get_log(station, 1)
    get_log(station, 2, retries=10**9, interval_s=1e12)
    get_log(station, 3, retries=-1, interval_s=-5.0)
    plans = [(start.arguments["retries"], start.arguments["interval_s"]) for start in started(station)]
    assert plans == [(RETRIES, 30.0), (MOST_RETRIES, 86_400.0), (0, 0.0)]


# --- N01.FR.05 --------------------------------------------------------------------------------------------------------


def test_a_station_without_files_promises_nothing() -> None:
    verdict = get_log(Rig())
    assert (verdict.status, verdict.reason) == ("Rejected", "NotEnabled")


@pytest.mark.parametrize(
    ("log", "oldest", "latest", "reason"),
    [
        ("DiagnosticsLog", WALL + 10, WALL + 5, "InvalidValue"),
        ("DiagnosticsLog", WALL + 1e6, None, "NotFound"),
        ("SecurityLog", WALL + 1e6, None, "NotFound"),
        ("SecurityLog", None, WALL - 1e6, "NotFound"),
        ("DataCollectorLog", None, None, "UnsupportedParam"),
    ],
)
def test_what_is_not_there_is_rejected(log: str, oldest: float | None, latest: float | None, reason: str) -> None:
    station = rig()
    verdict = get_log(station, 1, log, oldest=oldest, latest=latest)
    assert (verdict.status, verdict.reason) == ("Rejected", reason)
    assert verdict.data == {}
    assert started(station) == []


def test_the_beginning_of_the_security_log_survives_a_restart() -> None:
    station = rig()
    first = station.now().wall
    station.wait(3600)
    again = rig(rows=station.rows, boot=2)
    again.mono += 7200
    again.send(SecurityNoted("InvalidMessages"))
    assert get_log(again, 1, "SecurityLog", latest=first - 1).status == "Rejected"
    assert get_log(again, 2, "SecurityLog", latest=first + 1).status == "Accepted"


def test_nothing_is_promised_that_cannot_be_saved() -> None:
    station = rig()
    station.send(SaveFailed("disk full"))
    assert get_log(station).status == "Rejected"


# --- restart, trigger ---------------------------------------------------------------------------------------------------


def test_an_upload_goes_on_after_a_restart() -> None:
    """The job comes back by its own row; its news are told for the old request."""
    station = rig()
    get_log(station, 9)
    (start,) = started(station)
    again = rig(rows=station.rows, boot=2)
    again.send(JobProgress(start.job, UPLOAD_JOB, {"status": "Uploading"}))
    assert get_log(again, 10).status == "AcceptedCanceled"
    assert told(again) == [("Uploading", 9), ("AcceptedCanceled", 9)]


def test_trigger_tells_the_upload_or_idle() -> None:
    """TC_F_15, TC_F_16; N01.FR.13: without an upload there is no request id."""
    station = rig()
    assert station.command(TriggerLogStatus).status == "Accepted"
    get_log(station, 3)
    station.command(TriggerLogStatus)
    assert told(station) == [("Idle", None), ("Uploading", 3)]


def test_a_bad_row_is_reported_and_left() -> None:
    station = rig(rows={"job": {"x": {"kind": UPLOAD_JOB, "arguments": {}}}})
    assert get_log(station).status == "Accepted"


def test_uploads_leave_sessions_alone() -> None:
    station = rig()
    station.charge()
    get_log(station)
    done(station, started(station)[0].job, "Uploaded")
    station.send(ClockStepped(0.0))
    station.pilot(PilotState.B)
    assert station.ended() == []
