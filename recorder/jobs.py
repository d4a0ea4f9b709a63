"""The server's side of the jobs: a queue, a bounded number of child processes, attempts, progress.

The recordings on disk are the real queue; what is in memory only says which of them to look at. Overflow
rule: a recording for which there is no room in memory is left on disk, and found again by a look through the
disk as soon as the queue has run empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

import structlog

from recorder.child import environment
from recorder.errors import RecorderError
from recorder.products import (
    ATTEMPTS_FILE,
    LOG_FILE,
    RecordingResult,
    failed,
    read_result,
    recording_directories,
    write_durably,
)

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 3
MAX_QUEUED: Final = 1000
_RETRY_DELAY_S = 2.0
_STALL_TIMEOUT_S = 600.0
"""A job speaks each second. Behind a busy machine's other work it may get no processor for long."""

Command = Callable[[Path], Sequence[str]]


class Job(NamedTuple):
    recording_id: str
    directory: Path


class JobListener(Protocol):
    """Called on the event loop."""

    def on_job_progress(self, recording_id: str, share: float) -> None:
        """A job began (0) or went on; an attempt that is repeated begins at 0 again."""

    def on_job_done(self, recording_id: str, result: RecordingResult) -> None:
        """The recording is finished, one way or another."""


def job_command(directory: Path) -> Sequence[str]:
    return [sys.executable, "-m", "recorder.job", str(directory), "--parent", str(os.getpid())]


def find_unfinished(root: Path) -> list[Job]:
    """Every recording below `root` without a readable result."""
    return [Job(path.name, path) for path in recording_directories(root) if _result(path) is None]


class JobQueue:
    """Runs jobs, each in a child process, at most `concurrency` at a time."""

    def __init__(
        self,
        listener: JobListener,
        find_left: Callable[[], Awaitable[Sequence[Job]]],
        *,
        concurrency: int = 1,
        retry_delay_s: float = _RETRY_DELAY_S,
        stall_timeout_s: float = _STALL_TIMEOUT_S,
        max_queued: int = MAX_QUEUED,
        command: Command = job_command,
    ) -> None:
        """
        Args:
            find_left: looks through the disk for recordings that wait for a job.
            command: makes the argument vector of a job from its directory.
        """
        self._listener = listener
        self._find_left = find_left
        self._concurrency = concurrency
        self._retry_delay_s = retry_delay_s
        self._stall_timeout_s = stall_timeout_s
        self._command = command
        self._queue: asyncio.Queue[Job] = asyncio.Queue(max_queued)
        self._known: set[str] = set()
        """Recordings that are queued or being worked on."""
        self._overflowed = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for number in range(self._concurrency):
            self._tasks.append(asyncio.create_task(self._work(), name=f"recorder:job-{number}"))

    def submit(self, job: Job) -> None:
        """Have a recording's products made, sooner or later. Harmless if that is under way already."""
        if job.recording_id in self._known:
            return
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            self._overflowed = True
            log.warning("job_queue_full", recording_id=job.recording_id)
        else:
            self._known.add(job.recording_id)

    async def aclose(self) -> None:
        """Kill what runs and wait for its end. What is unfinished is found at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            try:
                result = await self._finish(job)
                self._listener.on_job_done(job.recording_id, result)
            except OSError as error:
                # Its directory cannot be read or written. It stays as it is; the next start tries again.
                log.error("job_given_up", recording_id=job.recording_id, error=str(error))
            except Exception:
                log.exception("job_listener_failed", recording_id=job.recording_id)
            finally:
                self._known.discard(job.recording_id)
            if self._overflowed and self._queue.empty():
                self._overflowed = False
                for left in await self._find_left():
                    self.submit(left)

    async def _finish(self, job: Job) -> RecordingResult:
        """Attempt a job until there is a result, which after the last attempt says that it failed."""
        error = "internal"
        while True:
            attempts = await asyncio.to_thread(_read_attempts, job.directory)
            if attempts >= MAX_ATTEMPTS:
                result = failed(job.recording_id, error)
                await asyncio.to_thread(result.write, job.directory)
                log.error("recording_failed", recording_id=job.recording_id, error=error)
                return result
            if attempts:
                await asyncio.sleep(self._retry_delay_s)
            # Counted before it begins: a job that takes the whole machine down must not do so for ever.
            await asyncio.to_thread(_write_attempts, job.directory, attempts + 1)
            self._listener.on_job_progress(job.recording_id, 0.0)
            try:
                error = await self._attempt(job) or error
            except asyncio.CancelledError:
                # We were told to stop, which is no fault of the job.
                _write_attempts(job.directory, attempts)
                raise
            finished = await asyncio.to_thread(_result, job.directory)
            if finished is not None:
                log.info("recording_finished", recording_id=job.recording_id, status=finished.status)
                return finished
            log.warning("job_failed", recording_id=job.recording_id, error=error, attempt=attempts + 1)

    async def _attempt(self, job: Job) -> str | None:
        """Run the child to its end; the error code that it gave, if any."""
        with _private_file(job.directory / LOG_FILE) as log_file:
            process = await asyncio.create_subprocess_exec(
                *self._command(job.directory),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
                env=environment(),
                start_new_session=True,  # Ctrl-C at the terminal is for the server.
            )
        assert process.stdout is not None
        error: str | None = None
        try:
            while True:
                async with asyncio.timeout(self._stall_timeout_s):
                    line = await process.stdout.readline()
                if not line:
                    break
                said = _parse(line)
                if isinstance(said.get("progress"), int | float):
                    self._listener.on_job_progress(job.recording_id, min(max(said["progress"], 0.0), 1.0))
                if isinstance(said.get("error"), str):
                    error = said["error"]
            await process.wait()
        except TimeoutError:
            error = "stalled"
        except ValueError:
            error = "internal"  # A line without end.
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if error is None and process.returncode:
            error = "killed" if process.returncode < 0 else "internal"
        return error


def _private_file(path: Path) -> BinaryIO:
    """Open for writing from the start, readable by nobody else."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _result(directory: Path) -> RecordingResult | None:
    try:
        return read_result(directory)
    except RecorderError as error:
        log.warning("result_unreadable", recording_id=directory.name, error=str(error))
        return None


def _read_attempts(directory: Path) -> int:
    try:
        return int(json.loads((directory / ATTEMPTS_FILE).read_bytes())["attempts"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def _write_attempts(directory: Path, attempts: int) -> None:
    write_durably(directory / ATTEMPTS_FILE, json.dumps({"attempts": attempts}).encode())
