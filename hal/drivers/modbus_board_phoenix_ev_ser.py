"""Driver "phoenix_ev_ser": Phoenix Contact EV-CC-AC1-M (EV-SER), by its table in hal/boards."""

from __future__ import annotations

from hal.drivers.modbus_board import Factory

_FACTORY = Factory("phoenix_ev_ser")
create, create_on, claims = _FACTORY.create, _FACTORY.create_on, _FACTORY.claims
make_safe, probe = _FACTORY.make_safe, _FACTORY.probe
