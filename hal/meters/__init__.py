"""Modbus meters as data: one TOML file per type, read and checked by `hal.meters.model`, decoded by `hal.meters.decode`."""
