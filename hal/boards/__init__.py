"""Modbus EVSE boards as data: one TOML file per type, read and checked by `hal.boards.model`."""
