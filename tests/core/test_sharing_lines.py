"""Sharing per line of the supply (K04): vehicles that follow late, seen through a meter or not at all, on lines known or not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import PilotSignal, PilotState
from station.core.charging.balance import Tuning
from station.core.charging.memory import ChargingSetup
from station.core.charging.profiles import Kind, Purpose
from station.core.effects import Effect, Output
from station.core.events import Event
from station.core.types import EvseInfo
from tests.core.rig import Rig
from tests.core.smart_rig import at, clear, install, limited

FOLLOWS_S = 5.0
SETTLES_S = 6.5
# What a vehicle may draw above its limit and still counts as obeying it.
TOLERANCE_A = 0.5
WHERE = {1: (1, 2, 3), 2: (2,), 3: (3, 1, 2), 4: (3,)}
TOLD = {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "0.RST,1.RST,2.STR,3.Unknown,4.TRS"}


def info(number: int) -> EvseInfo:
    return EvseInfo(number, phases=len(WHERE[number]), phase_switching=number == 3)


@dataclass
class Vehicle:
    """It takes `wish` per phase, and what it was offered before for `late_s` more.

    offers: (second, A, phases) as they came into force, contactor open: 0.
    """

    wish: float
    late_s: float
    offers: list[tuple[float, float, int]] = field(default_factory=list)

    def steady(self, now: float) -> bool:
        return not self.offers or now - self.offers[-1][0] > FOLLOWS_S

    def drawn(self, now: float, phases: int) -> tuple[float, ...]:
        if not self.offers or self.offers[-1][1] == 0.0:
            return (0.0,) * phases
        ends = [*(since for since, _, _ in self.offers[1:]), float("inf")]
        begun = max((i for i, (_, amps, _) in enumerate(self.offers) if amps == 0.0), default=-1)
        recent = [amps for i, (_, amps, _) in enumerate(self.offers) if i > begun and ends[i] > now - self.late_s]
        amps, used = min(self.wish, max(recent)), self.offers[-1][2]
        return tuple(amps if phase < used else 0.0 for phase in range(phases))


class Street(Rig):
    """Four EVSEs with such vehicles. What each line carries is checked after everything that happens."""

    def __init__(self, fuse: float, meters: bool, vehicles: dict[int, Vehicle]) -> None:
        self.vehicles = vehicles
        self.meters = meters
        self.allowed = [(float("-inf"), fuse)]
        self.fuse = fuse
        setup = ChargingSetup(station_max_a=fuse, tuning=Tuning(turn_s=60.0, switch_every_s=60.0))
        super().__init__(evses=4, info=info, overrides=TOLD, charging=setup)

    def _take(self, effects: list[Effect]) -> None:
        super()._take(effects)
        self.check()

    def _obey(self, output: Output) -> list[Event]:
        events = super()._obey(output)
        vehicle, phases = self.vehicles[output.evse], min(output.phases, len(WHERE[output.evse]))
        amps = output.current_a if self.closed[output.evse] and output.pilot is PilotSignal.PWM else 0.0
        if not vehicle.offers or vehicle.offers[-1][1:] != (amps, phases):
            if vehicle.offers and 0.0 not in (amps, vehicle.offers[-1][1]):
                assert vehicle.offers[-1][2] == phases, "phases are switched while nothing flows"
            vehicle.offers.append((self.mono, amps, phases))
        return events

    def _reading(self, evse: int) -> Event:
        self.ignores = set(self.vehicles)
        if self.meters:
            self.draws[evse] = self.vehicles[evse].drawn(self.mono, len(WHERE[evse]))
        return super()._reading(evse)

    def check(self) -> None:
        lines = dict.fromkeys((1, 2, 3), 0.0)
        for evse, vehicle in self.vehicles.items():
            drawn = vehicle.drawn(self.mono, len(WHERE[evse])) if self.closed[evse] else ()
            for line, amps in zip(WHERE[evse], drawn, strict=False):
                lines[line] += amps
        ends = [*(since for since, _ in self.allowed[1:]), float("inf")]
        most = max(fuse for (_, fuse), end in zip(self.allowed, ends, strict=True) if end > self.mono - SETTLES_S)
        assert max(lines.values()) <= most + TOLERANCE_A * len(self.vehicles), (self.mono, lines, most)

    def limit(self, most: float | None) -> None:
        """A ChargingStationMaxProfile comes, or (None) goes."""
        self.allowed.append((self.mono, min(self.fuse, self.fuse if most is None else most)))
        if most is None:
            clear(self, evse=0)
        else:
            profile = limited(9, Purpose.STATION_MAX, (0, most), kind=Kind.ABSOLUTE, start=at(self))
            install(self, profile, evse=0)


ACTS = st.tuples(
    st.sampled_from(["come", "come", "come", "go", "C", "B", "wish", "limit", "free", "phases", "station"]),
    st.integers(1, 4),
    st.sampled_from([0, 1, 2, 4, 7, 20, 65]),
)
STATION_A = (0.0, 9.0, 16.0, 25.0, None)


@settings(max_examples=60, deadline=None)
@given(
    fuse=st.sampled_from([10, 16, 20, 32, 32, 50]),
    meters=st.booleans(),
    late=st.lists(st.sampled_from([0.0, 3.0, FOLLOWS_S]), min_size=4, max_size=4),
    wishes=st.lists(st.sampled_from([6.0, 10.0, 16.0, 32.0]), min_size=4, max_size=8),
    acts=st.lists(ACTS, min_size=5, max_size=40),
)
def test_no_line_carries_more_than_its_fuse(
    fuse: int, meters: bool, late: list[float], wishes: list[float], acts: list[tuple[str, int, int]]
) -> None:
    """Whoever comes, goes, changes its mind, follows late or is paused; a supply that falls has the vehicles' time to be obeyed."""
    turns, maxima = itertools.cycle(wishes), itertools.cycle(STATION_A)
    street = Street(float(fuse), meters, {n: Vehicle(next(turns), late[n - 1]) for n in range(1, 5)})
    for act, number, seconds in acts:
        match act:
            case "come":
                street.plug(number)
                if not street.station.view(street.now()).evses[number - 1].authorized:
                    street.swipe(f"0BADCAF{number}", number)
                street.pilot(PilotState.C, number)
            case "go":
                street.unplug(number)
            case "wish":
                if street.vehicles[number].steady(street.mono):
                    street.vehicles[number].wish = next(turns)
            case "limit":
                install(street, limited(number, Purpose.TX_DEFAULT, (0, 9.0 * number)), evse=number)
            case "phases":
                install(street, limited(10, Purpose.TX_DEFAULT, (0, 20.0), phases=1, stack_level=2), evse=3)
            case "free":
                clear(street, evse=number)
            case "station":
                street.limit(next(maxima))
            case _:
                street.pilot(PilotState(act), number)
        street.check()
        for _ in range(seconds):
            street.wait(1.0)
            street.check()
