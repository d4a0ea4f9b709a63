from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.access.tokens import AgentTokens, MediaLinks, ResumeTokens
from signalling.errors import AccessDeniedError

KEY = b"k" * 32
OTHER_KEY = b"o" * 32


class Clock:
    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def test_an_agent_token_names_its_room_and_itself() -> None:
    tokens = AgentTokens(KEY, 900)
    first, second = tokens.verify(tokens.mint("room")), tokens.verify(tokens.mint("room"))
    assert first.conv_id == "room"
    assert not first.expired
    assert first.token_id != second.token_id


def test_an_agent_token_can_still_be_read_after_its_time() -> None:
    clock = Clock()
    tokens = AgentTokens(KEY, 900, clock)
    token = tokens.mint("room")
    clock.now_s += 899
    assert not tokens.verify(token).expired
    clock.now_s += 1
    assert tokens.verify(token).expired


def test_a_resume_token_ends_after_a_day() -> None:
    clock = Clock()
    tokens = ResumeTokens(KEY, clock)
    token = tokens.mint("room", "me")
    assert tokens.verify(token).participant_id == "me"
    clock.now_s += 24 * 3600
    with pytest.raises(AccessDeniedError):
        tokens.verify(token)


def test_tokens_carry_no_secret() -> None:
    token = AgentTokens(KEY, 900).mint("room")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert set(claims) == {"aud", "sub", "jti", "iat", "exp"}


def encode(claims: dict[str, object], key: bytes | None = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


GOOD: dict[str, object] = {"aud": "sightline-agent", "sub": "room", "jti": "x", "exp": 9_999_999_999}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "é.é.é",
        "a" * 5000,
        encode(GOOD, OTHER_KEY),
        encode(GOOD, None, "none"),
        encode(GOOD, b"k" * 64, "HS512"),
        encode({**GOOD, "aud": "sightline-seat"}),
        encode({**GOOD, "exp": "soon"}),
        *(encode({name: value for name, value in GOOD.items() if name != missing}) for missing in GOOD),
        encode(GOOD)[:-2],
    ],
)
def test_forged_tokens_are_refused(token: str) -> None:
    with pytest.raises(AccessDeniedError):
        AgentTokens(KEY, 900).verify(token)


def test_the_good_claims_above_are_good() -> None:
    assert AgentTokens(KEY, 900).verify(encode(GOOD)).conv_id == "room"


def test_a_token_of_one_purpose_does_not_serve_another() -> None:
    with pytest.raises(AccessDeniedError):
        ResumeTokens(KEY).verify(AgentTokens(KEY, 900).mint("room"))
    with pytest.raises(AccessDeniedError):
        AgentTokens(KEY, 900).verify(ResumeTokens(KEY).mint("room", "me"))


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_refused(token: str) -> None:
    with pytest.raises(AccessDeniedError):
        AgentTokens(KEY, 900).verify(token)


def signature(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query)
    return query["exp"][0], query["sig"][0]


def test_a_media_link_works_for_its_time() -> None:
    clock = Clock()
    links = MediaLinks(KEY, "https://host", 3600, clock)
    url = links.url(7, "abc")
    assert url.startswith("https://host/media/showVideo/7/hash/abc?exp=1700003600&sig=")
    exp, sig = signature(url)
    assert links.allows("7", "abc", exp, sig)
    clock.now_s += 3600
    assert not links.allows("7", "abc", exp, sig)


def test_a_media_link_is_for_one_medium_of_one_enterprise_until_one_time() -> None:
    links = MediaLinks(KEY, "https://host", 3600)
    exp, sig = signature(links.url(7, "abc"))
    assert not links.allows("8", "abc", exp, sig)
    assert not links.allows("7", "abd", exp, sig)
    assert not links.allows("7", "abc", str(int(exp) + 1), sig)
    assert not links.allows("7", "abc", exp, sig[:-1])
    assert not MediaLinks(OTHER_KEY, "https://host", 3600).allows("7", "abc", exp, sig)


@given(st.text(), st.text())
def test_invented_signatures_open_nothing(exp: str, sig: str) -> None:
    assert not MediaLinks(KEY, "https://host", 3600).allows("7", "abc", exp, sig)
