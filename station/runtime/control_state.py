"""The station's whole state as one JSON object: the command `state`, and the topic of that name."""

from __future__ import annotations

from typing import TypedDict

from hal.api import MeterReading
from station.clock import iso
from station.core.charging.memory import Needs
from station.core.view import EvseView, StationView
from station.runtime.control_history import token_text
from station.runtime.control_host import Host, Program
from station.runtime.control_people import CarResult, car_json
from station.runtime.control_types import Json

__all__ = ["StateResult", "state"]

UNREGISTERED = "Unregistered"


class StationRow(TypedDict):
    """The station. version: spoken now. online: the CSMS has accepted it and answers. connected: the network is plugged in.
    running: the program runs. queue: records that wait for the CSMS. dead: records that were given up. faults: of the whole station.
    profiles: charging profiles that are installed; profiles_version: another number when they, or whether they count, have changed.
    """

    identity: str
    version: str | None
    versions: list[str]
    online: bool
    connected: bool
    trouble: str | None
    powered: bool
    running: bool
    boots: int
    time: str
    wall: float
    mono: float
    speed: float | str
    paused: bool
    registration: str
    security_profile: int | None
    url: str
    queue: int
    dead: int
    save_failed: bool
    operative: bool
    resetting: bool
    faults: list[str]
    profiles: int
    profiles_version: int
    seed: str | None


class LimitRow(TypedDict):
    """A bound of the current, and who sets it."""

    cause: str
    current_a: float


class ReadingRow(TypedDict):
    """What the meter told last."""

    energy_import_wh: float
    power_w: float | None
    current_a: list[float]
    voltage_v: list[float]
    frequency_hz: float | None
    soc_percent: float | None
    temperature_c: float | None


class RunningRow(TypedDict):
    """The transaction that runs."""

    id: str
    charging_state: str
    started: str
    energy_wh: float
    token: str | None
    remote_start_id: int | None
    seq: int


class NeedsRow(TypedDict):
    """What the driver said of this session. departs: wall seconds."""

    departs: float | None
    energy_wh: float | None
    priority: int | None


class EvseRow(TypedDict):
    """One EVSE. cause: why the current is what it is. needs: null when nobody said anything."""

    evse: int
    connector: int
    pilot: str
    connector_state: str
    phase: str
    lock: str
    relay_closed: bool
    permit: bool
    authorized: bool
    token: str | None
    faults: list[str]
    operative: bool
    cable_a: float | None
    offered_a: float
    cause: str
    limits: list[LimitRow]
    needs: NeedsRow | None
    lamp: str
    reading: ReadingRow | None
    transaction: RunningRow | None
    car: CarResult | None


class StateResult(TypedDict):
    """The station and its EVSEs; without a running program there is nobody who could tell of the latter."""

    station: StationRow
    evses: list[EvseRow]


def state(host: Host) -> Json:
    """Everything that can be seen of the station now."""
    program = host.program
    view = program.gateway.view() if program is not None else None
    return {
        "station": _station(host, program, view),
        "evses": [_evse(host, evse) for evse in view.evses] if view is not None else [],
    }


def _station(host: Host, program: Program | None, view: StationView | None) -> Json:
    about, bench = host.about, host.bench
    wall = program.gateway.now().wall if program is not None else host.wall()
    speed = bench.speed if bench is not None else 1.0
    return {
        "identity": about.identity,
        "version": program.client.version if program is not None else None,
        "versions": list(about.versions),
        "online": view is not None and view.online,
        "connected": host.connected,
        "trouble": host.trouble,
        "powered": host.powered,
        "running": program is not None,
        "boots": host.boots,
        "time": iso(wall),
        "wall": wall,
        "mono": host.time(),
        "speed": "max" if speed is None else speed,
        "paused": speed == 0,
        "registration": program.client.registration.status if program is not None else UNREGISTERED,
        "security_profile": program.security_profile if program is not None else None,
        "url": about.url,
        "queue": len(program.client.records) if program is not None else 0,
        "dead": host.memory.dead(),
        "save_failed": view is not None and view.save_failed,
        "operative": view is None or view.operative,
        "resetting": view is not None and view.resetting,
        "faults": [code.value for code in view.faults] if view is not None else [],
        "profiles": len(view.profiles) if view is not None else 0,
        "profiles_version": view.profiles_version if view is not None else 0,
        "seed": about.seed,
    }


def _evse(host: Host, view: EvseView) -> Json:
    tx = view.transaction
    return {
        "evse": view.evse,
        "connector": view.connector,
        "pilot": view.pilot.value,
        "connector_state": view.connector_state.value,
        "phase": view.phase.value,
        "lock": view.lock.value,
        "relay_closed": view.relay_closed,
        "permit": view.permit,
        "authorized": view.authorized,
        "token": token_text(view.token),
        "faults": [code.value for code in view.faults],
        "operative": view.operative,
        "cable_a": view.cable_a,
        "offered_a": view.offered_a,
        "cause": view.cause,
        "limits": [{"cause": limit.cause, "current_a": limit.current_a} for limit in view.limits],
        "needs": _needs(view.needs),
        "lamp": view.lamp.value,
        "reading": _reading(view.reading),
        "transaction": None
        if tx is None
        else {
            "id": tx.tx_id,
            "charging_state": tx.charging_state.value,
            "started": iso(tx.started),
            "energy_wh": round(tx.energy_wh, 3),
            "token": token_text(tx.token),
            "remote_start_id": tx.remote_start_id,
            "seq": tx.seq,
        },
        "car": car_json(host, view.evse),
    }


def _needs(needs: Needs | None) -> Json | None:
    if needs is None or needs == Needs():
        return None
    return {"departs": needs.departs, "energy_wh": needs.energy_wh, "priority": needs.priority}


def _reading(reading: MeterReading | None) -> Json | None:
    if reading is None:
        return None
    return {
        "energy_import_wh": reading.energy_import_wh,
        "power_w": reading.power_w,
        "current_a": list(reading.current_a),
        "voltage_v": list(reading.voltage_v),
        "frequency_hz": reading.frequency_hz,
        "soc_percent": reading.soc_percent,
        "temperature_c": reading.temperature_c,
    }
