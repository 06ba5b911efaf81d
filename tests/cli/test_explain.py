"""`station explain`: files of every kind, what is refused, pictures, and what it prints."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.__main__ import main
from station.cli import (
    explain,
    explain_chart,
    explain_input,
    explain_log,
    explain_plot,
    explain_profiles,
    explain_rich,
    explain_show,
)
from station.cli.explain import GAPS, PHASE_RULES, UNITS
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.core.charging.profiles import RateUnit
from station.errors import ConfigError, StationError
from station.sim import csms_serve
from tests.tools import smart_charging

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NEW, OLD = EXAMPLES / "profiles_201.json", EXAMPLES / "profiles_16.log"
VECTORS = EXAMPLES.parents[2] / "shared" / "vectors" / "everest-libocpp"
AT = ["--at", "2025-01-15T12:00:00Z"]
T0 = 1_736_942_400


def legacy(number: int = 1, limit: Any = 16, **more: Any) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **more,
    }


def modern(number: int = 1, limit: Any = 16, **more: Any) -> dict[str, Any]:
    schedule = {
        "id": 1,
        "startSchedule": "2025-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }


def answer(value: Any, **more: Any) -> explain_profiles.Answer:
    text = value if isinstance(value, str) else json.dumps(value)
    return explain_profiles.answer(
        explain_input.read_text(text, "file"), explain_profiles.Question(at=T0, duration=86_400, **more)
    )


def limits(value: Any, **more: Any) -> list[float]:
    """Ampere of every period."""
    return [float(p.limit.total) for p in answer(value, **more).composite.periods if p.limit is not None]


def installed(value: Any, **more: Any) -> dict[int, int]:
    return {one.profile.id: one.evse for one in answer(value, **more).installed}


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (legacy(), {1: 1}),
        (modern(), {1: 1}),
        ([legacy(), modern(2, stackLevel=1)], {1: 1, 2: 1}),
        ({"connectorId": 2, "csChargingProfiles": legacy()}, {1: 2}),
        ({"evseId": 2, "chargingProfile": modern()}, {1: 2}),
        ({"requestId": 1, "chargingLimitSource": "CSO", "evseId": 3, "chargingProfile": [modern()]}, {1: 3}),
        ({"profiles": [{"evseId": 2, "chargingProfile": modern()}, modern(2, stackLevel=3)]}, {1: 2, 2: 2}),
        ([2, "1", "SetChargingProfile", {"evseId": 4, "chargingProfile": modern()}], {1: 4}),
        ([[2, "1", "SetChargingProfile", {"connectorId": 4, "csChargingProfiles": legacy()}], [3, "1", {}]], {1: 4}),
        ([2, "1", "RemoteStartTransaction", {"idTag": "A", "chargingProfile": legacy(chargingProfilePurpose="TxProfile")}], {1: 1}),
        ({"frames": [{"text": json.dumps([2, "1", "SetChargingProfile", {"evseId": 4, "chargingProfile": modern()}])}]}, {1: 4}),
        ({"ok": True, "result": {"frames": [[2, "1", "SetChargingProfile", {"evseId": 4, "chargingProfile": modern()}]]}}, {1: 4}),
        (modern(validTo=None, recurrencyKind=None), {1: 1}),
        (modern(chargingProfilePurpose="ChargingStationMaxProfile"), {1: 0}),
        (modern(chargingProfilePurpose="ChargingStationExternalConstraints"), {1: 0}),
    ],
)  # fmt: skip
def test_forms(value: Any, expected: dict[int, int]) -> None:
    found = answer(value)
    assert not found.refused
    assert {one.profile.id: one.evse for one in found.installed} == expected


def frame(message: str, action: str, payload: Any) -> str:
    return json.dumps([2, message, action, payload])


def test_a_log() -> None:
    """Frames behind time stamps, in objects, and anything else; what was refused or cleared is not in force."""
    lines = [
        "12:00:00 hello {not json",
        "12:00:01 < CSMS " + frame("1", "SetChargingProfile", {"evseId": 1, "chargingProfile": modern(1)}),
        '12:00:01 > station [3,"1",{"status":"Accepted"}]',
        json.dumps(
            {"event": "frame", "text": frame("2", "SetChargingProfile", {"evseId": 2, "chargingProfile": modern(2)})}
        ),
        frame("3", "SetChargingProfile", {"evseId": 3, "chargingProfile": modern(3)}),
        '[3,"3",{"status":"Rejected","statusInfo":{"reasonCode":"InvalidStackLevel"}}]',
        frame("4", "ClearChargingProfile", {"chargingProfileCriteria": {"evseId": 2}}),
        frame("5", "ClearChargingProfile", {"chargingProfileId": 77}),
        frame("6", "Heartbeat", {}),
        json.dumps({"messages": 5}),
    ]
    found = answer("\n".join(lines))
    assert [one.profile.id for one in found.installed] == [1]
    assert found.notes == (
        "5 profile messages have no date and were applied, even if they came after --at",
        "line 5 SetChargingProfile.chargingProfile: profile 3 was answered Rejected (InvalidStackLevel) by the station; left out",
        "line 7 ClearChargingProfile: removes profile 2",
        "line 8 ClearChargingProfile: fits no profile",
        "5 lines or messages without a profile were skipped",
    )


def test_clearing_in_1_6() -> None:
    first = frame("1", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": legacy(1)})
    second = frame(
        "2",
        "SetChargingProfile",
        {"connectorId": 0, "csChargingProfiles": legacy(2, chargingProfilePurpose="ChargePointMaxProfile")},
    )
    both = f"{first}\n{second}\n"
    assert set(installed(both)) == {1, 2}
    for criteria, left in (
        ({"chargingProfilePurpose": "ChargePointMaxProfile"}, {1}),
        ({"connectorId": 1, "stackLevel": 0}, {2}),
        ({"connectorId": 1, "stackLevel": 5}, {1, 2}),
        ({"id": 1, "stackLevel": 7}, {2}),
    ):
        assert set(installed(both + frame("3", "ClearChargingProfile", criteria))) == left


def test_replacement_follows_the_version() -> None:
    assert installed([legacy(1), legacy(2)]) == {2: 1}
    assert answer([legacy(1), legacy(2)]).notes == ("[1]: profile 2 replaces profile 1",)
    found = answer([modern(1), modern(2)])
    assert [one.profile.id for one in found.installed] == [1]
    assert "DuplicateProfile" in str(found.refused[0])
    assert set(installed([modern(1), modern(2)], keep_going=True)) == {1, 2}


def test_transactions() -> None:
    def own(number: int, tx: str) -> dict[str, Any]:
        return {"evseId": 1, "chargingProfile": modern(number, chargingProfilePurpose="TxProfile", transactionId=tx)}

    assert answer(own(1, "a")).tx == explain_profiles.Tx("a", T0)
    two = answer([own(1, "a"), own(2, "b")])
    assert two.tx is not None
    assert two.tx.tx_id == "b"
    assert [one.profile.id for one in two.installed] == [2]
    assert len(two.notes) == 2
    assert installed([own(1, "a"), own(2, "b")], transaction="a") == {1: 1}
    assert answer([own(1, "a")], running=False).refused
    relative = legacy(3, chargingProfilePurpose="TxProfile")
    relative["chargingSchedule"]["duration"] = 3600
    assert [p.start for p in answer(relative, started=T0 - 1800).composite.periods] == [0, 1800]


def test_versions_of_2() -> None:
    fresh = modern(chargingProfilePurpose="LocalGeneration")
    assert installed(fresh, evse=0) in ({1: 0}, {1: 1})
    dynamic = modern(
        chargingProfileKind="Dynamic",
        chargingSchedule=[
            {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7.5}]}
        ],
    )
    assert limits(dynamic) == [7.5]


def test_the_station() -> None:
    assert limits(modern(limit=64), max_a=explain_profiles.Fraction(32)) == [32]
    assert limits(modern(limit=10), unit=RateUnit.W, phases=1) == [2300]
    assert limits(modern(limit=10), phases=0)  # A for direct current is refused: nothing limits, or W
    assert answer(modern(limit=10), phases=0).composite.unit is RateUnit.W
    short = modern()
    short["chargingSchedule"][0]["duration"] = 10
    assert answer(short).composite.periods
    assert not answer(short, policy=Policy(gaps=Gaps.OMIT)).composite.periods


def test_files_of_others() -> None:
    """Every profile of the vectors is read, and has an answer."""
    if not VECTORS.is_dir():
        pytest.skip("the vectors are not beside this tree")
    files = sorted(path for path in VECTORS.glob("v*/json/**/*.json") if "chargingSchedule" in path.read_text())
    assert len(files) > 60
    for file in files:
        found = answer(file.read_text(encoding="utf-8"))
        assert [one.profile.id for one in found.installed] or found.refused or found.notes, file


# --- logs with times and stations ------------------------------------------------------------------------------------


def set_on(evse: int, number: int, **more: Any) -> str:
    return frame(str(number), "SetChargingProfile", {"evseId": evse, "chargingProfile": modern(number, number, **more)})


def test_a_log_is_played_up_to_at() -> None:
    lines = [
        "2025-01-15T11:59:59.900Z < CSMS " + set_on(1, 10),
        "2025-01-15T12:00:00Z < CSMS " + frame("c", "ClearChargingProfile", {"chargingProfileId": 10}),
        json.dumps({"wall": T0 - 5.5, "text": set_on(1, 11, stackLevel=1)}),
        json.dumps({"time": "2025-01-15T12:00:01Z", "text": set_on(1, 12, stackLevel=2)}),
        "2025-01-15 13:00:02,123 < CSMS " + frame("d", "ClearChargingProfile", {"chargingProfileId": 11}),
    ]
    found = answer("\n".join(lines))
    assert [one.profile.id for one in found.installed] == [11]
    assert [one.at for one in found.installed] == [T0 - 6]
    assert "2 profile messages come after --at and were left out" in found.notes
    assert not any("no date" in note for note in found.notes)
    frames = {"frames": [json.loads(line) for line in lines[2:4]]}
    assert installed(frames) == {11: 1}


def test_times_without_a_date() -> None:
    found = answer("13:00:00 < CSMS " + set_on(1, 10))
    assert [one.profile.id for one in found.installed] == [10]
    assert found.notes == ("1 profile message has no date and was applied, even if it came after --at",)
    assert not answer(json.loads(set_on(1, 10))).notes


def test_times_of_a_log_without_an_offset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They are local, as `--at` is."""
    file = tmp_path / "csms.log"
    file.write_text("2025-01-15 12:30:00 < CSMS " + set_on(1, 10))
    for at, there in (("2025-01-15T12:29", []), ("2025-01-15T12:30", [10])):
        _, out, _ = run(capsys, str(file), "--at", at, "--timezone", "Europe/Berlin", "--json")
        assert json.loads(out)["profiles"] == there


