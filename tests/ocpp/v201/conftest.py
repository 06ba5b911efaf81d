"""A station around the 2.0.1 dialect that lives in memory: every payload in and out is held against the OCA's schemas."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft4Validator

from hal.api import Lamp, LockState, PilotState
from station.clock import Now
from station.core import events
from station.core.charging.profiles import Installed
from station.core.components_charging import charging_definitions
from station.core.device_model import Definition, DeviceModel, VariableKey
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, IdToken, Verdict
from station.core.view import EvseView, StationView, TransactionView
from station.ocpp.dialect import Dialect, DialectSettings, Frame, Payload, StationIdentity
from station.ocpp.v201.dialect import create
from station.security.api import Outcome

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TIMES = {"timestamp", "generatedAt", "cacheExpiryDateTime"}


@functools.cache
def _validator(name: str) -> Draft4Validator:
    text = files("ocpp").joinpath("v201", "schemas", f"{name}.json").read_text("utf-8-sig")
    return Draft4Validator(json.loads(text))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list):
        assert value, f"{name} is empty"
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value


def check(name: str, payload: Payload) -> Payload:
    """`payload` as it arrives: schema-valid, no null, no empty array, times with Z and three digits."""
    payload = json.loads(json.dumps(payload, allow_nan=False))
    errors = [f"{list(error.path)}: {error.message}" for error in _validator(name).iter_errors(payload)]
    assert not errors, errors
    if name.startswith("DataTransfer"):
        return payload
    for key, value in _leaves(payload):
        assert value is not None, f"{key} is null"
        assert key not in _TIMES or _TIME.fullmatch(value), value
    return payload


def definition(component: str, variable: str, default: str | None = None, **more: Any) -> Definition:
    where = {
        name: more.pop(name)
        for name in ("component_instance", "variable_instance", "evse", "connector")
        if name in more
    }
    more.setdefault("data_type", "string")
    return Definition(VariableKey(component, variable, **where), default=default, **more)


def definitions() -> list[Definition]:
    per_message = [
        definition(
            "DeviceDataCtrlr", name, value, variable_instance=instance, data_type="integer", mutability="ReadOnly"
        )
        for name, value in (("ItemsPerMessage", "4"), ("BytesPerMessage", "2000"))
        for instance in ("GetReport", "GetVariables", "SetVariables")
    ]
    connectors = [
        definition("Connector", "AvailabilityState", "Available", evse=evse, connector=1, mutability="ReadOnly")
        for evse in (1, 2)
    ]
    return [
        *per_message,
        *connectors,
        definition("ChargingStation", "AvailabilityState", "Available", mutability="ReadOnly"),
        definition("EVSE", "AvailabilityState", "Available", evse=1, mutability="ReadOnly"),
        definition("Connector", "Problem", "false", evse=1, connector=1, data_type="boolean", mutability="ReadOnly"),
        definition(
            "OCPPCommCtrlr", "HeartbeatInterval", "300", data_type="integer", unit="s", min_limit=1.0, max_limit=86400.0
        ),
        definition("OCPPCommCtrlr", "Unset"),
        definition("OCPPCommCtrlr", "RestartMe", "a", reboot_required=True),
        definition(
            "TxCtrlr",
            "TxStartPoint",
            "PowerPathClosed",
            data_type="MemberList",
            values=("Authorized", "PowerPathClosed"),
        ),
        definition("SecurityCtrlr", "BasicAuthPassword", "do-not-tell-me-123", mutability="WriteOnly", secret=True),
        definition("SecurityCtrlr", "Identity", "CS-1", mutability="ReadOnly", constant=True),
        definition(
            "EVSE", "Power", "11000", evse=1, data_type="decimal", attributes=("Actual", "MaxSet"), max_limit=22e3
        ),
    ]


def evse_view(number: int, transaction: TransactionView | None = None) -> EvseView:
    return EvseView(
        evse=number,
        connector=1,
        pilot=PilotState.A,
        connector_state=ConnectorState.AVAILABLE,
        phase=ConnectorPhase.AVAILABLE,
        lock=LockState.UNLOCKED,
        relay_closed=False,
        permit=False,
        authorized=False,
        token=None,
        faults=(),
        operative=True,
        cable_a=None,
        offered_a=0.0,
        cause="",
        lamp=Lamp.AVAILABLE,
        reading=None,
        transaction=transaction,
    )


class Call:
    """A CALL that insists on one valid answer."""

    def __init__(self, log: list[tuple[str, Any]], action: str, payload: Payload) -> None:
        self.action = action
        self.payload = check(f"{action}Request", payload)
        self._log = log
        self.answers = 0

    def answer(self, payload: Payload) -> None:
        self.answers += 1
        self._log.append(("answer", check(f"{self.action}Response", payload)))

    def refuse(self, code: str, description: str = "") -> None:
        self.answers += 1
        self._log.append(("refuse", code))


class Firmware:
    """`FirmwarePort` that finds what it is told to."""

    def __init__(self) -> None:
        self.outcome = Outcome("Accepted")
        self.checked: list[str] = []

    def check(self, pem: str, done: Callable[[Outcome], None]) -> None:
        self.checked.append(pem)
        done(self.outcome)


class Station:
    """`Services` in memory. `log` keeps the order of everything that the dialect does.

    verdict: what the core replies to the next commands; SetVariables are carried out on the model.
    """

    def __init__(self, model: DeviceModel | None = None) -> None:
        self.dialect: Dialect = create(DialectSettings(StationIdentity("Vendor", "Model"), (1, 2)))
        self.model = model or DeviceModel({one.key: one for one in [*definitions(), *charging_definitions(())]})
        self.log: list[tuple[str, Any]] = []
        self.verdict = Verdict("Accepted")
        self.firmware = Firmware()
        self.status = "Accepted"
        self.transactions: dict[int, TransactionView] = {}
        self.waiting: set[str] = set()
        self.profiles: list[Installed] = []
        self.keeps_series = False
        self.room = True
        self.series: Iterator[Frame] | None = None

    # --- Services -----------------------------------------------------------------------------------------------
    def view(self) -> StationView:
        evses = tuple(evse_view(number, self.transactions.get(number)) for number in (1, 2))
        return StationView(
            online=True, operative=True, save_failed=False, resetting=False, evses=evses, profiles=tuple(self.profiles)
        )

    def now(self) -> Now:
        return NOW

    def command(self, make: Callable[[int], events.Event], done: Callable[[Any], None]) -> None:
        event = make(7)
        self.log.append(("command", event))
        verdict = self.verdict
        if isinstance(event, events.SetVariables) and verdict.status == "Accepted":
            verdict = Verdict("Accepted", data={"results": [self.model.write(one) for one in event.writes]})
        done(verdict)

    def send(self, frame: Frame) -> None:
        check(f"{frame.action}Request", frame.payload)
        self.log.append(("send", frame))

    def sending_series(self) -> bool:
        return self.series is not None

    def takes_series(self) -> bool:
        return self.room

    def send_series(self, frames: Iterator[Frame]) -> None:
        """Sent at once, unless the test keeps it to see what happens meanwhile."""
        if self.keeps_series:
            self.series = frames
        else:
            for frame in frames:
                self.send(frame)

    def take_series(self) -> list[Frame]:
        assert self.series is not None
        frames, self.series = list(self.series), None
        return frames

    def trigger_boot(self) -> bool:
        self.log.append(("boot", None))
        return True

    def trigger_heartbeat(self) -> None:
        self.log.append(("heartbeat", None))

    def registration(self) -> str:
        return self.status

    def tx_for_csms_id(self, csms_id: int) -> str | None:
        return None

    def tx_context(self, tx_id: str) -> Mapping[str, Any]:
        return {}

    def queued(self, tx_id: str | None = None) -> bool:
        return bool(self.waiting) if tx_id is None else tx_id in self.waiting

    def data_transfer(self, vendor: str, message: str | None, data: Any) -> tuple[str, Any]:
        if vendor != "org.example":
            return "UnknownVendorId", None
        return ("Accepted", {"echo": data}) if message == "echo" else ("UnknownMessageId", None)

    # --- for tests ----------------------------------------------------------------------------------------------
    def ask(self, action: str, payload: Payload) -> Any:
        """What the dialect answers: the payload, or the error code as text. Everything else is in `log`."""
        call = Call(self.log, action, payload)
        start = len(self.log)
        self.dialect.handle(call, self)
        assert call.answers == 1
        return next(what for kind, what in self.log[start:] if kind in {"answer", "refuse"})

    def commands(self) -> list[events.Event]:
        return [what for kind, what in self.log if kind == "command"]

    def sent(self) -> list[Frame]:
        return [what for kind, what in self.log if kind == "send"]

    def order(self) -> list[str]:
        return [kind for kind, _ in self.log]

    def start(self, evse: int, tx_id: str) -> None:
        """A transaction runs on `evse`."""
        self.transactions[evse] = TransactionView(
            tx_id, evse, ChargingState.CHARGING, NOW.wall, 0.0, IdToken("04A1B2C3"), None, 2
        )


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture(scope="session")
def valid() -> Callable[[str, Payload], Payload]:
    return check


@pytest.fixture(scope="session")
def station_with() -> Callable[..., Station]:
    """A station with other variables: `station_with(definition, ...)`."""
    return lambda *those: Station(DeviceModel({one.key: one for one in those}))


@pytest.fixture(scope="session")
def define() -> Callable[..., Definition]:
    return definition
