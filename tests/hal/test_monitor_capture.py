"""Rows of JSON: saved, read again, decoded anew; what was hidden stays so."""

from __future__ import annotations

import json

import pytest

from hal.bus.modbus_rtu import Function, Request
from hal.errors import ConfigError
from hal.monitor import Direction
from hal.monitor_capture import Wires, read_row

READ = Request(1, Function.READ_INPUT, 0x0034, 2).encode()
CARD = b"\x00\x00\xff\x0f\xf1" + bytes.fromhex("d54b010100440007" + "04a1b2c3d4e5f6")
CARD += bytes((-sum(CARD[5:]) & 0xFF, 0))


def test_rows_are_the_same_when_they_are_read_again() -> None:
    wires = Wires()
    rows = wires.feed("/dev/a", "modbus", Direction.SENT, READ, 1.0)
    rows += wires.feed("/dev/b", "pn532", Direction.RECEIVED, CARD, 1.1)
    rows += wires.feed("/dev/a", "modbus", Direction.RECEIVED, b"\x01\x84\x02", 1.2)
    rows += wires.flush("/dev/a")
    assert [row["verdict"] for row in rows] == ["ok", "ok", "noise"]
    assert rows[0]["text"] == "unit 1: read input registers 0x0034..0x0035 (2)"
    saved = [read_row(json.dumps(row), "capture, line 1") for row in rows]
    assert list(Wires().replay(saved)) == rows
    assert "b2c3" not in json.dumps(rows).replace(" ", "").lower()
    assert list(Wires(show_cards=True).replay(saved))[1] == rows[1], "what is hidden is gone"
    anew = list(Wires(speaks="rapi").replay(saved))
    assert (anew[0]["speaks"], anew[0]["verdict"]) == ("rapi", "noise")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"wall": "now"}, "wall"),
        ({"wall": float("nan")}, "wall"),
        ({"direction": "up"}, "direction"),
        ({"hex": "0g"}, "hex"),
        ({"port": 7}, "port"),
    ],
)
def test_a_wrong_row_is_named(change: dict[str, object], field: str) -> None:
    row = Wires().feed("/dev/a", "modbus", Direction.SENT, READ, 1.0)[0]
    with pytest.raises(ConfigError, match=f"line 3: {field} must"):
        read_row(json.dumps({**row, **change}), "capture, line 3")


@pytest.mark.parametrize("line", ["", "[]", "no"])
def test_what_is_no_capture(line: str) -> None:
    with pytest.raises(ConfigError, match="station hal monitor --save"):
        read_row(line, "x")
