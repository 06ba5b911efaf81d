"""Charging profiles out of what people have at hand: payloads, whole messages, logs with one message a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from station.cli.explain_log import NOWHERE, Charge, Charges, Moment, Stamp, of_line, of_object
from station.clock import parse_iso
from station.errors import ConfigError

__all__ = ["MOST_BYTES", "Clearing", "Content", "Found", "Step", "of_station", "read_file", "read_text"]

MOST_BYTES = 16 * 1024 * 1024
"""A day's log of one station is far smaller; the longest schedule makes a profile of 100 KB."""

CLEAR = "ClearChargingProfile"
REMOTE_STARTS = frozenset({"RemoteStartTransaction", "RequestStartTransaction"})
SETTERS = frozenset({"SetChargingProfile", "ReportChargingProfiles"}) | REMOTE_STARTS
CALL, CALLRESULT = 2, 3

TEXTS = ("text", "frame", "message", "msg", "raw", "data")
"""Where log lines that are objects hold a frame: `text` in our own."""
LISTS = ("profiles", "chargingProfiles", "chargingProfile", "csChargingProfiles")
"""Fields with one profile or several."""
FRAMES = ("result", "frames")
"""Fields around frames in answers of `station ctl frames` and of REST."""
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Found:
    """One profile as it stood there. where: its place, for messages. evse None: not said. remote: it came with a remote start.

    legacy: it is of OCPP 1.6. source: chargingLimitSource of a report. refused: the station's answer, when the log tells of a refusal.
    stamp: when it came and to which station, where a log says so.
    """

    where: str
    payload: Mapping[str, Any]
    legacy: bool
    evse: int | None = None
    source: str | None = None
    remote: bool = False
    refused: str | None = None
    stamp: Stamp = NOWHERE


@dataclass(frozen=True, slots=True)
class Clearing:
    """A ClearChargingProfile: an id alone, or everything that fits all that is given."""

    where: str
    profile: int | None = None
    evse: int | None = None
    purpose: str | None = None
    stack_level: int | None = None
    stamp: Stamp = NOWHERE


Step = Found | Clearing


@dataclass(slots=True)
class Content:
    """Everything in a file, in its order. skipped: lines and messages without a profile; notes: what was expected and is missing.

    charges: transactions that a log tells of.
    """

    steps: list[Step] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    skipped: int = 0
    notes: list[str] = field(default_factory=list)


def read_file(name: str, stdin: TextIO | None = None, moment: Moment = parse_iso) -> Content:
    """The file, or standard input for `-`. Raises ConfigError that names the place, OSError."""
    if name == "-":
        text = (sys.stdin if stdin is None else stdin).read(MOST_BYTES + 1)
        _bounded(len(text), "standard input")
        return read_text(text, "standard input", moment)
    try:
        with Path(name).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError([f"{name}: does not exist"]) from error
    except IsADirectoryError as error:
        raise ConfigError([f"{name}: is a directory; name a file in it"]) from error
    _bounded(len(data), name)
    try:
        return read_text(data.decode("utf-8-sig"), name, moment)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{name}: is not text in UTF-8 (byte {error.start})"]) from error


def _bounded(size: int, shown: str) -> None:
    if size > MOST_BYTES:
        raise ConfigError([f"{shown}: is larger than {MOST_BYTES // 1024**2} MiB; cut out the part with the profiles"])


def read_text(text: str, shown: str, moment: Moment = parse_iso) -> Content:
    """JSON, or lines with JSON in them. moment: of times in a log. Raises ConfigError when there is no profile at all, and says why."""
    if not text.strip():
        raise ConfigError([f"{shown}: is empty"])
    reader = _Reader(moment)
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ConfigError([f"{shown}: is nested too deeply"]) from error
    except ValueError as error:  # also a number with thousands of digits, which is no JSONDecodeError
        reader.lines(text)
        if not reader.content.steps:
            raise ConfigError([f"{shown}: is not JSON ({error}), and no line is a message with a profile"]) from error
    else:
        reader.take(value, "")
    content = reader.content
    if not content.steps:
        raise ConfigError([f"{shown}: {note}" for note in content.notes or ["there is no charging profile in it"]])
    content.charges = list(reader.charges)
    return content


