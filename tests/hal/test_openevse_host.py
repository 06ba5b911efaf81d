"""The OpenEVSE driver in the hands of the station: levels through station.runtime, over a lost adapter and a fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hal.api import Fault, FaultCode, PilotSignal, PilotState, PowerPathChanged
from station.core.effects import Output
from station.runtime.hands import BoardHost
from station.sim.loop import run
from tests.hal.openevse_bench import Bench


def output(permit: bool, amps: float) -> Output:
    signal = PilotSignal.PWM if amps else PilotSignal.OFF
    return Output(evse=7, permit=permit, current_a=amps, pilot=signal, locked=False, phases=1, cause="", lock_attempt=0)


def test_levels_hold_over_a_lost_adapter_and_a_fault() -> None:
    async def main() -> None:
        bench, heard = Bench(), list[Any]()
        host = BoardHost(bench.board, {1: 7}, heard.append)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(1.0)
        bench.port.order(car="asks")
        host.want(output(False, 16.0))
        await asyncio.sleep(1.5)
        host.want(output(True, 16.0))
        await asyncio.sleep(10.0)
        assert (bench.look()["state"], bench.look()["amps"]) == ("03", 16)

        bench.port.unplug()
        await asyncio.sleep(3.0)
        assert heard[-1] == Fault(7, FaultCode.INTERNAL_ERROR, True, "memory: the adapter is gone")
        host.want(output(False, 0.0))
        await asyncio.sleep(20.0)
        bench.port.unplugged = False
        told = len(heard)
        await asyncio.sleep(40.0)
        assert bench.look()["state"] == "FE"
        assert PowerPathChanged(7, False) in heard[told:]
        assert Fault(7, FaultCode.INTERNAL_ERROR, False) in heard[told:]

        host.want(output(True, 16.0))
        await asyncio.sleep(5.0)
        assert bench.look()["relay"] is True
        bench.port.order(fault="gfi")
        await asyncio.sleep(1.0)
        host.want(output(False, 0.0))
        await asyncio.sleep(1.0)
        assert bench.look()["state"] == "06"
        bench.port.order(car="none")
        await asyncio.sleep(5.0)
        assert (bench.look()["state"], host.alive()) == ("FE", True)
        assert heard[-1] == Fault(7, FaultCode.GROUND_FAILURE, False)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await host.close()

    run(main())


@pytest.mark.parametrize("late_s", [0.1, 0.3, 0.7, 1 / 3, 2**0.5, 1e-9])
def test_it_never_waits_for_no_time_at_all(late_s: float) -> None:
    """On virtual time a pause of 1e-16 s is none: the loop would turn for ever."""

    async def main() -> None:
        await asyncio.sleep(late_s)
        bench = await Bench().start()
        for kind in ("plugged", "none") * 20:
            bench.port.order(car=kind)
            await bench.listener.pilot(PilotState.B if kind == "plugged" else PilotState.A)
            await asyncio.sleep(late_s)
        await asyncio.sleep(600.0)
        await bench.driver.close()

    run(main())
