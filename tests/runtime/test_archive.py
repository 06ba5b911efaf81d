"""What an uploaded log holds, and what it must never hold."""

from __future__ import annotations

import json
import logging
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import TokenKind
from station.clock import Now
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel, VariableKey
from station.core.effects import Save
from station.core.types import EvseInfo, IdToken
from station.runtime.archive import FRAMES_KEPT, Archive, RecentLines, Ring, SecurityLog, Snapshot, public, write
from station.store.statements import SECURITY_LOG_ROWS
from tests.core.rig import Rig

WALL = 1_780_000_000.0
NOW = Now(500.0, WALL, 3)
PASSWORD = "correct-horse-battery"
SETTINGS = {
    "identity": "CS-1",
    "url": f"wss://u:{PASSWORD}@csms.example/ocpp?token={PASSWORD}",
    "variables": {"SecurityCtrlr.BasicAuthPassword": PASSWORD, "TxCtrlr.EVConnectionTimeOut": "60"},
}


def row(wall: float, kind: str = "InvalidMessages", *, mono: float = 0.0, boot: int = 1, trusted: bool = True) -> Any:
    return {"kind": kind, "at": [mono, wall, boot, trusted], "info": None}


def archive(rows: dict[str, Any] | None = None, lines: Ring | None = None, state: object = None) -> Archive:
    model = DeviceModel(standard_definitions((EvseInfo(1),)))
    model.put(VariableKey("SecurityCtrlr", "BasicAuthPassword"), PASSWORD)
    model.put(VariableKey("SecurityCtrlr", "Identity"), "CS-1")
    return Archive(
        model,
        lambda: NOW,
        SecurityLog(rows or {}),
        settings=lambda: SETTINGS,
        state=lambda: state,
        lines=lines or Ring(10),
    )


def read(snapshot: Snapshot, name: str) -> Any:
    return json.loads(snapshot.members[name])


def test_diagnostics_hold_everything_but_secrets(tmp_path: Path) -> None:
    rig = Rig()
    rig.charge()
    rig.swipe("1234", kind=TokenKind.KEY_CODE)
    lines = Ring(10)
    lines.add(WALL - 5, "a line")
    one = archive({"0-1": row(WALL - 100)}, lines, rig.station.view(rig.now()))
    one.frame("in", f'[2,"1","GetLog",{{"log":{{"remoteLocation":"ftp://u:{PASSWORD}@h/"}}}}]', "GetLog", "ok")
    snapshot = one.snapshot("DiagnosticsLog", None, None)
    assert set(snapshot.members) == {
        "about.json",
        "settings.json",
        "variables.json",
        "state.json",
        "frames.jsonl",
        "log.txt",
        "security.jsonl",
    }
    assert PASSWORD.encode() not in b"".join(snapshot.members.values())
    assert read(snapshot, "settings.json")["variables"] == {"TxCtrlr.EVConnectionTimeOut": "60"}
    assert read(snapshot, "settings.json")["url"] == "wss://***@csms.example/ocpp?token=***"
    assert read(snapshot, "variables.json")["SecurityCtrlr.Identity"] == "CS-1"
    assert "SecurityCtrlr.BasicAuthPassword" not in read(snapshot, "variables.json")
    assert read(snapshot, "state.json")["evses"][0]["transaction"]["evse"] == 1
    assert read(snapshot, "frames.jsonl")[1:3] == ["in", "GetLog"]
    assert snapshot.members["log.txt"] == b"a line\n"
    assert read(snapshot, "about.json")["packages"]["orjson"]


def test_the_file_is_a_zip_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "log.zip"
    file.write_text("of an earlier attempt")
    size = write(archive().snapshot("DiagnosticsLog", None, None), file)
    assert size == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 7
    assert os.listdir(tmp_path) == ["log.zip"]


