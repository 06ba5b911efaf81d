"""Devices that stand beside the boards, [[meter]] and [[reader]], and what drivers say of all of them.

Which drivers there are is not known here: whoever reads the file hands over how a device is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from hal.errors import HalError
from station.config_fields import Integer, Text, setting
from station.config_read import Found
from station.config_toml import Key, Report, render

if TYPE_CHECKING:
    from station.config import BoardSettings

__all__ = [
    "Claims",
    "DeviceChecks",
    "DriverCheck",
    "MeterSettings",
    "ReaderSettings",
    "check_devices",
    "resolved_models",
]

Place = tuple[str, int]
"""Port and address; address 0 is the whole port."""
DriverCheck = Callable[[str, Mapping[str, object]], int | None]
Claims = Callable[[str, Mapping[str, object]], set[Place]]


def _none() -> Mapping[str, object]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """An energy meter on Modbus RTU that stands beside the board and takes the place of what the board measures.

    Other keys: `address`, `baud`, `parity`, `stop_bits`, `timeout_s`, `gap_s` and `max_a` are those of the model unless
    given; `retries`, `local_echo`, `utc_offset_min`. See hardware.md. Meters, and boards on Modbus, may share a port.
    """

    evse: int = setting(Integer(1, 64), "The EVSE that it measures.", example=1)
    model: str = setting(
        Text(255, what="the name of a meter, or of a .toml file"),
        "What it is; `station hal probe` finds out. hardware.md has the list.",
        example="sdm630",
    )
    port: str = setting(
        Text(255, what="/dev/... or socket://host:port"),
        "Serial port (stable names are in /dev/serial/by-id), or a serial server.",
        example="/dev/ttyUSB0",
    )
    settings: Mapping[str, object] = field(default_factory=_none, hash=False)

    @property
    def of_driver(self) -> Mapping[str, object]:
        """What hal.drivers.modbus_meter takes."""
        return _of_meter(self.model, self.port, self.settings)


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """A card reader, a keypad or a button. All other keys of the table are settings of that kind: see hardware.md."""

    kind: str = setting(
        Text(64, r"[A-Za-z0-9_.-]+", "a kind of reader"),
        "pn532, serial, evdev or gpio; `station config drivers` lists them.",
        example="pn532",
    )
    evse: int | None = setting(
        Integer(0, 64),
        "The EVSE at which it stands; without it the whole station's, for a button EVSE 1.",
        default=None,
        example=1,
    )
    port: str | None = setting(
        Text(255, what="a device, or socket://host:port"),
        "Where it is: /dev/serial/by-id/... or /dev/input/by-id/...; for gpio the chip, and /dev/gpiochip0 without it.",
        default=None,
        example="/dev/ttyUSB1",
    )
    settings: Mapping[str, object] = field(default_factory=_none, hash=False)

    @property
    def of_driver(self) -> Mapping[str, object]:
        """What the kind's factory takes."""
        return _of_reader(self.evse, self.port, self.settings)


def _of_meter(model: Any, port: Any, settings: Mapping[str, object]) -> Mapping[str, object]:
    return {"model": model, "port": port, **settings}


def _of_reader(evse: Any, port: Any, settings: Mapping[str, object]) -> Mapping[str, object]:
    given = {name: value for name, value in (("evse", evse), ("port", port)) if value is not None}
    return {**given, **settings}


class DeviceChecks(Protocol):
    """What drivers know of separate devices. All raise hal.errors.HalError naming the field ("meter.baud: ...")."""

    def meter(self, settings: Mapping[str, object]) -> set[Place]:
        """See that a meter can be made; what it claims."""

    def reader(self, kind: str, settings: Mapping[str, object]) -> set[Place]:
        """See that a reader can be made; what it claims."""


def resolved_models(meters: Sequence[Found[MeterSettings]], base: Path) -> list[Found[MeterSettings]]:
    """A meter's own .toml file is looked for from the directory of the configuration."""

    def resolved(meter: Found[MeterSettings]) -> Found[MeterSettings]:
        model = meter.get("model")
        if model is None or not model.endswith(".toml"):
            return meter
        return replace(meter, values={**meter.values, "model": str(base / model)})

    return [resolved(meter) for meter in meters]


# --- checks -----------------------------------------------------------------------------------------------------------


def check_devices(
    boards: Sequence[Found[BoardSettings]],
    meters: Sequence[Found[MeterSettings]],
    readers: Sequence[Found[ReaderSettings]],
    report: Report,
    *,
    driver_check: DriverCheck | None,
    claims: Claims | None,
    devices: DeviceChecks | None,
) -> None:
    """Whether the devices can be made, and do not get into each other's way."""
    _check_evses(boards, meters, readers, report)
    wrong = _check_drivers(boards, report, driver_check) if driver_check is not None else set()
    owners = _Owners(report)
    if claims is not None:
        _claim_boards(boards, report, claims, wrong, owners)
    if devices is not None:
        _check_meters(meters, report, devices, owners)
        _check_readers(readers, report, devices, owners)


