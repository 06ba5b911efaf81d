"""Checks the pages that people read: `python -m tests.tools.docs --check`. Nothing is written.

A link leads somewhere, a file, module or command that a page names exists, every page is in the index, decisions are numbered in one
row and say whether they hold. The changelog may name what is gone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from station import faults_doc
from station.__main__ import parser
from tests.tools import rest

ROOT = Path(__file__).parents[2]
INDEX = "docs/README.md"
FAULTS = "docs/faults.md"
HISTORY = ("docs/changelog.md",)
STATUSES = ("Accepted", "Superseded by")

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|!\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_PATH = re.compile(r"(?<![\w./-])((?:station|hal|tests|docs|certs|systemd)/[\w./-]*\w/?)(?![\w*{<])")
_COMMAND = re.compile(r"`(?:\.venv/bin/)?station ([a-z]+)\b|^(?:\.venv/bin/)?station ([a-z]+)\b", re.MULTILINE)
_MODULE = re.compile(r"python3? -m ((?:station|hal|tests)(?:\.\w+)*)")


def pages(root: Path) -> list[Path]:
    """The README at the top and those of the rooms, and everything in docs/."""
    rooms = [root / room / "README.md" for room in (".", "certs", "systemd", "tests")]
    return [page for page in rooms if page.is_file()] + sorted((root / "docs").rglob("*.md"))


def problems(root: Path = ROOT) -> list[str]:
    """Everything that is wrong, one sentence each."""
    found: list[str] = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(root).as_posix()
        found += [f"{name}: {problem}" for problem in _links(root, page, text)]
        if name not in HISTORY:
            found += [f"{name}: {problem}" for problem in _names(root, text)]
    return found + list(_index(root)) + list(_decisions(root)) + list(_generated(root))


def _links(root: Path, page: Path, text: str) -> Iterator[str]:
    for match in _LINK.finditer(_FENCE.sub("", text)):
        target = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue  # the web is not ours to check
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.is_relative_to(root.resolve()) or not place.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and place.suffix == ".md" and anchor not in anchors(place.read_text(encoding="utf-8")):
            yield f"the link to {target}: there is no such heading"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        base = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchor, number = base, 0
        while anchor in found:
            number += 1
            anchor = f"{base}-{number}"
        found.add(anchor)
    return found


def _names(root: Path, text: str) -> Iterator[str]:
    for path in sorted(set(_PATH.findall(text))):
        if not (root / path).exists() and not _is_module(root, path.replace("/", ".")):
            yield f"names {path}, which does not exist"
    for module in sorted(set(_MODULE.findall(text))):
        if not _is_module(root, module):
            yield f"names the module {module}, which does not exist"
    known = commands()
    for first, second in sorted(set(_COMMAND.findall(text))):
        if (command := first or second) not in known:
            yield f"names the command station {command}, which does not exist"


def commands() -> set[str]:
    """The subcommands of `station`."""
    actions = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return {name for action in actions for name in action.choices}


def _is_module(root: Path, name: str) -> bool:
    path = root.joinpath(*name.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__main__.py").is_file()


def _index(root: Path) -> Iterator[str]:
    index = root / INDEX
    if not index.is_file():
        yield f"{INDEX} is missing"
        return
    text = index.read_text(encoding="utf-8")
    linked = {(index.parent / (m[1] or m[2]).partition("#")[0]).resolve() for m in _LINK.finditer(text)}
    for page in sorted((root / "docs").rglob("*.md")):
        if page != index and page.resolve() not in linked:
            yield f"{INDEX}: does not link to {page.relative_to(index.parent).as_posix()}"


def _generated(root: Path) -> Iterator[str]:
    """The page about faults; and what belongs to the pages and is no page: the copy of the OpenAPI document."""
    if root == ROOT and (root / FAULTS).read_text(encoding="utf-8") != faults_doc.document():
        yield f"{FAULTS}: is not current: python -m station.faults_doc > {FAULTS}"
    if root == ROOT and not rest.is_current():
        yield f"docs/{rest.PAGE.name}: is not current: python -m tests.tools.rest"


def _decisions(root: Path) -> Iterator[str]:
    for number, page in enumerate(sorted((root / "docs" / "decisions").glob("*.md")), 1):
        name = page.relative_to(root).as_posix()
        text = page.read_text(encoding="utf-8")
        if not re.fullmatch(rf"{number:04d}-[a-z0-9-]+\.md", page.name):
            yield f"{name}: decision {number} in the row should be called {number:04d}-words.md"
        if not text.startswith(f"# {number}. "):
            yield f"{name}: the title should begin with '# {number}. '"
        status = re.search(r"^Status: (.*)$", text, re.MULTILINE)
        if status is None or not status[1].startswith(STATUSES):
            yield f"{name}: needs a line 'Status: {' | '.join(STATUSES)} ...'"


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.tools.docs", description="Check the pages.")
    options.add_argument("--check", action="store_true", help="the only thing it does")
    options.parse_args(arguments)
    found = problems()
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
