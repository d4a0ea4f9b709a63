"""Signed things that let somebody in: agent tokens, resume tokens and media links.

Each purpose has its own key, and a token says what it is for (`aud`), so that none can be passed off as
another. No token carries a secret. JSON Web Tokens are RFC 7519 with HS256 and nothing else (RFC 8725 3.1).

Everything wrong with a token is one `AccessDeniedError`: why is of no use to an honest caller.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt

from signalling.errors import AccessDeniedError

RESUME_TOKEN_TTL_S = 24 * 3600
MAX_TOKEN_LENGTH = 1024

_ALGORITHM = "HS256"
_AGENT_AUDIENCE = "sightline-agent"
_SEAT_AUDIENCE = "sightline-seat"

WallClock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class AgentClaims:
    conv_id: str
    token_id: str
    """Names this token (`jti`), so that the seat it first opened can be bound to it."""
    expired: bool
    """Past its first-use time: it opens only the seat that is bound to it already."""


@dataclass(frozen=True, slots=True)
class SeatClaims:
    conv_id: str
    participant_id: str


class AgentTokens:
    """The token in an agent's link: short-lived until first use, then bound to the seat."""

    def __init__(self, key: bytes, ttl_s: int, clock: WallClock = time.time) -> None:
        """`ttl_s`: seconds until the first use."""
        self._key = key
        self._ttl_s = ttl_s
        self._clock = clock

    def mint(self, conv_id: str) -> str:
        now = int(self._clock())
        return _encode(
            self._key,
            {
                "aud": _AGENT_AUDIENCE,
                "sub": conv_id,
                "jti": secrets.token_urlsafe(16),
                "iat": now,
                "exp": now + self._ttl_s,
            },
        )

    def verify(self, token: str) -> AgentClaims:
        """Read a token, expired or not: only the room knows whether an expired one is bound to a seat.

        Raises:
            AccessDeniedError: bad signature, other algorithm or audience, or a claim is missing.
        """
        claims = _decode(self._key, token, _AGENT_AUDIENCE, ("sub", "jti", "exp"))
        return AgentClaims(str(claims["sub"]), str(claims["jti"]), self._clock() >= int(claims["exp"]))


class ResumeTokens:
    """The token that takes a participant back to the seat it holds."""

    def __init__(self, key: bytes, clock: WallClock = time.time) -> None:
        self._key = key
        self._clock = clock

    def mint(self, conv_id: str, participant_id: str) -> str:
        expires = int(self._clock()) + RESUME_TOKEN_TTL_S
        claims = {"aud": _SEAT_AUDIENCE, "sub": participant_id, "room": conv_id, "exp": expires}
        return _encode(self._key, claims)

    def verify(self, token: str) -> SeatClaims:
        """Raises AccessDeniedError, also for an expired token."""
        claims = _decode(self._key, token, _SEAT_AUDIENCE, ("sub", "room", "exp"))
        if self._clock() >= int(claims["exp"]):
            raise AccessDeniedError
        return SeatClaims(str(claims["room"]), str(claims["sub"]))


class MediaLinks:
    """Signed links to media: `/media/showVideo/<enterprise id>/hash/<hash>?exp=…&sig=…`."""

    def __init__(self, key: bytes, public_url: str, ttl_s: int, clock: WallClock = time.time) -> None:
        """`public_url`: without a slash at the end; `ttl_s`: seconds that a link works."""
        self._key = key
        self._public_url = public_url
        self._ttl_s = ttl_s
        self._clock = clock

    def url(self, enterprise_id: int | str, media_hash: str) -> str:
        """An absolute link, made now."""
        expires = int(self._clock()) + self._ttl_s
        signature = self._signature(str(enterprise_id), media_hash, expires)
        path = f"/media/showVideo/{quote(str(enterprise_id), safe='')}/hash/{quote(media_hash, safe='')}"
        return f"{self._public_url}{path}?exp={expires}&sig={signature}"

    def allows(self, enterprise_id: str, media_hash: str, exp: str, sig: str) -> bool:
        """True if `exp` and `sig`, as they stand in a request, are ours for this medium and not over."""
        if not (exp.isascii() and exp.isdigit() and len(exp) <= 12):
            return False
        expected = self._signature(enterprise_id, media_hash, int(exp))
        return hmac.compare_digest(expected.encode(), sig.encode()) and self._clock() < int(exp)

    def _signature(self, enterprise_id: str, media_hash: str, expires: int) -> str:
        message = f"{enterprise_id}\n{media_hash}\n{expires}".encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _encode(key: bytes, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def _decode(key: bytes, token: str, audience: str, required: tuple[str, ...]) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_LENGTH:
        raise AccessDeniedError
    try:
        # Expiry is judged by the callers: by their clock, and an agent token may outlive it.
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=audience,
            options={"require": ["aud", *required], "verify_exp": False, "verify_iat": False},
        )
        int(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise AccessDeniedError from None
    return claims
