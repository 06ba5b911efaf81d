"""The EVerest-MCU driver in the hands of the station: levels through station.runtime, over a lost adapter and a fault."""

from __future__ import annotations

import asyncio
from typing import Any

from hal.api import Fault, FaultCode, PilotSignal, PowerPathChanged
from station.core.effects import Output
from station.runtime.hands import BoardHost
from station.sim.loop import run
from tests.hal.mcu_bench import McuBench


def output(permit: bool, amps: float, evse: int = 7) -> Output:
    signal = PilotSignal.PWM if amps else PilotSignal.OFF
    return Output(
        evse=evse, permit=permit, current_a=amps, pilot=signal, locked=False, phases=3, cause="", lock_attempt=0
    )


def test_levels_hold_over_a_lost_adapter_and_a_fault() -> None:
    async def main() -> None:
        bench, heard = McuBench("phyverso"), list[Any]()
        host = BoardHost(bench.board, {1: 7, 2: 8}, heard.append)
        task = asyncio.ensure_future(host.run())
        await asyncio.sleep(15.0)
        bench.order(car="asks")
        bench.order(connector=2, car="asks")
        host.want(output(True, 16.0))
        host.want(output(True, 10.0, evse=8))
        await asyncio.sleep(5.0)
        assert [connector["relay"] for connector in bench.look()["connectors"]] == [True, True]

        bench.port.unplug()
        await asyncio.sleep(3.0)
        for evse in (7, 8):
            assert Fault(evse, FaultCode.INTERNAL_ERROR, True, "memory: the adapter is gone") in heard
            host.want(output(False, 0.0, evse))
        await asyncio.sleep(20.0)
        assert [connector["relay"] for connector in bench.look()["connectors"]] == [False, False]
        bench.port.unplugged = False
        told = len(heard)
        await asyncio.sleep(40.0)
        for evse in (7, 8):
            assert PowerPathChanged(evse, False) in heard[told:]
            assert Fault(evse, FaultCode.INTERNAL_ERROR, False) in heard[told:]
            host.want(output(True, 16.0, evse))
        await asyncio.sleep(5.0)
        assert [connector["relay"] for connector in bench.look()["connectors"]] == [True, True]

        bench.order(connector=2, fault="diode")
        await asyncio.sleep(1.0)
        host.want(output(False, 0.0, 8))
        await asyncio.sleep(1.0)
        assert [connector["relay"] for connector in bench.look()["connectors"]] == [True, False]
        bench.order(connector=2, fault="none")
        await asyncio.sleep(5.0)
        assert heard[-1] == Fault(8, FaultCode.PILOT_FAULT, False)
        assert host.alive()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await host.close()
        assert [connector["relay"] for connector in bench.look()["connectors"]] == [False, False]

    run(main())
