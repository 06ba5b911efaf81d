"""The example configuration and its reference page, made from the settings classes.

`python -m station.config_doc` prints the page that docs/configuration.md holds.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from hal.sim.settings import BOARD_KEYS, EVSE_KEYS
from station import config
from station.config_charging import ChargingSettings
from station.config_fields import kind_of

__all__ = ["document", "example"]

TABLES: tuple[tuple[str, type], ...] = (
    ("[station]", config.StationSettings),
    ("[csms]", config.CsmsSettings),
    ("[[network]]", config.NetworkSettings),
    ("[store]", config.StoreSettings),
    ("[[board]]", config.BoardSettings),
    ("[[evse]]", config.EvseSettings),
    ("[[meter]]", config.MeterSettings),
    ("[[reader]]", config.ReaderSettings),
    ("[log]", config.LogSettings),
    ("[clock]", config.ClockSettings),
    ("[security]", config.SecuritySettings),
    ("[files]", config.FilesSettings),
    ("[control]", config.ControlSettings),
    ("[charging]", ChargingSettings),
)
VARIABLES = (
    "Defaults of the device model, by component and variable as OCPP 2.x names them. What the CSMS sets later wins. "
    "An instance stands in brackets, an EVSE after #; such names need quotes."
)
VARIABLE_EXAMPLES = (
    ("TxCtrlr.EVConnectionTimeOut", 60),
    ("SampledDataCtrlr.TxUpdatedInterval", 60),
    ("OCPPCommCtrlr.MessageTimeout[Default]", 30),
)
WIDTH = 118
SIMULATED = (
    "A simulated board, to try things out without hardware. What is given for an EVSE beside `driver` holds for all of "
    "them; `[[board.evse]]` tables, one for each EVSE in the board's order, say what is different."
)
SIMULATED_EXAMPLE = (
    "[[board]]",
    'driver = "sim"',
    "evses = [1, 2]",
    "report_soc = true",
    "[[board.evse]]",
    "max_a = 16",
    "[[board.evse]]",
    "fixed_cable = true",
)


def example() -> str:
    """A commented file that loads as it is: what must be given is given, the rest is shown as a comment."""
    parts = [
        "# Configuration of a charging station. Lines that are commented out show the default, or an example where\n"
        "# there is none. Check with: station check FILE\n"
    ]
    parts += ["\n".join(_example_table(header, cls)) + "\n" for header, cls in TABLES]
    rows = [f"# {json.dumps(name)} = {value}" for name, value in VARIABLE_EXAMPLES]
    parts.append("\n".join([*_comment(VARIABLES), "[variables]", *rows]) + "\n")
    return "\n".join(parts)


def _example_table(header: str, cls: type) -> Iterator[str]:
    shown = [field for field in fields(cls) if "kind" in field.metadata]
    # A table in double brackets that has to be there is there once; one that need not is a comment as a whole.
    optional = header.startswith("[[") and cls is not config.BoardSettings
    yield from _comment(inspect.getdoc(cls) or "")
    yield f"# {header}" if optional else header
    for field in shown:
        yield ""
        yield from _comment(f"{field.metadata['doc']} {_sentence(kind_of(field.metadata).words)}.")
        required = field.default is MISSING
        value = field.metadata["example"] if required or field.default is None else field.default
        yield ("" if required and not optional else "# ") + f"{field.name} = {_toml(value)}"


def document() -> str:
    """The reference in Markdown."""
    parts = [
        "# Configuration\n",
        "The station reads one TOML file. `station config example` prints a commented one to start from, and",
        "`station check FILE` tells every mistake in it at once. Relative file names are looked for from the directory",
        "of the file. This page is generated from the settings classes: `python -m station.config_doc`.\n",
    ]
    for header, cls in TABLES:
        parts += [f"## `{header}`\n", *textwrap.wrap(" ".join((inspect.getdoc(cls) or "").split()), WIDTH), ""]
        parts += ["| Key | Value | Default | Meaning |", "|---|---|---|---|"]
        parts += [_row(field) for field in fields(cls) if "kind" in field.metadata]
        parts.append("")
        if cls is config.BoardSettings:
            parts += _simulated()
    parts += ["## `[variables]`\n", *textwrap.wrap(VARIABLES, WIDTH), "", "```toml", "[variables]"]
    parts += [f"{json.dumps(name)} = {value}" for name, value in VARIABLE_EXAMPLES]
    parts += ["```", ""]
    return "\n".join(parts)


def _simulated() -> Iterator[str]:
    yield "### Driver `sim`\n"
    yield from textwrap.wrap(SIMULATED, WIDTH)
    for first, keys in (("Key of the board", BOARD_KEYS), ("Key of an EVSE", EVSE_KEYS)):
        yield from ("", f"| {first} | Value | Default | Meaning |", "|---|---|---|---|")
        for key in keys:
            yield f"| `{key.name}` | {key.words} | `{_toml(key.default)}` | {key.doc} |"
    yield from ("", "```toml", *SIMULATED_EXAMPLE, "```", "")


def _row(field: Field[Any]) -> str:
    default = "**required**"
    if field.default is not MISSING:
        default = "none" if field.default is None else f"`{_toml(field.default)}`"
    cells = (f"`{field.name}`", kind_of(field.metadata).words, default, field.metadata["doc"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _comment(text: str) -> list[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return [f"# {line}" for paragraph in paragraphs for line in textwrap.wrap(paragraph, WIDTH)]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _toml(value: object) -> str:
    """A value as TOML writes it; JSON agrees for what settings are made of."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    print(document(), end="")
