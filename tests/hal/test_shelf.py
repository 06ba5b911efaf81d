"""Devices as data: a shipped one by its name, one's own by its path, and words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hal.errors import ConfigError
from hal.shelf import Shelf


def test_a_shipped_one_by_its_name_and_ones_own_by_its_path(tmp_path: Path) -> None:
    shelf = Shelf("meter", tmp_path)
    (tmp_path / "b.toml").write_text('name = "B"\n')
    (tmp_path / "a.toml").write_text('name = "A"\n')
    assert shelf.names() == ("a", "b")
    assert shelf.values(shelf.path("a")) == {"name": "A"}
    assert shelf.path(str(tmp_path / "c.toml")) == tmp_path / "c.toml"


def test_what_is_wrong_names_the_setting(tmp_path: Path) -> None:
    shelf = Shelf("meter", tmp_path)
    (tmp_path / "a.toml").write_text("name =\n")
    with pytest.raises(ConfigError, match=r"^meter.model: unknown meter 'b'; known are a, or a path to a .toml file$"):
        shelf.path("b")
    with pytest.raises(ConfigError, match=r"a\.toml: is not TOML"):
        shelf.values(shelf.path("a"))
    with pytest.raises(ConfigError, match=r"^meter.model: .*no\.toml cannot be read: No such file"):
        shelf.values(shelf.path(str(tmp_path / "no.toml")))
