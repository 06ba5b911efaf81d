"""Boards of the EVerest-MCU family with a vehicle at each connector, as their firmware behaves."""

from __future__ import annotations

from collections.abc import Mapping

from hal.emulators.mcu.device import McuEmulator


def create(settings: Mapping[str, object]) -> McuEmulator:
    """board: yeti, adkit, tida or phyverso. max_a, min_a, max_phases, phase_switching: as its keep-alive tells. software: its
    version. boot_s: how long it starts. quiet_boot: then it tells only that. keeps_total: its meter's total outlives a restart.
    total_wh: of its meter. heartbeat_s: after so long without its host it opens (0: never). Raises ConfigError.
    """
    return McuEmulator(settings)
