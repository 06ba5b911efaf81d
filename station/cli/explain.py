"""`station explain`: the composite schedule of a file of charging profiles, and why it is so."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from station.errors import ConfigError

if TYPE_CHECKING:
    from station.cli.explain_profiles import Question
    from station.core.charging.composite import Zone
    from station.zone import LocalZone

OK, FAILED, WRONG = 0, 1, 2
LONGEST_S = 366 * 86_400
# Words of the engine's enumerations, the default first: the command line starts without the engine, a test compares them.
UNITS = ("A", "W")
GAPS = ("hardware", "omit")
PHASE_RULES = ("lowest", "winner")
DESCRIPTION = """The limit over time that a station works out of its charging profiles, and one sentence for every change of it or of
its cause. The file holds profiles of OCPP 1.6, 2.0.1 or 2.1, requests with profiles, whole messages, or a log with one message a line.
What a station would refuse is told and left out; the exit code is 1 then."""
_DURATION = re.compile(
    r"(?:(\d{1,9})\s*d\s*)?(?:(\d{1,9})\s*h\s*)?(?:(\d{1,9})\s*m(?:in)?\s*)?(?:(\d{1,9})\s*s?)?", re.IGNORECASE
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain` to the command line."""
    explain = commands.add_parser(
        "explain",
        help="why this current? the composite schedule of charging profiles",
        description=" ".join(DESCRIPTION.split()),
    )
    explain.add_argument("file", metavar="FILE", help="JSON, or a log with a message a line; - reads standard input")
    explain.add_argument(
        "--at", type=_time, default="now", metavar="TIME", help="where it begins: RFC 3339, or now (default: now)"
    )
    explain.add_argument(
        "--duration",
        type=_duration,
        default=86_400,
        metavar="24h",
        help="how long: 90m, '10 min', 24h, 7d, seconds (default: 24h)",
    )
    explain.add_argument(
        "--unit",
        choices=UNITS,
        help="A per phase or W in total (default: A; direct current: W)",
    )
    explain.add_argument(
        "--evse",
        type=_count,
        metavar="N",
        help="EVSE or connector; 0: the grid connection (default: the first in the file)",
    )
    explain.add_argument("--station", metavar="NAME", help="whose messages count in a log of several stations")
    explain.add_argument(
        "--timezone",
        metavar="NAME",
        help="local time for display and useLocalTime, such as Europe/Berlin (default: UTC)",
    )
    explain.add_argument(
        "--keep-going", action="store_true", help="use profiles that a station would refuse, where they can be read"
    )
    explain.add_argument("--json", action="store_true", help="one JSON object, for programs")
    explain.add_argument("--svg", type=Path, metavar="FILE", help="also draw a picture (needs the extra plot)")
    explain.add_argument("--png", type=Path, metavar="FILE", help="the same as PNG")
    _add_station(explain)
    _add_policy(explain)
    explain.set_defaults(handler=_run)


def _add_station(explain: argparse.ArgumentParser) -> None:
    group = explain.add_argument_group("the station")
    group.add_argument(
        "--voltage", type=_positive, default=Fraction(230), metavar="V", help="phase to neutral (default: 230)"
    )
    group.add_argument(
        "--phases", type=int, choices=range(4), default=3, help="of the supply; 0: direct current (default: 3)"
    )
    group.add_argument(
        "--max-a", type=_positive, metavar="A", help="what the hardware can deliver per phase (default: any)"
    )
    group.add_argument(
        "--transaction",
        metavar="ID",
        help="the running transaction (default: the one that the profiles or the log name)",
    )
    group.add_argument(
        "--started",
        type=_time,
        metavar="TIME",
        help="when it was authorised and connected; Relative starts there (default: what a log tells of its start, else --at)",
    )
    group.add_argument(
        "--no-transaction",
        action="store_true",
        help="none runs: TxProfiles are left out, and one that begins at --at is assumed (K08.FR.06)",
    )
    group.add_argument("--offline-since", type=_time, metavar="TIME", help="since when the CSMS is out of reach")


def _add_policy(explain: argparse.ArgumentParser) -> None:
    group = explain.add_argument_group("where the specification leaves room (docs/smart_charging.md)")
    group.add_argument(
        "--gaps",
        choices=GAPS,
        default=GAPS[0],
        help="what is shown where no profile gives a limit (default: %(default)s)",
    )
    group.add_argument(
        "--phase-rule",
        choices=PHASE_RULES,
        default=PHASE_RULES[0],
        help="whose numberPhases counts: the lowest of all, or the winner's (default: %(default)s)",
    )
    group.add_argument(
        "--recurring-before-start",
        action="store_true",
        help="a Recurring profile also repeats before its startSchedule",
    )
    group.add_argument(
        "--touching-overlaps", action="store_true", help="validTo equal to another's validFrom counts as overlapping"
    )
    group.add_argument(
        "--zero-duration-lasts", action="store_true", help="a schedule with duration 0 counts as without duration"
    )


