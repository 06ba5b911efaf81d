"""Frames for people: complete, but without passwords and PINs."""

from __future__ import annotations

import orjson
import pytest

from station.ocpp.wirelog import MASK, WireLog

SECRET = "s3cr3t-s3cr3t-s3cr3t"


@pytest.mark.parametrize(
    "payload",
    [
        {"key": "AuthorizationKey", "value": SECRET},
        {"setVariableData": [{"variable": {"name": "basicAuthPassword"}, "attributeValue": SECRET}]},
        {"connectionData": {"basicAuthPassword": SECRET, "apn": {"apnPassword": SECRET}}},
        {"connectionData": {"vpn": {"server": "vpn", "user": "u", "password": SECRET, "key": SECRET}}},
        {"idToken": {"idToken": SECRET, "type": "KeyCode"}},
        {"idTag": SECRET},
    ],
)
def test_secrets_are_masked(payload: dict[str, object]) -> None:
    log = WireLog()
    log.hide(SECRET)
    text = orjson.dumps([2, "id", "X", payload]).decode()
    shown = log.mask(text)
    assert SECRET not in shown
    assert MASK in shown
    assert orjson.loads(shown)[:3] == [2, "id", "X"]


def test_a_pin_that_is_a_number() -> None:
    assert "1234" not in WireLog().mask('[2,"i","SetNetworkProfile",{"connectionData":{"apn":{"simPin":1234}}}]')


def test_without_knowing_the_value_named_secrets_are_found_too() -> None:
    assert SECRET not in WireLog().mask(
        f'[2,"i","ChangeConfiguration",{{"key":"authorizationkey","value":"{SECRET}"}}]'
    )


def test_other_values_stay() -> None:
    text = '[2,"i","ChangeConfiguration",{"key":"HeartbeatInterval","value":"60"}]'
    assert WireLog().mask(text) == text
    mixed = '[2,"i","SetVariables",{"password":"x","attributeValue":"60","variable":{"name":"Interval"}}]'
    assert '"60"' in WireLog().mask(mixed)


def test_unreadable_text_that_may_hold_a_secret_is_withheld() -> None:
    assert SECRET not in WireLog().mask(f'[2,"i","X",{{"password":"{SECRET}"')


def test_listeners_come_and_go() -> None:
    log = WireLog()
    heard: list[tuple[str, str, str | None, str]] = []
    before = log.wanted
    stop = log.listen(lambda *frame: heard.append(frame))
    assert (before, log.wanted) == (False, True)
    log.frame("out", "[]", "Heartbeat", "call")
    stop()
    stop()
    log.frame("out", "[]", "Heartbeat", "call")
    assert heard == [("out", "[]", "Heartbeat", "call")]


def test_a_listener_that_fails_stops_nobody_and_hears_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """A view whose terminal is gone (`| head`) must not end what is being sent."""
    log = WireLog()
    calls: list[str] = []
    heard: list[str] = []

    def broken(*frame: object) -> None:
        calls.append("broken")
        raise BrokenPipeError("nobody reads")

    log.listen(broken)
    log.listen(lambda _way, text, _action, _verdict: heard.append(text))
    log.frame("out", "one", None, "call")
    log.frame("out", "two", None, "call")
    assert calls == ["broken"]
    assert heard == ["one", "two"]
    assert [record.getMessage() for record in caplog.records if "nobody reads" in record.getMessage()] != []
    assert "Traceback" not in caplog.text, "a pipe that was closed is nobody's mistake"


def test_addresses_of_file_servers_hold_no_password() -> None:
    """GetLog and UpdateFirmware bring addresses with user and password (N01.FR.17)."""
    log = WireLog()
    shown: list[str] = []
    log.listen(lambda _way, text, _action, _verdict: shown.append(text))
    log.frame("in", '[2,"1","GetLog",{"log":{"remoteLocation":"ftp://user:secret@host/logs"}}]', "GetLog", "call")
    assert shown == ['[2,"1","GetLog",{"log":{"remoteLocation":"ftp://***@host/logs"}}]']
