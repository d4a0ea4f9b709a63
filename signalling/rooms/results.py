"""What the recorder makes of recordings, written into the store and told to the rooms.

The recorder reports on the event loop and does not wait. Overflow rule: of each recording only the newest
report is kept until it is written, because statuses only move forward and progress is a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import structlog

from recorder.products import RecordingResult
from recorder.recording import RecordingStatus
from recorder.service import Recorder
from signalling.rooms.library import Library
from signalling.store import Store, Transaction
from signalling.store.records import FINAL, Media, MediaStatus, Recording

log = structlog.get_logger()

OnRecording = Callable[[Recording, Media], None]
RETRY_S = 1.0
_STATUSES: dict[str, MediaStatus] = {status: status for status in get_args(MediaStatus)}


@dataclass(frozen=True, slots=True)
class _Report:
    status: RecordingStatus
    progress: float | None = None
    result: RecordingResult | None = None


class RecordingResults:
    """Implements `RecorderListener`. Reports that come before `run` are kept."""

    def __init__(self, store: Store, library: Library) -> None:
        self._store = store
        self._library = library
        self._reports: dict[str, _Report] = {}
        self._reported = asyncio.Event()

    def on_recording_changed(
        self,
        recording_id: str,
        status: RecordingStatus,
        progress: float | None,
        result: RecordingResult | None,
    ) -> None:
        self._reports[recording_id] = _Report(status, progress, result)
        self._reported.set()

    async def run(self, recorder: Recorder, on_recording: OnRecording) -> None:
        """Write what was missed while the server was down, then reports as they come, until cancelled.

        Args:
            recorder: after its `start`, which reports everything that is unfinished on disk.
            on_recording: told of each recording that moved on.
        """
        await self.catch_up(recorder)
        while True:
            await self._reported.wait()
            self._reported.clear()
            await self.write(recorder, on_recording)

    async def write(self, recorder: Recorder, on_recording: OnRecording) -> None:
        """Write what was reported; what cannot be written is tried again."""
        while self._reports:
            recording_id = next(iter(self._reports))
            report = self._reports.pop(recording_id)
            try:
                await self._write(recording_id, report, recorder, on_recording)
            except Exception:
                log.exception("recording_result_not_written", recording_id=recording_id)
                self._reports.setdefault(recording_id, report)
                await asyncio.sleep(RETRY_S)

    async def catch_up(self, recorder: Recorder) -> None:
        """Report recordings that ended unnoticed, or are gone from the disk."""
        async with self._store.read() as tx:
            unfinished = await tx.recordings.unfinished()
        for recording in unfinished:
            recording_id = recording.recording_id
            if recording_id in self._reports:
                continue
            found = await recorder.result(recording_id)
            if found is None:
                log.error("recording_lost", recording_id=recording_id)
                report = _Report(RecordingStatus.FAILED)
            else:
                report = _Report(found[0].status, result=found[0])
            self._reports[recording_id] = report
            self._reported.set()

    async def _write(
        self, recording_id: str, report: _Report, recorder: Recorder, on_recording: OnRecording
    ) -> None:
        path = None
        if report.result is not None and report.result.composite is not None:
            found = await recorder.result(recording_id)
            if found is not None:
                path = self._library.catalogue_path(found[1] / report.result.composite.file)
        async with self._store.write() as tx:
            written = await self._advance(tx, recording_id, report, path)
        if written is not None:
            on_recording(*written)

    async def _advance(
        self, tx: Transaction, recording_id: str, report: _Report, path: str | None
    ) -> tuple[Recording, Media] | None:
        recording = await tx.recordings.by_id(recording_id)
        if recording is None:
            log.warning("recording_unknown", recording_id=recording_id)
            return None
        moved = await tx.recordings.advance(
            recording_id,
            _STATUSES[report.status],
            # Whoever stops a recording has written why before it comes here.
            stop_reason="interrupted",
            error_code=report.result.error if report.result is not None else None,
        )
        if moved is None and report.progress is None:
            return None
        composite = report.result.composite if report.result is not None else None
        media = await tx.medias.update(
            recording.media_id,
            progress=report.progress,
            path=path,
            filesize=None if composite is None else composite.bytes,
            width=None if composite is None else composite.width,
            height=None if composite is None else composite.height,
            duration_ms=None if composite is None else composite.duration_us // 1000,
        )
        if moved is None:
            return recording, media
        if media.status in FINAL:
            data = {"recording_id": recording_id, "hash": media.hash}
            await tx.events.append(recording.room_id, f"recording.{media.status}", data)
        return moved[0], media