def of_station(content: Content, name: str | None) -> Content:
    """What is for one station. name None: the only one. Raises ConfigError that names those there are."""
    names = sorted({step.stamp.station for step in content.steps if step.stamp.station is not None})
    shown = ", ".join(names)
    if name is None and len(names) > 1:
        raise ConfigError([f"there are messages of several stations ({shown}); say which one with --station NAME"])
    if name is not None and name not in names:
        raise ConfigError(
            [f"--station {name}: has no profile here; {f'there is {shown}' if names else 'no station is named'}"]
        )
    chosen = name or next(iter(names), None)
    if chosen is None:
        return content
    steps = [step for step in content.steps if step.stamp.station in {None, chosen}]
    charges = [charge for charge in content.charges if charge.station in {None, chosen}]
    return replace(content, steps=steps, charges=charges)


class _Reader:
    def __init__(self, moment: Moment) -> None:
        self.content = Content()
        self.charges = Charges()
        self._moment = moment
        self._stamp = NOWHERE
        self._asked: dict[tuple[str | None, str], range] = {}  # station and message id -> the steps that it made

    def lines(self, text: str) -> None:
        """A log; it may hold anything else too."""
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            before = len(self.content.steps)
            start, value = _json_in(line)
            if value is not None:
                self._stamp = of_line(line[:start], self._moment)
                self._stamped(value, f"line {number}", 0)
            if len(self.content.steps) == before:
                self.content.skipped += 1
        self.content.notes.clear()

    def take(self, value: Any, where: str, depth: int = 0) -> None:
        """A profile, a payload with some, a frame, or a list of these."""
        match value:
            case [int(kind), str(message), *rest] if kind in {CALL, CALLRESULT}:
                self._frame(kind, message, rest, where)
            case list() if depth < DEEPEST:
                for number, each in enumerate(value):
                    self._stamped(each, f"{where}[{number}]", depth + 1)
            case dict():
                self._object(value, where, depth)
            case _:
                self._note(where, f"expected a charging profile or a message, found {type(value).__name__}")

    def _stamped(self, value: Any, where: str, depth: int) -> None:
        """A value, or the frame that an object of a log holds."""
        frame, around = _frame_in(value), self._stamp
        if frame is not value:
            self._stamp = of_object(value, around, self._moment)
        self.take(frame, where, depth)
        self._stamp = around

    def _note(self, where: str, words: str) -> None:
        self.content.notes.append(f"{where}: {words}" if where else words)

    # --- frames ------------------------------------------------------------------------------------------------------

    def _frame(self, kind: int, message: str, rest: list[Any], where: str) -> None:
        before = len(self.content.steps)
        match kind, rest:
            case (2, [str(action), dict(payload)]) if action in SETTERS:
                if any(name in payload for name in LISTS):
                    self._object(payload, f"{where} {action}".strip(), 0, remote=action in REMOTE_STARTS)
            case (2, [str(action), dict(payload)]) if action == CLEAR:
                self.content.steps.append(_clearing(payload, f"{where} {action}".strip(), self._stamp))
            case (2, [str(action), dict(payload)]):
                self.charges.call(message, action, payload, self._stamp.station)
            case (3, [dict(answer)]):
                self.charges.answer(message, answer, self._stamp.station)
                self._answer(message, answer)
        if len(self.content.steps) == before:
            self.content.skipped += where != "" and not where.startswith("line ")  # lines are counted by `lines`
        else:
            self._asked[self._stamp.station, message] = range(before, len(self.content.steps))

    def _answer(self, message: str, answer: Mapping[str, Any]) -> None:
        """What the station refused is not in force there."""
        status = answer.get("status")
        if not isinstance(status, str) or status == "Accepted":
            return
        info = answer.get("statusInfo")
        reason = info.get("reasonCode") if isinstance(info, dict) else None
        for number in self._asked.pop((self._stamp.station, message), range(0)):
            step = self.content.steps[number]
            if isinstance(step, Found):
                self.content.steps[number] = replace(step, refused=f"{status} ({reason})" if reason else status)

    # --- objects -----------------------------------------------------------------------------------------------------

    def _object(self, value: dict[str, Any], where: str, depth: int, *, remote: bool = False) -> None:
        if _is_profile(value):
            self._found(value, where, {}, remote=remote)
            return
        for name in FRAMES:
            if isinstance(value.get(name), list | dict) and depth < DEEPEST:
                self.take(value[name], f"{where}.{name}" if where else name, depth + 1)
                return
        names = [name for name in LISTS if name in value]
        if not names:
            known = ", ".join(LISTS)
            self._note(where, f"is no charging profile (no chargingSchedule), and has none in {known}")
        for name in names:
            inner, place = value[name], f"{where}.{name}" if where else name
            several = inner if isinstance(inner, list) else [inner]
            for number, each in enumerate(several):
                spot = f"{place}[{number}]" if isinstance(inner, list) else place
                if isinstance(each, dict) and _is_profile(each):
                    self._found(each, spot, value, remote=remote)
                else:
                    self.take(each, spot, depth + 1)

    def _found(self, profile: dict[str, Any], where: str, around: Mapping[str, Any], *, remote: bool) -> None:
        evse = around.get("evseId", around.get("connectorId"))
        if evse is not None and (isinstance(evse, bool) or not isinstance(evse, int) or evse < 0):
            name = "evseId" if "evseId" in around else "connectorId"
            place = where.rpartition(".")[0]
            self._note(f"{place}.{name}" if place else name, "must be an integer, 0 or more; the profile is left out")
            return
        source = around.get("chargingLimitSource")
        self.content.steps.append(
            Found(
                where=where or "profile",
                payload=without_nulls(profile),
                legacy=_is_legacy(profile),
                evse=evse,
                source=source if isinstance(source, str) else None,
                remote=remote,
                stamp=self._stamp,
            )
        )


