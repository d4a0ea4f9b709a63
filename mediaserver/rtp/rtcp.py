"""RTCP packets: read a compound, build single packets. RFC 3550 6, RFC 4585, RFC 5104, REMB.

Feedback for transport-wide congestion control is built by `mediaserver.rtp.twcc`; here it is only
recognised. REMB follows draft-alvestrand-rmcat-remb-03.

Every class packs itself with `pack()`; a compound is the concatenation of its packets. `parse_compound`
raises for no byte string: a malformed packet is skipped and counted, and its neighbours are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_FMT_NACK, _FMT_TWCC = 1, 15
_FMT_PLI, _FMT_FIR, _FMT_APPLICATION = 1, 4, 15

SDES_CNAME = 1
MAX_REPORTS = 31
"""Report blocks that fit one SR or RR (5-bit count)."""

_HEADER = struct.Struct("!BBH")
_U32 = struct.Struct("!L")
_U32_PAIR = struct.Struct("!LL")
_SENDER = struct.Struct("!LQLLL")
_REPORT = struct.Struct("!LLLLLL")
_NACK_ITEM = struct.Struct("!HH")
_FIR_ITEM = struct.Struct("!LB3x")


class _MalformedError(Exception):
    """One packet of a compound cannot be read; never leaves this module."""


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """One report block of an SR or RR (RFC 3550 6.4.1)."""

    ssrc: int
    """The stream reported on."""
    fraction_lost: int
    """0..255: lost packets of the last interval in 1/256."""
    packets_lost: int
    """Signed, 24 bits; clamped when packed."""
    highest_sequence: int
    """Extended: cycles << 16 | sequence number; 32 bits."""
    jitter: int
    """In units of the RTP timestamp."""
    last_sr: int
    """Middle 32 bits of the NTP time of the last SR received, 0 for none."""
    delay_since_last_sr: int
    """In 1/65536 s."""

    def pack(self) -> bytes:
        lost = max(-0x800000, min(self.packets_lost, 0x7FFFFF)) & 0xFFFFFF
        return _REPORT.pack(
            self.ssrc,
            (self.fraction_lost << 24) | lost,
            self.highest_sequence & 0xFFFFFFFF,
            min(self.jitter, 0xFFFFFFFF),
            self.last_sr,
            self.delay_since_last_sr & 0xFFFFFFFF,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: what a sender sent, and which NTP instant an RTP timestamp is."""

    ssrc: int
    ntp: int
    """64 bits: seconds since 1900 in 1/2**32 s, of the sender's clock."""
    rtp_timestamp: int
    packets: int
    """Sent since the start, modulo 2**32 when packed."""
    octets: int
    reports: tuple[ReceptionReport, ...] = ()

    def pack(self) -> bytes:
        head = _SENDER.pack(
            self.ssrc,
            self.ntp & 0xFFFFFFFFFFFFFFFF,
            self.rtp_timestamp & 0xFFFFFFFF,
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )
        return _packet(_SR, len(self.reports), head + b"".join(r.pack() for r in self.reports))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: how streams arrive at a receiver. At most `MAX_REPORTS` blocks."""

    ssrc: int
    reports: tuple[ReceptionReport, ...] = ()

    def pack(self) -> bytes:
        body = _U32.pack(self.ssrc) + b"".join(r.pack() for r in self.reports)
        return _packet(_RR, len(self.reports), body)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES: SSRC and canonical name of each source (items other than CNAME are not kept)."""

    cnames: tuple[tuple[int, str], ...]
    """(SSRC, CNAME); at most 31, each name at most 255 bytes of UTF-8."""

    def pack(self) -> bytes:
        body = b""
        for ssrc, cname in self.cnames:
            name = cname.encode()[:255]
            chunk = _U32.pack(ssrc) + bytes([SDES_CNAME, len(name)]) + name
            # At least one zero byte ends the items; the chunk fills whole words.
            body += chunk + bytes(4 - len(chunk) % 4)
        return _packet(_SDES, len(self.cnames), body)


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE: the sources send nothing more."""

    ssrcs: tuple[int, ...]

    def pack(self) -> bytes:
        return _packet(_BYE, len(self.ssrcs), b"".join(map(_U32.pack, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 6.2.1): sequence numbers that the receiver misses."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]
    """16-bit sequence numbers. Packed densely only if in ascending order modulo 2**16."""

    def pack(self) -> bytes:
        body = _U32_PAIR.pack(self.sender_ssrc, self.media_ssrc)
        base: int | None = None
        mask = 0
        for sequence_number in self.lost:
            if base is not None:
                distance = (sequence_number - base) & 0xFFFF
                if 1 <= distance <= 16:
                    mask |= 1 << (distance - 1)
                    continue
                body += _NACK_ITEM.pack(base, mask)
            base, mask = sequence_number, 0
        if base is not None:
            body += _NACK_ITEM.pack(base, mask)
        return _packet(_RTPFB, _FMT_NACK, body)


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI (RFC 4585 6.3.1): the receiver needs a keyframe."""

    sender_ssrc: int
    media_ssrc: int

    def pack(self) -> bytes:
        return _packet(_PSFB, _FMT_PLI, _U32_PAIR.pack(self.sender_ssrc, self.media_ssrc))


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """FIR (RFC 5104 4.3.1): a keyframe is demanded of each stream."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]
    """(SSRC, command sequence number 0..255)."""

    def pack(self) -> bytes:
        body = _U32_PAIR.pack(self.sender_ssrc, 0)
        body += b"".join(_FIR_ITEM.pack(ssrc, sequence) for ssrc, sequence in self.requests)
        return _packet(_PSFB, _FMT_FIR, body)


@dataclass(frozen=True, slots=True)
class Remb:
    """REMB: what the receiver believes the path to it can carry."""

    sender_ssrc: int
    bitrate_bps: int
    """18 significant bits are transmitted."""
    ssrcs: tuple[int, ...] = ()

    def pack(self) -> bytes:
        exponent = max(0, self.bitrate_bps.bit_length() - 18)
        value = (len(self.ssrcs) << 24) | (exponent << 18) | (self.bitrate_bps >> exponent)
        body = _U32_PAIR.pack(self.sender_ssrc, 0) + b"REMB" + _U32.pack(value)
        return _packet(_PSFB, _FMT_APPLICATION, body + b"".join(map(_U32.pack, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Transport-wide congestion control feedback, unread: its receiver decides what it needs of it."""

    sender_ssrc: int
    media_ssrc: int
    body: bytes = field(repr=False)
    """From the base sequence number on."""


RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | PictureLoss
    | FullIntraRequest
    | Remb
    | TransportFeedback
)


@dataclass(frozen=True, slots=True)
class Compound:
    """What one datagram of RTCP held."""

    packets: Sequence[RtcpPacket]
    malformed: int
    """Packets that could not be read; whatever follows a broken length counts as one."""


def parse_compound(data: bytes) -> Compound:
    """Read every packet of a datagram; packet types not listed in this module are passed over."""
    packets: list[RtcpPacket] = []
    malformed = 0
    position = 0
    while position < len(data):
        if len(data) - position < 4:
            malformed += 1
            break
        first, packet_type, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            malformed += 1
            break
        body = data[position + 4 : end]
        position = end
        if first & 0x20:
            if not body or not body[-1] or body[-1] > len(body):
                malformed += 1
                continue
            body = body[: -body[-1]]
        parser = _PARSERS.get(packet_type)
        if parser is None:
            continue
        try:
            packet = parser(first & 0x1F, body)
        except _MalformedError:
            malformed += 1
            continue
        if packet is not None:
            packets.append(packet)
    return Compound(packets, malformed)


def _need(condition: bool) -> None:
    if not condition:
        raise _MalformedError


def _parse_reports(body: bytes, position: int, count: int) -> tuple[ReceptionReport, ...]:
    # Profile-specific extensions may follow the blocks (RFC 3550 6.4.3).
    _need(len(body) >= position + _REPORT.size * count)
    reports = []
    for offset in range(position, position + _REPORT.size * count, _REPORT.size):
        ssrc, loss, highest, jitter, last_sr, delay = _REPORT.unpack_from(body, offset)
        lost = loss & 0xFFFFFF
        reports.append(
            ReceptionReport(
                ssrc,
                loss >> 24,
                lost - 0x1000000 if lost & 0x800000 else lost,
                highest,
                jitter,
                last_sr,
                delay,
            )
        )
    return tuple(reports)


