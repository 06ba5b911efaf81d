"""Days of four EVSEs that share a supply (K04): real currents of simulated vehicles against the fuse, at every instant."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from hal.api import FaultCode
from station.core.charging.balance import Strategy, Tuning
from station.core.charging.memory import ChargingSetup
from station.errors import ControlError
from station.sim.lab import Lab, LabSettings, run_lab
from tests.sim.sharing_street import Bay, Fuse, Watch

TOKENS = ("T1", "T2", "T3", "T4")
HOUR = 3600.0
VEHICLES: tuple[dict[str, object], ...] = (
    {"phases": 3, "max_a": 16.0, "follow_s": 5.0},
    {"phases": 1, "max_a": 32.0, "start_s": 4.0},
    {"phases": 3, "max_a": 32.0, "follow_s": 0.0},
    {"phases": 2, "max_a": 16.0, "keeps_phases": True, "stop_s": 3.0},
    {"phases": 1, "max_a": 7.2, "capacity_wh": 8000.0},
    {"phases": 3, "max_a": 16.0, "capacity_wh": 6000.0, "stop_s": 3.0},
    {"phases": 3, "max_a": 32.0, "ignores_x1": True},
)
ROTATED = {"evse": [{"rotation": "RST"}, {"rotation": "STR", "phases": 1}, {"rotation": "TRS"}, {"rotation": "RTS"}]}
AS_TOLD = {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "0.RST,1.RST,2.STR,3.TRS,4.RTS"}
SWITCHING = {"phase_switching": True}


@dataclass
class Day:
    """What a day is like, and what must have been reached at its end.

    used: least part of what the vehicles could have had. waited_s: longest that any was without energy. moves, states: most
    outputs, and messages about states or transactions, per hour.
    """

    setup: ChargingSetup
    fuse: Fuse
    hours: float = 1.5
    board: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ("2.0.1",)
    maximum: tuple[str, Sequence[float | None], float] | None = None
    accidents: bool = False
    used: float = 0.65  # a vehicle with one phase at an EVSE with three takes all three lines (decision 11)
    waited_s: float = 20.0
    moves: float = 160.0
    states: float = 80.0


DAYS = {
    "a fuse": Day(ChargingSetup(station_max_a=32.0), Fuse(32.0)),
    "turns": Day(
        ChargingSetup(station_max_a=12.0, tuning=Tuning(turn_s=300.0)),
        Fuse(12.0),
        waited_s=700.0,
        used=0.55,
        states=110.0,
    ),
    "rotated lines and 1.6": Day(
        ChargingSetup(station_max_a=20.0),
        Fuse(20.0),
        board=ROTATED,
        variables=AS_TOLD,
        versions=("1.6",),
        waited_s=905.0,
    ),
    "a power, and phases that are switched": Day(
        ChargingSetup(station_max_w=7000.0, tuning=Tuning(strategy=Strategy.DEPARTURE)),
        Fuse(total_w=7000.0),
        board=SWITCHING,
        waited_s=320.0,  # who has just changed its phases does not change them again for a newcomer
    ),
    "a maximum that changes": Day(
        ChargingSetup(station_max_a=32.0, tuning=Tuning(strategy=Strategy.PRIORITY), priority={2: 1}),
        Fuse(32.0),
        maximum=("A", (20.0, 9.0, None, 13.0, 0.0, 26.0), 900.0),
        waited_s=2700.0,
    ),
    "a maximum in watts": Day(
        ChargingSetup(station_max_a=32.0),
        Fuse(32.0),
        board=ROTATED,
        variables=AS_TOLD,
        maximum=("W", (11000.0, 5000.0, None, 3000.0, 17000.0), 600.0),
        waited_s=2700.0,
    ),
    "accidents": Day(
        ChargingSetup(station_max_a=32.0),
        Fuse(32.0),
        accidents=True,
        used=0.5,
        waited_s=200.0,
        moves=400.0,
        states=300.0,
    ),
}


async def maximum(lab: Lab, day: Day, told: list[Fuse]) -> None:
    """A ChargingStationMaxProfile that is another one again and again."""
    assert day.maximum is not None
    unit, values, every_s = day.maximum
    for value in itertools.cycle(values):
        if value is None:
            await lab.control().do("profile_clear", {"id": 77})
            told[0] = day.fuse
        else:
            profile = {"steps": [[0, value]], "evse": 0, "purpose": "ChargingStationMaxProfile", "id": 77}
            await lab.control().do("profile_add", {**profile, "unit": unit, "start": "now"})
            told[0] = Fuse(min(day.fuse.line_a, value)) if unit == "A" else Fuse(day.fuse.line_a, value)
        await asyncio.sleep(every_s)


async def accidents(lab: Lab, rng: random.Random) -> None:
    """Power cuts, restarts, meters and contactors that fail, an RCD, a mushroom button, a network that comes and goes."""
    while True:
        await asyncio.sleep(rng.uniform(60.0, 600.0))
        evse, lasts_s = rng.randint(1, 4), rng.uniform(1.0, 60.0)
        match rng.choice(("cut", "restart", "meter", "frozen", "ground", "emergency", "network", "hot", "weld")):
            case "cut":
                await lab.power_cut(warning=rng.random() < 0.5)
                await asyncio.sleep(lasts_s)
                await lab.power_on()
            case "restart":
                await lab.restart()
            case "meter" | "ground" as what:
                code = FaultCode.METER_FAILURE if what == "meter" else FaultCode.GROUND_FAILURE
                lab.fault(code, evse)
                await asyncio.sleep(lasts_s)
                lab.clear(code, evse)
            case "frozen":
                lab.board.evse(evse).meter.freeze()
                await asyncio.sleep(lasts_s)
                lab.board.evse(evse).meter.thaw()
            case "emergency":
                lab.board.fault(FaultCode.EMERGENCY_STOP)
                await asyncio.sleep(lasts_s)
                lab.board.clear(FaultCode.EMERGENCY_STOP)
            case "network":
                await lab.offline()
                await asyncio.sleep(lasts_s)
                await lab.go_online()
            case "hot":
                lab.board.temperature(evse, 72.0)
                await asyncio.sleep(lasts_s)
                lab.board.temperature(evse, 25.0)
            case "weld":
                lab.board.weld(evse)
                await asyncio.sleep(lasts_s)
                lab.board.weld(evse, False)
                with suppress(ControlError):  # where nothing was welded there is nothing to reset
                    await lab.control().do("reset_fault", {"evse": evse})


def live(day: Day, seed: str, hours: float) -> tuple[Watch, list[Bay], list[str]]:
    """The day; what was seen, who came, and what the CSMS had to complain of."""

    async def work(lab: Lab) -> tuple[Watch, list[Bay], list[str]]:
        told = [day.fuse]
        watch = Watch(lab, lambda: told[0])
        bays = [
            Bay(lab, n, random.Random(f"{seed}/{n}"), TOKENS[n - 1], VEHICLES, (600.0, 3600.0), (30.0, 600.0))
            for n in range(1, 5)
        ]
        await asyncio.sleep(5.0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bay.live()) for bay in bays]
            if day.maximum is not None:
                tasks.append(group.create_task(maximum(lab, day, told)))
            if day.accidents:
                tasks.append(group.create_task(accidents(lab, random.Random(f"{seed}/accidents"))))
            await watch.look(hours * HOUR)
            for task in tasks:
                task.cancel()
        assert lab.csms is not None
        return watch, bays, lab.csms.station("PILOT-1").complaints

    settings = LabSettings(
        csms_fast=True,
        versions=day.versions,
        evses=4,
        seed=seed,
        tokens=TOKENS,
        charging=day.setup,
        board=day.board,
        variables={"SampledDataCtrlr.TxUpdatedInterval": "900", **day.variables},
        meter_poll_s=10.0,
    )
    return run_lab(settings, work)


@pytest.mark.parametrize("name", DAYS)
def test_a_day(name: str) -> None:
    day = DAYS[name]
    watch, bays, complaints = live(day, f"day/{name}", day.hours)
    assert watch.over == [], "the supply carries no more than its fuse, at any instant"
    assert complaints == []
    used = watch.carried_wh / watch.could_wh
    starved = max(watch.starved_s.values())
    told = watch.frames["StatusNotification"] + watch.frames["TransactionEvent"]
    assert used >= day.used, "what there is gets used"
    assert starved <= day.waited_s, "nobody is left without"
    assert len(watch.offers) / day.hours <= day.moves, "no flapping of limits"
    assert told / day.hours <= day.states, "no flapping of states"
    if not day.accidents:
        assert all(car.drawn_wh > 0.0 for bay in bays for car, stayed_s in bay.cars if stayed_s > day.waited_s + 60.0)


def test_the_watch_sees_too_much() -> None:
    watch, _, _ = live(replace(DAYS["a fuse"], fuse=Fuse(24.0)), "watch", 0.5)
    assert watch.over


def test_the_same_seed_gives_the_same_day() -> None:
    def offers(seed: str) -> list[object]:
        return list(live(DAYS["a fuse"], seed, 0.5)[0].offers)

    assert offers("1") == offers("1")
    assert offers("1") != offers("2")
