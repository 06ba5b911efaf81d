"""`station.security.shelf`: several files and keys, all changed or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.errors import SecurityError
from station.security import files
from station.security.api import KeyAlgorithm
from station.security.filekeys import FileKeys
from station.security.shelf import Shelf, drop, drop_key, put, use_key
from tests.security.power import power


def opened(folder: Path) -> Shelf:
    return Shelf(folder / "shelf", FileKeys(folder / "keys"), ["a", "b"])


def contents(shelf: Shelf) -> dict[str, str | None]:
    return {name: shelf.read(name) for folder in ("a", "b") for name in shelf.names(folder, ".pem")}


def test_steps(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    shelf.keys.generate("old", KeyAlgorithm.EC_P256)
    shelf.change([put("a/1.pem", "one"), put("b/2.pem", "two"), use_key("old", "new")])
    assert contents(shelf) == {"a/1.pem": "one", "b/2.pem": "two"}
    assert shelf.keys.has("new")
    shelf.change([drop("a/1.pem"), drop("a/never.pem"), put("b/2.pem", "TWO"), drop_key("new"), use_key("gone", "x")])
    assert contents(shelf) == {"b/2.pem": "TWO"}
    assert not shelf.keys.has("new")
    assert shelf.read("a/1.pem") is None
    assert shelf.path("b/2.pem").read_text() == "TWO"


def test_hidden_files_and_others_are_not_shown(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    for name in (".1.pem.new", "notes.txt"):
        shelf.path("a").joinpath(name).write_text("x")
    (shelf.path("a") / "folder.pem").mkdir()
    assert list(shelf.names("a", ".pem")) == []
    with pytest.raises(SecurityError, match="nowhere"):
        shelf.names("nowhere", ".pem")


def test_everything_or_nothing(tmp_path: Path) -> None:
    before, after = {"a/1.pem": "one", "b/2.pem": "two"}, {"b/2.pem": "TWO", "b/3.pem": "three"}
    for at in range(1000):
        folder = tmp_path / str(at)
        opened(folder).change([put(name, text) for name, text in before.items()])
        shelf = opened(folder)
        with power(at) as cutting:
            shelf.change([drop("a/1.pem"), put("b/2.pem", "TWO"), put("b/3.pem", "three")])
        assert contents(opened(folder)) in (before, after)
        if not cutting.failed:
            break
    assert contents(opened(folder)) == after


def test_an_interrupted_change_comes_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = opened(tmp_path)
    real = files.os.replace

    def replace(one: Path, other: Path) -> None:
        if other.name == "1.pem":
            raise OSError(28, "No space left on device")
        real(one, other)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", replace)
        with pytest.raises(SecurityError, match="No space"):
            shelf.change([put("a/1.pem", "one"), put("a/2.pem", "two")])
        with pytest.raises(SecurityError, match="No space"):
            shelf.change([put("b/3.pem", "three")])
    shelf.change([put("b/3.pem", "three")])
    assert contents(shelf) == {"a/1.pem": "one", "a/2.pem": "two", "b/3.pem": "three"}


def test_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    with power(None) as counted:
        shelf.change([])
    assert counted.done == []
