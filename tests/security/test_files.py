"""`station.security.files`: private, whole or old."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from station.errors import SecurityError
from station.security import files
from tests.security.power import power


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> object:
    old = os.umask(request.param)
    yield
    os.umask(old)


def test_files_and_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    files.private_folder(folder)
    files.write(folder / "key", b"secret")
    assert mode(folder) == 0o700
    assert mode(tmp_path / "a") == 0o700
    assert mode(folder / "key") == 0o600
    assert files.read(folder / "key") == b"secret"
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_a_file_is_never_readable_by_others_not_even_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = os.write

    def write(descriptor: int, content: bytes) -> int:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return real(descriptor, content[:1])  # and a disk that takes one byte at a time

    monkeypatch.setattr(files.os, "write", write)
    beside = tmp_path / ".key.new"
    beside.write_bytes(b"left by a crash")
    beside.chmod(0o666)
    files.write(tmp_path / "key", b"secret")
    assert set(seen) == {0o600}
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert mode(tmp_path / "key") == 0o600


def test_what_others_may_read_is_taken_away_from_them(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x")
    (tmp_path / "key").chmod(0o644)
    files.read(tmp_path / "key")
    assert mode(tmp_path / "key") == 0o600
    (tmp_path / "open").mkdir(mode=0o755)
    files.private_folder(tmp_path / "open")
    assert mode(tmp_path / "open") == 0o700


def test_a_power_cut_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for at in range(100):
        file.write_bytes(b"old")
        with power(at) as cutting:
            files.write(file, b"new")
        if not cutting.failed:
            break
        assert file.read_bytes() in (b"old", b"new")
    assert file.read_bytes() == b"new"
    # Content is on the disk before its name is, and the name before anybody is told.
    assert cutting.done.index("fsync") < cutting.done.index("replace")
    assert cutting.done[-1] == "fsync"


def test_renaming_and_removing(tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"1")
    files.write(tmp_path / "b", b"2")
    files.rename(tmp_path / "a", tmp_path / "b")
    assert files.read(tmp_path / "b") == b"1"
    assert files.read(tmp_path / "a") is None
    files.remove(tmp_path / "b")
    files.remove(tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="none/file"):
        files.write(tmp_path / "none" / "file", b"secret")
    with pytest.raises(SecurityError, match="gone"):
        files.rename(tmp_path / "gone", tmp_path / "new")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SecurityError, match="the folder"):
        files.private_folder(tmp_path / "file" / "below")
    with pytest.raises(SecurityError, match="the file"):
        files.read(tmp_path)
