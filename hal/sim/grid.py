"""The supply: a voltage source per phase behind a resistance, shared by every load that is fed from it."""

from __future__ import annotations

from typing import Protocol

from hal.sim.world import World

Phases = tuple[float, float, float]

_ROUNDS = 3  # loads see each other through the sag; three rounds of Gauss-Seidel leave less than a millivolt


class Load(Protocol):
    """Something that draws current. Between two `solve` calls it keeps to what the last one decided."""

    def advance(self) -> None:
        """Account for the energy up to now."""

    def solve(self, open_v: Phases, source_ohm: float) -> Phases:
        """Decide the currents (A per phase), given the voltages that there were without this load."""

    def arm(self) -> None:
        """Schedule the next moment at which the load changes by itself."""


class Grid:
    """voltage_v: per phase without load. source_ohm: of each phase conductor; makes the voltage sag under load."""

    __slots__ = ("_base_a", "_draws", "_voltage_v", "frequency_hz", "lost", "source_ohm", "world")

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

    def connect(self, load: Load) -> None:
        """A load is there from now on."""
        self._draws[load] = (0.0, 0.0, 0.0)
        self.settle()

    def disconnect(self, load: Load) -> None:
        """It is gone; its energy is accounted up to now. Unknown loads are ignored."""
        if load in self._draws:
            load.advance()
            del self._draws[load]
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

    def open_v(self, load: Load | None = None) -> Phases:
        """Voltages as they would be if `load` drew nothing; with None, as they are."""
        own = self._draws.get(load, (0.0, 0.0, 0.0)) if load is not None else (0.0, 0.0, 0.0)
        drawn = [self._base_a[phase] - own[phase] for phase in range(3)]
        for draw in self._draws.values():
            for phase in range(3):
                drawn[phase] += draw[phase]
        l1, l2, l3 = (
            0.0 if phase + 1 in self.lost else max(0.0, self._voltage_v[phase] - self.source_ohm * drawn[phase])
            for phase in range(3)
        )
        return (l1, l2, l3)

    def settle(self) -> None:
        """Something has changed: account for energy up to now, find the new currents, schedule what comes next."""
        loads = tuple(self._draws)
        for load in loads:
            load.advance()
        for _ in range(_ROUNDS if len(loads) > 1 else 1):
            for load in loads:
                self._draws[load] = load.solve(self.open_v(load), self.source_ohm)
        for load in loads:
            load.arm()