def test_a_log_tells_when_the_transaction_began() -> None:
    relative = modern(7, 10, chargingProfilePurpose="TxProfile", chargingProfileKind="Relative", transactionId="t1")
    relative["chargingSchedule"][0].pop("startSchedule")
    setting = frame("p", "SetChargingProfile", {"evseId": 1, "chargingProfile": relative})

    def event(kind: str, time: str, tx: str = "t1", **more: Any) -> str:
        payload = {"eventType": kind, "timestamp": time, "transactionInfo": {"transactionId": tx}, **more}
        return frame(kind + tx, "TransactionEvent", payload)

    log = [event("Started", "2025-01-15T11:30:00Z", evse={"id": 1}), event("Started", "2025-01-15T11:45:00Z", "t2")]
    begun = "\n".join([*log, setting])
    assert answer(begun).tx == explain_profiles.Tx("t1", T0 - 1800)
    assert answer(begun, started=T0 - 60).tx == explain_profiles.Tx("t1", T0 - 60)
    assert answer(begun, transaction="t2").tx == explain_profiles.Tx("t2", T0 - 900)
    over = answer(begun + "\n" + event("Ended", "2025-01-15T11:50:00Z"))
    assert over.tx is not None
    assert over.tx.tx_id == explain_profiles.UNNAMED
    assert not over.installed
    later = answer(begun + "\n" + event("Ended", "2025-01-15T12:50:00Z"))
    assert later.tx == explain_profiles.Tx("t1", T0 - 1800)


