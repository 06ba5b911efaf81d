"""A `Lab` as the command table sees it: the host with the station's program, and the bench around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hal.api import ButtonPressed, CardPresented, Fault, HalEvent, KeyEntered, PilotState
from hal.errors import ConfigError
from hal.sim.car import Car
from hal.sim.car_settings import car_settings
from station.errors import ControlError, Problem
from station.runtime.control_host import About, CarPicture, FrameHeard, Program, TurnHeard, conflict
from station.runtime.control_memory import Memory
from station.sim.loop import VirtualLoop, sleep

if TYPE_CHECKING:
    from station.sim.lab import Lab

__all__ = ["LabHost"]

POLL_S = 5.0
"""How often a condition is looked at when nothing at all happens."""


class LabHost:
    """`Host` and `Bench` over a lab. One per lab: `lab.host`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._memory: Memory | None = None
        self._before_pause: float | None = lab.speed
        self._news: asyncio.Event = asyncio.Event()
        lab.on_turn(lambda *_turn: self._news.set())

    # --- Host ---------------------------------------------------------------------------------------------------------

    @property
    def program(self) -> Program | None:
        return self._lab.app

    @property
    def bench(self) -> LabHost:
        return self

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            self._memory = Memory(self)
        return self._memory

    @property
    def about(self) -> About:
        settings = self._lab.settings
        return About(
            identity=settings.identity,
            versions=settings.versions,
            url=_place(settings.csms_url),
            evses=tuple(evse.number for evse in self._lab.devices.evses),
            seed=settings.seed,
        )

    @property
    def boots(self) -> int:
        return self._lab.boots

    @property
    def connected(self) -> bool:
        return self._lab.online

    @property
    def powered(self) -> bool:
        return self._lab.devices.powered

    @property
    def trouble(self) -> str | None:
        return self._lab.trouble

    @property
    def standing_still(self) -> bool:
        return self._lab.speed == 0

    def time(self) -> float:
        return self._lab.scheduler.time()

    def link_time(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self._lab.clock.now().wall

    def hear_turns(self, listener: TurnHeard) -> None:
        self._lab.on_turn(listener)

    def hear_frames(self, listener: FrameHeard) -> None:
        self._lab.on_frame(listener)

    def inject(self, event: HalEvent) -> bool:
        """Through the board, which must have power and a host, and whose reader may be broken."""
        board = self._lab.devices
        match event:
            case CardPresented(evse=evse, value=value, kind=kind):
                return board.swipe(value, kind, evse=evse)
            case KeyEntered(evse=evse, pin=pin):
                return board.pin(pin, evse=evse)
            case ButtonPressed(evse=evse):
                return board.button(evse)
            case Fault(evse=evse, code=code, active=True, info=info):
                board.fault(code, info, evse=evse)
                return True
            case Fault(evse=evse, code=code):
                board.clear(code, evse=evse)
                return True
            case _:
                return False

    async def start(self) -> None:
        await self._lab.start()

    async def stop(self) -> None:
        await self._lab.stop()

    async def restart(self) -> None:
        await self._lab.restart()

    # --- Bench: the station's settings --------------------------------------------------------------------------------

    def reconfigure(self, **changes: Any) -> None:
        self._lab.reconfigure(**changes)

    # --- cars ---------------------------------------------------------------------------------------------------------

    def plug_car(self, evse: int, car: Mapping[str, Any], cable_a: float) -> CarPicture:
        try:
            car_settings(car)
        except ConfigError as error:
            wrong = [line.partition(": ") for line in str(error).splitlines()]
            problems = [Problem(field, problem) if problem else Problem("car", field) for field, _, problem in wrong]
            raise ControlError("invalid", problems) from error
        return _picture(self._lab.plug(evse, car, cable_a))

    def plug_again(self, evse: int, cable_a: float) -> CarPicture:
        return _picture(self._lab.plug_again(evse, cable_a))

    def unplug(self, evse: int = 1, *, at_car: bool = False) -> None:
        if self._lab.devices.car(evse) is None and self._lab.devices.evse(evse).cable_a is None:
            raise conflict(f"nothing is plugged in at EVSE {evse}", "evse")
        self._lab.unplug(evse, at_car=at_car)

    def car_at(self, evse: int) -> CarPicture | None:
        car = self._lab.devices.car(evse)
        return None if car is None else _picture(car)

    def set_car(
        self,
        evse: int,
        *,
        state: str | None,
        demand_a: float | None,
        demand_w: float | None,
        soc_percent: float | None,
        ventilation: bool | None,
    ) -> CarPicture:
        car = self._lab.devices.car(evse)
        if car is None:
            raise conflict(f"no car is plugged in at EVSE {evse}: plug", "evse")
        if soc_percent is not None:
            car.set_soc(soc_percent)
        car.demand(max_a=demand_a, max_w=demand_w)
        if ventilation is not None:
            car.ventilate(ventilation)
        if state is not None:
            self._set_pilot(evse, car, state)
        return _picture(car)

    def _set_pilot(self, evse: int, car: Car, state: str) -> None:
        unit = self._lab.devices.evse(evse)
        unit.hold_pilot(PilotState(state) if state in PilotState.__members__ else None)
        if state == "asks":
            car.resume()
        elif state == "sleeps":
            car.sleep()

    # --- board --------------------------------------------------------------------------------------------------------

    def register_wh(self, evse: int) -> float:
        return self._lab.devices.evse(evse).meter.register_wh

    def set_meter(
        self,
        evse: int,
        *,
        energy_wh: float | None,
        voltage_v: float | None,
        power_w: float | str | None,
        frozen: bool | None,
        failing: bool | None,
    ) -> None:
        meter = self._lab.devices.evse(evse).meter
        if voltage_v is not None:
            self._lab.devices.grid.set_voltage(voltage_v, voltage_v, voltage_v)
        if energy_wh is not None:
            meter.set_register(energy_wh)
        if power_w is not None:
            meter.pretend(None if isinstance(power_w, str) else power_w)
        if frozen is not None:
            (meter.freeze if frozen else meter.thaw)()
        if failing is not None:
            (meter.fail if failing else meter.answer)()
        self._lab.devices.tell_meter(evse)

    def set_temperature(self, evse: int, celsius: float) -> None:
        self._lab.devices.temperature(evse, celsius)

    def jam(self, evse: int, jammed: bool) -> None:
        self._lab.devices.jam(evse, jammed)

    def break_rcd(self, evse: int, broken: bool) -> None:
        self._lab.devices.break_rcd(evse, broken)

    def wire(self, part: str, evse: int, *, plugged: bool | None, noise: float | None) -> None:
        adapter = self._lab.hardware.adapter(part, evse)
        if plugged is not None:
            adapter.plug(plugged)
        if noise is not None:
            adapter.disturb(noise)

    # --- surroundings -------------------------------------------------------------------------------------------------

    async def offline(self) -> None:
        await self._lab.offline()

    async def go_online(self) -> None:
        await self._lab.go_online()

    async def power_cut(self, *, warning: bool = False) -> None:
        await self._lab.power_cut(warning=warning)

    async def power_on(self) -> None:
        await self._lab.power_on()

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def speed(self) -> float | None:
        return self._lab.speed

    def set_speed(self, speed: float | None) -> None:
        if speed is None and not isinstance(self._lab.scheduler, VirtualLoop):
            raise ControlError("invalid", [Problem("factor", '"max" needs the embedded CSMS; give a number')])
        self._lab.set_speed(speed)

    def pause(self) -> None:
        if self._lab.speed != 0:
            self._before_pause = self._lab.speed
        self._lab.set_speed(0.0)

    def resume(self) -> None:
        if self._lab.speed == 0:
            before = self._before_pause
            self._lab.set_speed(1.0 if before == 0 else before)

    async def sleep(self, seconds: float) -> None:
        await sleep(self._lab.scheduler, seconds)

    async def until(self, check: Callable[[], bool], within: float) -> bool:
        """Wait until `check` holds, looking whenever something happened; False when `within` seconds went by."""
        deadline = self.time() + within
        while True:
            self._news.clear()
            if check():
                return True
            left = deadline - self.time()
            if left <= 0:
                return False
            timer = self._lab.scheduler.call_later(min(left, POLL_S), self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()


def _place(url: str | None) -> str:
    """Where is called, without credentials and query; a path may be a secret too, so only its beginning is shown."""
    if url is None:
        return "ws://embedded"
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def _picture(car: Car) -> CarPicture:
    power_w = car.power_w()
    wants = "sleeps" if car.asleep else "energy" if car.wants_energy else "nothing"
    return CarPicture(car.settings.name, car.soc_percent, car.battery.energy_wh, power_w, wants)
