"""Lines for people, for the journal and for machines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from station import logs

Log = Callable[..., str]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    names = ("", "transitions", "websockets", "asyncio", "ocpp")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    def set_up(level: str = "INFO", style: str = "text", **environ: str) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        logs.set_up(level, style, environ)
        return stream

    return set_up


def test_a_line_for_people(written: Callable[..., io.StringIO]) -> None:
    stream = written()
    logging.getLogger("station.x").warning("the %s is gone", "board", extra={"station": "CP1"})
    line = stream.getvalue()
    assert line[2] == line[5] == ":"
    assert line[13:] == "WARNING station.x: the board is gone [CP1]\n"


def test_the_journal_has_its_own_clock_and_priorities(written: Callable[..., io.StringIO]) -> None:
    stream = written(JOURNAL_STREAM="8:1")
    log = logging.getLogger("station.x")
    log.info("fine")
    try:
        raise ValueError("bad\nworse")
    except ValueError:
        log.exception("not fine")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "<6>station.x: fine"
    assert lines[1] == "<3>station.x: not fine"
    assert all(line.startswith("<3>") for line in lines[1:])
    assert lines[-2:] == ["<3>ValueError: bad", "<3>worse"]


@pytest.mark.parametrize("environ", [{}, {"JOURNAL_STREAM": "8:1"}])
def test_nobody_forges_a_line_or_commands_a_terminal(
    environ: dict[str, str], written: Callable[..., io.StringIO]
) -> None:
    """A close reason of the CSMS with a line break and an escape sequence stays one harmless line."""
    stream = written(**environ)
    logging.getLogger("station.x").info("closed: %s", "bye\n<0>kernel: panic\x1b[2J\u202e")
    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert "bye\\n<0>kernel: panic\\x1b[2J\\u202e" in line


def test_one_object_per_line(written: Callable[..., io.StringIO]) -> None:
    stream = written(style="json")
    log = logging.getLogger("station.x")
    log.info("a\nb %d", 1, extra={"station": "CP1"})
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("oh")
    log.info("half a pair: \ud83d")
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["time"].endswith("Z")
    assert (first["level"], first["logger"], first["message"], first["station"]) == (
        "INFO",
        "station.x",
        "a\nb 1",
        "CP1",
    )
    assert "ValueError: bad" in second["error"]
    assert "station" not in second
    assert third["message"] == "half a pair: ?"


def test_level_and_chatty_libraries(written: Callable[..., io.StringIO]) -> None:
    stream = written("DEBUG")
    logging.getLogger("station.x").debug("seen")
    logging.getLogger("websockets.client").info("header: Authorization: Basic ...")
    logging.getLogger("transitions.core").info("noise")
    assert "seen" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
    stream = written("ERROR")
    logging.getLogger("websockets.client").warning("not even this")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:secret@host/logs", "ftp://***@host/logs"),
        (
            '{"remoteLocation":"https://u:p%40@h:1/x?sig=abc&n=1"}',
            '{"remoteLocation":"https://***@h:1/x?sig=***&n=***"}',
        ),
        ("http://host/a and sftp://me@b/", "http://host/a and sftp://***@b/"),
        ("nobody@example.com, 1 = 1?", "nobody@example.com, 1 = 1?"),
        ("ftp://user:p@ss@host/", "ftp://***@host/"),
        (r'{"a":"ftp:\/\/user:secret@host\/x"}', r'{"a":"ftp:\/\/***@host\/x"}'),
        ("ws://host:80/ocpp/CS@1", "ws://host:80/ocpp/CS@1"),
    ],
)
def test_addresses_let_nobody_in(text: str, shown: str) -> None:
    assert logs.masked_addresses(text) == shown
