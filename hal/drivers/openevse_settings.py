"""The settings of driver "openevse", checked, and the unit and board that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.bus.serial import Line
from hal.drivers.openevse_state import CHECKS
from hal.errors import ConfigError
from hal.settings import SettingsReader

BAUD = 115200
LEAST_A, MOST_A = 6.0, 80.0
LEAST_HEARTBEAT_S = 3
MOST_HEARTBEAT_S = 60  # the AVR multiplies by 1000 in 16 bits: from 66 s on it would mean another time


@dataclass(frozen=True, slots=True)
class OpenEvseSettings:
    """min_a, max_a: what may be offered. heartbeat_s: seconds after which the board falls to `host_loss_a` when this program
    is silent; 0: never. timeout_s: for one answer. checks_off: names of the board's safety checks that may be off.
    """

    line: Line
    name: str
    min_a: float
    max_a: float
    phases: int
    voltage_v: float
    heartbeat_s: int
    host_loss_a: int
    timeout_s: float
    meter: bool
    lock: bool
    button: bool
    fixed_cable: bool
    connector_type: str
    ventilated: bool
    stop_at_once: bool
    checks_off: frozenset[str]

    @property
    def pulse_s(self) -> float:
        """Seconds between pulses: two fit into the board's patience, with time for a repetition."""
        return 0.4 * (self.heartbeat_s or 5)

    @property
    def supervision(self) -> str:
        """How the board watches this program, in words (hal.api.Board)."""
        if self.heartbeat_s:
            words = (
                f"sign of life (SY) every {self.pulse_s:g} s, without it the board goes down to {self.host_loss_a} A after "
                f"{self.heartbeat_s} s and does not open; armed and read back at every start of the station or the board"
            )
        else:
            words = (
                "the board is told not to watch this program (board.heartbeat_s = 0), which is read back at the start"
            )
        if self.checks_off:
            words += f"; safety checks that may be off in the board: {', '.join(sorted(self.checks_off))}"
        return words


def read_settings(settings: Mapping[str, object]) -> OpenEvseSettings:
    """Raises ConfigError naming every field that is wrong."""
    reader = SettingsReader("board", settings)
    port = reader.text("port", "")
    if "port" not in settings:
        reader.problems.append("board.port: is missing; must be /dev/... (see /dev/serial/by-id) or socket://host:port")
    line = _line(reader, port, reader.integer("baud", BAUD, 1200, 4_000_000))
    fixed_cable = reader.flag("fixed_cable", True)
    max_a = reader.number("max_a", 32.0, LEAST_A, MOST_A)
    heartbeat_s = reader.integer("heartbeat_s", 5, 0, MOST_HEARTBEAT_S)
    if 0 < heartbeat_s < LEAST_HEARTBEAT_S:
        reader.problems.append(f"board.heartbeat_s: must be 0 or at least {LEAST_HEARTBEAT_S}, is {heartbeat_s}")
    found = OpenEvseSettings(
        line=line,
        name=reader.text("name", "openevse"),
        min_a=reader.number("min_a", LEAST_A, LEAST_A, max_a),
        max_a=max_a,
        phases=reader.integer("phases", 1, 1, 3),
        voltage_v=reader.number("voltage_v", 230.0, 80.0, 300.0),
        heartbeat_s=heartbeat_s,
        host_loss_a=reader.integer("host_loss_a", int(LEAST_A), int(LEAST_A), int(max_a)),
        timeout_s=reader.number("timeout_s", 0.5, 0.1, 5.0),
        meter=reader.flag("meter", True),
        lock=reader.flag("lock", False),
        button=reader.flag("button", False),
        fixed_cable=fixed_cable,
        connector_type=reader.text("connector_type", "cType1" if fixed_cable else "sType2"),
        ventilated=reader.flag("ventilated", False),
        stop_at_once=reader.flag("stop_at_once", True),
        checks_off=_checks(reader),
    )
    if found.phases == 2:
        reader.problems.append("board.phases: must be 1 or 3, is 2")
    if found.lock and fixed_cable:
        reader.problems.append(
            "board.lock: a fixed cable has no lock; set board.fixed_cable to false, or leave lock out"
        )
    reader.finish()
    return found


def _line(reader: SettingsReader, port: str, baud: int) -> Line:
    try:
        return Line(port or "/dev/null", baud)
    except ConfigError as error:
        reader.problems.append(str(error).replace("line.", "board.", 1))
        return Line("/dev/null")


def _checks(reader: SettingsReader) -> frozenset[str]:
    """A list of names in one text: "ground, diode"."""
    text = reader.text("checks_off", "none")
    names = frozenset(name.strip() for name in text.split(",")) - {"none", ""}
    for name in sorted(names - CHECKS.keys()):
        reader.problems.append(f"board.checks_off: no check is called {name!r}; known are {', '.join(CHECKS)}")
    return names & CHECKS.keys()
