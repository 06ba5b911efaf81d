"""Commands: time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Number, setting
from station.errors import ControlError, Problem
from station.runtime.control_command import Command, evse_field, invalid
from station.runtime.control_host import Bench, Host, conflict, program_of
from station.runtime.control_kinds import Duration, Speed, render_duration
from station.runtime.control_types import Json

__all__ = ["TIME"]

NEAR_PERCENT = 0.01
# The station takes no clock outside of these (2020 and 2100).
EARLIEST_WALL, LATEST_WALL = 1_577_836_800.0, 4_102_444_800.0


class WaitResult(TypedDict):
    """How much time has passed."""

    seconds: float


class ChargeResult(TypedDict):
    """What has passed the meter, and where the car is now."""

    energy_wh: float
    soc_percent: float
    seconds: float


class SpeedResult(TypedDict):
    """How fast simulated time passes now: seconds per second, or "max"."""

    speed: float | str
    paused: bool


class ClockResult(TypedDict):
    """The station's wall clock now, seconds since 1970-01-01T00:00:00Z."""

    wall: float


class _Time(Command):
    __slots__ = ()
    group: ClassVar[str] = "time"
    needs_bench: ClassVar[bool] = True


def _bench(host: Host) -> Bench:
    if host.bench is None:
        raise ControlError("unsupported", [Problem("", "time cannot be made to pass here")])
    return host.bench


def _moving(host: Host) -> Bench:
    if host.standing_still:
        raise conflict("time stands still: resume, or set a speed")
    return _bench(host)


@dataclass(frozen=True, slots=True)
class Wait(_Time):
    """Time passes."""

    name: ClassVar[str] = "wait"
    passes_time: ClassVar[bool] = True
    returns: ClassVar[Any] = WaitResult
    duration: float = setting(Duration(), "How long.", example="10 min")

    async def act(self, host: Host) -> Json:
        await _moving(host).sleep(self.duration)
        return {"seconds": self.duration}

    def words(self, result: Json) -> str:
        return render_duration(self.duration)


@dataclass(frozen=True, slots=True)
class Charge(_Time):
    """The car charges until it has what it should have, or for a time (give one of the three)."""

    name: ClassVar[str] = "charge"
    passes_time: ClassVar[bool] = True
    returns: ClassVar[Any] = ChargeResult
    evse: int = evse_field()
    until_soc: float | None = setting(Number(0, 100, "%"), "State of charge of the car.", default=None, example=80)
    until_wh: float | None = setting(
        Number(0, 1e7, "Wh"), "Energy that passed the meter since this step began.", default=None, example=5000
    )
    duration: float | None = setting(Duration(), "So long, whatever flows.", default=None, example="10 min")
    within: float = setting(Duration(), "Give up after so long.", default=86_400.0)

    def problems(self) -> Iterator[Problem]:
        if sum(goal is not None for goal in (self.until_soc, self.until_wh, self.duration)) != 1:
            yield Problem("until_soc", "one of until_soc, until_wh and duration must be given, and only one")

    async def act(self, host: Host) -> Json:
        bench = _moving(host)
        if bench.car_at(self.evse) is None:
            raise conflict(f"no car is plugged in at EVSE {self.evse}", "evse")
        before, began = bench.register_wh(self.evse), host.time()
        if self.duration is not None:
            await bench.sleep(self.duration)
        elif not await bench.until(lambda: self._over(bench, before), self.within) or not self._reached(bench, before):
            raise ControlError("conflict", [Problem("", line) for line in self._why(host, bench, before)])
        car = bench.car_at(self.evse)
        return {
            "energy_wh": bench.register_wh(self.evse) - before,
            "soc_percent": car.soc_percent if car is not None else 0.0,
            "seconds": host.time() - began,
        }

    def words(self, result: Json) -> str:
        return f"{result['energy_wh'] / 1000:.2f} kWh, car at {result['soc_percent']:.0f} %"

    def _over(self, bench: Bench, before: float) -> bool:
        return bench.car_at(self.evse) is None or self._reached(bench, before)

    def _reached(self, bench: Bench, before: float) -> bool:
        if self.until_wh is not None:
            return bench.register_wh(self.evse) - before >= self.until_wh
        car = bench.car_at(self.evse)
        # A battery approaches its target, it need not touch it.
        return car is not None and car.soc_percent >= (self.until_soc or 0.0) - NEAR_PERCENT

    def _why(self, host: Host, bench: Bench, before: float) -> list[str]:
        goal = f"{self.until_wh:g} Wh" if self.until_wh is not None else f"{self.until_soc or 0:g} %"
        car = bench.car_at(self.evse)
        state = f"is at {car.soc_percent:.1f} % and draws {car.power_w:.0f} W" if car is not None else "has left"
        lines = [
            f"expected: {goal} within {render_duration(self.within)}",
            f"came: {bench.register_wh(self.evse) - before:.0f} Wh, the car {state}",
        ]
        program = host.program
        if program is not None:
            view = program.gateway.view().evse(self.evse)
            lines.append(f"the station offers {view.offered_a:g} A; reason: {view.cause}")
        return lines


def speed_json(host: Host) -> Json:
    """How fast time passes."""
    speed = host.bench.speed if host.bench is not None else 1.0
    return {"speed": "max" if speed is None else speed, "paused": speed == 0}


@dataclass(frozen=True, slots=True)
class SetSpeed(_Time):
    """Simulated time passes so many times as fast. "max" needs the embedded CSMS."""

    name: ClassVar[str] = "speed"
    returns: ClassVar[Any] = SpeedResult
    factor: float | None = setting(Speed(), "Simulated seconds per second.")

    async def act(self, host: Host) -> Json:
        _bench(host).set_speed(self.factor)
        return speed_json(host)


@dataclass(frozen=True, slots=True)
class Pause(_Time):
    """Simulated time stands still."""

    name: ClassVar[str] = "pause"
    returns: ClassVar[Any] = SpeedResult

    async def act(self, host: Host) -> Json:
        _bench(host).pause()
        return speed_json(host)


@dataclass(frozen=True, slots=True)
class Resume(_Time):
    """Simulated time goes on as fast as before the pause."""

    name: ClassVar[str] = "resume"
    returns: ClassVar[Any] = SpeedResult

    async def act(self, host: Host) -> Json:
        _bench(host).resume()
        return speed_json(host)


@dataclass(frozen=True, slots=True)
class ClockJump(_Time):
    """The station's wall clock is set off by so many seconds, as by a wrong technician or a leap in NTP. The CSMS corrects it when it
    next tells the time, if the station is set to believe it.
    """

    name: ClassVar[str] = "clock_jump"
    needs_bench: ClassVar[bool] = False
    returns: ClassVar[Any] = ClockResult
    by_s: float = setting(Number(-3e9, 3e9, "s"), "Seconds forward, or back if negative; at least one.", example=3600)

    async def act(self, host: Host) -> Json:
        gateway = program_of(host).gateway
        wall = gateway.now().wall + self.by_s
        if abs(self.by_s) < 1:
            raise invalid("by_s", f"must be at least one second, forward or back (got {self.by_s:g})")
        if not EARLIEST_WALL <= wall <= LATEST_WALL:
            raise invalid(
                "by_s", "would set the clock to before 2020 or after 2100, which the station takes for an error"
            )
        gateway.set_clock(wall)
        return {"wall": gateway.now().wall}


TIME: tuple[type[Command], ...] = (Wait, Charge, SetSpeed, Pause, Resume, ClockJump)
