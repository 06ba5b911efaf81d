"""Block C: tokens and what is said of them. TC_C_02, TC_C_06, TC_C_07, TC_C_37, TC_C_38, TC_C_39, TC_C_56."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import events
from station.core.types import AuthStatus, IdToken, TokenInfo, TokenKind, Verdict
from station.ocpp.v201 import authorization

_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
_tokens = st.builds(IdToken, _text.map(lambda text: text[:36]), st.sampled_from(TokenKind))
_groups = _tokens.filter(lambda token: token.kind is not TokenKind.NO_AUTHORIZATION)
_infos = st.builds(
    TokenInfo,
    status=st.sampled_from(AuthStatus),
    group=st.none() | _groups,
    expires=st.none() | st.integers(0, 4_000_000_000_000).map(lambda millis: millis / 1000),
    evses=st.lists(st.integers(1, 99), max_size=4).map(tuple),
    language=st.none() | _text.map(lambda text: text[:8]),
    message=st.none() | _text.map(lambda text: text[:512]),
)


@settings(deadline=None)
@given(_tokens)
def test_a_token_goes_out_as_it_came_in(valid, token):
    wire = authorization.id_token(token)
    valid("AuthorizeRequest", {"idToken": wire})
    back = authorization.read_token(wire)
    if token.kind is TokenKind.NO_AUTHORIZATION:
        assert wire == {"idToken": "", "type": "NoAuthorization"}  # C02.FR.01
    else:
        assert dataclasses.astuple(back) == dataclasses.astuple(token)  # the very spelling, not only "equal"


@settings(deadline=None)
@given(_infos)
def test_token_info_round_trip(valid, info):
    wire = authorization.token_info(info)
    valid("AuthorizeResponse", {"idTokenInfo": wire})
    assert authorization.read_token_info(wire) == info


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "idTokenInfo",
                    "status",
                    "groupIdToken",
                    "idToken",
                    "type",
                    "evseId",
                    "cacheExpiryDateTime",
                    "language1",
                    "personalMessage",
                    "content",
                ]
            ),
            inner | st.sampled_from(["Accepted", "ISO14443", "2025-06-15T15:06:40Z"]),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(_json)
def test_no_answer_is_too_odd(answer):
    """Property: whatever a CSMS answers to Authorize, we get a verdict, and Accepted only if it says so."""
    payload = answer if isinstance(answer, dict) else {"idTokenInfo": answer}
    info = authorization.authorize_answer(payload)
    if info.status is AuthStatus.ACCEPTED:
        assert payload["idTokenInfo"]["status"] == "Accepted"


@pytest.mark.parametrize("token", [IdToken("04A1B2C3"), IdToken("1234", TokenKind.KEY_CODE), IdToken("x" * 50)])
def test_authorize(valid, token):  # C01.FR.02, C04, C06
    frame = authorization.authorize(token)
    assert frame.action == "Authorize"
    wire = valid("AuthorizeRequest", frame.payload)
    assert wire == {"idToken": {"idToken": token.value[:36], "type": token.kind.value}}


@pytest.mark.parametrize("word", [status.value for status in AuthStatus])
def test_authorize_answers(word):  # TC_C_02, TC_C_06, TC_C_07, TC_C_56
    assert authorization.authorize_answer({"idTokenInfo": {"status": word}}) == TokenInfo(AuthStatus(word))


def test_an_answer_without_token_info_authorises_nobody():
    assert authorization.authorize_answer({}).status is AuthStatus.INVALID


def test_an_empty_group_is_no_group():  # C09: strangers must not become members of one group
    wire = {"status": "Accepted", "groupIdToken": {"idToken": "", "type": "Central"}}
    assert authorization.read_token_info(wire) == TokenInfo(AuthStatus.ACCEPTED)


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (Verdict("Accepted"), {"status": "Accepted"}),  # TC_C_37
        (Verdict("Rejected", "NotEnabled"), {"status": "Rejected", "statusInfo": {"reasonCode": "NotEnabled"}}),  # _38
    ],
)
def test_clear_cache(station, verdict, answer):
    station.verdict = verdict
    assert station.ask("ClearCache", {}) == answer
    assert station.commands() == [events.ClearCache(7)]
