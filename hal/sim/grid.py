"""The supply: a voltage source per phase behind a resistance, shared by every load that is fed from it."""

from __future__ import annotations

from typing import Protocol

from hal.sim.world import World

Phases = tuple[float, float, float]
Lines = tuple[int, int, int]
"""Place (0 to 2) of the supply line on which each phase of an EVSE is, in order of the EVSE's phases."""

ROTATIONS: dict[str, Lines] = {
    "RST": (0, 1, 2),
    "RTS": (0, 2, 1),
    "SRT": (1, 0, 2),
    "STR": (1, 2, 0),
    "TRS": (2, 0, 1),
    "TSR": (2, 1, 0),
}
"""ConnectorPhaseRotation of OCPP 1.6: the supply lines (R is L1, S is L2, T is L3) on the EVSE's L1, L2, L3."""

STRAIGHT = ROTATIONS["RST"]
_ROUNDS = 3  # loads see each other through the sag; three rounds of Gauss-Seidel leave less than a millivolt


def seen_by(lines: Lines, values: Phases) -> Phases:
    """Values of the supply lines, in the order of an EVSE's phases."""
    return (values[lines[0]], values[lines[1]], values[lines[2]])


def on_lines(lines: Lines, values: Phases) -> Phases:
    """Inverse of `seen_by`."""
    return (values[lines.index(0)], values[lines.index(1)], values[lines.index(2)])


class Load(Protocol):
    """Something that draws current, on the phases of its EVSE. Between two `solve` calls it keeps to what the last one decided."""

    def advance(self) -> None:
        """Account for the energy up to now."""

    def solve(self, open_v: Phases, source_ohm: float) -> Phases:
        """Decide the currents (A per phase), given the voltages that there were without this load."""

    def arm(self) -> None:
        """Schedule the next moment at which the load changes by itself."""


class Grid:
    """voltage_v: per line without load. source_ohm: of each line's conductor; makes the voltage sag under load.

    Whatever it takes and tells is in order of its own lines. peak_a: the most that each line has carried since `forget_peak`.
    """

    __slots__ = ("_base_a", "_draws", "_lines", "_voltage_v", "frequency_hz", "lost", "peak_a", "source_ohm", "world")

    def __init__(
        self, world: World, voltage_v: float = 230.0, source_ohm: float = 0.05, frequency_hz: float = 50.0
    ) -> None:
        self.world = world
        self.source_ohm = source_ohm
        self.frequency_hz = frequency_hz
        self.lost: frozenset[int] = frozenset()
        self._voltage_v: Phases = (voltage_v, voltage_v, voltage_v)
        self._base_a: Phases = (0.0, 0.0, 0.0)
        self._draws: dict[Load, Phases] = {}
        self._lines: dict[Load, Lines] = {}
        self.peak_a: Phases = (0.0, 0.0, 0.0)

    def connect(self, load: Load, lines: Lines = STRAIGHT) -> None:
        """A load is there from now on. lines: where its phases are."""
        self._draws[load] = (0.0, 0.0, 0.0)
        self._lines[load] = lines
        self.settle()

    def disconnect(self, load: Load) -> None:
        """It is gone; its energy is accounted up to now. Unknown loads are ignored."""
        if load in self._draws:
            load.advance()
            del self._draws[load]
            del self._lines[load]
            self.settle()

    def set_voltage(self, l1_v: float, l2_v: float, l3_v: float) -> None:
        """Change the no-load voltages."""
        self._voltage_v = (l1_v, l2_v, l3_v)
        self.settle()

    def set_base_load(self, l1_a: float, l2_a: float, l3_a: float) -> None:
        """Amperes that the rest of the site draws."""
        self._base_a = (l1_a, l2_a, l3_a)
        self.settle()

    def lose_phase(self, phase: int) -> None:
        """A fuse blows. phase: 1..3."""
        self.lost |= {phase}
        self.settle()

    def restore_phase(self, phase: int) -> None:
        """The fuse is replaced. phase: 1..3."""
        self.lost -= {phase}
        self.settle()

    def line_a(self) -> Phases:
        """Amperes that each line carries now, the rest of the site included."""
        total = list(self._base_a)
        for draw in self._draws.values():
            for line in range(3):
                total[line] += draw[line]
        l1, l2, l3 = total
        return (l1, l2, l3)

    def forget_peak(self) -> None:
        """`peak_a` begins anew, with what flows now."""
        self.peak_a = self.line_a()

    def open_v(self, load: Load | None = None) -> Phases:
        """Voltages as they would be if `load` drew nothing; with None, as they are."""
        own = self._draws.get(load, (0.0, 0.0, 0.0)) if load is not None else (0.0, 0.0, 0.0)
        total = self.line_a()
        l1, l2, l3 = (
            0.0
            if line + 1 in self.lost
            else max(0.0, self._voltage_v[line] - self.source_ohm * (total[line] - own[line]))
            for line in range(3)
        )
        return (l1, l2, l3)

    def settle(self) -> None:
        """Something has changed: account for energy up to now, find the new currents, schedule what comes next."""
        loads = tuple(self._draws)
        for load in loads:
            load.advance()
        for _ in range(_ROUNDS if len(loads) > 1 else 1):
            for load in loads:
                lines = self._lines[load]
                drawn = load.solve(seen_by(lines, self.open_v(load)), self.source_ohm)
                self._draws[load] = on_lines(lines, drawn)
        l1, l2, l3 = self.line_a()
        self.peak_a = (max(l1, self.peak_a[0]), max(l2, self.peak_a[1]), max(l3, self.peak_a[2]))
        for load in loads:
            load.arm()
