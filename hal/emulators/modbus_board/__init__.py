"""Emulated Modbus EVSE boards, each with a firmware of its own written from its maker's register list, not from our tables.

`python -m hal.emulators modbus_board board=heidelberg` (or evse_wb, phoenix_ev_ser; `address=3`). Heidelberg has even parity: --tcp.
Orders: `car` (none, plugged, asks, ventilation), `draw_a`, `obeys_s` (the vehicle stops so long after its PWM; 0.2), `fault` (a
name of the board's, none), `mute`, `refuse` (exception code, 0: none), `refuse_writes`, `wrong_checksum` (so many answers),
`keeps` (registers that take no other value, a list), `set` (address -> value, as somebody at the board would), `celsius`,
`look`. Every answer tells relay, letter, amps, registers, writes and reads.
"""

from hal.emulators.modbus_board.device import EmulatedBoard, create

__all__ = ["EmulatedBoard", "create"]
