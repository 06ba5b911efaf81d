"""Scenario files: TOML -> a checked, frozen `Scenario`. Every mistake is told at once, with line, step, field and remedy."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from station.app_charging import charging_setup
from station.config_charging import ChargingSettings, check_charging
from station.config_fields import Flag, Kind, Number, Text, WrongValueError, setting
from station.config_read import find_table, got, read_table, unknown
from station.config_toml import Key, Report, lines_of
from station.core.components import standard_definitions
from station.core.types import EvseInfo
from station.errors import ConfigError, ScenarioError
from station.ocpp.schemas import Schemas
from station.runtime.control_command import Command
from station.sim.csms import Token
from station.sim.lab import KNOWN_TOKENS, LabSettings
from station.sim.loop import DEFAULT_WALL
from station.sim.scenario_charging import PROFILE_STEPS, Profile
from station.sim.scenario_csms import CSMS_COMMANDS, PLACE, REGISTRATIONS, STATUSES, Call
from station.sim.scenario_expect import EXPECTATIONS, Expectation, Message, NoMessage
from station.sim.scenario_kinds import EMPTY, Duration, Fixed, Scalars, Table, Tokens, WallTime, Words
from station.sim.scenario_power import Charged, Supply
from station.sim.scenario_time import TIME_STEPS
from station.sim.steps import COMMANDS, EVSE, VERSIONS, Deed

__all__ = [
    "DEEDS",
    "STEP_FIELDS",
    "CsmsTable",
    "Head",
    "Scenario",
    "StationTable",
    "Step",
    "load",
    "parse",
    "shipped_files",
]

T = TypeVar("T")
DEEDS: dict[str, type[Command | Deed]] = {**COMMANDS, **TIME_STEPS, **CSMS_COMMANDS, **PROFILE_STEPS}
SUFFIX = ".toml"
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the tables."""

    title: str = setting(Text(100), "One line that tells what happens.")
    teaches: str = setting(
        Text(2000, what="a text of 1 to 2000 characters"), "What one learns from it, in some sentences."
    )
    ocpp: tuple[str, ...] = setting(
        Words(VERSIONS), "Versions that it runs in; it is played in each.", default=VERSIONS
    )
    seed: str = setting(Text(50), "The same seed gives the same play.", default="1")
    begins: float = setting(
        WallTime(), "What the wall clock shows at first.", default=DEFAULT_WALL, example="2026-01-15T18:00:00Z"
    )
    pause: float = setting(Duration(), "People take so long before each thing that they do.", default=2.0)


@dataclass(frozen=True, slots=True)
class StationTable:
    """The station on the bench."""

    evses: int = setting(EVSE, "How many EVSEs it has.", default=2)
    versions: tuple[str, ...] = setting(
        Words(VERSIONS), "OCPP versions that it offers, best first; none: the one that is played.", default=()
    )
    meter_poll: float = setting(Number(0.5, 3600, "s"), "How often meters are read.", default=5.0)
    variables: Mapping[str, str] = setting(
        Scalars("device-model variables and their values"),
        "Settings, by their names in the 2.x device model.",
        default=EMPTY,
    )
    board: Mapping[str, Any] = setting(
        Table("a table of board fields"),
        "Settings of the simulated board, such as { fixed_cable = true }.",
        default=EMPTY,
    )