def test_a_log_of_1_6_tells_when_the_transaction_began() -> None:
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2025-01-15T11:00:00Z"}
    own = legacy(3, chargingProfilePurpose="TxProfile")
    log = [
        frame("s", "StartTransaction", start),
        '[3,"s",{"transactionId":17,"idTagInfo":{"status":"Accepted"}}]',
        frame("p", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": own}),
    ]
    assert answer("\n".join(log)).tx == explain_profiles.Tx("17", T0 - 3600)
    stop = frame("e", "StopTransaction", {"transactionId": 17, "meterStop": 1, "timestamp": "2025-01-15T11:30:00Z"})
    ended = answer("\n".join([*log, stop])).tx
    assert ended is not None
    assert ended.tx_id == explain_profiles.UNNAMED


TWO_STATIONS = [
    "12:00:00 CS1 > " + set_on(1, 10),
    "12:00:00 CS2 > " + set_on(1, 20),
    '12:00:01 CS2 < [3,"10",{"status":"Rejected"}]',
    '12:00:01 CS1 < [3,"10",{"status":"Accepted"}]',
]


def test_several_stations_in_one_log(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "csms.log"
    objects = [{"station": name, "text": set_on(1, number)} for name, number in (("CS1", 10), ("CS2", 20))]
    for text in ("\n".join(TWO_STATIONS), json.dumps({"result": {"frames": objects}})):
        file.write_text(text)
        assert run(capsys, str(file), *AT) == (
            2,
            "",
            "error: there are messages of several stations (CS1, CS2); say which one with --station NAME\n",
        )
        for name, number in (("CS1", 10), ("CS2", 20)):
            _, out, _ = run(capsys, str(file), *AT, "--json", "--station", name)
            assert json.loads(out)["profiles"] == [number]
        code, _, err = run(capsys, str(file), *AT, "--station", "CS3")
        assert (code, err) == (2, "error: --station CS3: has no profile here; there is CS1, CS2\n")
    _, _, err = run(capsys, str(NEW), *AT, "--station", "CS3")
    assert err == "error: --station CS3: has no profile here; no station is named\n"


def test_the_log_of_our_own_csms(capsys: pytest.CaptureFixture[str]) -> None:
    for name, number in (("CS1", 10), ("CS2", 20)):
        csms_serve._show(
            {
                "direction": "sent",
                "time": "2025-01-15T12:00:01.000Z",
                "station": name,
                "verdict": "ok",
                "text": set_on(1, number),
            }
        )
    content = explain_input.read_text(capsys.readouterr().out, "file")
    assert [(step.stamp.station, step.stamp.at) for step in content.steps] == [("CS1", None), ("CS2", None)]


def test_what_a_line_says_before_its_message() -> None:
    def stamp(text: str) -> tuple[float | None, str | None]:
        found = explain_log.of_line(text, explain_log.parse_iso)
        return found.at, found.station

    assert stamp("12:00:01 CS1 < ") == (None, "CS1")
    assert stamp("2025-01-15T12:00:01.250Z CS1 > ") == (T0 + 1.25, "CS1")
    assert stamp("2025-01-15T12:00:01Z station > ") == (T0 + 1, None)
    assert stamp("2025-01-15T12:00:01Z    < CSMS ") == (T0 + 1, None)
    assert stamp("2025-99-15T12:00:01Z < ") == (None, None)
    assert stamp("") == (None, None)


@pytest.mark.parametrize(
    ("time", "expected"),
    [(T0, T0), (T0 * 1000 + 500, T0 + 0.5), ("2025-01-15T13:00:00+01:00", T0), (True, None), (float("nan"), None),
     ("soon", None), (-1, None)],
)  # fmt: skip
def test_times_of_objects(time: Any, expected: float | None) -> None:
    around = explain_log.Stamp(None, "CS1")
    found = explain_log.of_object({"time": time, "station": 7}, around, explain_log.parse_iso)
    assert (found.at, found.station) == (expected, "CS1")


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file: is empty"),
        (" \n", "file: is empty"),
        ("{", "file: is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("hello\nworld\n", "no line is a message with a profile"),
        ("7", "file: expected a charging profile or a message, found int"),
        ("[]", "file: there is no charging profile in it"),
        ("{}", "file: is no charging profile (no chargingSchedule), and has none in profiles"),
        ('[{"a": 1}]', "file: [0]: is no charging profile"),
        ("[" * 100_000, "is nested too deeply"),
        ("[" * 60 + "]" * 60, "expected a charging profile or a message, found list"),
        ('[[2,"1","Heartbeat",{}]]', "there is no charging profile in it"),
    ],
)
def test_no_profile_at_all(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain_input.read_text(text, "file")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (legacy(limit="x"), "chargingSchedule.chargingSchedulePeriod[0].limit: is not of type number"),
        (legacy(limit=float("nan")), "chargingSchedulePeriod[0].limit"),
        (legacy(limit=10**40), "chargingSchedulePeriod[0].limit"),
        (legacy(chargingProfileKind="Weekly"), "chargingProfileKind: is not one of the allowed words"),
        (legacy(chargingProfileKind="Recurring"), "recurrencyKind"),
        (legacy(validFrom="tomorrow"), "validFrom"),
        (legacy(stackLevel=-1), "stackLevel"),
        (legacy(unknown=1), "unknown: is not a field of this message"),
        (modern(limit="x"), "chargingProfile.chargingSchedule[0].chargingSchedulePeriod[0].limit"),
        (modern(limit=float("nan")), "chargingProfile.chargingSchedule[0].chargingSchedulePeriod[0].limit"),
        (modern(limit=float("-inf")), "chargingSchedulePeriod[0].limit"),
        (modern(id="one"), "chargingProfile.id"),
        (modern(unknown=1), "unknown: is not a field of this message"),
        (modern(chargingSchedule=[]), "chargingSchedule"),
        (modern(chargingProfileKind="Recurring"), "recurrencyKind"),
        (modern(chargingProfilePurpose="TxProfile"), "transactionId"),
    ],
)
def test_a_station_would_refuse_it(value: Any, field: str) -> None:
    found = answer([value, modern(9, stackLevel=5)])
    assert [one.profile.id for one in found.installed] == [9]
    [warned] = found.refused
    assert str(warned).startswith("[0]: ")
    assert "a station would refuse this: " in str(warned)
    assert field in str(warned)
    assert str(warned).endswith("; left out")


