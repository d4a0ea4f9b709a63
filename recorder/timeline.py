"""What assembly hands to everything that makes a product: tracks of complete frames on one clock.

Session time: microseconds since the recording's start on the server's monotonic clock, so that frames of
every participant, and every journal event, share one axis. Sender clocks are mapped onto it by RTCP
sender reports (see `recorder/clock.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mediaserver.sfu.interfaces import Codec, TrackKind, TrackSource


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One access unit as the publisher encoded it."""

    session_us: int
    """Presentation instant in session time; may be negative for a frame captured before the start."""
    data: bytes
    """VP8 frame, H.264 access unit in Annex B, or one Opus packet."""
    keyframe: bool
    intact: bool
    """False from the first frame that was lost or incomplete up to the next keyframe: the decoder would
    show damage and report nothing, so a product holds the last intact picture instead."""
    rtp_timestamp: int
    """32-bit, as sent."""


class AssembledTrack(Protocol):
    """One logical track: one source of one participant, joined over SSRC changes and reconnects."""

    @property
    def track_id(self) -> str: ...
    @property
    def participant_id(self) -> str: ...
    @property
    def participant_name(self) -> str: ...
    @property
    def role(self) -> str:
        """`requester`, `agent`, `moderator` or `participant`."""

    @property
    def kind(self) -> TrackKind: ...
    @property
    def source(self) -> TrackSource: ...
    @property
    def codec(self) -> Codec: ...

    def frames(self) -> Iterator[EncodedFrame]:
        """In presentation order, read from disk as they are asked for: memory does not grow with length."""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One line of `events.jsonl`."""

    seq: int
    session_us: int
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole recording, ready to be rendered."""

    recording_id: str
    started_wall_us: int
    """UTC of session time zero, microseconds since the epoch."""
    duration_us: int
    """Until the last sample of any track."""
    tracks: Sequence[AssembledTrack]
    events: Sequence[JournalEvent]
