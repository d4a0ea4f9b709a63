"""RTP packets as bytes and offsets. RFC 3550 section 5.1, RFC 8285 (header extensions).

Malformed packets parse to `None`; no function here raises for any byte string.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEADER_LENGTH = 12
HEADER = struct.Struct("!BBHLL")
"""Version/padding/extension/CSRC count, marker/payload type, sequence number, timestamp, SSRC."""

_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000
_U16 = struct.Struct("!H")
_U16_PAIR = struct.Struct("!HH")


class RtpHeader(NamedTuple):
    """The header fields of one packet and where its payload lies: `packet[payload_start:payload_end]`."""

    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload_start: int
    payload_end: int
    """Padding excluded; equal to `payload_start` for a packet of padding only."""


def is_rtcp(packet: bytes) -> bool:
    """Tell RTCP from RTP on one transport (RFC 5761 section 4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223


def payload_span(packet: bytes) -> tuple[int, int] | None:
    """Where the payload lies, as (start, end) with padding excluded; `None` for a malformed packet."""
    length = len(packet)
    if length < HEADER_LENGTH:
        return None
    first = packet[0]
    if first & 0xC0 != 0x80:
        return None
    start = HEADER_LENGTH
    if first & 0x1F:
        start += 4 * (first & 0x0F)
        if first & 0x10:
            if start + 4 > length:
                return None
            start += 4 + 4 * ((packet[start + 2] << 8) | packet[start + 3])
        if start > length:
            return None
    if not first & 0x20:
        return start, length
    padding = packet[-1]
    if not padding or padding > length - start:
        return None
    return start, length - padding


def parse_header(packet: bytes) -> RtpHeader | None:
    """Read the whole header; `None` for a malformed packet."""
    span = payload_span(packet)
    if span is None:
        return None
    _, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(packet)
    return RtpHeader(second >= 0x80, second & 0x7F, sequence_number, timestamp, ssrc, *span)


def header_extensions(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (identifier, data) of each header extension, in one- or two-byte form.

    A truncated element ends the iteration; so does the reserved identifier 15 of the one-byte form.
    """
    if len(packet) < HEADER_LENGTH or not packet[0] & 0x10:
        return
    position = HEADER_LENGTH + 4 * (packet[0] & 0x0F)
    if position + 4 > len(packet):
        return
    profile, words = _U16_PAIR.unpack_from(packet, position)
    position += 4
    end = min(position + 4 * words, len(packet))
    if profile == _ONE_BYTE_PROFILE:
        while position < end:
            element = packet[position]
            position += 1
            if element == 0:
                continue
            if element >= 0xF0:
                return
            following = position + (element & 0x0F) + 1
            if following > end:
                return
            yield element >> 4, packet[position:following]
            position = following
    elif profile & 0xFFF0 == _TWO_BYTE_PROFILE:
        while position + 1 < end:
            identifier = packet[position]
            position += 1
            if identifier == 0:
                continue
            following = position + 1 + packet[position]
            if following > end:
                return
            yield identifier, packet[position + 1 : following]
            position = following


def find_extension(packet: bytes, identifier: int) -> bytes | None:
    """The data of one header extension, `None` if the packet does not carry it.

    Finds what `header_extensions` would yield first for `identifier`, without a generator: this runs for
    every packet that arrives.
    """
    if len(packet) < HEADER_LENGTH + 4 or not packet[0] & 0x10:
        return None
    position = HEADER_LENGTH + 4 * (packet[0] & 0x0F)
    length = len(packet)
    if position + 4 > length:
        return None
    if packet[position] != 0xBE or packet[position + 1] != 0xDE:
        return next((data for found, data in header_extensions(packet) if found == identifier), None)
    end = position + 4 + 4 * ((packet[position + 2] << 8) | packet[position + 3])
    if end > length:
        end = length
    position += 4
    while position < end:
        element = packet[position]
        if element >> 4 == identifier and 0 < identifier < 15:
            following = position + 2 + (element & 0x0F)
            return packet[position + 1 : following] if following <= end else None
        if element == 0:
            position += 1
        elif element >= 0xF0:
            return None
        else:
            position += 2 + (element & 0x0F)
    return None


def extension_block(elements: Sequence[tuple[int, bytes]]) -> bytes:
    """Build the whole extension part of a header, `b""` for no elements.

    Padding goes before the last element, so that the block ends with that element's data: a sender can
    cut off and replace a value of fixed size that changes with every packet.

    Args:
        elements: (identifier 1..255, at most 255 bytes of data). The one-byte form is used where every
            element fits it (identifier up to 14, 1 to 16 bytes), otherwise the two-byte form.
    """
    if not elements:
        return b""
    one_byte = all(identifier <= 14 and 1 <= len(data) <= 16 for identifier, data in elements)
    if one_byte:
        parts = [bytes([(identifier << 4) | (len(data) - 1)]) + data for identifier, data in elements]
    else:
        parts = [bytes([identifier, len(data)]) + data for identifier, data in elements]
    size = sum(map(len, parts))
    padding = -size % 4
    profile = _ONE_BYTE_PROFILE if one_byte else _TWO_BYTE_PROFILE
    head = _U16_PAIR.pack(profile, (size + padding) // 4)
    return head + b"".join(parts[:-1]) + bytes(padding) + parts[-1]


def unwrap_rtx(packet: bytes, start: int, end: int, *, payload_type: int, ssrc: int) -> bytes | None:
    """Restore the packet that an RTX packet repeats (RFC 4588 section 4); header extensions are left out.

    Args:
        packet: the RTX packet, with its payload at `packet[start:end]`.
        payload_type: of the repaired stream.
        ssrc: of the repaired stream.

    Returns:
        The original packet, or `None` for a padding probe, which repeats nothing.
    """
    if end - start < 2:
        return None
    _, second, _, timestamp, _ = HEADER.unpack_from(packet)
    original = (packet[start] << 8) | packet[start + 1]
    return (
        HEADER.pack(0x80, (second & 0x80) | payload_type, original, timestamp, ssrc) + packet[start + 2 : end]
    )


def wrap_rtx(sequence_number: int) -> bytes:
    """The two bytes that precede the original payload in an RTX packet (RFC 4588 section 4)."""
    return _U16.pack(sequence_number)
