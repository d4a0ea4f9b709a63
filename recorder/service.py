"""The recorder as the rest of the server sees it: begin a recording, take a photo, be told what came of it.

A recording's way from packets to products is the same whether it was stopped or cut short: capture leaves a
directory, a job makes products of it. What a crash left behind is found by `Recorder.start`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog

from recorder.capture import Capture
from recorder.gop import GopBuffer
from recorder.jobs import Job, JobQueue, find_unfinished
from recorder.journal import JsonValue
from recorder.position import Position
from recorder.products import RecordingResult, read_result
from recorder.recording import RecordingState, RecordingStatus
from recorder.settings import RecorderSettings
from recorder.snapshot import Snapshot, SnapshotTaker
from recorder.writer import CaptureWriter

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a recording is called and where it belongs."""

    recording_id: UUID
    room_id: str
    title: str
    """Of the composite, for example `0YW553BN-8214-composite`; never part of a path."""
    position: Position | None = None
    """Of the requester, if it is known already; a journal event `position` (`lat`, `lng`) tells it later."""


class RecorderListener(Protocol):
    """Called on the event loop; must not raise and must not wait."""

    def on_recording_changed(
        self,
        recording_id: str,
        status: RecordingStatus,
        progress: float | None,
        result: RecordingResult | None,
    ) -> None:
        """A recording moved on, or its job did.

        Args:
            progress: 0..1 while `processing`, else None. Begins anew where an attempt is repeated.
            result: with the last status only.
        """


