"""The pages that people read are current, and the tools that say so notice when they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from station.core import connector, pilot, transaction
from station.core.machine import rows, table
from tests.tools import diagrams, docs, needs, readme

ROOT = Path(__file__).parents[1]
INDEX = "# Docs\n\n- [one](decisions/0001-one.md)\n"
DECISION = "# 1. One\n\nStatus: Accepted\n"


# --- state machines ---------------------------------------------------------------------------------------------------


def test_state_machines_page_is_current() -> None:
    assert diagrams.PAGE.read_text(encoding="utf-8") == diagrams.page(), "run: python -m tests.tools.diagrams"


def test_check_reports_an_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    page = tmp_path / "state_machines.md"
    monkeypatch.setattr(diagrams, "PAGE", page)
    assert diagrams.main(["--check"]) == 1
    assert not page.exists()
    assert diagrams.main([]) == 0
    assert diagrams.main(["--check"]) == 0
    page.write_text(page.read_text().replace("see_a", "see_z", 1))
    capsys.readouterr()
    assert diagrams.main(["--check"]) == 1
    shown = capsys.readouterr().out
    assert "-    any1 --> A : see_z" in shown
    assert "+    any1 --> A : see_a" in shown


def test_every_machine_of_the_core_is_on_the_page() -> None:
    assert list(diagrams.machines().values())[:3] == [pilot, connector, transaction]
    page = diagrams.page()
    for module in diagrams.machines().values():
        for state in module.STATES:
            assert state in page
        for event in module.MACHINE.events:
            assert f"`{event}`" in page


def test_a_table_as_a_picture() -> None:
    """Order of guards, self-loops, events without effect, and what is forbidden."""
    machine = table(
        ("Off", "On", "Broken"),
        [
            rows("press", ["Off"], "Broken", conditions="is_worn_out"),
            rows("press", ["Off"], "On"),
            rows("press", ["On"], "Off"),
            rows("break", ["Off", "On", "Broken"], "Broken"),
            rows("look", ["On"], None),
        ],
        "Off",
    )
    assert diagrams.picture(machine).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Off",
        "    Off --> Broken : press [worn out] / break",
        "    Off --> On : press",
        "    On --> Off : press",
        "    On --> Broken : break",
    ]
    assert diagrams.events(machine).splitlines()[2:] == [
        "| `press` | Off | Broken | worn out |",
        "|  |  | On | else |",
        "|  | On | Off |  |",
        "|  | Broken | *forbidden* |  |",
        "| `break` | Off, On, Broken | Broken |  |",
        "| `look` | On | no change |  |",
        "|  | Off, Broken | *forbidden* |  |",
    ]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_pages_hold_together() -> None:
    found = docs.problems()
    assert not found, "\n".join(found)


def write(root: Path, **pages: str) -> None:
    """`docs__README` stands for docs/README.md."""
    for name, text in pages.items():
        file = root / f"{name.replace('__', '/').replace('_', '-')}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def test_a_sound_set_of_pages(tmp_path: Path) -> None:
    write(tmp_path, docs__README=INDEX, docs__decisions__0001_one=DECISION)
    (tmp_path / "station").mkdir()
    (tmp_path / "station" / "clock.py").touch()
    links = "[up](docs/decisions/0001-one.md#1-one) [web](https://example.org/x)"
    text = f"{links} `station/clock.py` python -m station.clock `station sim`"
    write(tmp_path, README=text)
    assert docs.problems(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[x](missing.md)", "README.md: the link to missing.md leads nowhere"),
        ("![x](missing.png)", "README.md: the link to missing.png leads nowhere"),
        ("[x](../outside.md)", "README.md: the link to ../outside.md leads nowhere"),
        ("[x](docs/README.md#gone)", "README.md: the link to docs/README.md#gone: there is no such heading"),
        ("[x](#gone)", "README.md: the link to #gone: there is no such heading"),
        ("see `station/core/gone.py`.", "README.md: names station/core/gone.py, which does not exist"),
        ("`station gone --now`", "README.md: names the command station gone, which does not exist"),
        ("```sh\nstation gone\n```", "README.md: names the command station gone, which does not exist"),
        ("`python3 -m tests.tools.gone`", "README.md: names the module tests.tools.gone, which does not exist"),
    ],
)
def test_what_leads_nowhere_is_found(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, docs__README=INDEX, docs__decisions__0001_one=DECISION, README=text)
    assert docs.problems(tmp_path) == [complaint]


def test_index_and_numbers_of_decisions(tmp_path: Path) -> None:
    write(tmp_path, docs__README=INDEX, docs__decisions__0001_one=DECISION, docs__decisions__0003_two="# Two\n")
    assert docs.problems(tmp_path) == [
        "docs/README.md: does not link to decisions/0003-two.md",
        "docs/decisions/0003-two.md: decision 2 in the row should be called 0002-words.md",
        "docs/decisions/0003-two.md: the title should begin with '# 2. '",
        "docs/decisions/0003-two.md: needs a line 'Status: Accepted | Superseded by ...'",
    ]


def test_anchors_are_those_of_github() -> None:
    text = "# A `b` [c](d), e!\n\n```sh\n# no heading\n```\n## Same\n## Same\n"
    assert docs.anchors(text) == {"a-b-c-e", "same", "same-1"}


# --- tools of the tests -----------------------------------------------------------------------------------------------


def test_a_missing_tool_skips_on_a_laptop_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool"):
        needs.find_tool("no-such-tool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool"):
        needs.find_tool("no-such-tool")


def test_npm_marker_needs_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr(needs, "OCPP_RPC", tmp_path / "package.json")
    monkeypatch.setattr(needs.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(pytest.fail.Exception, match="npm ci --prefix tests/interop"):
        needs.find_ocpp_rpc()
    needs.OCPP_RPC.touch()
    assert needs.find_ocpp_rpc() == "/usr/bin/node"


def test_a_found_tool_is_its_path(require_tool) -> None:
    assert Path(require_tool("sh")).is_file()


def test_seed_is_that_of_the_run(seed: int) -> None:
    assert 0 <= seed < 2**31


@pytest.mark.parametrize(
    ("ci", "options", "outcome"),
    [
        ("", [], "1 passed, 1 deselected"),
        ("true", [], "1 passed, 1 deselected"),
        ("", ["-m", "perf"], "1 failed, 1 deselected"),
    ],
)
def test_profile_seed_and_measurements(tmp_path: Path, ci: str, options: list[str], outcome: str) -> None:
    """A run of pytest of its own, with our conftest: what is printed, what is left out, what is fixed."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "from hypothesis import settings\n"
        "def test_ours(seed):\n"
        f"    assert settings.default.derandomize is {bool(ci)}\n"
        "    assert settings.default.deadline is None\n"
        "@pytest.mark.perf\n"
        "def test_slow(): raise AssertionError('measured')\n"
    )
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nmarkers =\n    perf: x\npythonpath = {ROOT}\nasyncio_default_fixture_loop_scope = function\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PILOTWIRE_SEED": "77"} | ({"CI": ci} if ci else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in run.stdout, run.stdout + run.stderr
    assert f"seed 77, hypothesis profile '{'ci' if ci else 'dev'}'" in run.stdout


def test_the_readme_tool_prints_or_explains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    page = tmp_path / "README.md"
    page.write_text("<!-- run -->\n```sh\none 'a b'\n```\n<!-- test -->\n```sh\ntwo\n```\n")
    assert readme.command("run", page) == "one 'a b'"
    monkeypatch.chdir(tmp_path)
    assert readme.main(["neither"]) == 2
    assert "usage" in capsys.readouterr().err
