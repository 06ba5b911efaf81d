"""What the firmware of each board calls its messages (their .proto files, read a second time, apart from the driver)."""

from __future__ import annotations

from typing import NamedTuple


class Tags(NamedTuple):
    """Host to MCU, then MCU to host; 0: there is no such message."""

    keep_alive: int
    lock: int
    pwm: int
    power: int
    reset: int
    phases: int
    rcd: int
    config: int
    out_keep_alive: int
    out_reset: int
    out_cp: int
    out_relay: int
    out_errors: int
    out_telemetry: int
    out_pp: int
    out_lock: int
    out_meter: int
    out_config: int


TAGS = {
    "yeti": Tags(100, 102, 103, 104, 105, 106, 0, 0, 3, 101, 102, 103, 104, 105, 106, 107, 108, 0),
    "adkit": Tags(100, 0, 103, 104, 105, 0, 0, 0, 3, 101, 102, 103, 104, 105, 106, 0, 108, 0),
    "tida": Tags(2, 3, 4, 5, 6, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0),
    "phyverso": Tags(1, 3, 4, 5, 6, 0, 10, 8, 1, 2, 3, 4, 5, 7, 8, 10, 0, 11),
}
COMMON = ("diode", "rcd_selftest", "rcd", "ventilation", "lock", "pilot")
ERRORS = {
    "yeti": (*COMMON, "over_current"),
    "adkit": (*COMMON, "over_current"),
    "tida": (*COMMON, "over_current"),
    "phyverso": (*COMMON, "heartbeat", "coil_feedback", "pp"),
}
"""Error flags in the order of their numbers, from 1."""
