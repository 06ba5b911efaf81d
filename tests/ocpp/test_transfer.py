"""DataTransfer towards the CSMS (P02, TC_062's other direction), with the embedded CSMS as the foreign side."""

from __future__ import annotations

import asyncio

import pytest

from station.errors import LinkError
from station.ocpp.transfer import transfer
from station.sim.csms import FaultKind
from station.sim.lab import Lab, LabSettings, run_lab


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_the_answer_comes_back(version: str) -> None:
    async def main(lab: Lab) -> tuple[str, object]:
        await asyncio.sleep(1)
        return await lab.running.client.transfer("com.example", "hello", {"a": 1})

    status, data = run_lab(LabSettings(versions=(version,)), main)
    assert status == "UnknownVendorId"
    assert data is None


def test_the_words_on_the_wire() -> None:
    """1.6 data is text; 2.0.1 data is anything."""

    async def main(lab: Lab) -> object:
        await asyncio.sleep(1)
        await lab.running.client.transfer("com.example", None, [1, 2])
        assert lab.csms is not None
        return lab.csms.journal.calls("PILOT-1", "DataTransfer")[-1].payload

    assert run_lab(LabSettings(versions=("1.6",)), main) == {"vendorId": "com.example", "data": "[1,2]"}
    assert run_lab(LabSettings(versions=("2.0.1",)), main) == {"vendorId": "com.example", "data": [1, 2]}


def test_no_link_no_answer() -> None:
    async def main(lab: Lab) -> None:
        await asyncio.sleep(1)
        client = lab.running.client
        assert lab.csms is not None
        lab.csms.fault(FaultKind.NEVER, "DataTransfer")
        with pytest.raises(LinkError, match="did not answer"):
            await client.transfer("com.example")
        await lab.offline()
        await asyncio.sleep(1)
        with pytest.raises(LinkError, match="no link"):
            await client.transfer("com.example")
        with pytest.raises(LinkError, match="no link"):
            await transfer(None, client.delivery, "com.example", None, None)
        await lab.go_online()
        await asyncio.sleep(60)
        with pytest.raises(ValueError, match="255"):
            client.transfer("x" * 256)

    run_lab(LabSettings(), main)
