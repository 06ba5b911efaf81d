"""Shared words: lengths, status infos, addresses, tolerant reading."""

import pytest

from station.core.types import Verdict
from station.ocpp.v201 import fields


def test_status_info_obeys_the_lengths_and_always_has_a_reason_code():
    assert fields.status_info(None) is None
    assert fields.status_info("") is None
    assert fields.status_info("x" * 30, "y" * 600) == {"reasonCode": "x" * 20, "additionalInfo": "y" * 512}
    assert fields.status_info(None, "why", accepted=True) == {"reasonCode": "NoError", "additionalInfo": "why"}
    assert fields.status_info(None, "why") == {"reasonCode": "Unspecified", "additionalInfo": "why"}


def test_a_word_that_the_response_lacks_becomes_the_refusal():
    words = fields.ACCEPTED_OR_REJECTED
    assert fields.verdict_status(Verdict("Accepted"), words) == {"status": "Accepted"}
    assert fields.verdict_status(Verdict("Scheduled"), words) == {"status": "Rejected"}
    assert fields.verdict_status(Verdict("Nonsense", "TxInProgress"), words) == {
        "status": "Rejected",
        "statusInfo": {"reasonCode": "TxInProgress"},
    }


def test_addresses():
    assert fields.address(1) == {"id": 1}
    assert fields.address(1, 2) == {"id": 1, "connectorId": 2}
    assert fields.read_address(None) == (None, None)
    assert fields.read_address({"id": 2}) == (2, None)
    assert fields.read_address(fields.address(2, 1)) == (2, 1)


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2025-06-15T15:06:40Z", 1_750_000_000.0),
        ("2025-06-15T15:06:40.000000+00:00", 1_750_000_000.0),  # Home Assistant
        ("2025-06-15T17:06:40.5+02:00", 1_750_000_000.5),
        ("2025-06-15T15:06:40", 1_750_000_000.0),
        ("soon", None),
        ("", None),
        (None, None),
        (1_750_000_000, None),
    ],
)
def test_times_of_any_csms(text, wall):
    assert fields.read_time(text) == wall


@pytest.mark.parametrize(
    ("value", "number"), [(None, None), (32.9, 32), (0.0, 0), (float("nan"), None), (float("inf"), None)]
)
def test_integer_fields_are_rounded_down(value, number):
    assert fields.whole(value) == number


def test_numbers_have_no_binary_dust():
    assert fields.number(0.1 + 0.2) == 0.3
    assert repr(fields.number(1234.0)) == "1234"
    assert repr(fields.number(-0.0)) == "0"
