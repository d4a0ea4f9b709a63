"""VP8 in RTP: payload descriptor, frame header, rewriting of picture ids. RFC 7741, RFC 6386 section 9.1.

Functions take a packet and the span of its payload (`mediaserver.rtp.packet.payload_span`); a malformed
payload parses to `None` or `False`.
"""

from __future__ import annotations

from typing import NamedTuple

PICTURE_ID_BITS = 15


class Descriptor(NamedTuple):
    """The payload descriptor that precedes the VP8 data of each packet."""

    starts_partition: bool
    partition: int
    picture_id: int | None
    """As sent: 7 or 15 bits wide."""
    picture_id_bits: int
    """7 or 15, 0 without a picture id."""
    tl0_picture_index: int | None
    temporal_layer: int | None
    length: int
    """Bytes from the start of the payload to the VP8 data."""

    @property
    def starts_frame(self) -> bool:
        """True for the first packet of a frame."""
        return self.starts_partition and self.partition == 0


def parse_descriptor(packet: bytes, start: int, end: int) -> Descriptor | None:
    """Read the payload descriptor; `None` if it is cut short or nothing follows it."""
    if start >= end:
        return None
    first = packet[start]
    position = start + 1
    picture_id = tl0 = temporal_layer = None
    bits = 0
    if first & 0x80:
        if position >= end:
            return None
        present = packet[position]
        position += 1
        if present & 0x80:
            if position >= end:
                return None
            picture_id = packet[position]
            position += 1
            bits = 7
            if picture_id & 0x80:
                if position >= end:
                    return None
                picture_id = ((picture_id & 0x7F) << 8) | packet[position]
                position += 1
                bits = 15
        if present & 0x40:
            if position >= end:
                return None
            tl0 = packet[position]
            position += 1
        if present & 0x30:
            if position >= end:
                return None
            if present & 0x20:
                temporal_layer = packet[position] >> 6
            position += 1
    if position >= end:
        return None
    return Descriptor(
        bool(first & 0x10), first & 0x07, picture_id, bits, tl0, temporal_layer, position - start
    )


def is_keyframe_start(packet: bytes, start: int, end: int) -> bool:
    """True for the packet that begins a keyframe."""
    # Most packets are not the first of a frame: decide that before reading the rest.
    if start >= end or packet[start] & 0x17 != 0x10:
        return False
    descriptor = parse_descriptor(packet, start, end)
    return descriptor is not None and not packet[start + descriptor.length] & 0x01


def frame_size(packet: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Width and height in pixels as a keyframe's first packet tells them, `None` for any other packet."""
    if not is_keyframe_start(packet, start, end):
        return None
    descriptor = parse_descriptor(packet, start, end)
    assert descriptor is not None
    return keyframe_size(packet[start + descriptor.length : end])


def keyframe_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the first 10 bytes of a VP8 frame, `None` if it is no keyframe."""
    if len(frame) < 10 or frame[0] & 0x01 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    return (width, height) if width and height else None


def rewrite_descriptor(
    payload: bytes, descriptor: Descriptor, *, picture_id: int, tl0_picture_index: int
) -> bytes:
    """Give a payload another picture id and TL0PICIDX.

    The picture id is always written 15 bits wide, because receivers extend it as such; a 7-bit one makes
    the payload one byte longer. A field that the payload does not carry stays absent.

    Args:
        payload: the whole payload, descriptor included.
        descriptor: parsed from `payload`.
        picture_id: 15-bit.
        tl0_picture_index: 8-bit.
    """
    if not descriptor.picture_id_bits:
        if descriptor.tl0_picture_index is None:
            return payload
        return payload[:2] + bytes([tl0_picture_index]) + payload[3:]
    identifier = bytes([0x80 | (picture_id >> 8), picture_id & 0xFF])
    rest = 4 if descriptor.picture_id_bits == PICTURE_ID_BITS else 3
    if descriptor.tl0_picture_index is None:
        return payload[:2] + identifier + payload[rest:]
    return payload[:2] + identifier + bytes([tl0_picture_index]) + payload[rest + 1 :]
