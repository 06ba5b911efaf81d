"""Writes docs/openapi.json from the command table: `python -m tests.tools.rest [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from station.runtime.control import describe_table
from station.web.openapi import document

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"


def page() -> str:
    """The whole document."""
    return json.dumps(document(describe_table()), indent=1, ensure_ascii=False) + "\n"


def is_current() -> bool:
    return PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.tools.rest", description=f"Write {PAGE.name}.")
    options.add_argument("--check", action="store_true", help="write nothing, fail when the document is not current")
    if not options.parse_args(arguments).check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if is_current():
        return 0
    print(f"docs/{PAGE.name} is not current: python -m tests.tools.rest", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
