"""Identifiers and what an idTagInfo means."""

from __future__ import annotations

import pytest

from hal.api import TokenKind
from station.core.types import AuthStatus, IdToken, TokenInfo
from station.ocpp.v16 import common


def test_an_id_tag_from_the_csms_equals_the_card():
    assert common.token_of("04a1b2") == IdToken("04A1B2", TokenKind.ISO14443)


def test_groups_compare_by_their_text_alone():
    """TC_069: whatever the kind of the tokens that belong to them."""
    assert common.group_of("Fleet") == common.group_of("FLEET")
    assert common.group_of("Fleet") != common.group_of("Fleet2")


@pytest.mark.parametrize(
    ("token", "tag"),
    [
        (IdToken("04A1B2C3D4E5F6"), "04A1B2C3D4E5F6"),
        (IdToken("x" * 36, TokenKind.CENTRAL), "x" * 20),
        (IdToken("", TokenKind.NO_AUTHORIZATION), "NoAuthorization"),
        (IdToken(""), "NoAuthorization"),
    ],
)
def test_the_tag_of_a_token_is_never_empty_nor_too_long(token, tag):
    assert common.id_tag(token) == tag


@pytest.mark.parametrize("payload", [{}, {"idTagInfo": None}, {"idTagInfo": {}}, {"idTagInfo": "Accepted"}])
def test_no_news_about_a_token(payload):
    assert common.token_info(payload) is None


def test_an_unknown_status_is_no_acceptance():
    assert common.token_info({"idTagInfo": {"status": "Sure"}}) == TokenInfo(AuthStatus.INVALID)
