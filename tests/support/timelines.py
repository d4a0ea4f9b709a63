"""Timelines for tests of what is made of them, without files: tracks of frames held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mediaserver.sfu.interfaces import Codec, TrackKind, TrackSource
from recorder.timeline import AssembledTrack, EncodedFrame, JournalEvent, Timeline
from tests.support.rtp_source import RtpSource

STARTED_WALL_US = 1_700_000_000_123_000


@dataclass
class MemoryTrack:
    """An `AssembledTrack` of given frames; counts how far it was read."""

    kind: TrackKind
    source: TrackSource
    codec: Codec
    encoded: Sequence[EncodedFrame]
    track_id: str = "track-1"
    participant_id: str = "participant-1"
    participant_name: str = "Ada"
    role: str = "requester"
    frames_read: int = field(default=0, init=False)

    def frames(self) -> Iterator[EncodedFrame]:
        for frame in self.encoded:
            self.frames_read += 1
            yield frame


def track_of(
    *sources: RtpSource,
    participant: str = "requester",
    change: Callable[[int, EncodedFrame], EncodedFrame | None] = lambda index, frame: frame,
) -> MemoryTrack:
    """One logical track of what `sources` sent, one after the other, every frame at its instant of capture.

    Args:
        participant: id and role; the name is its capitalized form.
        change: maps (index, frame) to what arrived; None: nothing.
    """
    frames = (
        EncodedFrame(sample.capture_us, sample.data, sample.keyframe, True, sample.rtp_timestamp)
        for source in sources
        for sample in source.samples
    )
    changed = (change(index, frame) for index, frame in enumerate(frames))
    first = sources[0]
    return MemoryTrack(
        first.kind,
        first.source,
        first.codec,
        [frame for frame in changed if frame is not None],
        track_id=f"{participant}-{first.source}",
        participant_id=participant,
        participant_name=participant.capitalize(),
        role=participant,
    )


def timeline_of(*tracks: AssembledTrack, duration_s: float, events: Sequence[JournalEvent] = ()) -> Timeline:
    return Timeline(
        recording_id="5a1f7c1e-0000-4000-8000-000000000001",
        started_wall_us=STARTED_WALL_US,
        duration_us=round(duration_s * 1_000_000),
        tracks=tracks,
        events=events,
    )
