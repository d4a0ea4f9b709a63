"""Makes recordings on disk from the streams of `tests/support/rtp_source.py`, through the real `Capture`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from recorder.capture import Capture
from recorder.instants import Instant
from recorder.settings import RecorderSettings
from recorder.writer import CaptureWriter
from tests.support.rtp_source import SCENARIO_UNIX_US, FakeTrack, RtpSource, play

BASE_US = 5_000_000_000
"""What the server's monotonic clock shows at the scenario's zero, which is the recording's start too."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One source and who sends it."""

    source: RtpSource
    participant_id: str = "p1"
    participant_name: str = "Ana"
    role: str = "requester"


def settings(directory: Path, **changes: object) -> RecorderSettings:
    """Defaults that any test machine can meet."""
    return RecorderSettings.model_validate(
        {"directory": directory, "min_free_bytes": 0, "stop_free_bytes": 0, "flush_interval_s": 0.02}
        | changes
    )


def writer(for_settings: RecorderSettings) -> CaptureWriter:
    return CaptureWriter(
        max_pending_bytes=for_settings.max_pending_bytes,
        flush_interval_s=for_settings.flush_interval_s,
        sync_interval_s=for_settings.sync_interval_s,
    )


def scenario_clock() -> Instant:
    """Stands still at the scenario's zero."""
    return Instant(BASE_US, SCENARIO_UNIX_US)


async def record(root: Path, publications: Iterable[Publication], *, reason: str = "test") -> Path:
    """Capture all publications as if they ran in real time, and stop; returns the recording's directory."""
    configuration = settings(root)
    capture_writer = writer(configuration)
    try:
        capture = Capture(
            configuration,
            capture_writer,
            recording_id=uuid.uuid4(),
            details={},
            on_failure=lambda reason: None,
            clock=scenario_clock,
        )
        pairs = []
        for number, publication in enumerate(publications):
            track = FakeTrack.of(
                publication.source, track_id=f"track-{number}", participant_id=publication.participant_id
            )
            sink = capture.add_track(
                track, participant_name=publication.participant_name, role=publication.role
            )
            assert sink is not None
            pairs.append((publication.source, sink))
        play(pairs, base_us=BASE_US)
        await capture.stop(reason)
        return capture.directory
    finally:
        await capture_writer.aclose()
