"""The tap on serial lines: every byte in its order while somebody listens, nothing otherwise."""

from __future__ import annotations

import os
import pty
import tty

from hal.bus.serial import Line, SerialPort
from hal.bus.trace import TAP, Direction, Passed


async def test_who_listens_hears_every_byte_in_its_order() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    heard: list[Passed] = []
    others: list[Passed] = []
    port = SerialPort(Line(os.ttyname(slave), 9600), speaks="rapi")
    await port.open()
    try:
        await port.write(b"unheard")
        end, end_other = TAP.listen(heard.append), TAP.listen(others.append)
        await port.write(b"question")
        os.write(master, b"answer")
        assert await port.read() == b"answer"
        os.write(master, b"stale")
        while not port.discard():
            pass
        name = port.line.port
        assert heard == [
            Passed(name, "rapi", Direction.SENT, b"question"),
            Passed(name, "rapi", Direction.RECEIVED, b"answer"),
            Passed(name, "rapi", Direction.RECEIVED, b"stale"),
        ]
        end()
        end()
        await port.write(b"more")
        assert len(heard) == 3
        assert others[-1].data == b"more"
        end_other()
        assert TAP.heard == ()
        await port.write(b"unheard")
        assert len(others) == 4
    finally:
        await port.close()
        os.close(master)
        os.close(slave)