def test_a_wrong_word() -> None:
    [warned] = answer([legacy(chargingProfileKind="Absolut")]).refused
    assert warned.words.endswith(
        "chargingProfileKind: is not one of the allowed words (Absolute, Recurring, Relative); did you mean Absolute?"
    )
    bad = legacy()
    bad["chargingSchedule"]["chargingRateUnit"] = "kW"
    assert "chargingRateUnit: is not one of the allowed words (A, W)" in str(answer([bad]).refused[0])


def test_an_evse_that_no_profile_names() -> None:
    there = [{"evseId": 1, "chargingProfile": modern()}, {"evseId": 0, "chargingProfile": modern(2, stackLevel=1)}]
    assert answer(there, evse=5).notes == ("no profile names EVSE 5: there are profiles for the whole station, EVSE 1",)
    assert not answer(there, evse=1).notes
    assert not answer(there[1:], evse=5).notes


def test_a_wrong_place() -> None:
    with pytest.raises(ConfigError, match=r"file: evseId: must be an integer, 0 or more"):
        answer({"evseId": "1", "chargingProfile": modern()})


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_input, "MOST_BYTES", 1024)
    file = tmp_path / "big.json"
    file.write_text(json.dumps([modern(number) for number in range(20)]))
    with pytest.raises(ConfigError, match="is larger than"):
        explain_input.read_file(str(file))
    with pytest.raises(ConfigError, match="standard input: is larger than"):
        explain_input.read_file("-", io.StringIO("x" * 2000))
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        explain_input.read_file(str(file))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["evseId", "id", "limit"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
spoilt = st.tuples(
    st.sampled_from([legacy, modern]),
    st.sampled_from(
        ["stackLevel", "chargingSchedule", "validTo", "validFrom", "chargingProfileKind", "transactionId", "id", "x"]
    ),
    json_values,
).map(lambda parts: parts[0](**{parts[1]: parts[2]}))


@settings(max_examples=150, deadline=None)
@given(st.lists(spoilt, min_size=1, max_size=3), st.booleans(), st.sampled_from([0, 1, 3]))
def test_whatever_stands_there_is_answered(values: list[Any], keep_going: bool, phases: int) -> None:
    found = answer(values, keep_going=keep_going, phases=phases)
    json.dumps(explain_show.as_json(found), allow_nan=False)
    assert explain_show.lines(found)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | json_values.map(json.dumps))