# --- kinds of arguments -----------------------------------------------------------------------------------------------


def _time(text: str) -> str:
    """Checked here, read when the time zone is known."""
    if text != "now":
        try:
            datetime.fromisoformat(text.strip().upper())
        except ValueError as error:
            raise argparse.ArgumentTypeError(
                f"must be a time such as 2025-01-15T07:00:00Z or 2025-01-15T07:00, or now (got {text})"
            ) from error
    return text


def _duration(text: str) -> int:
    match = _DURATION.fullmatch(text.strip())
    days, hours, minutes, rest = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if not 0 < seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"must be a duration such as 90m, '10 min', 24h, 7d or 3600 s, up to 366d (got {text})"
        )
    return seconds


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"must be 0 or more (got {text})")
    return int(text)


def _positive(text: str) -> Fraction:
    if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text, re.ASCII) and Fraction(text) > 0:
        return Fraction(text)
    raise argparse.ArgumentTypeError(f"must be a number above 0 with at most three decimals (got {text})")


# --- running ----------------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    import json

    from station.cli import explain_input, explain_profiles, explain_show

    question = _question(arguments)
    if arguments.svg or arguments.png:
        from station.cli.explain_plot import check_installed

        check_installed()
    content = explain_input.read_file(arguments.file, moment=lambda text: _moment(text, question.zone))
    found = explain_profiles.answer(explain_input.of_station(content, arguments.station), question)
    for warned in found.refused:
        print(f"warning: {warned}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(explain_show.as_json(found), ensure_ascii=False, indent=2))
    else:
        explain_show.show_on(sys.stdout, found)
    for path, kind in ((arguments.svg, "svg"), (arguments.png, "png")):
        if path is not None:
            from station.cli.explain_plot import draw

            draw(found, path, kind)
            print(f"{path}: written", file=sys.stderr)
    return FAILED if found.refused else OK


def _question(arguments: argparse.Namespace) -> Question:
    from station.cli.explain_profiles import Question
    from station.core.charging.policy import Gaps, PhaseRule, Policy
    from station.core.charging.profiles import RateUnit

    if arguments.phases == 0 and arguments.unit == "A":
        raise ConfigError(["--unit A: direct current has no current per phase here; use --unit W"])
    if arguments.no_transaction and (arguments.transaction or arguments.started):
        raise ConfigError(["--no-transaction: does not go with --transaction and --started"])
    zone = None if arguments.timezone is None else _zone(arguments.timezone)
    at = _wall(arguments.at, zone)
    return Question(
        at=at,
        duration=arguments.duration,
        unit=None if arguments.unit is None else RateUnit(arguments.unit),
        evse=arguments.evse,
        voltage_v=arguments.voltage,
        phases=arguments.phases,
        max_a=arguments.max_a,
        transaction=arguments.transaction,
        started=None if arguments.started is None else _wall(arguments.started, zone),
        running=not arguments.no_transaction,
        zone=zone,
        zone_name=arguments.timezone or "",
        offline_since=None if arguments.offline_since is None else _wall(arguments.offline_since, zone),
        policy=Policy(
            gaps=Gaps(arguments.gaps),
            phases=PhaseRule(arguments.phase_rule),
            recurring_before_start=arguments.recurring_before_start,
            touching_overlaps=arguments.touching_overlaps,
            zero_duration_ends=not arguments.zero_duration_lasts,
        ),
        keep_going=arguments.keep_going,
    )


def _zone(name: str) -> LocalZone | None:
    from station.zone import find_zone

    try:
        return find_zone(name)
    except ValueError as error:
        raise ConfigError([f"--timezone: {error}; for instance Europe/Berlin"]) from error


def _wall(text: str, zone: Zone | None) -> int:
    """Whole wall seconds of an argument."""
    from station.clock import Clock

    if text == "now":
        return int(Clock().now().wall)
    try:
        return int(_moment(text, zone))
    except (OverflowError, ValueError) as error:
        raise ConfigError([f"{text}: is out of range"]) from error


def _moment(text: str, zone: Zone | None) -> float:
    """Wall seconds; a time without an offset is one of the local clock. Raises ValueError, OverflowError."""
    from station.clock import parse_iso

    wall = parse_iso(text)
    if zone is None or datetime.fromisoformat(text.strip().upper()).tzinfo is not None:
        return wall
    return wall - zone.offset_s(int(wall) - zone.offset_s(int(wall)))
