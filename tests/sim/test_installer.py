"""The simulator's installer: every end that an installation can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.runtime.updates import Installation
from station.sim.installer import SimInstaller
from station.sim.loop import run


def install(folder: Path, content: bytes) -> tuple[Installation, str | None]:
    file = folder / "fw.bin"
    file.write_bytes(content)
    installer = SimInstaller(folder)
    return run(installer.install(file)), installer.version()


def test_the_version_that_the_file_names(tmp_path: Path) -> None:
    assert SimInstaller(tmp_path).version() is None
    result, version = install(tmp_path, b"pilotwire-firmware 2.7.1\nwhatever follows")
    assert result == Installation("Installed", reboot=True, version="2.7.1")
    assert version == "2.7.1"


def test_any_other_file_is_named_by_its_content(tmp_path: Path) -> None:
    result, version = install(tmp_path, b"\x7fELF\x00\xff")
    assert result.version == version
    assert version is not None
    assert version.startswith("sim-")


@pytest.mark.parametrize(
    ("order", "status"), [("fails", "InstallationFailed"), ("does not verify", "InstallVerificationFailed")]
)
def test_failures_to_order(tmp_path: Path, order: str, status: str) -> None:
    result, version = install(tmp_path, f"pilotwire-firmware 3\ninstall = {order}\n".encode())
    assert result.status == status
    assert version is None


def test_at_once_and_falling_back(tmp_path: Path) -> None:
    assert not install(tmp_path, b"pilotwire-firmware 3\ninstall = at once\n")[0].reboot
    result, version = install(tmp_path, b"pilotwire-firmware 4\ninstall = falls back\n")
    assert (result.version, version) == ("4", "3")


def test_an_empty_file(tmp_path: Path) -> None:
    assert install(tmp_path, b"")[0].status == "Installed"
