"""Driver name -> "module:factory". A module is imported when a configuration names it: a Pi loads only what it uses.

A factory is `factory(settings: Mapping[str, object]) -> Board`; it validates its settings (hal.settings) and raises
ConfigError naming the field. It opens nothing: that is `Device.start`. Beside the factory its module may have
`claims(settings) -> set[tuple[str, int]]`, the (port, address) pairs that such a board occupies; without it the
settings `port` and `address` are taken; and `async make_safe(settings) -> None`, which reaches the board whatever became of the
program that drove it, forbids power, sees the contactor open and lets go of the port. Third parties register under the entry point group `pilotwire.drivers`,
for example `pilotwire.drivers = {"mybox": "mybox.driver:create"}`; a built-in name cannot be taken over.
"""

from __future__ import annotations

import difflib
import importlib
import os.path
from collections.abc import Mapping
from types import ModuleType

from hal.api import Board
from hal.errors import ConfigError

ENTRY_POINT_GROUP = "pilotwire.drivers"

BUILT_IN: Mapping[str, str] = {
    "openevse": "hal.drivers.openevse:create",
    "sim": "hal.sim.board:create",
}


def _foreign() -> dict[str, str]:
    from importlib.metadata import entry_points  # 17 ms that a station with a built-in driver does not need

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}


def names() -> tuple[str, ...]:
    """Every driver name that a configuration may use, sorted."""
    return tuple(sorted({*BUILT_IN, *_foreign()}))


def _locate(driver: str) -> tuple[ModuleType, str]:
    """Import the module of a driver; returns it and its factory's name. Raises ConfigError."""
    target = BUILT_IN.get(driver) or _foreign().get(driver)
    if target is None:
        known = names()
        near = difflib.get_close_matches(driver, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"unknown driver {driver!r}{hint}; known are {', '.join(known)}")
    module_name, _, factory = target.partition(":")
    try:
        return importlib.import_module(module_name), factory
    except ImportError as error:
        raise ConfigError(f"driver {driver!r} cannot be loaded from {target!r}: {error}") from error


def create_board(driver: str, settings: Mapping[str, object]) -> Board:
    """The board behind `driver`, not yet started. Raises ConfigError: unknown driver, or settings that do not fit."""
    module, factory = _locate(driver)
    create = getattr(module, factory, None)
    if create is None:
        raise ConfigError(f"driver {driver!r}: module {module.__name__!r} has no {factory!r}")
    board = create(settings)
    if not isinstance(board, Board):
        raise ConfigError(f"driver {driver!r}: its factory made a {type(board).__name__}, not a Board")
    return board


def claims(driver: str, settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The (port, address) pairs that this board occupies: two boards must not claim the same. Raises ConfigError."""
    module, _ = _locate(driver)
    own = getattr(module, "claims", None)
    pairs = own(settings) if own is not None else _default_claims(settings)
    return {(_same_port(port), address) for port, address in pairs}


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