def test_any_text(text: str) -> None:
    problems = []
    try:
        explain_input.read_text(text, "file")
    except ConfigError as error:
        problems = error.problems
    assert all(problem.startswith("file: ") for problem in problems)


# --- what is shown ----------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["explain", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(NEW), "--at", "2025-01-15T12:00", "--timezone", "Europe/Berlin")
    assert (code, err) == (0, "")
    assert out.startswith("Composite schedule of EVSE 1, 2025-01-15 12:00 to 2025-01-16 12:00, in A\n230 V, 3 phases; ")
    assert (
        "2025-01-15 17:00  2025-01-15 19:00  13 A     3 phases  [b] ChargingStationMaxProfile 1 (stack level 0)" in out
    )
    assert "2025-01-15 21:00  Charging pauses, from 10.67 A to 0 A: TxProfile 20 (stack level 0) goes on" in out
    assert "\x1b" not in out
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert "\n[a] TxDefaultProfile 10 (stack level 0)\n" in out


def test_sentences_are_aligned() -> None:
    value = modern()
    value["chargingSchedule"][0]["startSchedule"] = "2025-01-15T12:00:00Z"
    value["chargingSchedule"][0]["chargingSchedulePeriod"] = [
        {"startPeriod": 0, "limit": 16},
        {"startPeriod": 61, "limit": 10},
    ]
    lines = ["".join(text for text, _ in line) for line in explain_show.lines(answer(value))]
    assert len({line.index(word) for line in lines for word in ("At first", "Down from") if word in line}) == 1