class Recorder:
    """Owns captures, jobs and the process that develops photos. Made once; `start` before anything else."""

    def __init__(self, settings: RecorderSettings, listener: RecorderListener) -> None:
        self._settings = settings
        self._listener = listener
        self._root = settings.directory.absolute()
        self._writer: CaptureWriter | None = None
        self._captures: dict[UUID, _QueuedCapture] = {}
        self._states: dict[str, RecordingState] = {}
        self._stops: set[asyncio.Task[None]] = set()
        self._jobs = JobQueue(self, self._unfinished, concurrency=settings.max_jobs)
        photos = settings.photos_directory or settings.directory.parent / "photos"
        self._snapshots = SnapshotTaker(photos)

    async def start(self) -> None:
        """Get ready, and queue every recording that an earlier process left unfinished."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._writer = CaptureWriter(
            max_pending_bytes=self._settings.max_pending_bytes,
            flush_interval_s=self._settings.flush_interval_s,
            sync_interval_s=self._settings.sync_interval_s,
        )
        unfinished, _ = await asyncio.gather(self._unfinished(), self._snapshots.start())
        for job in unfinished:
            log.info("recording_recovered", recording_id=job.recording_id)
            self._queue(job)
        self._jobs.start()

    async def aclose(self) -> None:
        """Stop running recordings and jobs. Nothing is lost: `start` takes unfinished ones up again."""
        for capture in list(self._captures.values()):
            await capture.stop("server_shutdown")
        if self._stops:
            await asyncio.wait(self._stops)
        await self._jobs.aclose()
        await self._snapshots.aclose()
        if self._writer is not None:
            await self._writer.aclose()
            self._writer = None

    def begin(self, recording: RecordingInfo) -> Capture:
        """Start a recording. Its products follow by themselves once `Capture.stop` was called.

        Raises:
            DiskLowError: too little space; nothing was created.
            RecordingExistsError: there is a recording of this id.
            OSError: the directory cannot be created.
        """
        if self._writer is None:
            raise RuntimeError("the recorder was not started")
        position: JsonValue = None
        if recording.position is not None:
            position = {"lat": recording.position.latitude_deg, "lng": recording.position.longitude_deg}
        capture = _QueuedCapture(
            self._settings,
            self._writer,
            recording_id=recording.recording_id,
            details={"room_id": recording.room_id, "title": recording.title, "position": position},
            on_failure=lambda reason: self._stop_failed(recording.recording_id, reason),
        )
        capture.on_stopping = self._stopping
        capture.on_stopped = self._stopped
        self._captures[recording.recording_id] = capture
        state = RecordingState(str(recording.recording_id))
        self._states[state.recording_id] = state
        state.advance(RecordingStatus.RECORDING)
        return capture

    async def take_snapshot(
        self,
        gop: GopBuffer,
        *,
        at_us: int,
        at_wall_us: int,
        position: Position | None = None,
        title_prefix: str = "diag_snapshot_",
    ) -> Snapshot:
        """A photo of what a camera shows, within a second. See `SnapshotTaker.take`.

        Raises:
            NoPictureError: there is nothing to show.
            SnapshotBusyError: too many photos are being taken.
            OSError: it cannot be written.
        """
        return await self._snapshots.take(
            gop, at_us=at_us, at_wall_us=at_wall_us, position=position, title_prefix=title_prefix
        )

    async def result(self, recording_id: str) -> tuple[RecordingResult, Path] | None:
        """How a recording ended, and its directory (absolute); None if it is unfinished or unknown.

        For whoever was not listening when it ended.

        Raises:
            ResultError: the result on disk cannot be understood.
        """
        return await asyncio.to_thread(_find_result, self._root, recording_id)

    # --- what becomes of a recording ----------------------------------------------------------------------

    def on_job_progress(self, recording_id: str, share: float) -> None:
        state = self._state(recording_id)
        if state.status is not RecordingStatus.PROCESSING:
            state.advance(RecordingStatus.PROCESSING)
        self._listener.on_recording_changed(recording_id, state.status, share, None)

    def on_job_done(self, recording_id: str, result: RecordingResult) -> None:
        state = self._state(recording_id)
        state.advance(result.status)
        del self._states[recording_id]
        self._listener.on_recording_changed(recording_id, state.status, None, result)

    def _state(self, recording_id: str) -> RecordingState:
        """Recordings that a full queue left on disk come back without one."""
        queued = RecordingState(recording_id, RecordingStatus.QUEUED)
        return self._states.setdefault(recording_id, queued)

    def _queue(self, job: Job) -> None:
        state = self._states.setdefault(job.recording_id, RecordingState(job.recording_id))
        state.advance(RecordingStatus.QUEUED)
        self._listener.on_recording_changed(job.recording_id, state.status, None, None)
        self._jobs.submit(job)

    async def _unfinished(self) -> list[Job]:
        """Recordings on disk that wait for a job: without a result, and not being captured."""
        found = await asyncio.to_thread(find_unfinished, self._root)
        running = {str(recording_id) for recording_id in self._captures}
        return [job for job in found if job.recording_id not in running]

    def _stop_failed(self, recording_id: UUID, reason: str) -> None:
        capture = self._captures.get(recording_id)
        if capture is not None:
            stop = asyncio.create_task(capture.stop(reason), name=f"recorder:stop-{recording_id}")
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)

    def _stopping(self, capture: Capture) -> None:
        state = self._states[str(capture.recording_id)]
        state.advance(RecordingStatus.STOPPING)
        self._listener.on_recording_changed(state.recording_id, state.status, None, None)

    def _stopped(self, capture: Capture) -> None:
        del self._captures[capture.recording_id]
        self._queue(Job(str(capture.recording_id), capture.directory))


class _QueuedCapture(Capture):
    """A capture that says so when it is stopped, by whomever."""

    on_stopping: Callable[[Capture], None]
    on_stopped: Callable[[Capture], None]
    _stop_task: asyncio.Task[None] | None = None

    async def stop(self, reason: str) -> None:
        """As `Capture.stop`; the recording is queued for its job when this returns."""
        if self._stop_task is None:
            self.on_stopping(self)
            self._stop_task = asyncio.create_task(
                self._stop(reason), name=f"recorder:stop-{self.recording_id}"
            )
        # Whoever waits may be cancelled; the recording is stopped all the same.
        await asyncio.shield(self._stop_task)

    async def _stop(self, reason: str) -> None:
        try:
            await super().stop(reason)
        finally:
            self.on_stopped(self)


def _find_result(root: Path, recording_id: str) -> tuple[RecordingResult, Path] | None:
    for directory in root.glob(f"[0-9]*/[0-9]*/[0-9]*/{UUID(recording_id)}"):
        result = read_result(directory)
        return None if result is None else (result, directory)
    return None
