"""What the panel's source may not do, and that all of it is shipped. (Its types are checked by tsc, a gate of .ci/run.)"""

from __future__ import annotations

import re
from pathlib import Path

from station.web.app import STATIC
from tests.panel.running import ROOT

LONGEST = 300
# Ways by which text becomes markup or code. Text from a CSMS is hostile.
DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    r"|createContextualFragment|srcdoc|javascript:"
)
FOREIGN = re.compile(r"https?://(?!www\.w3\.org/2000/svg)")


def files(*suffixes: str) -> list[Path]:
    found = sorted(path for path in STATIC.rglob("*") if path.suffix in suffixes)
    assert found
    return found


def offences(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in files(*suffixes)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_text_never_becomes_markup() -> None:
    assert offences(DANGEROUS, ".js", ".html") == []


def test_nothing_comes_from_elsewhere() -> None:
    assert offences(FOREIGN, ".js", ".html", ".css", ".svg") == []


def test_the_page_needs_no_inline_script_or_style() -> None:
    """The content security policy is 'self' only."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page) == []
    assert offences(re.compile(r"""setAttribute\(["']style"""), ".js") == []


def test_every_module_is_used_and_of_one_thing() -> None:
    modules = {path.name for path in files(".js")}
    text = "\n".join(path.read_text(encoding="utf-8") for path in files(".js", ".html"))
    used = set(re.findall(r"/([a-z_]+\.js)[\"']", text))
    assert modules - used == set()
    long = [path.name for path in files(".js", ".css") if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST]
    assert long == []


def test_every_file_is_shipped() -> None:
    """setuptools takes what the patterns of package-data name."""
    patterns = re.search(
        r"^\[tool\.setuptools\.package-data\]\n(.*?)\n\n",
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert patterns is not None
    shipped = {
        name for pattern in re.findall(r'"(static/[^"]+)"', patterns[1]) for name in (STATIC.parent).glob(pattern)
    }
    missed = [str(path) for path in STATIC.rglob("*") if path.is_file() and path not in shipped]
    assert missed == []
