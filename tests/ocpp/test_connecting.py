"""The next attempt: what it is made with, and what is told of its outcome."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

from station.core.components import standard_definitions
from station.core.device_model import DeviceModel, VariableKey
from station.core.events import NetworkUsed, SecurityNoted
from station.core.types import EvseInfo, NetworkProfile
from station.core.view import NetworkView
from station.ocpp.connecting import Connecting
from station.ocpp.link_settings import LinkSettings
from station.ocpp.trouble import Trouble
from station.ocpp.variables import CommVariables

FILED, CHOSEN = "filed-horse-battery", "chosen-horse-battery"
DISTRUST = Trouble("the certificate of the CSMS is refused: expired", event="InvalidCsmsCertificate")
UNAUTHORIZED = Trouble("refused with HTTP 401", 401, "FailedToAuthenticateAtCsms")


class Tls:
    """A `TlsSource` that counts."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.told: list[str] = []

    def context(self, *, certificate: bool) -> ssl.SSLContext:
        self.asked.append(certificate)
        return ssl.create_default_context()

    def has_certificate(self) -> bool:
        return True

    def distrusted(self) -> None:
        self.told.append("distrusted")

    def refused(self) -> None:
        self.told.append("refused")

    def worked(self) -> None:
        self.told.append("worked")

    def vouched(self, chain: tuple[bytes, ...]) -> None:
        self.told.append(f"{len(chain)} vouch")


class World:
    def __init__(self, *profiles: NetworkProfile, **base: Any) -> None:
        slots = dict(enumerate(profiles, start=1))
        self.view = NetworkView(slots=slots, order=tuple(slots))
        self.model = DeviceModel(standard_definitions((EvseInfo(1),)))
        options: dict[str, Any] = {
            "url": "ws://filed",
            "identity": "CS1",
            "subprotocols": lambda: ("ocpp2.0.1", "ocpp1.6"),
            "password": FILED,
        }
        settings = LinkSettings(**{**options, **base})
        self.connecting = Connecting(settings, lambda: self.view, CommVariables(lambda: self.model))
        self.connecting.begin()

    def choose(self, password: str) -> None:
        self.model.put(VariableKey("SecurityCtrlr", "BasicAuthPassword"), password)


def test_each_profile_with_what_proves_the_station() -> None:
    plain, basic = NetworkProfile("ws://a", 0), NetworkProfile("ws://b", 1, "1.6", 7)
    world = World(plain, basic, NetworkProfile("wss://c", 2), NetworkProfile("wss://d", 3), cert_file="c.pem")
    tls = world.connecting.tls = Tls()
    found = []
    for _ in range(4):
        what = world.connecting.settings()
        if what.secure:
            assert what.context is not None
            what.context()
        found.append((what.url, what.password, what.cert_file, tuple(what.subprotocols())))
        timeout = world.connecting.message_timeout_s()
        assert timeout == (7 if what.url == "ws://b" else 30)
        for _ in range(3):
            world.connecting.failed(Trouble("no"))
    both = ("ocpp2.0.1", "ocpp1.6")
    assert found == [
        ("ws://a", FILED, None, both),
        ("ws://b", FILED, None, ("ocpp1.6",)),
        ("wss://c", FILED, None, both),
        ("wss://d", None, "c.pem", both),  # A00.FR.401
    ]
    assert tls.asked == [False, True]


def test_without_slots_the_base_is_used() -> None:
    world = World(cert_file="c.pem")
    what = world.connecting.settings()
    assert (what.url, what.password, what.cert_file, what.refusal) == ("ws://filed", FILED, "c.pem", None)
    assert world.connecting.accepted() == []
    assert world.connecting.failed(DISTRUST) == [SecurityNoted("InvalidCsmsCertificate", DISTRUST.words)]


