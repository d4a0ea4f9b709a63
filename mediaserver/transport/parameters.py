"""What offer and answer tell each other about the transport (RFC 8839, RFC 8122, RFC 8842).

Plain values without behaviour, shared by `mediaserver.sdp` and `mediaserver.transport`.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass

_ICE_CHARS = string.ascii_letters + string.digits
_UFRAG_LENGTH = 8
"""48 bits: fragments are the key under which the port finds a connection, so they must not repeat."""
_PASSWORD_LENGTH = 24
"""143 bits; RFC 8445 asks for 128."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """User name fragment and password of one side for one ICE generation."""

    ufrag: str
    password: str

    def __repr__(self) -> str:
        return f"IceCredentials(ufrag={self.ufrag!r})"

    @classmethod
    def generate(cls) -> IceCredentials:
        """Fresh random credentials."""
        return cls(
            "".join(secrets.choice(_ICE_CHARS) for _ in range(_UFRAG_LENGTH)),
            "".join(secrets.choice(_ICE_CHARS) for _ in range(_PASSWORD_LENGTH)),
        )


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hash of a certificate. `algorithm`: lower case, such as `sha-256`; `value`: upper-case hex pairs
    joined by colons."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class RemoteParameters:
    """The client's side, as offered."""

    ice: IceCredentials
    fingerprints: frozenset[Fingerprint]


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """Our side, as answered. `addresses`: where we are reached, best first, all on `port`."""

    ice: IceCredentials
    fingerprint: Fingerprint
    addresses: tuple[str, ...]
    port: int