def test_a_transaction_without_a_name_is_null() -> None:
    assert explain_show.as_json(answer(modern()))["transaction"] is None


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(OLD), "--json", "--unit", "W", "--at", "2025-01-15T07:32:00Z", "--duration", "12h")
    told = json.loads(out)
    assert code == 0
    assert (told["evse"], told["unit"], told["transaction"], told["profiles"]) == (1, "W", "17", [1, 2, 3])
    assert told["from"] == "2025-01-15T07:32:00.000Z"
    assert told["to"] == "2025-01-15T19:32:00.000Z"
    assert told["asked"] == {"at": "2025-01-15T07:32:00.000Z", "duration_s": 43200, "timezone": "UTC"}
    assert told["periods"][0]["limit"] == 11000
    assert told["periods"][0]["start"] == 0
    assert told["changes"][0]["at"] == told["from"]
    assert told["changes"][0]["sentence"].startswith("At first 11000 W on 3 phases: ")
    assert told["refused"] == []
    assert len(told["notes"]) == 2


def test_a_refused_profile_makes_the_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps([modern(1), modern(2, chargingProfileKind="Recurring")]))
    code, out, err = run(capsys, str(file), *AT)
    assert code == 1
    assert err.startswith("warning: [1]: profile 2: a station would refuse this: recurrencyKind: ")
    assert "TxDefaultProfile 1" in out
    code, _, err = run(capsys, str(file), *AT, "--keep-going")
    assert code == 1
    assert not err.strip().endswith("left out")


