"""Packets of the EVerest-MCU family for people who watch the wire: protobuf fields by their names.

The boards share the frames and differ in the numbers of the fields: Yeti and ADI kit, TIDA-010939, phyVERSO. Which it is, is told by
the numbers themselves. Source: EVerest modules/HardwareDrivers/EVSE/*/*comms/protobuf/*.proto.
"""

from __future__ import annotations

from collections.abc import Mapping

from hal.drivers import mcu_wire as wire
from hal.monitor_base import Cut, Decoder, Direction, Verdict

__all__ = ["McuDecoder"]

_YETI, _TIDA, _PHYVERSO = "yeti", "tida", "phyverso"
_KEEP_ALIVE: Mapping[int, str] = {
    1: "time_stamp",
    2: "hw_type",
    3: "hw_revision",
    4: "protocol_major",
    5: "protocol_minor",
    6: "software",
    7: "max_a",
    8: "min_a",
    9: "max_phases",
    10: "min_phases",
    11: "phase_switching",
}
_PHYVERSO_KEEP_ALIVE: Mapping[int, str] = {
    **{tag: name for tag, name in _KEEP_ALIVE.items() if tag < 7},
    7: "configuration_done",
}
_POWER: Mapping[int, str] = {
    1: "time_stamp",
    **{1 + phase: f"voltage_L{phase}" for phase in (1, 2, 3)},
    **{4 + phase: f"current_L{phase}" for phase in (1, 2, 3)},
    8: "current_N",
    **{8 + phase: f"wh_L{phase}" for phase in (1, 2, 3)},
    12: "wh",
    **{12 + phase: f"celsius_L{phase}" for phase in (1, 2, 3)},
    16: "celsius_N",
    **{16 + phase: f"watt_L{phase}" for phase in (1, 2, 3)},
    **{19 + phase: f"hz_L{phase}" for phase in (1, 2, 3)},
    23: "phase_sequence_error",
}
_ERRORS: Mapping[int, str] = {
    1: "diode_fault",
    2: "rcd_selftest_failed",
    3: "rcd_triggered",
    4: "ventilation_not_available",
    5: "connector_lock_failed",
    6: "cp_signal_fault",
    7: "over_current",
}
_PHYVERSO_ERRORS: Mapping[int, str] = {**_ERRORS, 7: "heartbeat_timeout", 8: "coil_feedback", 9: "pp_signal"}
_TELEMETRY: Mapping[int, str] = {1: "cp_high", 2: "cp_low", 3: "temp0_c", 4: "temp1_c"}
_COIL: Mapping[int, str] = {1: "coil_type", 2: "coil_state"}

SENT: Mapping[str, Mapping[int, str]] = {
    _YETI: {
        16: "firmware_update",
        100: "keep_alive",
        102: "connector_lock",
        103: "pwm_duty_cycle",
        104: "allow_power_on",
        105: "reset",
        106: "set_number_of_phases",
    },
    _TIDA: {
        1: "firmware_update",
        2: "keep_alive",
        3: "connector_lock",
        4: "pwm_duty_cycle",
        5: "allow_power_on",
        6: "reset",
        8: "rcd_command",
    },
    _PHYVERSO: {
        1: "keep_alive",
        3: "connector_lock",
        4: "pwm_duty_cycle",
        5: "set_coil_state_request",
        6: "reset",
        7: "connector",
        8: "config_response",
        9: "fan",
        10: "rcd_command",
    },
}
RECEIVED: Mapping[str, Mapping[int, str]] = {
    _YETI: {
        3: "keep_alive",
        101: "reset",
        102: "cp_state",
        103: "relais_state",
        104: "error_flags",
        105: "telemetry",
        106: "pp_state",
        107: "lock_state",
        108: "power_meter",
    },
    _TIDA: {
        1: "keep_alive",
        2: "reset",
        3: "cp_state",
        4: "relais_state",
        5: "error_flags",
        6: "telemetry",
        7: "pp_state",
        8: "lock_state",
    },
    _PHYVERSO: {
        1: "keep_alive",
        2: "reset",
        3: "cp_state",
        4: "coil_state_response",
        5: "error_flags",
        6: "connector",
        7: "telemetry",
        8: "pp_state",
        9: "fan",
        10: "lock_state",
        11: "config_request",
    },
}
_INNER: Mapping[str, Mapping[int, str]] = {
    "keep_alive": _KEEP_ALIVE,
    "error_flags": _ERRORS,
    "telemetry": _TELEMETRY,
    "power_meter": _POWER,
    "set_coil_state_request": _COIL,
    "coil_state_response": _COIL,
}
_VALUES: Mapping[str, Mapping[int, str]] = {
    "cp_state": dict(enumerate("ABCDEF")),
    "reset": {0: "by the user", 1: "by the watchdog"},
    "pp_state": {0: "no cable", 1: "13 A", 2: "20 A", 3: "32 A", 4: "70 A", 5: "fault"},
    "lock_state": {0: "undefined", 1: "unlocked", 2: "locked", 3: "locking", 4: "unlocking"},
}
_LEAST_YETI = 100
_MOST_FIELDS = 24


