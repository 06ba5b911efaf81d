"""Faults in the log."""

from __future__ import annotations

import logging

import pytest

from hal.api import Fault, FaultCode
from station.clock import Now
from station.core.effects import Record
from station.core.facts import AlertFact, SecurityFact
from station.runtime.fault_log import FaultLog

NOW = Now(mono=1.0, wall=2.0, trusted=True, boot=1)


def test_a_fault_is_logged_with_its_words_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    facts = [
        AlertFact(1, "MeterFailure", True, True, NOW, 1, 1, 1, "it does not answer"),
        AlertFact(2, "ReaderFailure", True, True, NOW),
        AlertFact(3, "MeterFailure", False, False, NOW, 1, 1, 1),
    ]
    with caplog.at_level(logging.INFO, "station.faults"):
        FaultLog()(None, [Record(SecurityFact("StartupOfTheDevice", NOW)), *map(Record, facts)], NOW)
    assert [(row.levelname, row.getMessage()) for row in caplog.records] == [
        ("ERROR", "EVSE 1: fault MeterFailure: it does not answer"),
        ("WARNING", "the station: fault ReaderFailure"),
        ("INFO", "EVSE 1: fault MeterFailure is over"),
    ]


def test_a_fault_that_stood_before_the_restart_is_logged_once_when_the_hardware_reports_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The CSMS knows it already, so that no fact is recorded."""
    told = FaultLog()
    with caplog.at_level(logging.INFO, "station.faults"):
        for _ in range(2):
            told(Fault(1, FaultCode.INTERNAL_ERROR, True, "unplugged"), [], NOW)
    assert caplog.messages == ["EVSE 1: fault InternalError: unplugged"]
