"""The two commands that the README promises: `python3 -m tests.tools.readme run|test` prints one of them.

CI and the tests take them from here, so that nobody ever tests a copy. Needs nothing but the standard library.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("run", "test")

# <!-- run -->
# ```sh
# one line
# ```
_MARKED = re.compile(r"^<!-- (\w+) -->\n+```(?:sh|bash|shell|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class ReadmeError(Exception):
    """The README does not show its commands as agreed; the message says what is wrong."""


def commands(text: str) -> dict[str, str]:
    """The marked commands by name, in the order of the page. Raises ReadmeError unless `run` and `test` are the first two."""
    marked = [(name, body.strip()) for name, body in _MARKED.findall(text)]
    if tuple(name for name, _ in marked[:2]) != NAMES:
        raise ReadmeError("the README must mark its first two shell lines with <!-- run --> and <!-- test -->")
    if [body for _, body in marked[:2]] != [body.strip() for body in _FENCED.findall(text)[:2]]:
        raise ReadmeError("the marked lines must be the first two fenced shell lines of the README")
    found: dict[str, str] = {}
    for name, body in marked:
        if name in found:
            raise ReadmeError(f"the README marks two lines with <!-- {name} -->")
        if not body or "\n" in body:
            raise ReadmeError(f"what <!-- {name} --> marks must be exactly one line")
        found[name] = body
    return found


def command(name: str, readme: Path = ROOT / "README.md") -> str:
    """One command of the README. Raises ReadmeError, OSError, or KeyError for a name that is not marked."""
    return commands(readme.read_text(encoding="utf-8"))[name]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python3 -m tests.tools.readme {'|'.join(NAMES)}", file=sys.stderr)
        return 2
    try:
        print(command(arguments[0]))
    except (ReadmeError, OSError) as error:
        print(f"README.md: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