def _check_evses(
    boards: Sequence[Found[BoardSettings]],
    meters: Sequence[Found[MeterSettings]],
    readers: Sequence[Found[ReaderSettings]],
    report: Report,
) -> None:
    """Meters and readers are at EVSEs that there are, and no EVSE has two meters."""
    known = {number for board in boards for number in board.get("evses") or ()}
    complete = bool(boards) and all(board.get("evses") is not None for board in boards)
    seen: dict[int, Key] = {}
    stand_at: list[tuple[Key, int | None]] = [(meter.key, meter.get("evse")) for meter in meters]
    stand_at += [(reader.key, reader.get("evse")) for reader in readers]
    for device, number in stand_at:
        key: Key = (*device, "evse")
        if not number:
            continue
        if complete and number not in known:
            report.problem(key, f"no board drives EVSE {number}", f"there are {_listed(known)}")
        elif device[0] == "meter" and seen.setdefault(number, device) != device:
            report.problem(key, f"EVSE {number} has {render(seen[number])} already", "give each EVSE one meter")


def _listed(numbers: set[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _check_drivers(boards: Sequence[Found[BoardSettings]], report: Report, driver_check: DriverCheck) -> set[Key]:
    """The boards that their drivers refuse."""
    wrong: set[Key] = set()
    for board in boards:
        driver, numbers = board.get("driver"), board.get("evses") or ()
        if driver is None:
            continue
        try:
            units = driver_check(driver, board.values["settings"])
        except HalError as error:
            wrong.add(board.key)
            _driver_problems(board.key, str(error), report, "driver")
            continue
        if units is not None and len(numbers) > units:
            report.problem(
                (*board.key, "evses"),
                f"names {len(numbers)} EVSEs, but the board ({driver}) has {units}",
                f"name {units}, one for each EVSE of the board in its order",
            )
    return wrong


def _driver_problems(key: Key, message: str, report: Report, otherwise: str) -> None:
    """A driver tells all its problems in one message, each with its field: "board.port: ...; board.evse[1].x: ...".

    otherwise: the field of a problem that names none.
    """
    for text in re.split(r"; (?=(?:board|meter|reader)[.\[])", message):
        named = re.match(r"(?:board|meter|reader)\.([a-z_]+)((?:\[\d+\])?(?:\.[a-z_]+)*): ", text)
        if named is None:
            report.problem((*key, otherwise), text.rstrip("."))
            continue
        rest = f"{named[2].lstrip('.')}: " if named[2] else ""
        report.problem((*key, named[1]), rest + text[named.end() :].rstrip("."))


# --- ports ------------------------------------------------------------------------------------------------------------


class _Owners:
    """Who is on which port and address."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._of: dict[Place, Key] = {}

    def claim(self, key: Key, places: set[Place]) -> None:
        for port, address in sorted(places):
            other = self._conflict(key, port, address)
            if other is None:
                self._of.setdefault((port, address), key)
                continue
            owner, at = other
            if address and at:
                shared, remedy = f"port {port}, address {address}", "give each its own port or address"
            else:
                shared, remedy = f"port {port}, which cannot be shared", "give each its own port"
            self._report.problem(key, f"uses {shared}, as {render(owner)} does", remedy)

    def _conflict(self, key: Key, port: str, address: int) -> tuple[Key, int] | None:
        for (other, at), owner in self._of.items():
            if other == port and owner != key and (at == address or 0 in (at, address)):
                return owner, at
        return None


def _claim_boards(
    boards: Sequence[Found[BoardSettings]], report: Report, claims: Claims, wrong: set[Key], owners: _Owners
) -> None:
    """Boards that are `wrong` already are left out."""
    for board in boards:
        if board.key in wrong or board.get("driver") is None:
            continue
        try:
            owners.claim(board.key, claims(board.get("driver"), board.values["settings"]))
        except HalError as error:
            _driver_problems(board.key, str(error), report, "driver")


def _check_meters(
    meters: Sequence[Found[MeterSettings]], report: Report, devices: DeviceChecks, owners: _Owners
) -> None:
    for meter in meters:
        model, port = meter.get("model"), meter.get("port")
        if model is None or port is None:
            continue
        try:
            owners.claim(meter.key, devices.meter(_of_meter(model, port, meter.values["settings"])))
        except HalError as error:
            _driver_problems(meter.key, str(error), report, "model")


def _check_readers(
    readers: Sequence[Found[ReaderSettings]], report: Report, devices: DeviceChecks, owners: _Owners
) -> None:
    for reader in readers:
        kind = reader.get("kind")
        if kind is None or reader.wrong:
            continue
        settings = _of_reader(reader.get("evse"), reader.get("port"), reader.values["settings"])
        try:
            owners.claim(reader.key, devices.reader(kind, settings))
        except HalError as error:
            _driver_problems(reader.key, str(error), report, "kind")