def test_the_security_log_is_lines_of_json(tmp_path: Path) -> None:
    rows = {"1-2": row(WALL - 50, "FirmwareUpdated"), "1-1": row(WALL - 100)}
    file = tmp_path / "security.jsonl"
    write(archive(rows).snapshot("SecurityLog", None, None), file)
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry["type"] for entry in entries] == ["InvalidMessages", "FirmwareUpdated"]
    assert entries[1] == {
        "id": "1-2",
        "timestamp": "2026-05-28T20:25:50.000Z",
        "type": "FirmwareUpdated",
        "info": None,
    }


@pytest.mark.parametrize(
    ("oldest", "latest", "found"),
    [
        (None, None, ["a", "b", "c"]),
        (WALL - 60, None, ["b", "c"]),
        (None, WALL - 50, ["a", "b"]),
        (WALL - 50, WALL - 50, ["b"]),
        (WALL + 1, None, []),
    ],
)
def test_only_what_is_wanted(oldest: float | None, latest: float | None, found: list[str]) -> None:
    """GetLog: oldestTimestamp and latestTimestamp, both included; for frames and lines too."""
    lines = Ring(10)
    for name, age in (("a", 100), ("b", 50), ("c", 0)):
        lines.add(WALL - age, name)
    rows = {name: row(WALL - age, name) for name, age in (("a", 100), ("b", 50), ("c", 0))}
    one = archive(rows, lines)
    members = one.snapshot("DiagnosticsLog", oldest, latest).members
    assert members["log.txt"].decode().split() == found
    assert [json.loads(line)["type"] for line in members["security.jsonl"].splitlines()] == found


def test_times_from_before_the_clock_was_known_are_corrected() -> None:
    rows = {"3-1": row(0.0, mono=400.0, boot=3, trusted=False), "2-1": row(7.0, boot=2, trusted=False)}
    entries = SecurityLog(rows).entries(NOW)
    assert [entry["timestamp"][:19] for entry in entries] == ["1970-01-01T00:00:07", "2026-05-28T20:25:00"]


def test_the_security_log_grows_with_the_table_and_no_further() -> None:
    log = SecurityLog({"0": row(WALL), "odd": {"no": "entry"}})
    for number in range(SECURITY_LOG_ROWS + 5):
        save = Save("security_log", f"1-{number:06d}", row(WALL + number))
        log.heard(None, [save, Save("tx", "1", {}), Save("security_log", "0", None)], NOW)
    entries = log.entries(NOW)
    assert len(entries) == SECURITY_LOG_ROWS
    assert entries[-1]["id"] == f"1-{SECURITY_LOG_ROWS + 4:06d}"
    assert entries[0]["id"] == "1-000005"


def test_rings_keep_the_newest_and_cut_what_is_too_long() -> None:
    one = archive()
    for number in range(FRAMES_KEPT + 1):
        one.frame("out", f"{number} " + "x" * 10_000, None, "ok")
    entries = one.frames.between(None, None)
    assert len(entries) == FRAMES_KEPT
    assert json.loads(entries[0].text.removesuffix(" ...") + ('"]' if entries[0].text.endswith(" ...") else ""))
    assert max(len(entry.text) for entry in entries) < 5000


def test_log_lines_are_kept_without_passwords() -> None:
    lines = RecentLines()
    logger = logging.getLogger("station.test_archive")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(lines)
    try:
        logger.info("going to %s", f"ftp://u:{PASSWORD}@host/")
        logger.debug("not this")
    finally:
        logger.removeHandler(lines)
        logger.setLevel(logging.NOTSET)
    (entry,) = lines.ring.between(None, None)
    assert entry.text.endswith("station.test_archive: going to ftp://***@host/")


def test_a_pin_is_not_shown() -> None:
    """C04: IdToken is plain data; its digits are not for the archive."""
    assert "1234" not in json.dumps(public({"token": IdToken("1234", TokenKind.KEY_CODE)}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_anything_becomes_json(value: Any) -> None:
    json.dumps(public(value))
    json.dumps(public(object()))
