"""hal.registry: names, lazy loading, third parties, claims."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from hal import registry
from hal.api import Board, OnHostLoss
from hal.errors import ConfigError, HalError


def test_sim_is_known_and_makes_a_board_without_a_running_loop():
    assert "sim" in registry.names()
    board = registry.create_board("sim", {"evses": 3})
    assert isinstance(board, Board)
    assert [unit.evse for unit in board.units] == [1, 2, 3]


def test_unknown_driver_lists_the_known_ones_and_guesses():
    with pytest.raises(ConfigError, match=r"unknown driver 'simm' \(did you mean 'sim'\?\); known are .*sim"):
        registry.create_board("simm", {})
    assert issubclass(ConfigError, HalError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"evse_count": 2}, r"board\.evse_count: unknown; known are"),
        ({"evses": "two"}, r"board\.evses: must be a whole number, is 'two'"),
        ({"evses": True}, r"board\.evses: must be a whole number, is True"),
        ({"evses": 0}, r"board\.evses: must be a whole number of 1 to 64, is 0"),
        ({"max_a": 200}, r"board\.max_a: must be a number of 6 to 80, is 200"),
        ({"voltage_v": float("nan")}, r"board\.voltage_v"),
        ({"phases": 2}, r"board\.phases: must be 1 or 3"),
        ({"evse": [{"max_a": 1}]}, r"board\.evse\[1\]\.max_a"),
        ({"evse": [{}], "evses": 2}, r"board\.evses: is 2, but there are 1"),
        ({"evse": 5}, r"board\.evse: must be a list of tables"),
    ],
)
def test_wrong_settings_name_their_field(settings, words):
    with pytest.raises(ConfigError, match=words):
        registry.create_board("sim", settings)


def test_every_mistake_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        registry.create_board("sim", {"max_a": 1, "typo": 1, "evses": -1})
    assert all(field in str(caught.value) for field in ("max_a", "typo", "evses"))


def fake_points(monkeypatch, **targets):
    points = [EntryPoint(name, target, registry.ENTRY_POINT_GROUP) for name, target in targets.items()]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [p for p in points if p.group == group])


def test_third_parties_register_but_take_no_built_in_name(monkeypatch):
    fake_points(monkeypatch, mybox="hal.sim.board:create", sim="nowhere:create")
    assert registry.names() == tuple(sorted({"mybox", *registry.BUILT_IN}))
    assert registry.create_board("mybox", {"name": "mine"}).name == "mine"
    assert registry.create_board("sim", {}).name == "sim"


def test_a_broken_third_party_is_a_config_error(monkeypatch):
    fake_points(monkeypatch, gone="no_such_module:create", empty="hal.errors:create", odd="builtins:dict")
    with pytest.raises(ConfigError, match="'gone' cannot be loaded from 'no_such_module:create'"):
        registry.create_board("gone", {})
    with pytest.raises(ConfigError, match="has no 'create'"):
        registry.create_board("empty", {})
    with pytest.raises(ConfigError, match="made a dict, not a Board"):
        registry.create_board("odd", {})


def test_claims(monkeypatch, tmp_path):
    fake_points(monkeypatch, serialbox="hal.errors:create")
    assert registry.claims("sim", {"evses": 2}) == set()
    device, link = tmp_path / "ttyUSB0", tmp_path / "board0"
    device.touch()
    link.symlink_to(device)
    by_link = registry.claims("serialbox", {"port": str(link), "address": 1})
    assert by_link == registry.claims("serialbox", {"port": str(device), "address": 1})
    assert not by_link & registry.claims("serialbox", {"port": str(device), "address": 2})
    assert registry.claims("serialbox", {}) == set()


def test_nothing_heavy_is_loaded_before_a_driver_is_named():
    code = (
        "import sys, hal.registry, hal.drivers, hal.emulators, hal.bus\n"
        "print(sorted({'asyncio', 'can', 'serial', 'hal.sim', 'hal.bus.loopback'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


SETTINGS: dict[str, dict[str, object]] = {
    "modbus_board": {"port": "/dev/a", "model": "evse_wb"},
    "relay": {"rating_a": 16, "contactor": {"port": "/dev/a", "coil": 0}},
    "sim": {},
}


@pytest.mark.parametrize("driver", sorted(registry.BUILT_IN))
def test_every_driver_declares_what_becomes_of_a_charge_without_us(driver):
    """LAW 4: declared, and said in words how it is armed and verified. Real boards can be asked who they are, and be made safe."""
    settings = SETTINGS.get(driver, {"port": "/dev/a"})
    board = registry.create_board(driver, settings)
    assert (board.on_host_loss is OnHostLoss.REDUCES) is (board.on_host_loss_a is not None)
    if driver != "sim":
        assert board.supervision
        assert registry.prober(driver) is not None
        assert callable(getattr(registry._locate(driver)[0], "make_safe", None))
        assert registry.claims(driver, settings)
