"""Factory of driver "tida": the Texas Instruments TIDA-010939. See `hal.drivers.mcu`."""

from __future__ import annotations

from collections.abc import Mapping

from hal.api import Board
from hal.drivers.mcu import Mcu, claims
from hal.drivers.mcu_boards import TIDA
from hal.drivers.mcu_settings import read_settings
from hal.found import Found

__all__ = ["claims", "create", "make_safe", "probe"]


def create(settings: Mapping[str, object]) -> Board:
    """Raises ConfigError naming every field that is wrong."""
    return Mcu(read_settings(TIDA, settings)).board


async def make_safe(settings: Mapping[str, object]) -> None:
    """Forbid and X1, whatever the board was told before; see it open; release the port. Raises HalError."""
    await Mcu(read_settings(TIDA, settings)).rescue()


async def probe(settings: Mapping[str, object]) -> Found | None:
    """Who answers where these settings say; None: nobody, or another board. Changes nothing on it. Raises BusError, ConfigError."""
    from hal.drivers import mcu_probe

    return await mcu_probe.ask(read_settings(TIDA, settings))
