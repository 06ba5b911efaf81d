"""`station.core.faults`: every fault has its policy."""

from __future__ import annotations

import pytest

from hal.api import Fault, FaultCode
from station.core import faults
from tests.core.rig import Rig


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_of_an_evse_does_what_its_row_says(code: FaultCode) -> None:
    """TC_041, E06.FR.16."""
    rig = Rig()
    rig.charge()
    rig.send(Fault(1, code, True, "test"))
    assert rig.closed[1] is not faults.stops_energy(code)
    assert bool(rig.ended()) is (faults.ends_with(code) is not None)
    if rig.ended():
        assert rig.last.stop_reason is faults.ends_with(code)
        assert rig.last.trigger.value == "AbnormalCondition"
    assert (rig.phases()[-1] == "Faulted") is faults.stops_energy(code)
    assert rig.notices()[-1].fault is code
    rig.send(Fault(1, code, False))
    assert rig.notices()[-1].fault is None
    assert rig.phases()[-1] != "Faulted"


def test_whatever_ends_a_transaction_also_stops_energy() -> None:
    for code in FaultCode:
        assert faults.ends_with(code) is None or faults.stops_energy(code)
