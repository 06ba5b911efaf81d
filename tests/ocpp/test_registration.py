"""Registration and Heartbeat (B01-B03, G02)."""

from __future__ import annotations

import pytest

from station.clock import Now
from station.ocpp.dialect import BootAnswer
from station.ocpp.registration import ACCEPTED, PENDING, REJECTED, UNREGISTERED, BackOff, Registration


def at(mono: float) -> Now:
    return Now(mono, mono)


def connected(mono: float = 0.0) -> Registration:
    registration = Registration(lambda: 0.0, BackOff(10.0, 60.0))
    registration.connected(at(mono))
    return registration


def booted(status: str, interval_s: float, mono: float = 0.0) -> Registration:
    registration = connected(mono)
    registration.boot_sent()
    registration.boot_answered(BootAnswer(status, interval_s, None), at(mono))
    return registration


def test_nothing_without_a_link() -> None:
    registration = Registration(lambda: 0.0)
    assert not registration.boot_due(at(0))
    assert not registration.heartbeat_due(at(0))
    assert registration.deadline() is None


def test_first_connection_boots_once() -> None:
    registration = connected()
    assert registration.status == UNREGISTERED
    assert not registration.may_call()
    assert registration.boot_due(at(0))
    registration.boot_sent()
    assert not registration.boot_due(at(1000)), "one at a time"


@pytest.mark.parametrize("status", [PENDING, REJECTED])
def test_the_interval_is_kept_across_a_reconnect(status: str) -> None:
    registration = booted(status, 30)
    assert registration.deadline() == 30
    registration.disconnected()
    registration.connected(at(10))
    assert not registration.boot_due(at(29.9))
    assert registration.boot_due(at(30))
    assert registration.may_call() is (status == PENDING)
    assert registration.silent is (status == REJECTED)


def test_own_back_off_doubles_to_its_limit() -> None:
    registration, now = connected(), 0.0
    pauses = []
    for _ in range(5):
        assert registration.boot_due(at(now))
        registration.boot_sent()
        registration.boot_failed(at(now))
        due = registration.deadline()
        assert due is not None
        pauses.append(due - now)
        now = due
    assert pauses == [10, 20, 40, 60, 60]
    assert BackOff(10.0, 60.0).after(1, lambda: 0.5) == 10.5


def test_an_interval_of_zero_is_ours_to_choose_and_does_not_flood() -> None:
    registration = booted(PENDING, 0)
    assert registration.deadline() == 10
    registration.boot_sent()
    registration.boot_answered(BootAnswer(REJECTED, -5, None), at(10))
    assert registration.deadline() == 30


def test_nonsense_is_no_answer() -> None:
    registration = booted("Perhaps", 5)
    assert registration.status == UNREGISTERED
    assert registration.deadline() == 10


def test_a_request_cut_off_is_repeated_at_once() -> None:
    registration = connected()
    registration.boot_sent()
    registration.disconnected()
    registration.connected(at(1))
    assert registration.boot_due(at(1))


def test_accepted_needs_no_second_boot_unless_the_version_is_another() -> None:
    registration = booted(ACCEPTED, 60)
    registration.disconnected()
    registration.connected(at(5))
    assert not registration.boot_due(at(5))
    registration.disconnected()
    registration.connected(at(9), afresh=True)
    assert registration.boot_due(at(9))


def test_triggered_boot() -> None:
    registration = booted(ACCEPTED, 60)
    assert not registration.trigger_boot()
    assert not registration.boot_due(at(0))
    assert registration.trigger_boot(force=True)
    assert registration.boot_due(at(0))
    registration.boot_sent()
    registration.boot_failed(at(1))
    assert registration.accepted, "no answer does not undo what was agreed"
    pending = booted(PENDING, 300)
    assert pending.trigger_boot()
    assert pending.boot_due(at(0))


def test_heartbeat_after_silence_and_never_without_interval() -> None:
    registration = booted(ACCEPTED, 60)
    registration.set_heartbeat(60)
    assert registration.deadline() == 60
    registration.message_sent(at(50))
    assert not registration.heartbeat_due(at(60))
    assert registration.heartbeat_due(at(110))
    registration.heartbeat_sent()
    registration.message_sent(at(110))
    registration.heartbeat_answered(at(111))
    assert registration.deadline() == 170
    registration.set_heartbeat(0)
    assert registration.deadline() is None
    registration.trigger_heartbeat()
    assert registration.heartbeat_due(at(111))


def test_the_clock_is_compared_once_a_day_however_busy_the_link() -> None:
    registration = booted(ACCEPTED, 60)
    registration.set_heartbeat(60)
    for minute in range(24 * 60):
        registration.message_sent(at(60.0 * minute))
        assert not registration.heartbeat_due(at(60.0 * minute))
    assert registration.heartbeat_due(at(86_400))
    registration.heartbeat_failed(at(86_400))
    registration.message_sent(at(86_400))
    assert not registration.heartbeat_due(at(86_401))


def test_no_own_heartbeat_while_pending_but_a_triggered_one() -> None:
    registration = booted(PENDING, 300)
    registration.set_heartbeat(10)
    assert not registration.heartbeat_due(at(100))
    registration.trigger_heartbeat()
    assert registration.heartbeat_due(at(100))
