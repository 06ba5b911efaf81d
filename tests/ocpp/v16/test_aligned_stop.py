"""ClockAlignedDataInterval also takes the samples of StopTxnAlignedData (9.1.4, 9.1.28), over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

from station.sim.lab import Lab, LabSettings, run_lab


def test_aligned_samples_in_stop_transaction() -> None:
    async def main(lab: Lab) -> Any:
        assert lab.csms is not None
        await asyncio.sleep(1)
        for key, value in (
            ("ClockAlignedDataInterval", "900"),
            ("StopTxnAlignedData", "Energy.Active.Import.Register"),
        ):
            answer = await lab.csms.call("PILOT-1", "ChangeConfiguration", {"key": key, "value": value})
            assert answer == {"status": "Accepted"}
        lab.plug()
        lab.swipe()
        await asyncio.sleep(3000)
        lab.swipe()
        await asyncio.sleep(10)
        return lab.csms.journal.calls("PILOT-1", "StopTransaction")[-1].payload

    stop = run_lab(LabSettings(versions=("1.6",)), main)
    aligned = [
        value["timestamp"]
        for value in stop["transactionData"]
        if value["sampledValue"][0].get("context") == "Sample.Clock"
    ]
    assert [at[14:19] for at in aligned] == ["15:00", "30:00", "45:00"]
