"""A station of two EVSEs around the 1.6 dialect: a real device model, recorded commands, the OCA's schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from hal.api import Lamp, LockState, PilotState
from station.clock import Now
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.events import Event, SetVariables
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, EvseInfo, Verdict
from station.core.view import EvseView, StationView, TransactionView
from station.ocpp.dialect import DialectSettings, Frame, Payload, StationIdentity
from station.ocpp.v16.dialect import Dialect16
from station.security.api import Outcome

NOW = Now(1000.0, 1_790_000_000.0)


@cache
def _validator(name: str) -> jsonschema.Draft4Validator:
    text = files("ocpp.v16.schemas").joinpath(f"{name}.json").read_text("utf-8-sig")
    # Decimal: 16.1 is a multiple of 0.1, which it is not in binary floats.
    return jsonschema.Draft4Validator(json.loads(text, parse_float=Decimal))


def check_schema(name: str, payload: Payload) -> Payload:
    """Raises ValidationError unless `payload`, as it goes over the wire, is what the OCA's schema `name` says."""
    _validator(name).validate(json.loads(json.dumps(payload, allow_nan=False), parse_float=Decimal))
    return payload


@dataclass
class FakeCall:
    """One CALL from the CSMS. Its answer is checked against the schema; a second one fails the test."""

    action: str
    payload: Payload
    log: list[Any]
    answers: list[Payload] = field(default_factory=list)

    def answer(self, payload: Payload) -> None:
        assert not self.answers, "answered twice"
        self.answers.append(check_schema(f"{self.action}Response", payload))
        self.log.append("answer")

    def refuse(self, code: str, description: str = "") -> None:
        raise AssertionError(f"refused: {code} {description}")


@dataclass
class FakeFirmware:
    """`FirmwarePort` that finds what it is told to."""

    outcome: Outcome = field(default_factory=lambda: Outcome("Accepted"))
    checked: list[str] = field(default_factory=list)

    def check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        self.checked.append(pem)
        done(self.outcome)


@dataclass
class FakeServices:
    """The station around the handlers: real device model, commands recorded and answered with `verdicts`."""

    model: DeviceModel = field(default_factory=lambda: DeviceModel(standard_definitions((EvseInfo(1), EvseInfo(2)))))
    commands: list[Event] = field(default_factory=list)
    verdicts: dict[type, Verdict] = field(default_factory=dict)
    log: list[Any] = field(default_factory=list)
    state: str = "Accepted"
    csms_ids: dict[int, str] = field(default_factory=dict)
    contexts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    evses: list[EvseView] = field(default_factory=lambda: [evse_view(1), evse_view(2)])
    transfers: dict[str, tuple[str, Any]] = field(default_factory=dict)
    firmware: FakeFirmware = field(default_factory=FakeFirmware)

    def view(self) -> StationView:
        return StationView(True, True, False, False, tuple(self.evses))

    def now(self) -> Now:
        return NOW

    def command(self, make: Callable[[int], Event], done: Callable[[Any], None]) -> None:
        event = make(len(self.commands) + 1)
        self.commands.append(event)
        if isinstance(event, SetVariables) and SetVariables not in self.verdicts:
            done(Verdict("Accepted", data={"results": [self.model.write(write) for write in event.writes]}))
        else:
            done(self.verdicts.get(type(event), Verdict("Accepted")))

    def send(self, frame: Frame) -> None:
        self.log.append(frame)

    def sending_series(self) -> bool:
        return False

    def takes_series(self) -> bool:
        return True

    def send_series(self, frames: Iterator[Frame]) -> None:
        self.log.extend(frames)

    def trigger_boot(self, *, force: bool = False) -> bool:
        self.log.append(("boot", force))
        return force or self.state != "Accepted"

    def trigger_heartbeat(self) -> None:
        self.log.append("heartbeat")

    def registration(self) -> str:
        return self.state

    def tx_for_csms_id(self, csms_id: int) -> str | None:
        return self.csms_ids.get(csms_id)

    def tx_context(self, tx_id: str) -> Mapping[str, Any]:
        return self.contexts.get(tx_id, {})

    def queued(self, tx_id: str | None = None) -> bool:
        return False

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> tuple[str, Any]:
        return self.transfers.get(vendor, ("UnknownVendorId", None))


def evse_view(number: int, *, tx_id: str | None = None, **changes: Any) -> EvseView:
    transaction = None
    if tx_id is not None:
        transaction = TransactionView(tx_id, number, ChargingState.CHARGING, NOW.wall, 0.0, None, None, 3)
    values: dict[str, Any] = {
        "evse": number,
        "connector": 1,
        "pilot": PilotState.A,
        "connector_state": ConnectorState.AVAILABLE,
        "phase": ConnectorPhase.AVAILABLE,
        "lock": LockState.UNLOCKED,
        "relay_closed": False,
        "permit": False,
        "authorized": False,
        "token": None,
        "faults": (),
        "operative": True,
        "cable_a": None,
        "offered_a": 0.0,
        "cause": "",
        "lamp": Lamp.AVAILABLE,
        "reading": None,
        "transaction": transaction,
    }
    return EvseView(**{**values, **changes})


class Rig:
    """The dialect, its surroundings, and a CSMS that sends CALLs which are valid by the schema themselves."""

    def __init__(self) -> None:
        identity = StationIdentity("Pilotwire", "Two", serial="PW-1", firmware="1.0")
        self.settings = DialectSettings(identity, evses=(1, 2))
        self.dialect = Dialect16(self.settings)
        self.services = FakeServices()

    def call(self, action: str, **payload: Any) -> Payload:
        """Send a CALL and return its answer, which must have come at once."""
        assert self.dialect.supports(action)
        call = FakeCall(action, check_schema(action, payload), self.services.log)
        self.dialect.handle(call, self.services)
        assert len(call.answers) == 1, "not answered"
        return call.answers[0]

    def status(self, action: str, **payload: Any) -> str:
        return str(self.call(action, **payload)["status"])

    def verdict(self, event: type, status: str) -> None:
        self.services.verdicts[event] = Verdict(status)

    @staticmethod
    def check(frame: Frame) -> Payload:
        """The payload of an outgoing frame, which must be valid by the schema."""
        return check_schema(frame.action, frame.payload)

    evse_view = staticmethod(evse_view)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture(scope="session")
def new_rig() -> type[Rig]:
    """For properties: every example wants a rig of its own."""
    return Rig