class McuDecoder(Decoder):
    """A frame ends with 00. On a tap both directions come from the same side: then the fields decide."""

    name = "mcu"
    most = wire.Frames.MOST

    def __init__(self, *, show_cards: bool = False) -> None:
        super().__init__(show_cards=show_cards)
        self._board = ""

    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        end = waiting.find(0)
        if end < 0:
            if not final:
                return None
            return Cut(len(waiting), "frame: cut off", Verdict.DAMAGED)
        if end == 0:
            size = len(waiting) - len(waiting.lstrip(b"\0"))
            return Cut(size, "delimiter" if size == 1 else f"{size} delimiters")
        packet = wire.uncobs(waiting[:end])
        if packet is None:
            return Cut(end + 1, "frame: is no COBS", Verdict.DAMAGED)
        if len(packet) < wire.CHECKSUM or wire.checksum(packet):
            return Cut(end + 1, f"frame: {_wrong(packet)}", Verdict.DAMAGED)
        message = packet[: -wire.CHECKSUM]
        found = wire.fields(message)
        if found is None:
            return Cut(end + 1, f"a message that is no protobuf: {message.hex(' ')}", Verdict.DAMAGED)
        return Cut(end + 1, self._words(direction, found))

    def _words(self, direction: Direction, found: tuple[wire.Field, ...]) -> str:
        if not found:
            return "an empty message"
        self._board = _board(direction, found) or self._board
        tables = SENT if direction is Direction.SENT else RECEIVED
        names = tables.get(self._board, {})
        if direction is Direction.RECEIVED and not any(field.tag in names for field in found):
            names = SENT.get(self._board, {})  # a tap hears both
        prefix = f"{self._board}: " if self._board else ""
        return prefix + ", ".join(_field(field, names, self._board) for field in found[:_MOST_FIELDS])


def _board(direction: Direction, found: tuple[wire.Field, ...]) -> str:
    """Which board has such fields; "" when more than one has."""
    kinds = {field.tag: field.kind for field in found}
    if any(tag >= _LEAST_YETI for tag in kinds) or kinds.get(3) == wire.BYTES:
        return _YETI
    if direction is Direction.SENT:
        if kinds.get(7) == wire.VARINT or kinds.get(1) == wire.BYTES:
            return _PHYVERSO
        return _TIDA if kinds.keys() & {2, 3, 4, 5} else ""
    if kinds.get(6) == wire.VARINT:
        return _PHYVERSO
    return _TIDA if kinds.get(6) == wire.BYTES or kinds.get(4) == wire.VARINT else ""


def _field(field: wire.Field, names: Mapping[int, str], board: str) -> str:
    name = names.get(field.tag, f"field {field.tag}")
    if field.number is not None:
        return f"{name} {_number(name, field.number)}"
    if field.real is not None:
        return f"{name} {field.real:g}"
    inner = field.inner
    if inner is None:
        return f"{name} {bytes(field.value).hex() if isinstance(field.value, bytes) else field.value}"
    return f"{name} {_inner(name, inner, board)}"


def _number(name: str, number: int) -> str:
    if name == "pwm_duty_cycle":
        if number == 0:
            return "0 (state F)"
        return f"{number / 100:.2f} %" if number < 10_000 else f"{number} (X1)"
    return _VALUES.get(name, {}).get(number, str(number))


def _inner(name: str, data: bytes, board: str) -> str:
    """A text, or a message in a message."""
    found = wire.fields(data)
    table = _INNER.get(name, {})
    if name == "keep_alive" and board == _PHYVERSO:
        table = _PHYVERSO_KEEP_ALIVE
    if name == "error_flags":
        table = _PHYVERSO_ERRORS if board == _PHYVERSO else table
        if found is not None:
            return "{" + (", ".join(_error(field, table) for field in found if field.number) or "none") + "}"
    if found is None or (data and not table):
        return repr(data.decode("utf-8", "backslashreplace")) if _is_text(data) else data.hex()
    return "{" + ", ".join(_field(field, table, board) for field in found[:_MOST_FIELDS]) + "}"


def _error(field: wire.Field, table: Mapping[int, str]) -> str:
    return table.get(field.tag, f"error {field.tag}")


def _is_text(data: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in data)


def _wrong(packet: bytes) -> str:
    if len(packet) < wire.CHECKSUM:
        return "too short for a checksum"
    told, right = packet[-wire.CHECKSUM :], wire.checksum(packet[: -wire.CHECKSUM]).to_bytes(wire.CHECKSUM, "little")
    return f"wrong checksum {told.hex()}, should be {right.hex()}"
