"""Hand-made RTP for tests of the media path: packets of a publisher, a transport that records."""

from __future__ import annotations

import struct

from mediaserver.rtp.packet import HEADER, extension_block, find_extension, parse_header
from mediaserver.rtp.rtcp import RtcpPacket, parse_compound
from mediaserver.sfu.interfaces import Codec, Downlink, HeaderExtensionIds, Uplink

VP8 = Codec("VP8", 90_000, 96)
H264 = Codec("H264", 90_000, 102)
OPUS = Codec("opus", 48_000, 111, 2)
UP_EXTENSIONS = HeaderExtensionIds(mid=4, transport_cc=3, abs_send_time=2)
DOWN_EXTENSIONS = HeaderExtensionIds(mid=9, abs_send_time=5)

KEYFRAME = bytes.fromhex("9003009d012a8002e001")
INTERFRAME = bytes.fromhex("310100")


class FakeTransport:
    """Records what is sent."""

    def __init__(self, *, writable: bool = True) -> None:
        self.writable = writable
        self.rtp: list[bytes] = []
        self.compounds: list[bytes] = []

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        self.rtp.append(bytes(packet))

    def send_rtcp(self, packet: bytes) -> None:
        self.compounds.append(packet)

    def take_rtp(self) -> list[bytes]:
        taken, self.rtp = self.rtp, []
        return taken

    def take_rtcp(self) -> list[RtcpPacket]:
        """Every RTCP packet sent since the last call; all of it must be well formed."""
        taken, self.compounds = self.compounds, []
        members: list[RtcpPacket] = []
        for datagram in taken:
            assert len(datagram) <= 1300
            compound = parse_compound(datagram)
            assert compound.malformed == 0
            members += compound.packets
        return members


def uplink(
    codec: Codec = VP8,
    *,
    mid: str = "0",
    ssrcs: tuple[int, ...] = (),
    rtx_ssrcs: dict[int, int] | None = None,
    extensions: HeaderExtensionIds = UP_EXTENSIONS,
) -> Uplink:
    video = codec.clock_rate == 90_000
    return Uplink(
        mid,
        "video" if video else "audio",
        codec,
        codec.payload_type + 1 if video else None,
        extensions,
        ssrcs,
        rtx_ssrcs or {},
        "publisher",
    )


def downlink(
    codec: Codec = VP8,
    *,
    mid: str = "7",
    ssrc: int = 7000,
    payload_type: int = 120,
    rtx: bool = True,
    extensions: HeaderExtensionIds = DOWN_EXTENSIONS,
) -> Downlink:
    video = codec.clock_rate == 90_000
    own = Codec(codec.name, codec.clock_rate, payload_type, codec.channels)
    rtx_payload_type = payload_type + 1 if video and rtx else None
    return Downlink(
        mid, "video" if video else "audio", own, rtx_payload_type, extensions, ssrc, ssrc + 1, "publisher"
    )


def vp8_payload(picture_id: int | None, *, key: bool, starts: bool = True, tl0: int | None = None) -> bytes:
    head = 0x10 if starts else 0
    frame = KEYFRAME if key else INTERFRAME
    if picture_id is None:
        return bytes([head]) + frame
    if tl0 is None:
        return bytes([0x80 | head, 0x80]) + struct.pack("!H", 0x8000 | picture_id) + frame
    return bytes([0x80 | head, 0xC0]) + struct.pack("!HB", 0x8000 | picture_id, tl0) + frame


def rtp(
    payload: bytes,
    *,
    seq: int,
    ts: int = 0,
    ssrc: int = 1000,
    payload_type: int = 96,
    marker: bool = False,
    mid: str | None = None,
    transport_sequence: int | None = None,
    padding: int = 0,
) -> bytes:
    elements = []
    if mid is not None:
        elements.append((4, mid.encode()))
    if transport_sequence is not None:
        elements.append((3, struct.pack("!H", transport_sequence & 0xFFFF)))
    block = extension_block(elements)
    first = 0x80 | (0x10 if block else 0) | (0x20 if padding else 0)
    second = (0x80 if marker else 0) | payload_type
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return HEADER.pack(first, second, seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc) + block + payload + tail


class Vp8Stream:
    """A VP8 publisher that numbers its packets and frames."""

    def __init__(
        self,
        ssrc: int = 1000,
        *,
        seq: int = 0,
        ts: int = 0,
        picture_id: int | None = 0,
        tl0: int | None = None,
        mid: str | None = None,
    ) -> None:
        self.ssrc, self.seq, self.ts, self.mid = ssrc, seq, ts, mid
        self.picture_id, self.tl0 = picture_id, tl0

    def frame(self, *, key: bool = False, packets: int = 2) -> list[bytes]:
        """The packets of the next frame, 1/30 s after the last."""
        made = []
        for index in range(packets):
            payload = vp8_payload(self.picture_id, key=key, starts=index == 0, tl0=self.tl0)
            made.append(
                rtp(
                    payload + bytes([index]),
                    seq=self.seq,
                    ts=self.ts,
                    ssrc=self.ssrc,
                    marker=index == packets - 1,
                    mid=self.mid,
                )
            )
            self.seq += 1
        self.ts += 3000
        if self.picture_id is not None:
            self.picture_id = (self.picture_id + 1) & 0x7FFF
        if self.tl0 is not None:
            self.tl0 = (self.tl0 + 1) & 0xFF
        return made


def numbers(packets: list[bytes]) -> list[int]:
    """Sequence numbers."""
    return [header.sequence_number for packet in packets if (header := parse_header(packet))]


def payload_of(packet: bytes) -> bytes:
    header = parse_header(packet)
    assert header is not None
    return packet[header.payload_start : header.payload_end]


def mid_of(packet: bytes, identifier: int = 9) -> str | None:
    data = find_extension(packet, identifier)
    return data.decode() if data is not None else None
