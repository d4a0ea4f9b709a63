"""The media graph in one file: what the parts of the SFU, and the recorder, know of each other.

Data flows one way: a publisher's transport hands decrypted packets to its `RtpSession`, which binds
them to a `PublishedTrack`; the track hands every packet to its down tracks (one per subscriber) and to
its sinks (recorder, snapshot). Feedback flows the other way: a down track asks its published track for
a keyframe. Nothing here does I/O, keeps state or imports anything of ours.

Vocabulary: W3C WebRTC and RFC 8834 (transceiver, mid, rid), RFC 3550 (SSRC, RTP timestamp),
RFC 4585 (NACK, PLI), RFC 4588 (RTX).

Times are microseconds on the server's monotonic clock (`time.monotonic_ns() // 1000`), always passed
in, never read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

TrackKind = Literal["audio", "video"]
TrackSource = Literal["microphone", "camera", "screen"]


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec as negotiated in one m-section (RFC 8866 rtpmap and fmtp)."""

    name: str
    """Canonical spelling: `VP8`, `H264`, `opus`."""
    clock_rate: int
    """Hz: 90000 for video, 48000 for Opus."""
    payload_type: int
    channels: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """fmtp parameters, keys lower case, for example `{"packetization-mode": "1"}`."""


@dataclass(frozen=True, slots=True)
class HeaderExtensionIds:
    """Identifiers of the RTP header extensions (RFC 8285) that both sides use, None where not offered."""

    mid: int | None = None
    rid: int | None = None
    repaired_rid: int | None = None
    transport_cc: int | None = None
    abs_send_time: int | None = None
    audio_level: int | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """What one m-section that a client sends on was negotiated to carry."""

    mid: str
    kind: TrackKind
    codec: Codec
    rtx_payload_type: int | None
    extensions: HeaderExtensionIds
    ssrcs: tuple[int, ...] = ()
    """Media SSRCs that the offer declares; empty where the client leaves routing to MID."""
    rtx_ssrcs: Mapping[int, int] = field(default_factory=dict)
    """Media SSRC to its RTX SSRC (a=ssrc-group:FID)."""
    cname: str = ""


@dataclass(frozen=True, slots=True)
class Downlink:
    """What one m-section that the server sends on was negotiated to carry."""

    mid: str
    kind: TrackKind
    codec: Codec
    rtx_payload_type: int | None
    extensions: HeaderExtensionIds
    ssrc: int
    rtx_ssrc: int
    cname: str


class RtpTransport(Protocol):
    """The encrypted path to one participant, as the RTP layer sees it. Sends never block and never
    raise: a packet that cannot leave now is dropped and counted."""

    @property
    def writable(self) -> bool:
        """True once DTLS is done and an ICE pair is selected."""

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one RTP packet (at most 1300 bytes)."""

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one compound RTCP packet (at most 1300 bytes)."""


class RtpSink(Protocol):
    """Receives what a publisher sent, on the event loop: it must return within microseconds and must
    not raise."""

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        """One decrypted RTP packet of the track: RTX already unwrapped, padding-only packets and
        duplicates dropped, order as received."""

    def on_sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, arrival_us: int) -> None:
        """An RTCP sender report. `ntp`: 64-bit NTP time of the publisher's clock (RFC 3550 6.4.1)."""

    def on_ended(self) -> None:
        """The track is gone; nothing follows."""


class PublishedTrack(Protocol):
    """One camera, microphone or screen of one participant, whatever connection carries it."""

    @property
    def track_id(self) -> str: ...
    @property
    def participant_id(self) -> str: ...
    @property
    def kind(self) -> TrackKind: ...
    @property
    def source(self) -> TrackSource: ...
    @property
    def codec(self) -> Codec: ...

    def add_sink(self, sink: RtpSink) -> None: ...

    def remove_sink(self, sink: RtpSink) -> None:
        """Harmless if the sink is not there."""

    def request_keyframe(self, now_us: int) -> None:
        """Ask the publisher for a keyframe (PLI); throttled per track whatever the number of callers.
        Nothing happens for audio."""


ConnectionState = Literal["new", "connecting", "connected", "interrupted", "closed"]
"""`interrupted`: nothing came from the participant for 3 s; `connected` again when something does."""


class ParticipantListener(Protocol):
    """What the signalling side is told about one participant. Called on the event loop."""

    def on_track_published(self, track: PublishedTrack) -> None:
        """Media of a newly negotiated track arrived, or will: it can be subscribed to now."""

    def on_track_unpublished(self, track: PublishedTrack) -> None: ...

    def on_connection_state(self, state: ConnectionState) -> None: ...
