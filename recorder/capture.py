"""One recording while it runs: packets into MJR files, everything else into the journal.

Runs on the event loop and only copies bytes into memory; `recorder/writer.py` brings them to disk. Nothing is
decoded, reordered or thrown away here, so that what assembly makes of it can be made again.
`recorder/README.md` describes directories, files and events.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from mediaserver.sfu.interfaces import Codec, PublishedTrack, RtpSink
from recorder.errors import DiskLowError, RecordingExistsError
from recorder.instants import Clock, Instant, read_clocks
from recorder.journal import JsonValue, encode_event
from recorder.settings import RecorderSettings
from recorder.track_capture import CaptureCounters, TrackCapture
from recorder.writer import CaptureWriter

log = structlog.get_logger()

SESSION_FILE: Final = "session.json"
JOURNAL_FILE: Final = "events.jsonl"
SESSION_VERSION: Final = 1


class Capture:
    """One recording. Made on the event loop; whoever makes it awaits `stop`, also after `on_failure`."""

    def __init__(
        self,
        settings: RecorderSettings,
        writer: CaptureWriter,
        *,
        recording_id: UUID,
        details: Mapping[str, JsonValue],
        on_failure: Callable[[str], None],
        clock: Clock = read_clocks,
    ) -> None:
        """Create the directory and start the journal.

        Args:
            details: whatever else is to be known about the recording; kept in `session.json`.
            on_failure: called at most once, with `disk_low`, `disk_full` or `disk_error`: the recording
                should be stopped for that reason. What was written before is good.

        Raises:
            DiskLowError: less than `min_free_bytes` free; nothing was created.
            RecordingExistsError: there is a recording of this id.
            OSError: the directory cannot be created.
        """
        self.recording_id = recording_id
        self.counters = CaptureCounters()
        self.started: Instant = clock()
        """Session time zero."""
        self.directory = _make_directory(settings, recording_id, self.started.wall_us)
        self._settings = settings
        self._clock = clock
        self._on_failure = on_failure
        self._tracks: dict[str, TrackCapture] = {}
        self._track_count = 0
        self._next_seq = 0
        self._unreported_events = 0
        self._stopping = False
        self._group = writer.group(
            self.directory, on_failure=self._failed, min_free_bytes=settings.stop_free_bytes
        )
        self._group.finish(self._group.open(SESSION_FILE, self._session(details)))
        self._journal = self._group.open(JOURNAL_FILE, reserve=True)
        self.event("recording_started")
        writer.wake()
        log.info("capture_started", recording_id=str(recording_id))

    def add_track(self, track: PublishedTrack, *, participant_name: str, role: str) -> RtpSink | None:
        """Record a track from now on: adds a sink to it, which is returned, and asks for a keyframe.

        A track that is being recorded already keeps its sink, and nothing changes. After `stop`, which a
        full disk may have led to, nothing is recorded and None is returned.
        """
        if self._stopping:
            return None
        existing = self._tracks.get(track.track_id)
        if existing is not None:
            return existing
        self._track_count += 1
        self.event(
            "track_added",
            track=self._track_count,
            track_id=track.track_id,
            participant_id=track.participant_id,
            participant_name=participant_name,
            role=role,
            kind=track.kind,
            source=track.source,
            codec=_codec_fields(track.codec),
        )
        capture = TrackCapture(
            track,
            self._track_count,
            group=self._group,
            event=self.event,
            counters=self.counters,
            settings=self._settings,
            clock=self._clock,
            on_end=partial(self._tracks.pop, track.track_id),
        )
        self._tracks[track.track_id] = capture
        capture.start()
        return capture

    def remove_track(self, track_id: str) -> None:
        """Record a track no longer; harmless if it is not recorded."""
        capture = self._tracks.get(track_id)
        if capture is not None:
            capture.end("removed")

    def event(self, type: str, /, **data: JsonValue) -> bool:
        """Add a line to the journal; false if it could not be taken (counted, and noted once there is room).

        After `stop` nothing is taken.

        Raises:
            ValueError: a reserved field name (`seq`, `mono_us`, `wall_us`), or NaN or an infinity.
            TypeError: a value that JSON cannot express.
        """
        if self._stopping:
            return False
        if self._unreported_events and self._append("events_dropped", {"events": self._unreported_events}):
            self._unreported_events = 0
        if self._unreported_events or not self._append(type, data):
            self._unreported_events += 1
            self.counters.dropped_events += 1
            return False
        return True

    async def stop(self, reason: str) -> None:
        """End the recording; returns when everything is written and synced. Harmless if repeated."""
        if not self._stopping:
            for capture in list(self._tracks.values()):
                capture.end("recording_stopped")
            counters = asdict(self.counters)
            self.event("recording_stopped", reason=reason, **counters)
            self._stopping = True
            log.info("capture_stopped", recording_id=str(self.recording_id), reason=reason, **counters)
        await self._group.aclose()

    def _append(self, type: str, data: Mapping[str, JsonValue]) -> bool:
        instant = self._clock()
        line = encode_event(self._next_seq, type, data, mono_us=instant.mono_us, wall_us=instant.wall_us)
        if not self._journal.append(line):
            return False
        self._next_seq += 1
        return True

    def _session(self, details: Mapping[str, JsonValue]) -> bytes:
        session = {
            "version": SESSION_VERSION,
            "recording_id": str(self.recording_id),
            "started_mono_us": self.started.mono_us,
            "started_wall_us": self.started.wall_us,
            "details": dict(details),
        }
        return json.dumps(session, indent=1, allow_nan=False).encode() + b"\n"

    def _failed(self, reason: str) -> None:
        if not self._stopping:
            log.error("capture_failed", recording_id=str(self.recording_id), reason=reason)
            self.event("capture_failed", reason=reason)
            self._on_failure(reason)


def recording_directory(root: Path, recording_id: UUID, started_wall_us: int) -> Path:
    """`<root>/<yyyy>/<mm>/<dd>/<recording id>`, by the UTC date of the start."""
    day = datetime.fromtimestamp(started_wall_us / 1e6, UTC)
    return root / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" / str(recording_id)


def _make_directory(settings: RecorderSettings, recording_id: UUID, started_wall_us: int) -> Path:
    root = settings.directory
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = os.statvfs(root)
    free_bytes = status.f_bavail * status.f_frsize
    if free_bytes < settings.min_free_bytes:
        raise DiskLowError(f"{free_bytes} bytes free, {settings.min_free_bytes} needed")
    directory = recording_directory(root, recording_id, started_wall_us)
    for parent in reversed(directory.relative_to(root).parents[:-1]):
        (root / parent).mkdir(mode=0o700, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise RecordingExistsError(str(recording_id)) from None
    return directory


def _codec_fields(codec: Codec) -> dict[str, JsonValue]:
    return {
        "name": codec.name,
        "clock_rate": codec.clock_rate,
        "payload_type": codec.payload_type,
        "channels": codec.channels,
        "parameters": dict(codec.parameters),
    }
