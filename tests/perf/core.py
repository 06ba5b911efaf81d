"""The pure heart: one transition, one turn, one whole session, and what they weigh."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial

from hal.api import MeterRead, MeterReading, PilotChanged, PilotSignal, PilotState
from station.clock import Now
from station.core.components import standard_definitions
from station.core.connector import Connector
from station.core.device_model import DeviceModel
from station.core.effects import Effect
from station.core.events import Event
from station.core.pilot import Pilot
from station.core.station import Station
from station.core.types import EvseInfo, StopReason
from tests.core.rig import Rig
from tests.perf.rows import Row
from tests.perf.timing import Effort, in_turns

MOST_TRIGGER_US = 10.0  # docs/performance.md
MOST_MACHINES_KB = 0.2
SAMPLES_PER_SESSION = 60

Step = tuple[Event | None, Now]  # None: the core's own timer


def rows(effort: Effort) -> list[Row]:
    return [_trigger(effort), *_turns(effort), _session(effort), *_weights(effort)]


# --- one transition ---------------------------------------------------------------------------------------------------


def _trigger(effort: Effort) -> Row:
    costs = in_turns({"table": _transitions, "dict": _by_hand}, effort.times(20_000, 2), effort.rounds)
    return Row(
        group="core",
        what="one state-machine transition",
        unit="us CPU",
        ours=costs["table"] * 1e6,
        against="a bare dict as table",
        other=costs["dict"] * 1e6,
        most=MOST_TRIGGER_US,
    )


def _transitions(n: int) -> None:
    pilot = Pilot()
    pilot.see(PilotState.B)
    for _ in range(n // 2):
        pilot.signal(PilotSignal.PWM)
        pilot.signal(PilotSignal.OFF)


def _by_hand(n: int) -> None:
    table = {("B1", "offer"): "B2", ("B2", "withdraw"): "B1"}
    pilot = Pilot()
    pilot.state = "B1"
    for _ in range(n // 2):
        pilot.state = table[pilot.state, "offer"]
        pilot.state = table[pilot.state, "withdraw"]


# --- one turn ---------------------------------------------------------------------------------------------------------


def _turns(effort: Effort) -> list[Row]:
    n = effort.times(2_000, 2)
    found = []
    candidates: dict[str, Callable[[int], None]] = {
        "turn: a meter reading while charging": _readings,
        "turn: the pilot changes (C to B or back)": _pilots,
    }
    for what, cost in in_turns(candidates, n, effort.rounds).items():
        found.append(Row(group="core", what=what, unit="us CPU", ours=cost * 1e6))
    return found


def _charging() -> tuple[Station, Rig]:
    rig = Rig()
    rig.charge()
    return rig.station, rig


def _readings(n: int) -> None:
    station, rig = _charging()
    now = rig.now()
    for number in range(n):
        reading = MeterReading(2000.0 + number, power_w=11_000.0)
        station.handle(MeterRead(1, reading), Now(now.mono + number * 1e-3, now.wall))


def _pilots(n: int) -> None:
    station, rig = _charging()
    now = rig.now()
    states = (PilotChanged(1, PilotState.B), PilotChanged(1, PilotState.C))
    for number in range(n):
        station.handle(states[number % 2], now)


# --- one session ------------------------------------------------------------------------------------------------------


class Recorder(Rig):
    """A rig that writes down what it tells the core, so that the core alone can be told again."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        super().__init__(overrides={"SampledDataCtrlr.TxUpdatedInterval": "60"})

    def send(self, event: Event) -> None:
        self.steps.append((event, self.now()))
        super().send(event)

    def wait(self, seconds: float) -> None:
        end = self.mono + seconds
        while (due := self.station.next_deadline()) is not None and due <= end:
            self._pass(max(0.0, due - self.mono))
            self.steps.append((None, self.now()))
            self._take(self.station.advance(self.now()))
        self._pass(end - self.mono)


def one_session(samples: int = SAMPLES_PER_SESSION) -> list[Step]:
    """Everything that a core hears while a car is plugged in, charges for `samples` minutes and leaves."""
    rig = Recorder()
    rig.charge()
    rig.wait(samples * 60.0)
    rig.swipe()
    rig.pilot(PilotState.B)
    rig.unplug()
    rig.wait(10.0)
    return rig.steps


def replay(steps: list[Step], session: int) -> list[Effect]:
    """Tell a new core the same again."""
    station = _new_station(session)
    first = steps[0][1]
    effects = station.restore({}, Now(first.mono, first.wall, 1), StopReason.POWER_LOSS)
    for event, now in steps:
        effects = station.advance(now) if event is None else station.handle(event, now)
    return effects


def _new_station(session: int, evses: int = 1) -> Station:
    infos = tuple(EvseInfo(number) for number in range(1, evses + 1))
    count = iter(range(1_000_000))
    overrides = {"SampledDataCtrlr.TxUpdatedInterval": "60"}
    model = DeviceModel(standard_definitions(infos, overrides))
    return Station(infos, model, lambda: f"tx-{session}-{next(count)}", meter_poll_s=5.0)


def _session(effort: Effort) -> Row:
    steps = one_session()

    def run(n: int) -> None:
        for number in range(n):
            replay(steps, number)

    cost = in_turns({"session": run}, effort.times(10), effort.rounds)["session"]
    return Row(
        group="core",
        what=f"a session of {SAMPLES_PER_SESSION} min, looked at every 5 s",
        unit="ms CPU",
        ours=cost * 1e3,
        note=f"{len(steps)} turns, {cost / len(steps) * 1e6:.1f} us each",
    )


# --- weight -----------------------------------------------------------------------------------------------------------


def _weights(effort: Effort) -> list[Row]:
    n = effort.times(500, 20)
    machines = weight(lambda number: (Pilot(), Connector(1, "sType2")), n)
    alone = weight(_new_station, n)
    twins = weight(partial(_new_station, evses=2), n)
    return [
        Row(
            group="core",
            what="state machines of one connector",
            unit="KB",
            ours=machines / 1024,
            most=MOST_MACHINES_KB,
            note="pilot and connector, beside the shared tables",
        ),
        Row(group="core", what="one EVSE more in a station", unit="KB", ours=(twins - alone) / 1024),
        Row(group="core", what="core of a station with one EVSE", unit="KB", ours=alone / 1024),
    ]


def weight(make: Callable[[int], object], n: int) -> float:
    """Bytes that Python allocates for one more of what `make` makes."""
    make(0)  # what all share is there afterwards
    gc.collect()
    kept: list[object] = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept.extend(make(number) for number in range(n))
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(kept) == n
    return (after - before) / n
