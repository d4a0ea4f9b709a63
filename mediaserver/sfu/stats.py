"""Figures of one connection, as the RTP layer counts them. Plain values, safe to keep."""

from __future__ import annotations

from dataclasses import dataclass

from mediaserver.sfu.interfaces import TrackKind, TrackSource


@dataclass(frozen=True, slots=True)
class TrackStats:
    """What a publisher sends us on one track. Counts belong to the current SSRC."""

    track_id: str
    kind: TrackKind
    source: TrackSource
    ssrc: int | None
    """`None` until the first packet."""
    packets: int
    octets: int
    packets_lost: int
    """Lost on the first path, whether repaired later or not."""
    recovered: int
    """Repaired by retransmission."""
    duplicates: int
    jitter_ms: float
    nacks_sent: int
    """Sequence numbers asked for."""
    plis_sent: int
    last_arrival_us: int
    """0 before the first packet."""


@dataclass(frozen=True, slots=True)
class DownTrackStats:
    """What we send a subscriber of one track, and how it says it arrives."""

    mid: str
    track_id: str
    ssrc: int
    packets: int
    octets: int
    resent: int
    nacks_received: int
    """Sequence numbers asked for."""
    plis_received: int
    fraction_lost: float
    """0..1, in the subscriber's last report."""
    packets_lost: int
    jitter_ms: float
    rtt_ms: float | None
    """`None` until a report answers one of ours."""


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One connection."""

    tracks: tuple[TrackStats, ...]
    down_tracks: tuple[DownTrackStats, ...]
    remb_bps: int | None
    """What the participant believes its downlink carries."""
    unrouted: int
    """RTP packets that belong to no track."""
    malformed: int
    """RTP packets and members of RTCP compounds that could not be read."""
