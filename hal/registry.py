"""Driver name -> "module:factory". A module is imported when a configuration names it: a Pi loads only what it uses.

A factory is `factory(settings: Mapping[str, object]) -> Board`; it validates its settings (hal.settings) and raises
ConfigError naming the field. It opens nothing: that is `Device.start`. Beside the factory its module may have
`claims(settings) -> set[tuple[str, int]]`, the (port, address) pairs that such a board occupies; without it the
settings `port` and `address` are taken; and `async make_safe(settings) -> None`, which reaches the board whatever became of the
program that drove it, forbids power, sees the contactor open and lets go of the port. Third parties register under the entry point
group `pilotwire.drivers`, for example `pilotwire.drivers = {"mybox": "mybox.driver:create"}`; a built-in name cannot be taken over.

A board that may share a serial line with meters has `create_on(settings, buses) -> Board` too (hal.drivers.modbus_meter.Buses).
Readers (cards, keypads, buttons) are kinds with `factory(settings) -> Reader`, the same `claims`, and the group `pilotwire.readers`.
An address of 0 in a claim is the whole port.
"""

from __future__ import annotations

import difflib
import importlib
import os.path
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from hal.api import Board, Meter, Reader
from hal.errors import ConfigError
from hal.found import Found

if TYPE_CHECKING:
    from hal.drivers.modbus_meter import Buses

ENTRY_POINT_GROUP = "pilotwire.drivers"

Prober = Callable[[Mapping[str, object]], Awaitable[Found | None]]
"""Raises ConfigError, and BusError when the port cannot be opened; None: nobody answers, or somebody else."""

BUILT_IN: Mapping[str, str] = {
    "adkit": "hal.drivers.mcu_adkit:create",
    "evse_wb": "hal.drivers.modbus_board_evse_wb:create",
    "heidelberg": "hal.drivers.modbus_board_heidelberg:create",
    "modbus_board": "hal.drivers.modbus_board:create",
    "openevse": "hal.drivers.openevse:create",
    "phoenix_ev_ser": "hal.drivers.modbus_board_phoenix_ev_ser:create",
    "relay": "hal.drivers.relay:create",
    "phyverso": "hal.drivers.mcu_phyverso:create",
    "sim": "hal.sim.board:create",
    "tida": "hal.drivers.mcu_tida:create",
    "yeti": "hal.drivers.mcu_yeti:create",
}

READER_GROUP = "pilotwire.readers"

BUILT_IN_READERS: Mapping[str, str] = {
    "evdev": "hal.drivers.evdev:create",
    "gpio": "hal.drivers.gpio_input:create",
    "pn532": "hal.drivers.pn532:create",
    "serial": "hal.drivers.serial_reader:create",
}


def _foreign(group: str = ENTRY_POINT_GROUP) -> dict[str, str]:
    from importlib.metadata import entry_points  # 17 ms that a station with a built-in driver does not need

    return {point.name: point.value for point in entry_points(group=group)}


def names() -> tuple[str, ...]:
    """Every driver name that a configuration may use, sorted."""
    return tuple(sorted({*BUILT_IN, *_foreign()}))


def reader_names() -> tuple[str, ...]:
    """Every kind of reader that a configuration may use, sorted."""
    return tuple(sorted({*BUILT_IN_READERS, *_foreign(READER_GROUP)}))


def _locate(driver: str) -> tuple[ModuleType, str]:
    """Import the module of a driver; returns it and its factory's name. Raises ConfigError."""
    target = BUILT_IN.get(driver) or _foreign().get(driver)
    return _load("driver", driver, target, names)


def _locate_reader(kind: str) -> tuple[ModuleType, str]:
    target = BUILT_IN_READERS.get(kind) or _foreign(READER_GROUP).get(kind)
    return _load("reader", kind, target, reader_names)


def _load(what: str, name: str, target: str | None, names_of: Callable[[], Sequence[str]]) -> tuple[ModuleType, str]:
    if target is None:
        known = names_of()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"unknown {what} {name!r}{hint}; known are {', '.join(known)}")
    module_name, _, factory = target.partition(":")
    try:
        return importlib.import_module(module_name), factory
    except ImportError as error:
        raise ConfigError(f"{what} {name!r} cannot be loaded from {target!r}: {error}") from error


def create_board(driver: str, settings: Mapping[str, object], buses: Buses | None = None) -> Board:
    """The board behind `driver`, not yet started. Raises ConfigError: unknown driver, or settings that do not fit.

    buses: the Modbus lines of the station, for a driver whose module has `create_on(settings, buses)` beside `create`.
    """
    module, factory = _locate(driver)
    create = getattr(module, factory, None)
    if create is None:
        raise ConfigError(f"driver {driver!r}: module {module.__name__!r} has no {factory!r}")
    create_on = getattr(module, "create_on", None) if buses is not None and factory == "create" else None
    board = create(settings) if create_on is None else create_on(settings, buses)
    if not isinstance(board, Board):
        raise ConfigError(f"driver {driver!r}: its factory made a {type(board).__name__}, not a Board")
    return board


def claims(driver: str, settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The (port, address) pairs that this board occupies: two boards must not claim the same. Raises ConfigError."""
    module, _ = _locate(driver)
    return _claims_of(module, settings)


def _claims_of(module: ModuleType, settings: Mapping[str, object]) -> set[tuple[str, int]]:
    own = getattr(module, "claims", None)
    pairs = own(settings) if own is not None else _default_claims(settings)
    return {(_same_port(port), address) for port, address in pairs}


def create_reader(kind: str, settings: Mapping[str, object]) -> Reader:
    """A reader, not yet started. Raises ConfigError: unknown kind, or settings that do not fit."""
    module, factory = _locate_reader(kind)
    create = getattr(module, factory, None)
    if create is None:
        raise ConfigError(f"reader {kind!r}: module {module.__name__!r} has no {factory!r}")
    reader: Reader = create(settings)
    return reader


def reader_claims(kind: str, settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """As `claims`, of a reader. Raises ConfigError."""
    module, _ = _locate_reader(kind)
    return _claims_of(module, settings)


def create_meter(settings: Mapping[str, object], buses: Buses | None = None) -> Meter:
    """A separate meter, not yet read; `buses` are shared by all devices of a station. Raises ConfigError naming the field."""
    from hal.drivers.modbus_meter import meter_from

    return meter_from(settings, buses)


def meter_claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """As `claims`, of a separate meter; nothing when its settings do not fit."""
    from hal.drivers import modbus_meter

    return _claims_of(modbus_meter, settings)


def prober(name: str, *, reader: bool = False) -> Prober | None:
    """What asks the board (or reader) of given settings who it is, without changing it: the module's `probe(settings)`.

    None: this one cannot be asked. Raises ConfigError: unknown driver.
    """
    module, _ = _locate_reader(name) if reader else _locate(name)
    found: Prober | None = getattr(module, "probe", None)
    return found


async def make_safe(driver: str, settings: Mapping[str, object]) -> bool:
    """Leave the board safe after the program that drove it has gone; False: this driver has no such command. Raises HalError."""
    module, _ = _locate(driver)
    own = getattr(module, "make_safe", None)
    if own is None:
        return False
    await own(settings)
    return True


def _default_claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    port = settings.get("port")
    address = settings.get("address", 0)
    if not isinstance(port, str) or not isinstance(address, int):
        return set()
    return {(port, address)}


def _same_port(port: str) -> str:
    """One name for one device: /dev/serial/by-id/... is a symbolic link to /dev/ttyUSB0."""
    return os.path.realpath(port) if os.path.isabs(port) else port