def test_the_same_cause_is_told_once_until_a_connection_stands() -> None:
    world = World(NetworkProfile("wss://a", 2), NetworkProfile("wss://b", 2))
    tls = world.connecting.tls = Tls()
    told = []
    for _ in range(12):
        world.connecting.settings()
        told += world.connecting.failed(DISTRUST)
    assert len(told) == 2  # of each CSMS
    world.connecting.settings()
    assert world.connecting.failed(Trouble("no route")) == []
    assert world.connecting.accepted() == [NetworkUsed(1, 2, "", world.view.slots[1])]
    world.connecting.settings()
    assert len(world.connecting.failed(DISTRUST)) == 1
    assert set(tls.told) == {"distrusted", "worked"}


def test_another_password_after_a_refusal() -> None:
    world = World(NetworkProfile("ws://a", 1))
    world.choose(CHOSEN)
    world.view = replace(world.view, unproven=True)
    assert world.connecting.settings().password == CHOSEN
    assert world.connecting.failed(UNAUTHORIZED) == [SecurityNoted("FailedToAuthenticateAtCsms", UNAUTHORIZED.words)]
    assert world.connecting.settings().password == FILED
    assert world.connecting.accepted() == [NetworkUsed(1, 1, "old", world.view.slots[1])]
    assert world.connecting.accepted() == []
    world.connecting.changed()
    assert world.connecting.accepted() == [NetworkUsed(1, 1, "old", world.view.slots[1])]


def test_a_colon_in_the_identity_and_a_password_from_the_csms() -> None:
    world = World(NetworkProfile("ws://a", 1), identity="a:b", password=None)
    assert "needs a password" in (world.connecting.settings().refusal or "")
    world.choose(CHOSEN)
    assert "RFC 7617" in (world.connecting.settings().refusal or "")


def test_another_csms_is_registered_with_anew() -> None:
    """B10.FR.10."""
    world = World(NetworkProfile("ws://a", 0), NetworkProfile("ws://b", 0))
    connecting = world.connecting
    connecting.settings()
    assert not connecting.opened()
    connecting.accepted()
    connecting.heard()
    connecting.closed(was_accepted=True)
    for _ in range(3):
        assert connecting.settings().url == "ws://a"
        assert not connecting.opened()
        connecting.closed(was_accepted=False)
    assert connecting.settings().url == "ws://b"
    assert connecting.opened()


HUNG_UP = Trouble("the CSMS ended the connection instead of answering", doubts_us=True)


def test_the_certificate_is_doubted_when_every_profile_failed_and_a_csms_was_there() -> None:
    """A02.FR.28: after all entries; an outage is no reason to give the newer certificate up."""
    world = World(NetworkProfile("wss://a", 3), NetworkProfile("wss://b", 3))
    tls = world.connecting.tls = Tls()

    def fails(trouble: Trouble, times: int) -> list[str]:
        for _ in range(times):
            world.connecting.settings()
            world.connecting.failed(trouble)
        told, tls.told = tls.told, []
        return told

    assert fails(Trouble("no route"), 12) == []
    assert fails(HUNG_UP, 1) == []
    assert fails(Trouble("no route"), 4) == []
    assert fails(Trouble("no route"), 1) == ["refused"]
    assert fails(Trouble("no route"), 6) == []
    assert fails(HUNG_UP, 5) == []
    world.connecting.settings()
    world.connecting.accepted()
    assert fails(HUNG_UP, 5) == ["worked"]
    assert fails(HUNG_UP, 1) == ["refused"]


def test_a_csms_that_opens_and_says_nothing_doubts_the_certificate_too() -> None:
    world = World(NetworkProfile("wss://a", 3))
    tls = world.connecting.tls = Tls()
    for heard in (True, False):
        for _ in range(3):
            world.connecting.settings()
            world.connecting.opened()
            if heard:
                world.connecting.heard()
            world.connecting.closed(was_accepted=False)
        assert tls.told == ([] if heard else ["refused"])


def test_a_password_is_not_a_certificate() -> None:
    world = World(NetworkProfile("wss://a", 2))
    tls = world.connecting.tls = Tls()
    for _ in range(6):
        world.connecting.settings()
        world.connecting.failed(UNAUTHORIZED)
    assert tls.told == []
