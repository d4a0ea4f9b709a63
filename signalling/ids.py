"""Minting of everything that names or opens something (`README.md`, Links)."""

from __future__ import annotations

import secrets
import uuid


def new_conv_id() -> str:
    """A room's public token: a full random UUID (RFC 9562, version 4)."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def new_pwd() -> str:
    """A requester's password: 6 decimal digits, leading zeros count."""
    return f"{secrets.randbelow(1_000_000):06d}"


def new_room_name() -> str:
    """A meeting's name, `<32 hex>:<32 hex>`; the second half is what cannot be guessed."""
    return f"{secrets.token_hex(16)}:{secrets.token_hex(16)}"


def new_media_hash() -> str:
    """A time-based UUID (RFC 9562, version 1) that tells nothing of the machine.

    Node and clock sequence are random for each, with the multicast bit set as section 6.10 asks; so hashes
    that fall on one instant differ by 61 random bits.
    """
    node = secrets.randbits(48) | 0x0100_0000_0000
    return str(uuid.uuid1(node=node, clock_seq=secrets.randbits(14)))


def new_participant_id() -> str:
    """Names a seat to everybody in the room; opens nothing."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
