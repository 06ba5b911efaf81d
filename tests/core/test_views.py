"""`station.core.views` and `view`: what a display is shown."""

from __future__ import annotations

import pytest

from hal.api import Fault, FaultCode, LockState, MeterRead, MeterReading, PilotState
from station.core import session, views
from station.core.charging.limits import CAR
from station.core.events import LinkDown, Reset
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, IdToken, ResetKind
from tests.core.rig import Rig


def test_a_running_session() -> None:
    rig = Rig(evses=2)
    rig.charge()
    rig.wait(3600)
    view = rig.station.view(rig.now())
    evse = view.evse(1)
    assert view.online
    assert (evse.permit, evse.relay_closed, evse.authorized, evse.lock) == (True, True, True, LockState.LOCKED)
    assert (evse.connector_state, evse.phase) == (ConnectorState.OCCUPIED, ConnectorPhase.CHARGING)
    assert (evse.offered_a, evse.cause, evse.cable_a, evse.token) == (32.0, "board", 32.0, IdToken("04A1B2C3"))
    tx = evse.transaction
    assert tx is not None
    assert view.transaction(tx.tx_id) is tx
    assert tx.energy_wh == pytest.approx(3600, abs=6)
    assert tx.charging_state is ChargingState.CHARGING
    assert view.transaction("x") is None
    assert view.evse(2).transaction is None
    with pytest.raises(KeyError):
        view.evse(3)


@pytest.mark.parametrize(
    ("drawn", "cause"),
    [((31.0,), "board"), ((16.0, 16.0, 16.0), CAR), ((0.0, 0.0, 31.5), "board"), ((), "board")],
)
def test_a_car_that_takes_clearly_less(drawn: tuple[float, ...], cause: str) -> None:
    rig = Rig()
    rig.charge()
    rig.send(MeterRead(1, MeterReading(1000.0, current_a=drawn)))
    assert rig.station.view(rig.now()).evse(1).cause == cause
    assert views.CLEARLY_LESS < 1


def test_a_car_that_pauses() -> None:
    rig = Rig()
    rig.charge()
    rig.pilot(PilotState.B)
    assert rig.station.view(rig.now()).evse(1).cause == CAR


def test_flags_of_the_station() -> None:
    rig = Rig()
    rig.charge()
    rig.send(LinkDown())
    rig.send(Fault(1, FaultCode.WEAK_SIGNAL, True))
    rig.command(lambda ref: Reset(ref, ResetKind.ON_IDLE))
    view = rig.station.view(rig.now())
    assert (view.online, view.operative, view.save_failed, view.resetting) == (False, True, False, True)
    assert view.evse(1).faults == (FaultCode.WEAK_SIGNAL,)
    assert view.evse(1).operative
    assert session.settle.__name__ == "settle"
