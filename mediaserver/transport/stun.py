"""STUN Binding requests and their answers: RFC 8489 as far as ICE (RFC 8445 section 7) uses it.

Pure functions over bytes. A request is taken apart without being believed; `BindingRequest.verify`
says whether its sender knows the password. Attributes behind MESSAGE-INTEGRITY are not covered by it
and are ignored, other than FINGERPRINT.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from dataclasses import dataclass
from ipaddress import ip_address

from mediaserver.errors import MalformedStunError

_COOKIE = 0x2112A442
_COOKIE_BYTES = _COOKIE.to_bytes(4, "big")
_HEADER_SIZE = 20
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_INTEGRITY_SIZE = 24
_FINGERPRINT_SIZE = 8
_FINGERPRINT_XOR = 0x5354554E
_FAMILY = {4: 1, 6: 2}

_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_BINDING_ERROR = 0x0111

_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_PRIORITY = 0x0024
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_ICE_CONTROLLED = 0x8029

_COMPREHENSION_OPTIONAL = 0x8000
_KNOWN = frozenset({_USERNAME, _MESSAGE_INTEGRITY, _PRIORITY, _USE_CANDIDATE, 0x001C})
"""Comprehension-required attributes that may stand in a request; 0x001C: MESSAGE-INTEGRITY-SHA256."""


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A well-formed request. Nothing in it is proven before `verify` says so."""

    transaction_id: bytes
    local_ufrag: bytes
    """Ours: the part of USERNAME before the colon."""
    remote_ufrag: bytes
    priority: int
    """Of the peer-reflexive candidate that the request would create; 0 if absent."""
    use_candidate: bool
    ice_controlled: bool
    """The sender believes that we are the controlling side."""
    unknown_attributes: tuple[int, ...]
    """Types that must be understood and are not (RFC 8489 section 6.3.1)."""
    _covered: bytes
    _integrity: bytes

    def verify(self, password: bytes) -> bool:
        """True if MESSAGE-INTEGRITY was made with `password`. Takes the same time for every failure."""
        return hmac.compare_digest(self._integrity, _integrity_of(self._covered, password))


def parse_binding_request(datagram: bytes) -> BindingRequest:
    """Take a Binding request apart.

    Raises:
        MalformedStunError: anything else, also a request without USERNAME or MESSAGE-INTEGRITY and one
            whose FINGERPRINT is wrong.
    """
    if len(datagram) < _HEADER_SIZE:
        raise MalformedStunError("shorter than a header")
    message_type, length, cookie, transaction_id = _HEADER.unpack_from(datagram)
    if message_type != _BINDING_REQUEST or cookie != _COOKIE:
        raise MalformedStunError("not a Binding request")
    if length % 4 or len(datagram) != _HEADER_SIZE + length:
        raise MalformedStunError("wrong length")

    found: dict[int, bytes] = {}
    unknown: list[int] = []
    integrity_at = 0
    position = _HEADER_SIZE
    while position < len(datagram):
        kind, size = _ATTRIBUTE.unpack_from(datagram, position)
        start = position + 4
        end = start + size
        if end > len(datagram):
            raise MalformedStunError("attribute beyond the end")
        if kind == _FINGERPRINT:
            if size != 4 or datagram[start:end] != _fingerprint_of(datagram[:position]):
                raise MalformedStunError("wrong fingerprint")
        elif not integrity_at:
            if kind == _MESSAGE_INTEGRITY:
                integrity_at = position
            elif kind < _COMPREHENSION_OPTIONAL and kind not in _KNOWN:
                unknown.append(kind)
            found.setdefault(kind, datagram[start:end])
        position = end + -size % 4

    if not integrity_at or _USERNAME not in found:
        raise MalformedStunError("no credentials")
    local_ufrag, _, remote_ufrag = found[_USERNAME].partition(b":")
    priority = found.get(_PRIORITY, b"")
    return BindingRequest(
        transaction_id=transaction_id,
        local_ufrag=local_ufrag,
        remote_ufrag=remote_ufrag,
        priority=int.from_bytes(priority, "big") if len(priority) == 4 else 0,
        use_candidate=_USE_CANDIDATE in found,
        ice_controlled=_ICE_CONTROLLED in found,
        unknown_attributes=tuple(unknown),
        _covered=datagram[:integrity_at],
        _integrity=found[_MESSAGE_INTEGRITY],
    )


def success_response(transaction_id: bytes, mapped: tuple[str, int], password: bytes) -> bytes:
    """The answer to a request that came from `mapped` (address, port), signed with our password."""
    address = ip_address(mapped[0].partition("%")[0])
    port = mapped[1] ^ _COOKIE >> 16
    pad = _COOKIE_BYTES + transaction_id
    xored = bytes(a ^ b for a, b in zip(address.packed, pad, strict=False))
    value = struct.pack("!BBH", 0, _FAMILY[address.version], port) + xored
    return _signed(_BINDING_SUCCESS, transaction_id, _attribute(_XOR_MAPPED_ADDRESS, value), password)


def role_conflict_response(transaction_id: bytes, password: bytes) -> bytes:
    """487: the peer must take the controlling role (RFC 8445 section 7.3.1.1)."""
    return _signed(_BINDING_ERROR, transaction_id, _error_code(487, "Role Conflict"), password)


def unknown_attributes_response(transaction_id: bytes, types: tuple[int, ...], password: bytes) -> bytes:
    """420: the request depends on attributes that we do not know."""
    named = _attribute(_UNKNOWN_ATTRIBUTES, b"".join(kind.to_bytes(2, "big") for kind in types[:16]))
    body = _error_code(420, "Unknown Attribute") + named
    return _signed(_BINDING_ERROR, transaction_id, body, password)


def _error_code(code: int, reason: str) -> bytes:
    return _attribute(_ERROR_CODE, struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode())


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _signed(message_type: int, transaction_id: bytes, body: bytes, password: bytes) -> bytes:
    length = len(body) + _INTEGRITY_SIZE + _FINGERPRINT_SIZE
    message = _HEADER.pack(message_type, length, _COOKIE, transaction_id) + body
    message += _attribute(_MESSAGE_INTEGRITY, _integrity_of(message, password))
    return message + _attribute(_FINGERPRINT, _fingerprint_of(message))


def _integrity_of(covered: bytes, password: bytes) -> bytes:
    """HMAC-SHA1 over the message before MESSAGE-INTEGRITY, its length field counting that attribute."""
    return hmac.digest(password, _with_length(covered, _INTEGRITY_SIZE), hashlib.sha1)


def _fingerprint_of(covered: bytes) -> bytes:
    checksum = zlib.crc32(_with_length(covered, _FINGERPRINT_SIZE))
    return (checksum ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _with_length(covered: bytes, following: int) -> bytes:
    length = len(covered) - _HEADER_SIZE + following
    return covered[:2] + length.to_bytes(2, "big") + covered[4:]