def test_nothing_limits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps(modern(1, validTo="2025-01-10T00:00:00Z")))
    code, out, _ = run(capsys, str(file), *AT, "--gaps", "omit", "--keep-going")
    assert "No period: no profile gives a limit." in out
    code, out, _ = run(capsys, str(file), *AT, "--keep-going")
    assert "At first no limit: no profile applies." in out
    assert code in {0, 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timezone", "Mars/Olympus"], "--timezone: "),
        (["--phases", "0", "--unit", "A"], "--unit A: "),
        (["--no-transaction", "--transaction", "5"], "--no-transaction: "),
    ],
)
def test_what_does_not_go_together(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(NEW), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {words}")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--at", "noon"),
        ("--duration", "0"),
        ("--duration", "a day"),
        ("--duration", "400d"),
        ("--duration", ""),
        ("--unit", "kW"),
        ("--evse", "-1"),
        ("--evse", "x"),
        ("--voltage", "nan"),
        ("--voltage", "0"),
        ("--max-a", "1e99"),
        ("--phases", "4"),
        ("--gaps", "fill"),
    ],
)
def test_wrong_arguments(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", str(NEW), f"{option}={value}"])
    assert caught.value.code == 2
    assert f"error: argument {option}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86_400), ("90m", 5400), ("90min", 5400), ("10 min", 600),
     ("1 h 30 min", 5400), ("1 d", 86_400), ("1h30m", 5400), ("7d", 604_800), ("15", 15), ("15s", 15)]
)  # fmt: skip
def test_durations(text: str, seconds: int, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, str(NEW), *AT, "--json", "--duration", text)
    assert json.loads(out)["asked"]["duration_s"] == seconds


def test_the_longest_duration(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, str(NEW), *AT, "--json", "--duration", f"{explain.LONGEST_S}")
    told = json.loads(out)
    assert len(told["periods"]) > 1000
    assert told["to"] == "2026-01-16T12:00:00.000Z"


def test_local_times(capsys: pytest.CaptureFixture[str]) -> None:
    for at in ("2025-07-15T12:00", "2025-07-15T10:00Z", "2025-07-15T13:00+03:00"):
        _, out, _ = run(capsys, str(NEW), "--at", at, "--timezone", "Europe/Berlin", "--json")
        told = json.loads(out)
        assert told["from"] == "2025-07-15T10:00:00.000Z"
        assert told["changes"][0]["local"] == "2025-07-15T12:00:00+02:00"


def test_a_missing_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "nothing.json"
    assert run(capsys, str(missing)) == (2, "", f"error: {missing}: does not exist\n")
    assert run(capsys, str(tmp_path)) == (2, "", f"error: {tmp_path}: is a directory; name a file in it\n")


