"""Puts separate meters into a board: the station sees them as if the board had them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hal.api import Board, Meter, Sink
from hal.errors import ConfigError

if TYPE_CHECKING:
    from hal.drivers.modbus_meter import Buses


class Lines:
    """The Modbus lines as one device of a board. A line opens itself when somebody asks over it; here it is only closed.

    That way a meter that does not answer keeps no board from starting: its readings fail, and are tried again.
    """

    def __init__(self, buses: Buses) -> None:
        self._buses = buses

    async def start(self, sink: Sink) -> None:
        """Nothing is opened."""
        del sink

    async def close(self) -> None:
        """Release all ports. Idempotent; whoever asks over one of them opens it again."""
        await self._buses.close()


def with_meters(board: Board, meters: Mapping[int, Meter], buses: Buses | None) -> Board:
    """The board with `meters` (its own EVSE number -> meter) in place of what it has. buses: what they are on, None: on none.

    Raises ConfigError when the board has no such EVSE.
    """
    unknown = meters.keys() - {unit.evse for unit in board.units}
    if unknown:
        raise ConfigError(f"board {board.name}: has no EVSE {min(unknown)} for a meter, it has {len(board.units)}")
    units = tuple(replace(unit, meter=meters[unit.evse]) if unit.evse in meters else unit for unit in board.units)
    # Devices are closed in reverse order: the lines after everybody who may be on them.
    lines = () if buses is None else (Lines(buses),)
    return replace(board, units=units, devices=(*lines, *board.devices))
