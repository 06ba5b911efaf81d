"""The files in systemd/, judged by systemd's own tools. They need no running systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.unit import Unit, read_unit
from tests.tools.needs import find_tool

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICE = SYSTEMD / "pilotwire.service"
EXPOSURE = 2.0
GROUPS = ("dialout", "gpio", "input")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")


def run(*words: str | Path) -> str:
    """What a tool says; it must succeed."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def unit() -> Unit:
    return read_unit(SERVICE)


# --- the service ------------------------------------------------------------------------------------------------------


def test_exposure() -> None:
    """0 is perfectly locked up, 10 is none; --threshold counts in tenths."""
    tool = find_tool("systemd-analyze")
    table = run(
        tool, "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", "--no-pager", SERVICE
    ).splitlines()
    level = float(next(line for line in table if "Overall exposure level" in line).split(":")[1].split()[0])
    assert level <= EXPOSURE


def test_the_threshold_is_taken_seriously(tmp_path: Path) -> None:
    """A unit without hardening must not pass the same check."""
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    words = (find_tool("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", bare)
    assert subprocess.run(words, capture_output=True, timeout=60).returncode != 0


def test_verify(tmp_path: Path) -> None:
    """Unknown or misspelt settings; programs are looked for where the package puts them, which is not here."""
    copy = tmp_path / SERVICE.name
    copy.write_text(SERVICE.read_text().replace("/usr/bin/station", "/bin/true"))
    said = run(find_tool("systemd-analyze"), "verify", "--man=no", copy)
    assert SERVICE.name not in said, said


def test_a_station_is_never_given_up(unit: Unit) -> None:
    assert unit.one("Restart") == "always"
    assert unit.one("StartLimitIntervalSec") == "0"
    assert unit.one("Type") == "notify"
    # A time limit for the program, fed twice in it, and one that lets every vehicle stop before its contactor opens.
    assert 5 <= unit.seconds("WatchdogSec") <= 30
    assert unit.seconds("TimeoutStopSec") >= 6 + 5


def test_it_never_waits_for_the_network_or_the_time(unit: Unit) -> None:
    waits = " ".join(unit.all("After") + unit.all("Wants") + unit.all("Requires") + unit.all("BindsTo"))
    assert "time-set.target" in waits
    assert "time-sync.target" not in waits
    assert "network-online.target" not in waits


def test_it_ends_with_the_safe_command(unit: Unit) -> None:
    (command,) = unit.all("ExecStopPost")
    assert command.startswith("-"), "a board that is not there must not keep the station from starting again"
    run_words, safe_words = unit.one("ExecStart").split(), command.removeprefix("-").split()
    assert safe_words[1:3] == ["hal", "safe"]
    assert safe_words[3:] == run_words[2:], "both of the same configuration"


def test_the_boot_id_can_be_read(unit: Unit) -> None:
    """ProcSubset=pid would hide /proc/sys/kernel/random/boot_id: every restart would look like a power cut."""
    assert unit.all("ProcSubset") == []


# --- users and files --------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system that has no user or group of ours."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\ndialout:x:20:\n")
    return tmp_path


def test_users_and_groups(root: Path, unit: Unit) -> None:
    tool = find_tool("systemd-sysusers")
    run(tool, f"--root={root}", SYSTEMD / "sysusers.conf")
    user = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("pilotwire:"))
    assert user.endswith(":/var/lib/pilotwire:/usr/sbin/nologin")
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    assert groups["dialout"][2] == "20", "what the distribution has stays"
    assert all(groups[name][3] == "pilotwire" for name in GROUPS)
    assert set(unit.one("SupplementaryGroups").split()) == set(GROUPS), "a group that does not exist stops a service"
    assert {unit.one("User"), unit.one("Group")} == {"pilotwire"}