def test_as_a_process() -> None:
    """Standard input, a pipe that knows ASCII only, the clock: it begins now."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "station", "explain", "-", "--duration", "1h"],
        input=json.dumps(modern()),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=EXAMPLES.parents[1],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "16 A ########" in done.stdout
    assert "At first 16 A on 3 phases: TxDefaultProfile 1 (stack level 0) binds." in done.stdout


def test_the_chart_loses_no_pause() -> None:
    value = modern()
    value["chargingSchedule"][0]["startSchedule"] = "2025-01-15T12:00:00Z"
    value["chargingSchedule"][0]["chargingSchedulePeriod"] = [
        {"startPeriod": 0, "limit": 16},
        {"startPeriod": 40_000, "limit": 0},
        {"startPeriod": 40_001, "limit": 16},
    ]
    composite = answer(value).composite
    lines = ["".join(text for text, _ in line) for line in explain_chart.chart(composite, None)]
    assert lines[0].startswith("16 A ███")
    assert lines[7].count("_") == 1
    assert all(len(line) <= 96 + 5 + 8 for line in lines)
    assert explain_chart.tick_step(10**9, 9) > 0


def test_colour() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]  # what a terminal says
    explain_rich.show(stream, explain_show.lines(answer(modern())))
    assert "At first 16 A on 3 phases" in stream.getvalue()
    plain = io.StringIO()
    explain_show.show_on(plain, answer(modern()))
    assert "At first 16 A on 3 phases" in plain.getvalue()


def test_what_a_file_says_does_not_move_the_cursor() -> None:
    own = modern(chargingProfilePurpose="TxProfile", transactionId="\x1b[2J")
    stream = io.StringIO()
    explain_show.show_on(stream, answer({"evseId": 1, "chargingProfile": own}, transaction="\x1b[2J"))
    assert "\x1b" not in stream.getvalue()


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_are_the_same_every_time(tmp_path: Path) -> None:
    found = answer(json.loads(NEW.read_text()))
    for kind in ("svg", "png"):
        first, second = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
        explain_plot.draw(found, first, kind)
        explain_plot.draw(found, second, kind)
        assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "1.svg").read_text()
    assert text.startswith("<?xml")
    assert "<dc:date>" not in text


@pytest.mark.parametrize(
    "value",
    [
        modern(),
        modern(limit=0),
        modern(1, validTo="2025-01-15T13:00:00Z"),
        [modern(number, number, stackLevel=number) for number in range(1, 20)],
    ],
)
def test_any_answer_has_a_picture(value: Any, tmp_path: Path) -> None:
    for more in ({}, {"policy": Policy(gaps=Gaps.OMIT)}, {"unit": RateUnit.W}):
        explain_plot.draw(answer(value, **more), tmp_path / "a.svg", "svg")


def test_pictures_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, str(OLD), *AT, "--svg", str(tmp_path / "a.svg"), "--png", str(tmp_path / "a.png"), "--json"
    )
    assert code == 0
    json.loads(out)
    assert (tmp_path / "a.svg").exists()
    assert (tmp_path / "a.png").exists()
    assert err.count(": written") == 2


def test_without_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(explain_plot.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(StationError, match=r"pip install -e '\.\[plot\]'"):
        explain_plot.check_installed()
    code, _, err = run(capsys, str(NEW), "--svg", str(tmp_path / "a.svg"))
    assert (code, err) == (
        1,
        "error: pictures need matplotlib: pip install -e '.[plot]' where pilotwire was cloned\n",
    )


def test_a_matplotlib_that_does_not_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(explain_plot.importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run(capsys, str(NEW), "--svg", "a.svg")
    assert code == 1
    assert err.startswith("error: pictures need matplotlib, and the one that is installed does not start: ")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_current() -> None:
    assert smart_charging.main(["--check"]) == 0, "run: python -m tests.tools.smart_charging"


def test_the_commands_of_the_pages_work_as_they_stand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = EXAMPLES.parents[1]
    text = "".join((root / page).read_text(encoding="utf-8") for page in ("README.md", "docs/smart_charging.md"))
    found = re.findall(r"^(?:\| `)?station explain (docs/[^`\n|#]*)", text, re.MULTILINE)
    assert len(found) >= 5
    (tmp_path / "docs").symlink_to(root / "docs")
    monkeypatch.chdir(tmp_path)
    for line in found:
        assert main(["explain", *shlex.split(line)]) == 0, line
        assert capsys.readouterr().out


def test_the_options_are_the_words_of_the_engine() -> None:
    """The command line does not import the engine to know its words."""
    assert {unit.value for unit in RateUnit} == set(UNITS)
    assert [gaps.value for gaps in Gaps] == list(GAPS)
    assert [rule.value for rule in PhaseRule] == list(PHASE_RULES)
    assert (Policy().gaps.value, Policy().phases.value) == (GAPS[0], PHASE_RULES[0])
