"""The shape of the project: what reviews forget, a test remembers. Each check lists every offence, with file and line.

The lists of exceptions are part of the design: an entry needs a reason, and one that is no longer needed fails too.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.tools.readme import ROOT, ReadmeError, commands
from tests.tools.source import Source, imported, references, sources, strings

PROGRAM = ("station", "hal")
MODULE_LINES = 450
FUNCTION_LINES = 80
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "station", "hal", "certs", "tests", "systemd", "docs"}

# Files that are longer than the guide, each with its reason. Generated files need no entry.
LONG_MODULES: dict[str, str] = {}
# "path:function" -> reason.
LONG_FUNCTIONS: dict[str, str] = {}

# LAW 3: who may read a clock.
CLOCK_READERS = {
    "station/clock.py": "the clock itself",
    "station/sim/loop.py": "the virtual loop paces itself by the real clock",
}
CLOCKS = re.compile(
    r"time\.(time|monotonic|perf_counter|process_time|clock_gettime|localtime|gmtime|ctime)(_ns)?"
    r"|datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
)
# Randomness is injected; only who composes the program may fetch some.
DICE_OWNERS = {
    "station/app.py": "the composition root seeds everything",
    "station/sim/csms_serve.py": "composes the CSMS that runs alone: a secret in the address for uploads",
}
DICE = re.compile(
    r"random\.(?!Random$|SystemRandom$)[a-z]\w*|uuid\.uuid[14]|os\.urandom|random\.SystemRandom|secrets\.\w+"
)
# Who talks to a terminal or a pipe by print(): the command line and what a subcommand consists of, and a module that is run
# by itself and has the usual guard.
SPEAKERS = re.compile(r"station/__main__\.py|station/cli/\w+\.py|station/sim/(play|terminal|csms_serve)\.py")
GUARD = '\nif __name__ == "__main__":\n'
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
BLOCKING = re.compile(r"time\.sleep")
SILENCERS = {"type: ignore": r"\[[\w, -]+\]", "noqa": r":\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*"}
REASON = r"\s*(?:#|-|:)\s*\S.*"


def program() -> tuple[Source, ...]:
    return sources(*PROGRAM)


def report(offences: Iterator[str]) -> None:
    """Fail with every offence on a line of its own."""
    found = sorted(set(offences))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_module_is_named_by_a_test() -> None:
    tests = [s for s in sources("tests") if not s.path.startswith(("tests/tools/", "tests/perf/"))]
    named = {name for test in tests for name in imported(test.tree) | strings(test.tree)}

    def unnamed() -> Iterator[str]:
        for source in program():
            only_words = all(isinstance(node, ast.Expr) for node in source.tree.body)
            if not only_words and source.module not in named:
                yield f"{source.path}: no test imports {source.module}"

    report(unnamed())


def test_modules_are_of_one_thing() -> None:
    report(
        f"{source.path}: {source.lines} lines, at most {MODULE_LINES}"
        for source in program()
        if source.lines > MODULE_LINES and not source.generated and source.path not in LONG_MODULES
    )


def test_functions_are_short() -> None:
    report(
        f"{source.path}:{node.lineno}: {node.name} has {length(node)} lines, at most {FUNCTION_LINES}"
        for source in program()
        for node in functions(source)
        if length(node) > FUNCTION_LINES and f"{source.path}:{node.name}" not in LONG_FUNCTIONS
    )


def test_the_lists_of_exceptions_are_needed() -> None:
    """An exception whose file is gone, or which needs no exception any more, is taken off the list."""
    long_modules = {s.path for s in program() if s.lines > MODULE_LINES}
    long_functions = {f"{s.path}:{n.name}" for s in program() for n in functions(s) if length(n) > FUNCTION_LINES}
    clock_readers = {s.path for s in program() if any(CLOCKS.fullmatch(name) for _, name in references(s))}
    assert set(LONG_MODULES) <= long_modules
    assert set(LONG_FUNCTIONS) <= long_functions
    assert set(CLOCK_READERS) <= clock_readers
    assert set(DICE_OWNERS) <= {s.path for s in program() if any(DICE.fullmatch(name) for _, name in references(s))}


# --- what code may not do ---------------------------------------------------------------------------------------------


def catches_everything(source: Source) -> Iterator[str]:
    """A handler of Exception, BaseException or anything; one that always raises again hides nothing."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler) or _raises_again(node):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for kind in caught:
            name = "everything" if kind is None else ast.unparse(kind)
            if name in {"everything", "Exception", "BaseException"}:
                yield f"{source.path}:{node.lineno}: catches {name}"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Its last statement is `raise`, and nothing before it can leave the handler without."""
    last = handler.body[-1]
    if not isinstance(last, ast.Raise):
        return False
    return not any(isinstance(node, ast.Return | ast.Continue | ast.Break) for node in ast.walk(handler))


def silences_without_reason(source: Source) -> Iterator[str]:
    """`type: ignore` and `noqa` name their codes and say why, beside them or in the comment above."""
    comments = dict(source.comments())
    for line, comment in comments.items():
        for word, codes in SILENCERS.items():
            if not re.search(rf"#\s*{word}\b", comment):
                continue
            if not re.search(rf"#\s*{word}{codes}", comment):
                yield f"{source.path}:{line}: '{word}' without a code"
            elif not re.search(rf"#\s*{word}{codes}{REASON}", comment) and line - 1 not in comments:
                yield f"{source.path}:{line}: '{word}' without a reason"


def reads_a_clock(source: Source) -> Iterator[str]:
    if source.path not in CLOCK_READERS:
        yield from _uses(source, CLOCKS, "reads a clock")


def throws_dice(source: Source) -> Iterator[str]:
    if source.path not in DICE_OWNERS:
        yield from _uses(source, DICE, "is random by itself")


def unseeded(source: Source) -> Iterator[str]:
    """`random.Random()` without a seed, outside the composition root."""
    if source.path in DICE_OWNERS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node) in {"random.Random()", "Random()"}:
            yield f"{source.path}:{node.lineno}: random.Random() without a seed"


def blocks(source: Source) -> Iterator[str]:
    yield from _uses(source, BLOCKING, "blocks its thread")


def prints(source: Source) -> Iterator[str]:
    if SPEAKERS.fullmatch(source.path) or GUARD in source.text:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}:
            yield f"{source.path}:{node.lineno}: {node.func.id}() outside the command line"


def is_unfinished(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{source.path}:{number}: {line.strip()}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{source.path}:{node.lineno}: NotImplementedError"


def _uses(source: Source, what: re.Pattern[str], words: str) -> Iterator[str]:
    for line, name in references(source):
        if what.fullmatch(name):
            yield f"{source.path}:{line}: {words}: {name}"


# Each rule with code that breaks it and code that keeps it: a rule that nothing can break proves nothing.
RULES: dict[Callable[[Source], Iterator[str]], tuple[list[str], list[str]]] = {
    catches_everything: (
        [
            "try:\n    a()\nexcept Exception:\n    pass",
            "try:\n    a()\nexcept (OSError, BaseException) as e:\n    b(e)",
            "try:\n    a()\nexcept:\n    pass",
            "try:\n    a()\nexcept Exception:\n    if b:\n        return\n    raise",
        ],
        ["try:\n    a()\nexcept OSError:\n    pass", "try:\n    a()\nexcept BaseException:\n    undo()\n    raise"],
    ),
    silences_without_reason: (
        ["a = b  # type: ignore", "a = b  # type: ignore[misc]", "a = b  # noqa", "a = b  # noqa: S608", "#noqa:E1"],
        [
            "a = b  # type: ignore[misc]  # untyped upstream",
            "a = b  # noqa: S608 - no user text",
            "# The names are ours.\na = b  # noqa: S608",
            "a = 'noqa'",
        ],
    ),
    reads_a_clock: (
        [
            "import time\na = time.time()",
            "from time import monotonic as m\na = m",
            "import time as t\nt.time_ns()",
            "from datetime import datetime\ndatetime.now(UTC)",
            "import datetime\ndatetime.date.today()",
        ],
        ["import time\ntime.struct_time", "loop.time()", "from datetime import datetime\ndatetime.fromtimestamp(1)"],
    ),
    throws_dice: (
        [
            "import random\nrandom.random()",
            "from random import choice\nchoice([])",
            "import uuid\nuuid.uuid4()",
            "import os\nos.urandom(3)",
            "import secrets\nsecrets.token_hex()",
        ],
        ["import random\nrandom.Random(3).random()", "def f(rng):\n    rng.random()", "import uuid\nuuid.UUID('')"],
    ),
    unseeded: (["import random\nrandom.Random()"], ["import random\nrandom.Random(seed)"]),
    blocks: (["import time\ntime.sleep(1)"], ["import asyncio\nasyncio.sleep(1)"]),
    prints: (["print(1)", "def f():\n    input()"], ["log.info('print(1)')", f"{GUARD}    print(1)"]),
    is_unfinished: (["a()  # TODO: b", "raise NotImplementedError"], ["todo = 1"]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_code_rule(rule: Callable[[Source], Iterator[str]]) -> None:
    bad, good = RULES[rule]
    for text in bad:
        assert list(rule(Source("station/example.py", "station.example", text, ast.parse(text)))), text
    for text in good:
        assert not list(rule(Source("station/example.py", "station.example", text, ast.parse(text)))), text
    report(offence for source in program() for offence in rule(source))


# --- the top of the project -------------------------------------------------------------------------------------------


def top_level() -> set[str]:
    """What git knows or would take up at the top; without git, what is there apart from build products."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        return {path.name for path in ROOT.iterdir() if path.name not in {"build", "dist"}}
    return {name.partition("/")[0] for name in listed if name and (ROOT / name).exists()}


