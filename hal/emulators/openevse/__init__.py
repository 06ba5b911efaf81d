"""An OpenEVSE board (firmware 8.2.3, RAPI 5.2.1) with a vehicle at its cable, as its firmware behaves."""

from __future__ import annotations

from collections.abc import Mapping

from hal.emulators.openevse.device import OpenEvseEmulator


def create(settings: Mapping[str, object]) -> OpenEvseEmulator:
    """configured_a, hardware_a: maxima. flags: of the settings (checks that are off). total_wh: of its meter. ammeter,
    supervises (heartbeat), lock: whether it has one. boot_s: of its self-test. Raises ConfigError.
    """
    return OpenEvseEmulator(settings)
