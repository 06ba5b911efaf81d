"""Driver "evse_wb": EVSE-WB, EVSE-DIN, by its table in hal/boards."""

from __future__ import annotations

from hal.drivers.modbus_board import Factory

_FACTORY = Factory("evse_wb")
create, create_on, claims = _FACTORY.create, _FACTORY.create_on, _FACTORY.claims
make_safe, probe = _FACTORY.make_safe, _FACTORY.probe
