"""Boards, meters and readers of a configuration: made, checked, and what becomes of them when this program dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hal.api import Board, Meter, OnHostLoss, Reader
from hal.assemble import with_meters
from hal.registry import create_board, create_meter, create_reader, meter_claims, reader_claims
from station.config import BoardSettings, Settings

if TYPE_CHECKING:
    from hal.drivers.modbus_meter import Buses

__all__ = ["HardwareChecks", "boards_of", "host_loss", "readers_of", "warnings_of"]

SIMULATED = "sim"


def _buses() -> Buses:
    from hal.drivers.modbus_meter import Buses

    return Buses()


class HardwareChecks:
    """What drivers say of one configuration. Opens nothing.

    One set of Modbus lines for all of its devices, so that two with other line settings on one port are told.
    """

    def __init__(self) -> None:
        self._lines: Buses | None = None

    def _buses(self) -> Buses:
        if self._lines is None:
            self._lines = _buses()
        return self._lines

    def board(self, driver: str, settings: Mapping[str, object]) -> int | None:
        """How many EVSEs the board has; None: as many as the file numbers. Raises hal.errors.ConfigError."""
        buses = None if driver == SIMULATED else self._buses()
        units = len(create_board(driver, settings, buses).units)
        return None if _takes_any_number(driver, settings) else units

    def meter(self, settings: Mapping[str, object]) -> set[tuple[str, int]]:
        """What it claims. Raises hal.errors.ConfigError."""
        create_meter(settings, self._buses())
        return meter_claims(settings)

    def reader(self, kind: str, settings: Mapping[str, object]) -> set[tuple[str, int]]:
        """What it claims. Raises hal.errors.ConfigError."""
        create_reader(kind, settings)
        return reader_claims(kind, settings)


def _takes_any_number(driver: str, settings: Mapping[str, object]) -> bool:
    """A simulated board whose EVSEs are not described one by one."""
    return driver == SIMULATED and not settings.get("evse")


def _make_board(board: BoardSettings, buses: Buses | None) -> Board:
    """A simulated one has as many EVSEs as the file numbers, unless it has a table for each."""
    if _takes_any_number(board.driver, board.settings):
        return create_board(board.driver, {"evses": len(board.evses), **board.settings})
    return create_board(board.driver, board.settings, buses)


def boards_of(settings: Settings) -> Mapping[str, Board]:
    """The configured boards with their meters, not yet opened, by their place in the file. Raises hal.errors.ConfigError."""
    separate = settings.meters or any(board.driver != SIMULATED for board in settings.boards)
    buses = _buses() if separate else None
    boards = {str(index): _make_board(board, buses) for index, board in enumerate(settings.boards)}
    meters: dict[int, Meter] = {meter.evse: create_meter(meter.of_driver, buses) for meter in settings.meters}
    for index, board in enumerate(settings.boards):
        own = {unit: meters[number] for unit, number in enumerate(board.evses, start=1) if number in meters}
        if own:
            boards[str(index)] = with_meters(boards[str(index)], own, buses)
    return boards


def readers_of(settings: Settings) -> Sequence[Reader]:
    """The configured readers, not yet opened. Raises hal.errors.ConfigError."""
    return tuple(create_reader(reader.kind, reader.of_driver) for reader in settings.readers)


# --- station check ----------------------------------------------------------------------------------------------------


def _where(index: str, board: Board) -> str:
    return f"board[{int(index) + 1}] ({board.name})"


def host_loss(settings: Settings) -> list[str]:
    """For each real board: what it does when this program dies, and how that is armed and verified (LAW 4)."""
    return [
        f"{_where(index, board)}: when this program dies it {_does(board)}."
        + (f" {board.supervision[:1].upper()}{board.supervision[1:].rstrip('.')}." if board.supervision else "")
        for index, board in boards_of(settings).items()
        if settings.boards[int(index)].driver != SIMULATED
    ]


def _does(board: Board) -> str:
    match board.on_host_loss:
        case OnHostLoss.OPENS:
            return "opens the contactor"
        case OnHostLoss.REDUCES:
            amps = "a lower current" if board.on_host_loss_a is None else f"{board.on_host_loss_a:g} A"
            return f"goes on at {amps}"
        case OnHostLoss.NOTHING:
            return "does nothing"


def warnings_of(settings: Settings) -> list[str]:
    """What works, but should not stay so."""
    warnings = []
    for index, board in boards_of(settings).items():
        where = _where(index, board)
        if board.on_host_loss is OnHostLoss.NOTHING:
            warnings.append(
                f"{where}: nothing opens the contactor when this program dies (on_host_loss = nothing). "
                "Remedy: use a board that supervises its host, or wire a watchdog relay."
            )
        elif board.on_host_loss is OnHostLoss.REDUCES:
            warnings.append(f"{where}: when this program dies the board {_does(board)} (on_host_loss = reduces).")
        unused = len(board.units) - len(settings.boards[int(index)].evses)
        if unused > 0:
            warnings.append(
                f"{where}: {unused} of its {len(board.units)} EVSEs are not used. Remedy: number them in board.evses."
            )
        unmetered = [
            number
            for unit, number in zip(board.units, settings.boards[int(index)].evses, strict=False)
            if unit.meter is None
        ]
        if unmetered:
            names = ", ".join(str(number) for number in unmetered)
            have = "has" if len(unmetered) == 1 else "have"
            warnings.append(
                f"{where}: EVSE {names} {have} no meter, so no energy is counted there. Remedy: add a [[meter]] for it."
            )
    return warnings