def _is_profile(value: Mapping[str, Any]) -> bool:
    """Something that means to be one, however wrong: its mistakes are named later."""
    return "chargingSchedule" in value or "chargingProfilePurpose" in value or "chargingProfileId" in value


def _is_legacy(profile: Mapping[str, Any]) -> bool:
    """1.6: chargingProfileId, and one schedule that is no list."""
    return "chargingProfileId" in profile or isinstance(profile.get("chargingSchedule"), dict)


def without_nulls(value: Any) -> Any:
    """Databases write null for what is not there; OCPP leaves it out."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def _clearing(payload: Mapping[str, Any], where: str, stamp: Stamp) -> Clearing:
    criteria = payload.get("chargingProfileCriteria")
    fields = {**payload, **(criteria if isinstance(criteria, dict) else {})}

    def whole(*names: str) -> int | None:
        found = next((fields[name] for name in names if name in fields), None)
        return found if isinstance(found, int) else None

    purpose = fields.get("chargingProfilePurpose")
    return Clearing(
        where=where,
        profile=whole("id", "chargingProfileId"),
        evse=whole("evseId", "connectorId"),
        purpose=purpose if isinstance(purpose, str) else None,
        stack_level=whole("stackLevel"),
        stamp=stamp,
    )


def _whole(digits: str) -> int | float:
    """No field has more than 32 bits; what does not fit into 64 is told as the wrong number that it is, and cheaply."""
    return int(digits) if len(digits) < 19 else float(digits)


# --- lines ------------------------------------------------------------------------------------------------------------


def _frame_in(value: Any) -> Any:
    """A frame that an object of a log holds, as text or as it is; otherwise the value itself."""
    if isinstance(value, dict) and not _is_profile(value):
        for name in TEXTS:
            inner = value.get(name)
            if isinstance(inner, str) and inner.lstrip().startswith("["):
                inner = _json_in(inner)[1]
            if isinstance(inner, list) and inner and inner[0] in {CALL, CALLRESULT}:
                return inner
    return value


def _json_in(line: str) -> tuple[int, Any]:
    """The JSON of a line, also behind a time stamp and an arrow, and where it begins; None when there is none."""
    decoder = json.JSONDecoder(parse_int=_whole)
    for start in _starts(line):
        try:
            return start, decoder.raw_decode(line, start)[0]
        except (ValueError, RecursionError):
            continue
    return 0, None


def _starts(line: str) -> Iterator[int]:
    """Where JSON may begin: the line itself if it looks so, a frame in it, an object in it."""
    start = len(line) - len(line.lstrip())
    if line[start] in "[{":
        yield start
    for mark in ("[2,", "[3,", "{"):
        place = line.find(mark, start + 1)
        if place > 0:
            yield place
