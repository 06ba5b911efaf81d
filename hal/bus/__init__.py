"""Ways to reach a device. A driver is written against `ByteStream` or a request/answer object, never against a library.

loopback.py is here: two ends in this process, with a manipulator that spoils what passes; serial.py: a serial line (a
/dev path, a pty, or socket://host:port) by the event loop; modbus_rtu.py: a master on such a line (one lock per bus, a
minimum gap per device, resynchronisation). Room is kept for
can.py (python-can; slcan, socketcan), raw_ethernet.py and qca7000_uart.py (power-line modems).
All of them raise BusError when the wire or its adapter fails, and nothing else but HalError.
"""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """Bytes in both directions, in order, without frames."""

    async def read(self, limit: int) -> bytes:
        """Wait for 1..limit bytes. b"" when the other end was closed; BusError when the wire is gone."""

    def write(self, data: bytes) -> None:
        """Send; never blocks. Raises BusError when this end is closed or the wire is gone."""

    def close(self) -> None:
        """Release the port. Idempotent."""
