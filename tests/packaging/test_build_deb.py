"""What goes into the Debian package, as far as that needs no network; the package itself is tried by tests.packaging.smoke."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from station import __version__
from station.config_toml import read_toml
from systemd import build_deb
from tests.tools.needs import find_tool

SCRIPTS = {"postinst": build_deb.POSTINST, "prerm": build_deb.PRERM, "postrm": build_deb.POSTRM}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_of_the_maintainer_are_good_shell(name: str) -> None:
    text = SCRIPTS[name]
    assert text.startswith("#!/bin/sh\nset -e\n")
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    # A container or a chroot has no running systemd: nothing may be asked of it there.
    block = re.compile(r"^( *)if \[ -d /run/systemd/system \]; then\n.*?^\1fi\n", re.MULTILINE | re.DOTALL)
    guarded = block.sub("", text)
    assert not re.search(r"systemctl [a-z]", guarded)


def test_state_goes_only_when_it_is_purged() -> None:
    assert all("/var/lib" not in text for name, text in SCRIPTS.items() if name != "postrm")
    purge, _, rest = build_deb.POSTRM.partition("fi\n")
    assert 'if [ "$1" = purge ]' in purge
    assert "/var/lib/pilotwire" in purge
    assert "rm " not in rest


def test_files(tmp_path: Path) -> None:
    """Everything but the wheels, laid out, described, and packed by dpkg-deb."""
    find_tool("dpkg-deb")
    tree = tmp_path / "tree"
    (tree / build_deb.PREFIX / "lib").mkdir(parents=True)
    build_deb.lay_out(tree, "3.11")
    build_deb.documents(tree, 1_700_000_000)
    build_deb.control(tree, "3.11", "arm64", 1)
    build_deb.same_time(tree, 1_700_000_000)
    assert (tree / "usr/bin/station").readlink() == Path("/opt/pilotwire/bin/station")
    read_toml(tree / "etc/pilotwire/station.example.toml")
    example, _ = read_toml(tree / "etc/pilotwire/station.example.toml")
    assert example["control"]["socket"] == "/run/pilotwire/control.sock"
    assert not (tree / "etc/pilotwire/station.toml").exists(), "that one is the operator's"
    package = tmp_path / "one.deb"
    words = ("dpkg-deb", "--build", "--root-owner-group", "-z0", str(tree), str(package))
    subprocess.run(words, check=True, capture_output=True)
    said = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
    assert f"Version: {__version__}\n" in said
    assert "Architecture: arm64\n" in said
    assert "Depends: python3.11, " in said
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    owners = {line.split()[1] for line in listed.splitlines()}
    assert owners == {"root/root"}
    for place in ("systemd/system/pilotwire.service", "udev/rules.d/75-pilotwire.rules", "sysusers.d/pilotwire.conf"):
        assert f" ./usr/lib/{place}\n" in listed


@pytest.mark.parametrize(
    ("version", "debian"), [("1.2.0", "1.2.0"), ("1.2.0.dev3", "1.2.0~dev3"), ("1.2.0rc1", "1.2.0~rc1")]
)
def test_versions_before_a_version(version: str, debian: str) -> None:
    assert build_deb.for_dpkg(version) == debian
