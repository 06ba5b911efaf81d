"""`station.faults_doc`: the page about faults is current, and has a row of every fault."""

from __future__ import annotations

from pathlib import Path

from hal.api import FaultCode
from station.faults_doc import document

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "run: python -m station.faults_doc > docs/faults.md"


def test_every_fault_has_a_row_and_every_row_every_column() -> None:
    rows = [line.split("|")[1:-1] for line in document().splitlines() if line.startswith("| `")]
    assert [row[0].strip(" `") for row in rows] == [code.value for code in FaultCode]
    assert all(len(row) == 10 and all(cell.strip() for cell in row) for row in rows)
