"""The settings of driver "sim": one table, from which they are read and documented."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from hal.settings import SettingsReader
from hal.sim.evse import EvseSettings
from hal.sim.grid import ROTATIONS

__all__ = ["BOARD_KEYS", "EVSE_KEYS", "SimKey", "read_evse"]


@dataclass(frozen=True, slots=True)
class SimKey:
    """One setting. What it takes follows from its default; low and high are included."""

    name: str
    doc: str
    default: bool | int | float | str
    low: float = -math.inf
    high: float = math.inf

    @property
    def words(self) -> str:
        """What a value must be."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "a text"
        if isinstance(self.default, int):
            return f"a whole number from {self.low:.0f} to {self.high:.0f}"
        return f"a number from {self.low:g} to {self.high:g}"

    def read(self, reader: SettingsReader) -> Any:
        """The value, of the default's type. What is wrong, the reader keeps."""
        if isinstance(self.default, bool):
            return reader.flag(self.name, self.default)
        if isinstance(self.default, str):
            return reader.text(self.name, self.default)
        if isinstance(self.default, int):
            return reader.integer(self.name, self.default, int(self.low), int(self.high))
        return reader.number(self.name, self.default, self.low, self.high)


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(EvseSettings)}


def _evse(name: str, doc: str, low: float = -math.inf, high: float = math.inf) -> SimKey:
    return SimKey(name, doc, _DEFAULTS[name], low, high)


BOARD_KEYS = (
    SimKey("name", "Name of the board in messages.", "sim"),
    SimKey("seed", "The same seed gives the same errors and noise of the meters.", 0, 0, 2**63),
    SimKey("source_ohm", "Resistance of each phase of the supply; makes the voltage sag under load.", 0.05, 0.0, 1.0),
    SimKey("frequency_hz", "Frequency of the supply.", 50.0, 45.0, 65.0),
)
"""Of the board as a whole."""

EVSE_KEYS = (
    _evse("max_a", "Most that the hardware can carry, A per phase.", 6.0, 80.0),
    _evse("phases", "Phases that are wired: 1 or 3.", 1, 3),
    _evse(
        "rotation", "Supply lines on its L1, L2, L3: RST, RTS, SRT, STR, TRS or TSR, as ConnectorPhaseRotation says."
    ),
    _evse("voltage_v", "Voltage of the supply without load, phase to neutral.", 90.0, 300.0),
    _evse("fixed_cable", "The cable is attached: no socket, no lock."),
    _evse("phase_switching", "The host can choose between one phase and three."),
    _evse("ventilated", "Cars that need ventilation (pilot state D) may charge."),
    _evse("connector_type", "ConnectorEnumType of OCPP 2.x."),
    _evse("initial_wh", "What the meter shows at first.", 0.0, 1e12),
    _evse("meter_error_percent", "Accuracy class of the meter; 0 is exact.", 0.0, 10.0),
    _evse("report_soc", "The meter tells the state of charge of the car, as boards with ISO 15118 can."),
    _evse("temperature_limit_c", "The board reports HighTemperature from here on.", 20.0, 200.0),
    _evse("rcd_test", "Its residual-current device can test itself: with nobody there, in three seconds."),
)
"""Of its EVSEs: for all of them, or different in each table of `evse`."""


def read_evse(reader: SettingsReader, where: str) -> EvseSettings:
    """What one EVSE is. where: how the table is called in messages. What is wrong, the reader keeps."""
    settings = EvseSettings(**{key.name: key.read(reader) for key in EVSE_KEYS})
    if settings.phases == 2:
        reader.problems.append(f"{where}.phases: must be 1 or 3, is 2")
    if settings.rotation not in ROTATIONS:
        reader.problems.append(f"{where}.rotation: must be one of {', '.join(ROTATIONS)}, is {settings.rotation!r}")
    return settings
