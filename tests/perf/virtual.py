"""Virtual time: a long charge with a sample a minute, the embedded CSMS included."""

from __future__ import annotations

import asyncio
import time

from station.sim.lab import Lab, LabSettings, run_lab
from tests.perf.rows import Row
from tests.perf.timing import Effort, undisturbed

HOURS = 10.0
MOST_S = 3.0  # for ten hours; docs/performance.md wishes for 1
CAR = {"capacity_wh": 200_000.0, "soc_percent": 0.0}


def rows(effort: Effort) -> list[Row]:
    hours = max(0.1, HOURS * min(1.0, effort.factor * 5))
    return [
        _row(hours, "2.0.1", fast=False),
        _row(hours, "2.0.1", fast=True),
        _row(hours, "1.6", fast=False),
    ]


def _row(hours: float, version: str, *, fast: bool) -> Row:
    settings = LabSettings(
        versions=(version,), csms_fast=fast, variables={"SampledDataCtrlr.TxUpdatedInterval": "60"}, evses=1
    )
    with undisturbed():
        began, cpu_began = time.perf_counter(), time.process_time()
        calls = run_lab(settings, lambda lab: charge(lab, hours))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    validated = "compiled validators" if fast else "the ocpp package's validators"
    return Row(
        group="virtual",
        what=f"{hours:g} h charge, OCPP {version}",
        unit="s wall",
        ours=wall,
        most=round(MOST_S * hours / HOURS, 4),
        note=f"{hours / wall:.2g} h/s, {calls} calls, {cpu:.2f} s CPU; CSMS with {validated}",
    )


async def charge(lab: Lab, hours: float) -> int:
    """Plug, swipe, charge; returns how many CALLs of the station the CSMS has answered."""
    lab.plug(1, CAR)
    await asyncio.sleep(1.0)
    if not lab.swipe():
        raise RuntimeError("nobody read the card")
    await asyncio.sleep(hours * 3600.0)
    assert lab.csms is not None
    station = lab.csms.station(lab.settings.identity)
    if station.complaints or not station.transactions:
        raise RuntimeError(f"the session did not go as it should: {station.complaints}")
    return sum(1 for frame in lab.csms.journal.frames if frame.is_call and not frame.sent)
