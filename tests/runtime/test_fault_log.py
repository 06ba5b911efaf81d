"""Faults in the log."""

from __future__ import annotations

import logging

import pytest

from station.clock import Now
from station.core.effects import Record
from station.core.facts import AlertFact, SecurityFact
from station.runtime.fault_log import log_faults

NOW = Now(mono=1.0, wall=2.0, trusted=True, boot=1)


def test_a_fault_is_logged_with_its_words_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    facts = [
        AlertFact(1, "MeterFailure", True, True, NOW, 1, 1, 1, "it does not answer"),
        AlertFact(2, "ReaderFailure", True, True, NOW),
        AlertFact(3, "MeterFailure", False, False, NOW, 1, 1, 1),
    ]
    with caplog.at_level(logging.INFO, "station.faults"):
        log_faults(None, [Record(SecurityFact("StartupOfTheDevice", NOW)), *map(Record, facts)], NOW)
    assert [(row.levelname, row.getMessage()) for row in caplog.records] == [
        ("ERROR", "EVSE 1: fault MeterFailure: it does not answer"),
        ("WARNING", "the station: fault ReaderFailure"),
        ("INFO", "EVSE 1: fault MeterFailure is over"),
    ]
