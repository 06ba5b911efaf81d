"""Writes the generated parts of docs/smart_charging.md and its picture: `python -m tests.tools.smart_charging [--check]`.

Between `<!-- begin: NAME -->` and `<!-- end: NAME -->` stands what the program says: the choices of `Policy`, and examples.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import re
import shlex
import sys
from dataclasses import fields
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

from station.__main__ import main as station
from station.cli.explain import _add_policy
from station.config_charging import ChargingSettings
from station.core.charging.policy import Policy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "smart_charging.md"
PICTURE = ROOT / "docs" / "explain.svg"
COMMANDS = {
    "201": "docs/examples/profiles_201.json --at 2025-01-15T12:00 --timezone Europe/Berlin",
    "16": "docs/examples/profiles_16.log --at 2025-01-15T07:32Z",
}
_PART = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
_MADE_BY = re.compile(r"Matplotlib v([\w.]+)")


def explained(name: str, *more: str) -> str:
    """What `station explain` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()), contextlib.chdir(ROOT):
        station(["explain", *shlex.split(COMMANDS[name]), *more])
    return out.getvalue()


def _example(name: str) -> str:
    return f"```text\n$ station explain {COMMANDS[name]}\n{explained(name)}```\n"


def choices() -> str:
    """Every field of Policy, with its values, the default first, the option and the key; fails when one has no option."""
    parser = argparse.ArgumentParser()
    _add_policy(parser)
    options = [action.option_strings[-1] for action in parser._actions if action.dest != "help"]
    keys = {field.name for field in fields(ChargingSettings)}
    rows = ["| choice | values, the default first | `station explain` | `[charging]` |", "|---|---|---|---|"]
    for field in fields(Policy):
        default = getattr(Policy(), field.name)
        values = list(type(default)) if isinstance(default, Enum) else [default, not default]
        ordered = [default, *(value for value in values if value is not default)]
        words = ", ".join(f"`{json.dumps(value.value if isinstance(value, Enum) else value)}`" for value in ordered)
        option = next((o for o in options if _stem(field.name) in o.replace("-", "_")), "")
        assert option or field.name == "station_total", field.name
        shown = (f"`{option}`" if option else "-", f"`{field.name}`" if field.name in keys else "-")
        rows.append(f"| {field.name} | {words} | {' | '.join(shown)} |")
    return "\n".join(rows) + "\n"


def _stem(name: str) -> str:
    return {"phases": "phase_rule", "zero_duration_ends": "zero_duration"}.get(name, name)


def page() -> str:
    """The page as it should be."""
    made = {"policy": choices(), **{f"example_{name}": _example(name) for name in COMMANDS}}
    return _PART.sub(lambda match: f"{match[1]}{made[match[2]]}{match[3]}", PAGE.read_text(encoding="utf-8"))


def picture() -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "explain.svg"
        explained("201", "--svg", str(path))
        return path.read_text(encoding="utf-8")


def _picture_is_current() -> bool:
    """Compared only with the version of matplotlib that made it: another one draws the same in other words."""
    if importlib.util.find_spec("matplotlib") is None or not PICTURE.exists():
        return PICTURE.exists()
    kept, made = PICTURE.read_text(encoding="utf-8"), picture()
    versions = [_MADE_BY.search(text) for text in (kept, made)]
    same = versions[0] is not None and versions[1] is not None and versions[0][1] == versions[1][1]
    return not same or kept == made


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.tools.smart_charging", description=f"Write {PAGE.name}.")
    options.add_argument("--check", action="store_true", help="write nothing, fail when something is not current")
    if not options.parse_args(arguments).check:
        PAGE.write_text(page(), encoding="utf-8")
        PICTURE.write_text(picture(), encoding="utf-8")
        return 0
    old = [
        f.name
        for f, good in ((PAGE, PAGE.read_text(encoding="utf-8") == page()), (PICTURE, _picture_is_current()))
        if not good
    ]
    for name in old:
        print(f"docs/{name} is not current: python -m tests.tools.smart_charging", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