def test_top_level_holds_only_the_agreed_entries() -> None:
    found = {name for name in top_level() if not name.startswith(".") and not name.endswith(".egg-info")}
    assert found <= TOP_LEVEL, f"not agreed: {sorted(found - TOP_LEVEL)}"
    assert found >= TOP_LEVEL, f"missing: {sorted(TOP_LEVEL - found)}"


def test_readme_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = commands(text)
    assert "station sim" in found["run"]
    assert "pytest" in found["test"]
    assert "[dev]" in found["test"]
    assert len(text.split("<!-- test -->")[0].splitlines()) <= 40, "a newcomer looks at one screen"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- run -->\n```sh\na\n```\n",
        "<!-- test -->\n```sh\na\n```\n<!-- run -->\n```sh\nb\n```\n",
        "```sh\nother\n```\n<!-- run -->\n```sh\na\n```\n<!-- test -->\n```sh\nb\n```\n",
        "<!-- run -->\n```sh\na\nb\n```\n<!-- test -->\n```sh\nb\n```\n",
        "<!-- run -->\n```sh\na\n```\n<!-- test -->\n```sh\nb\n```\n<!-- test -->\n```sh\nb\n```\n",
    ],
)
def test_a_readme_without_the_two_lines_is_refused(text: str) -> None:
    with pytest.raises(ReadmeError):
        commands(text)


def test_the_two_lines_are_read_as_they_stand() -> None:
    text = "# x\n\n<!-- run -->\n```sh\na 'b c' && d\n```\n\n<!-- test -->\n\n```bash\npytest -n auto\n```\n```sh\nmore\n```\n"
    assert commands(text) == {"run": "a 'b c' && d", "test": "pytest -n auto"}


def test_ci_takes_the_commands_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "tests.tools.readme" in script
    assert "pip install" not in script, "the README's line installs; a copy of it would prove nothing"
    assert not re.search(r"-m pytest|bin/pytest", script)


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "The Pilotwire authors" in text
