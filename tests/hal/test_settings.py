"""hal.settings: what is wrong is named."""

from __future__ import annotations

import pytest

from hal.errors import ConfigError
from hal.settings import SettingsReader


def test_reads_what_fits_and_knows_defaults():
    reader = SettingsReader("x", {"n": 3, "i": 4, "f": True, "t": "a", "p": [[0, 1], [2, 3.5]], "tab": [{"a": 1}]})
    assert reader.number("n", 0.0, 0.0, 5.0) == 3.0
    assert reader.integer("i", 0, 0, 5) == 4
    assert reader.flag("f", False) is True
    assert reader.text("t", "b", ("a", "b")) == "a"
    assert reader.points("p", ()) == ((0.0, 1.0), (2.0, 3.5))
    assert reader.tables("tab") == [{"a": 1}]
    assert reader.optional_number("absent") is None
    assert reader.number("other", 7.0) == 7.0
    reader.finish()


@pytest.mark.parametrize(
    ("call", "value", "words"),
    [
        (lambda r: r.number("v", 0.0, 1.0), 0, "at least 1"),
        (lambda r: r.number("v", 0.0, high=1.0), 2, "at most 1"),
        (lambda r: r.number("v", 0.0), "2", "a number"),
        (lambda r: r.number("v", 0.0), float("inf"), "a number"),
        (lambda r: r.optional_number("v", 0.0), -1, "at least 0"),
        (lambda r: r.integer("v", 0, 0, 9), 1.5, "a whole number"),
        (lambda r: r.flag("v", False), 1, "true or false"),
        (lambda r: r.text("v", "a"), "", "a text"),
        (lambda r: r.text("v", "a", ("a", "b")), "c", "one of a, b"),
        (lambda r: r.points("v", ()), [[1]], "pairs"),
        (lambda r: r.points("v", ()), [["a", 1]], "pairs"),
        (lambda r: r.tables("v"), [1], "tables"),
    ],
)
def test_names_the_field_and_what_it_must_be(call, value, words):
    reader = SettingsReader("where", {"v": value})
    call(reader)
    with pytest.raises(ConfigError, match=rf"where\.v: must be .*{words}"):
        reader.finish()