def test_directories(root: Path, unit: Unit) -> None:
    tool = find_tool("systemd-tmpfiles")
    config = root / "pilotwire.conf"
    text = (SYSTEMD / "tmpfiles.conf").read_text()
    if os.geteuid() != 0:  # others may give nothing away: everything to the one who asks
        me = os.geteuid(), os.getegid()
        text = text.replace("root ", f"{me[0]} ").replace("pilotwire pilotwire -", f"{me[0]} {me[1]} -")
        text = text.replace(" pilotwire -", f" {me[1]} -")
    else:
        run(find_tool("systemd-sysusers"), f"--root={root}", SYSTEMD / "sysusers.conf")
    config.write_text(text)
    (root / "etc/pilotwire").mkdir(mode=0o755)
    file = root / "etc/pilotwire/station.toml"
    file.touch(0o644)
    (root / "etc/pilotwire/password").touch(0o600)
    run(tool, f"--root={root}", "--create", config)
    modes = {
        path: oct((root / path).stat().st_mode & 0o777)
        for path in (
            *("etc/pilotwire", "etc/pilotwire/station.toml", "etc/pilotwire/password"),
            *("var/lib/pilotwire", "var/log/pilotwire"),
        )
    }
    assert modes == {
        "etc/pilotwire": "0o750",
        "etc/pilotwire/station.toml": "0o640",
        "etc/pilotwire/password": "0o600",
        "var/lib/pilotwire": "0o700",
        "var/log/pilotwire": "0o750",
    }
    # What the unit would make is the same.
    assert unit.one("StateDirectoryMode") == "0700"
    assert unit.one("ConfigurationDirectoryMode") == unit.one("LogsDirectoryMode") == "0750"


# --- names of devices -------------------------------------------------------------------------------------------------

# In a mount namespace of its own: udevadm has no other place for rules than the system's.
UDEV = """
set -e
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
cp {rules}/* /run/udev/rules.d/
numbers=$(tr : ' ' </sys/class/tty/{tty}/dev)
mount -t tmpfs none /dev
mknod /dev/{tty} c $numbers
udevadm test --action=add $(readlink -f /sys/class/tty/{tty}) 2>&1
stat -c 'mode %a' /dev/{tty}
readlink /dev/evse/board0
"""


def test_udev_rules(tmp_path: Path) -> None:
    """The operator's one line gives a name; ours give it to the station and keep those off who look for modems."""
    find_tool("udevadm")
    ttys = [name for name in ("ttyS0", "tty0", "console") if Path("/sys/class/tty", name, "dev").exists()]
    possible = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    if not ttys or possible.returncode != 0:
        pytest.skip("needs a tty in /sys, and root who may mount")
    rules = tmp_path / "rules"
    rules.mkdir()
    # Known here without the groups that the package makes.
    shutil.copy(SYSTEMD / "udev.rules", rules / "75-pilotwire.rules")
    example = next(line for line in (SYSTEMD / "udev.rules").read_text().splitlines() if '"ttyAMA0"' in line)
    example = example.removeprefix("#").replace("ttyAMA0", ttys[0]).replace("reader0", "board0")
    (rules / "71-evse.rules").write_text(example + "\n")
    said = run("unshare", "-m", "sh", "-c", UDEV.format(rules=rules, tty=ttys[0]))
    lines = said.splitlines()
    wrong = [line for line in lines if line.startswith("/run/udev/rules.d/") and "Unknown group 'gpio'" not in line]
    assert not wrong
    assert lines[-2:] == ["mode 660", f"../{ttys[0]}"]
    assert "ID_MM_PORT_IGNORE=1" in lines
    assert "TAGS=:systemd:" in lines


def test_the_examples_of_the_rules_are_complete() -> None:
    """Uncommented, they are rules: each with a match and a name below /dev/evse."""
    examples = [line for line in (SYSTEMD / "udev.rules").read_text().splitlines() if line.startswith("#SUBSYSTEM")]
    assert len(examples) == 3
    assert {line.rpartition("SYMLINK+=")[2] for line in examples} == {
        '"evse/board0"',
        '"evse/meter0"',
        '"evse/reader0"',
    }