@dataclass(frozen=True, slots=True)
class CsmsTable:
    """The CSMS at the other end: the `ocpp` package, which knows nothing of our code."""

    tokens: Mapping[str, str] = setting(
        Tokens(STATUSES), "Tokens that it knows.", default=Fixed(dict.fromkeys(KNOWN_TOKENS, "Accepted"))
    )
    default_status: str = setting(Text(choices=STATUSES), "What any other token is.", default="Unknown")
    boot: tuple[str, ...] = setting(
        Words(REGISTRATIONS), "Its answers to BootNotifications; the last one stays.", default=("Accepted",)
    )
    heartbeat: float = setting(Duration(), "Heartbeat interval that it asks for.", default=300.0)
    retry: float = setting(Duration(), "Interval for a station that it has not accepted.", default=30.0)
    fast: bool = setting(Flag(), "Check frames with compiled validators, for long plays.", default=False)
    may_complain: bool = setting(
        Flag(), "It may complain of the station; else any complaint fails the scenario.", default=False
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `shown`: its fields as the file gives them. ocpp: versions in which it is played."""

    number: int
    name: str
    part: Command | Deed | Expectation
    note: str
    ocpp: tuple[str, ...]
    shown: str

    @property
    def expects(self) -> bool:
        return self.name.startswith("expect ")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file."""

    name: str
    head: Head
    station: StationTable
    csms: CsmsTable
    charging: ChargingSettings
    steps: tuple[Step, ...]

    def steps_in(self, version: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if version in step.ocpp)

    def lab_settings(self, version: str, *, seed: str | None = None, speed: float | None = None) -> LabSettings:
        """The bench for it."""
        return LabSettings(
            versions=self.station.versions or (version,),
            evses=self.station.evses,
            speed=speed,
            seed=seed or self.head.seed,
            variables=self.station.variables,
            tokens=tuple(Token(value, status) for value, status in self.csms.tokens.items()),
            board={"report_soc": True, **self.station.board},
            meter_poll_s=self.station.meter_poll,
            csms_fast=self.csms.fast,
            charging=charging_setup(self.charging, {}),
        )


STEP_FIELDS: Mapping[str, tuple[Kind, str]] = {
    "do": (Text(choices=tuple(DEEDS)), "What is done."),
    "expect": (Text(choices=tuple(EXPECTATIONS)), "What must be so."),
    "note": (Text(LONGEST_NOTE, what=f"a text of 1 to {LONGEST_NOTE} characters"), "Shown with the step."),
    "ocpp": (Words(VERSIONS), "Only in these versions."),
}
"""Fields that every step has."""


def shipped_files() -> dict[str, Path]:
    """Scenarios that come with the program, by name."""
    folder = Path(str(resources.files("station.sim.scenarios")))
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def load(name: str) -> Scenario:
    """A file, or a shipped scenario by its name or the number it begins with. Raises ScenarioError with every mistake."""
    path = Path(name)
    files = shipped_files()
    if not path.exists() and path.name == name:
        plain = name.removesuffix(SUFFIX)
        fitting = [stem for stem in files if stem == plain or (plain.isdecimal() and stem.startswith(f"{plain:0>2}-"))]
        if not fitting:
            near = difflib.get_close_matches(plain, files, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"shipped are {', '.join(files)}"
            raise ScenarioError(f"{name}: there is no such file and no such shipped scenario. Remedy: {hint}")
        path = files[fitting[0]]
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(
            f"{path}: there is no such file. Remedy: station play, without a name, lists scenarios"
        ) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text (byte {error.start}). Remedy: save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return parse(text, path.stem)


def parse(text: str, name: str) -> Scenario:
    """The content of a file. Raises ScenarioError that lists every mistake."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{name}: is not TOML: {error or 'nested too deeply'}") from error
    report = Report(lines_of(text))
    tables = {"station", "csms", "charging", "step"}
    head_data = {key: value for key, value in data.items() if key not in tables}
    if isinstance(head_data.get("teaches"), str):
        head_data["teaches"] = " ".join(head_data["teaches"].split())  # a text over several lines
    head = _top(head_data, report)
    station = read_table(StationTable, data, ("station",), report)
    csms = read_table(CsmsTable, data, ("csms",), report)
    if station is not None:
        _check_variables(station, report)
    charging = find_table(ChargingSettings, data, ("charging",), report)
    check_charging(charging, report)
    steps = _steps(data, head, station, report)
    if report.problems or head is None or station is None or csms is None:
        raise ScenarioError("\n".join(f"{name}: {problem}" for problem in report.problems))
    return Scenario(name, head, station, csms, charging.build(), steps)


def _top(table: Mapping[str, Any], report: Report) -> Head | None:
    """Like `read_table`, for what stands in no table."""
    inner = Report()
    head = read_table(Head, {"": table}, ("",), inner)
    for problem in inner.problems:
        key, _, rest = problem.removeprefix('"".').partition(": ")
        report.problem((key,), rest.removesuffix("."))
    return head


def _check_variables(station: StationTable, report: Report) -> None:
    infos = tuple(EvseInfo(number) for number in range(1, station.evses + 1))
    try:
        standard_definitions(infos, station.variables)
    except ConfigError as error:
        for problem in error.problems:
            report.problem(("station", "variables"), problem)


def _steps(
    data: Mapping[str, Any], head: Head | None, station: StationTable | None, report: Report
) -> tuple[Step, ...]:
    tables = data.get("step", [])
    if not isinstance(tables, list) or any(not isinstance(table, Mapping) for table in tables):
        report.problem(("step",), f"must be an array of tables {got(tables)}", "write [[step]] with double brackets")
        return ()
    if not tables:
        report.problem(("step",), "is missing", 'write at least one [[step]] with do = "..." or expect = "..."')
    played = head.ocpp if head is not None else VERSIONS
    return tuple(
        step
        for number, table in enumerate(tables, start=1)
        if (step := _step(number, table, played, station, report)) is not None
    )


def _step(
    number: int, table: Mapping[str, Any], played: tuple[str, ...], station: StationTable | None, report: Report
) -> Step | None:
    key: Key = ("step", number)
    common = {name: _common(name, table, key, report) for name in STEP_FIELDS if name in table}
    if ("do" in table) is ("expect" in table):
        report.problem(key, "must say either do or expect", f"do is {STEP_FIELDS['do'][0].words}")
        return None
    word = common.get("do") or common.get("expect")
    if not isinstance(word, str):
        return None
    expects = "expect" in table
    cls: type[Any] = EXPECTATIONS[word] if expects else DEEDS[word]
    rest = {name: value for name, value in table.items() if name not in STEP_FIELDS}
    part = read_table(cls, {"step": rest}, key, report)
    only = common.get("ocpp")
    versions = tuple(only) if isinstance(only, tuple) else played
    for field_name, problem, remedy in _action_problems(cls, rest, versions, station):
        report.problem((*key, field_name), problem, remedy)
    if part is None:
        return None
    for field_name, problem, remedy in _inner_problems(part, station):
        report.problem((*key, field_name), problem, remedy)
    note = common.get("note")
    name = f"expect {word}" if expects else word
    return Step(number, name, part, note if isinstance(note, str) else "", versions, _shown(cls, rest))


def _common(name: str, table: Mapping[str, Any], key: Key, report: Report) -> object:
    kind, _ = STEP_FIELDS[name]
    value = table[name]
    try:
        return kind.read(" ".join(value.split()) if name == "note" and isinstance(value, str) else value)
    except WrongValueError as error:
        if name in {"do", "expect"} and isinstance(value, str):
            words = DEEDS if name == "do" else EXPECTATIONS
            unknown(value, words, (*key, name), report)
        else:
            report.problem((*key, name), f"must be {error.expected} {got(value)}", error.remedy)
        return None


def _inner_problems(part: Any, station: StationTable | None) -> Iterator[tuple[str, str, str]]:
    """(field, problem, remedy) of what a single field's kind cannot know."""
    evse = getattr(part, "evse", 1)
    if station is not None and isinstance(evse, int) and evse > station.evses:
        yield "evse", f"must be at most {station.evses} (got {evse})", "give [station] more evses"
    if isinstance(part, Command | Profile | Charged | Supply):
        for wrong in part.problems():
            yield wrong.field, wrong.problem, ""


def _action_problems(
    cls: type[Any], table: Mapping[str, Any], versions: tuple[str, ...], station: StationTable | None
) -> Iterator[tuple[str, str, str]]:
    """The same for names and payloads of messages, which depend on the versions that are spoken."""
    action, payload = table.get("action"), table.get("payload", {})
    if cls not in {Call, Message, NoMessage} or not isinstance(action, str):
        return
    several = station is not None and bool(station.versions)
    spoken = sorted({*versions, *(station.versions if station is not None else ())})
    lacking = [version for version in spoken if action not in Schemas.for_version(version).actions]
    if lacking and (len(lacking) == len(spoken) or not several):
        near = difflib.get_close_matches(action, Schemas.for_version(lacking[0]).actions, n=1)
        hint = f"did you mean {near[0]}?" if near else "name a message of that version."
        yield (
            "action",
            f"is no message of OCPP {' and '.join(lacking)}",
            f"{hint} Or say in which versions: ocpp = [...]",
        )
    elif cls is Call and isinstance(payload, Mapping) and PLACE not in repr(payload):
        yield from _payload_problems(action, payload, [version for version in spoken if version not in lacking])


def _payload_problems(action: str, payload: Mapping[str, Any], versions: list[str]) -> Iterator[tuple[str, str, str]]:
    for version in versions:
        problem = Schemas.for_version(version).request(action).problem(dict(payload))
        if problem is not None:
            yield "payload", f"is not a valid {action} of OCPP {version}: {problem}", "correct the field that is named"


def _shown(cls: type[Any], table: Mapping[str, Any]) -> str:
    secret = {field.name for field in fields(cls) if field.metadata.get("secret")}
    return " ".join(f"{name}={_brief(value) if name not in secret else '***'}" for name, value in table.items())


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_brief(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_brief(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
