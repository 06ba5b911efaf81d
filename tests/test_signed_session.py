"""From the meter's signature to the CSMS: a whole session with an emulated meter that signs, checked by a foreign implementation."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pyocmf import OCMF

from hal.api import Board
from hal.assemble import with_meters
from hal.bus.modbus_rtu import ModbusBus, ModbusDevice, Timing
from hal.drivers.meter_signing import SIGNERS
from hal.emulators.modbus_meter import create
from hal.meters.model import load
from station.app_setup import Surroundings
from station.sim.csms_journal import SeenTransaction
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings
from station.sim.loop import run
from tests.hal.cable import Cable

VARIABLES = {
    "SampledDataCtrlr.SignReadings": "true",
    "SampledDataCtrlr.TxStartedMeasurands": "Energy.Active.Import.Register",
    "SampledDataCtrlr.TxEndedMeasurands": "Energy.Active.Import.Register",
}


class SigningLab(Lab):
    """EVSE 1 has a separate meter that signs."""

    meter = "bsm_ws36a"

    def _around(self) -> Surroundings:
        return replace(super()._around(), boards=self._with_meter)

    def _with_meter(self) -> Mapping[str, Board]:
        self.device = create({"meters": self.meter})
        cable = Cable(lambda data, now: [(0.02, self.device.feed(data, now))])
        model = load(self.meter)
        signer = SIGNERS[model.signing](model, ModbusDevice(ModbusBus(cable), model.unit, Timing(model.timeout_s)))
        return {name: with_meters(board, {1: signer}, None) for name, board in super()._around().boards().items()}


def signed(tx: SeenTransaction) -> dict[str, dict[str, Any]]:
    """Context -> SignedMeterValueType of the Ended event."""
    found = {}
    for value in tx.events[-1]["meterValue"]:
        for sample in value["sampledValue"]:
            if "signedMeterValue" in sample:
                found[sample["context"]] = sample["signedMeterValue"]
    return found


def good(value: Mapping[str, str]) -> bool:
    assert value["encodingMethod"] == "OCMF"
    assert value["signingMethod"] == "", "it stands in the record"
    prefix, key = base64.b64decode(value["publicKey"]).decode().rsplit(":", 1)
    assert prefix == "oca:base16:asn1"
    return bool(OCMF.from_string(base64.b64decode(value["signedMeterData"]).decode()).verify_signature(key))


@pytest.mark.parametrize(
    ("meter", "contexts"),
    [("bsm_ws36a", {"Transaction.Begin", "Transaction.End"}), ("wm3m4c", {"Transaction.End"})],
)
def test_a_session(meter: str, contexts: set[str]) -> None:
    async def main() -> None:
        SigningLab.meter = meter
        async with SigningLab(LabSettings(csms_fast=True, variables=VARIABLES)) as lab:
            assert lab.csms is not None
            station = lab.csms.station("PILOT-1")
            await asyncio.sleep(10)
            lab.plug(1, {"soc_percent": 20.0})
            lab.swipe(KNOWN_TOKENS[0], 1)
            await asyncio.sleep(60)
            lab.device.control({"power_w": 3000.0}, asyncio.get_running_loop().time())
            await asyncio.sleep(600)
            lab.device.control({"power_w": 0.0}, asyncio.get_running_loop().time())
            lab.swipe(KNOWN_TOKENS[0], 1)
            await asyncio.sleep(60)
            assert station.complaints == []
            (tx,) = station.transactions.values()
            assert tx.ended
            found = signed(tx)
            assert set(found) == contexts
            assert all(good(value) for value in found.values())

    run(main())
