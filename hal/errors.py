"""Errors of the hardware layer: they say who erred.

HalError
|-- BusError        the wire or its adapter: unplugged, time-out, checksum, framing (retry with back-off)
|-- DeviceError     the device answered, and its answer is a refusal or nonsense
`-- ConfigError     we were asked for something that does not exist (never retried)
"""

from __future__ import annotations


class HalError(Exception):
    """Base of everything that a driver may raise."""


class BusError(HalError):
    """The wire or its adapter failed; the device may be fine."""


class DeviceError(HalError):
    """The device was reached and refused, or answered with something impossible."""


class ConfigError(HalError):
    """A driver, a parameter or a port in the configuration does not exist or does not fit."""
