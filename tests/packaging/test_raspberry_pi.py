"""docs/raspberry-pi.md and systemd/README.md do what they say: configuration, commands, options, files."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from station import firmware
from station.__main__ import parser
from systemd import build_deb
from tests.packaging.unit import read_unit

ROOT = Path(__file__).parents[2]
PAGES = ("docs/raspberry-pi.md", "systemd/README.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def blocks(page: str, kind: str) -> list[str]:
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == kind]


def commands(page: str, program: str) -> list[list[str]]:
    """Every call of `program` on a page, in blocks and within sentences."""
    text = (ROOT / page).read_text()
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    lines += INLINE.findall(FENCE.sub("", text))
    found = []
    for line in lines:
        for part in re.split(r"&&|\|", line.partition(" #")[0]):
            words = part.split()
            if program in words:
                found.append(words[words.index(program) + 1 :])
    return found


def test_the_configuration_is_good(tmp_path: Path) -> None:
    """Whole, as a person would copy it. Only the password's file is elsewhere here."""
    (text,) = blocks("docs/raspberry-pi.md", "toml")
    password = tmp_path / "password"
    password.write_text("0123456789abcdef\n")
    password.chmod(0o600)
    assert text.count("/etc/pilotwire/password") == 1
    file = tmp_path / "station.toml"
    file.write_text(text.replace("/etc/pilotwire/password", str(password)))
    settings = firmware.load_settings(file)
    assert settings.warnings == ()
    assert (settings.boards[0].driver, settings.meters[0].model, settings.readers[0].kind) == (
        "openevse",
        "sdm630",
        "pn532",
    )
    assert settings.store.path == "/var/lib/pilotwire/station.db", "StateDirectory"
    assert settings.control.socket == "/run/pilotwire/control.sock", "RuntimeDirectory, where station ctl looks"


def test_the_names_of_the_adapters_are_those_of_the_rules() -> None:
    (config,) = blocks("docs/raspberry-pi.md", "toml")
    (rules,) = [block for block in blocks("docs/raspberry-pi.md", "") if "SYMLINK" in block]
    ports = set(re.findall(r'^port = "/dev/(evse/\w+)"', config, re.MULTILINE))
    assert ports == set(re.findall(r'SYMLINK\+="([^"]+)"', rules))


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_exist(page: str) -> None:
    calls = commands(page, "station")
    assert len(calls) >= 3
    wrong = [words for words in calls if not is_prefix(words) and not is_whole(words)]
    assert not wrong


def is_whole(words: list[str]) -> bool:
    try:
        parser().parse_args(words)
    except SystemExit as ended:  # --version and --help end well
        return ended.code == 0
    return True


def is_prefix(words: list[str]) -> bool:
    """A sentence names a command without its arguments: `station hal safe`."""
    place: argparse.ArgumentParser = parser()
    for word in words:
        actions = [action for action in place._actions if isinstance(action, argparse._SubParsersAction)]
        if not actions or word not in actions[0].choices:
            return False
        place = actions[0].choices[word]
    return True


@pytest.mark.parametrize("page", PAGES)
def test_the_package_is_built_by_those_options(page: str) -> None:
    for words in commands(page, "systemd/build_deb.py"):
        options = build_deb.parse([*words, *([] if "--arch" in words else ["--arch", "amd64"])])
        assert options.python in {None, "3.11", "3.13"}


def test_drop_ins_say_what_systemd_knows(tmp_path: Path) -> None:
    """Each [Unit] or [Service] block of the pages can be added to the unit."""
    for page in PAGES:
        for block in blocks(page, "ini"):
            if block.startswith(("[Unit]", "[Service]")):
                unit = read_unit(ROOT / "systemd/pilotwire.service", block)
                assert unit.one("ExecStart")
                assert all(re.fullmatch(r"\[\w+\]|[A-Z]\w+=\S.*", line) for line in block.splitlines())


def test_what_is_where() -> None:
    """The table of systemd/README.md names every file of the folder."""
    text = (ROOT / "systemd/README.md").read_text()
    files = {file.name for file in (ROOT / "systemd").iterdir() if file.is_file()} - {"README.md"}
    assert files == set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
