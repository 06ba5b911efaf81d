"""The seams are kept: whoever stands behind a port has everything that the port promises."""

from __future__ import annotations

import inspect

import pytest

from station.ocpp.client import OcppClient
from station.ocpp.client_settings import LinkPort
from station.ocpp.link import Link
from station.runtime.gateway import Gateway
from station.runtime.ports import GatewayPort, Outlet
from station.sim.memory import MemoryLink
from station.store.ops import StorePort
from station.store.sqlite import SqliteStore


def promised(port: type) -> dict[str, object]:
    return {name: member for name, member in vars(port).items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("port", "behind"),
    [
        (GatewayPort, Gateway),
        (Outlet, OcppClient),
        (StorePort, SqliteStore),
        (LinkPort, Link),
        (LinkPort, MemoryLink),
    ],
)
def test_everything_promised_is_there(port: type, behind: type) -> None:
    for name, member in promised(port).items():
        found = inspect.getattr_static(behind, name)
        if inspect.isfunction(member):
            wanted = [p for p in inspect.signature(member).parameters if p != "self"]
            given = [p for p in inspect.signature(found).parameters if p != "self"]
            assert given[: len(wanted)] == wanted, (
                f"{behind.__name__}.{name} takes {given}, {port.__name__} promises {wanted}"
            )
        else:
            assert isinstance(found, property) or not callable(found), name