def _parse_sr(count: int, body: bytes) -> SenderReport:
    _need(len(body) >= _SENDER.size)
    ssrc, ntp, rtp_timestamp, packets, octets = _SENDER.unpack_from(body)
    reports = _parse_reports(body, _SENDER.size, count)
    return SenderReport(ssrc, ntp, rtp_timestamp, packets, octets, reports)


def _parse_rr(count: int, body: bytes) -> ReceiverReport:
    _need(len(body) >= 4)
    return ReceiverReport(_U32.unpack_from(body)[0], _parse_reports(body, 4, count))


def _parse_sdes(count: int, body: bytes) -> SourceDescription:
    cnames = []
    position = 0
    for _ in range(count):
        _need(len(body) >= position + 4)
        ssrc = _U32.unpack_from(body, position)[0]
        position += 4
        while True:
            _need(position < len(body))
            item = body[position]
            position += 1
            if item == 0:
                position += -position % 4
                break
            _need(position < len(body))
            following = position + 1 + body[position]
            _need(following <= len(body))
            if item == SDES_CNAME:
                cnames.append((ssrc, body[position + 1 : following].decode(errors="replace")))
            position = following
    return SourceDescription(tuple(cnames))


def _parse_bye(count: int, body: bytes) -> Bye:
    _need(len(body) >= 4 * count)
    return Bye(struct.unpack_from(f"!{count}L", body))


def _parse_rtpfb(fmt: int, body: bytes) -> Nack | TransportFeedback | None:
    if fmt not in (_FMT_NACK, _FMT_TWCC):
        return None
    _need(len(body) >= 8)
    sender_ssrc, media_ssrc = _U32_PAIR.unpack_from(body)
    if fmt == _FMT_TWCC:
        return TransportFeedback(sender_ssrc, media_ssrc, body[8:])
    _need(len(body) % 4 == 0)
    lost: list[int] = []
    for base, mask in _NACK_ITEM.iter_unpack(body[8:]):
        lost.append(base)
        if mask:
            lost.extend((base + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return Nack(sender_ssrc, media_ssrc, tuple(lost))


def _parse_psfb(fmt: int, body: bytes) -> PictureLoss | FullIntraRequest | Remb | None:
    if fmt not in (_FMT_PLI, _FMT_FIR, _FMT_APPLICATION):
        return None
    _need(len(body) >= 8)
    sender_ssrc, media_ssrc = _U32_PAIR.unpack_from(body)
    if fmt == _FMT_PLI:
        return PictureLoss(sender_ssrc, media_ssrc)
    if fmt == _FMT_FIR:
        _need(len(body) % 8 == 0)
        return FullIntraRequest(sender_ssrc, tuple(_FIR_ITEM.iter_unpack(body[8:])))
    if body[8:12] != b"REMB":
        return None
    _need(len(body) >= 16)
    value = _U32.unpack_from(body, 12)[0]
    count = value >> 24
    _need(len(body) >= 16 + 4 * count)
    bitrate_bps = (value & 0x3FFFF) << (value >> 18 & 0x3F)
    return Remb(sender_ssrc, bitrate_bps, struct.unpack_from(f"!{count}L", body, 16))


_PARSERS: dict[int, Callable[[int, bytes], RtcpPacket | None]] = {
    _SR: _parse_sr,
    _RR: _parse_rr,
    _SDES: _parse_sdes,
    _BYE: _parse_bye,
    _RTPFB: _parse_rtpfb,
    _PSFB: _parse_psfb,
}


def compounds(packets: Iterable[bytes], limit: int) -> list[bytes]:
    """Join packed packets, in order, into datagrams of at most `limit` bytes each (a packet is never cut)."""
    joined: list[bytes] = []
    current = b""
    for packet in packets:
        if current and len(current) + len(packet) > limit:
            joined.append(current)
            current = b""
        current += packet
    if current:
        joined.append(current)
    return joined
