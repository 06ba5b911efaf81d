"""The file's words about the CSMS become network profiles."""

from __future__ import annotations

from typing import Any

import pytest

from station.app import EvseSetup, StationSetup
from station.app_network import network_of, variables_of
from station.core.types import NetworkProfile

ORDER = "OCPPCommCtrlr.NetworkConfigurationPriority"
SECOND = NetworkProfile("wss://second", 2)


def setup(**more: Any) -> StationSetup:
    return StationSetup("CS1", **{"url": "ws://csms", "versions": ("2.0.1",), "evses": (EvseSetup(1, "b"),), **more})


@pytest.mark.parametrize(
    ("more", "profile", "anonymous"),
    [
        ({}, 0, False),
        ({"password": "x"}, 1, False),
        ({"password": "x", "security_profile": 0}, 0, False),
        ({"url": "wss://csms"}, 2, True),
        ({"url": "wss://csms", "password": "x"}, 2, False),
        ({"url": "wss://csms", "cert_file": "c", "password": "x"}, 3, False),
        ({"url": "wss://csms", "cert_file": "c", "security_profile": 2}, 2, False),
    ],
)
def test_the_first_slot(more: dict[str, Any], profile: int, anonymous: bool) -> None:
    found = network_of(setup(**more)).profiles
    assert found[1].security_profile == profile
    assert bool(found[1].extra) is anonymous


def test_further_slots_in_the_order_of_the_file() -> None:
    more = setup(networks=(SECOND,))
    assert network_of(more).profiles[2] == SECOND
    assert variables_of(more)[ORDER] == "1,2"
    assert variables_of(setup(networks=(SECOND,), variables={ORDER: "2,1"}))[ORDER] == "2,1"
    assert ORDER not in variables_of(setup())
