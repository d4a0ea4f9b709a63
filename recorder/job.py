"""One recording's products, made in a process of its own: `python -m recorder.job <directory>`.

What was captured is only read, and every product is made under another name first, so that a job which is
killed at any instant is simply done again. It runs when nothing else wants the processor (SCHED_IDLE): calls
that are going on come first.

Standard output carries one JSON object per line, at least one each second: `{"progress": 0..1}`, and at the
end `{"status": ...}` or, with exit code 1, `{"error": code}`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import structlog

from recorder.assembly import assemble, read_session
from recorder.chapters import chapters
from recorder.child import die_with_parent
from recorder.compositor import (
    DEFAULT_OPTIONS,
    CompositeInfo,
    CompositeOptions,
    CompositeReport,
    EmptyRecordingError,
    render,
)
from recorder.errors import RecorderError
from recorder.mkv import EmptyTrackError, write_mkv
from recorder.position import Position
from recorder.products import (
    COMPOSITE_FILE,
    TRACKS_DIRECTORY,
    CompositeProduct,
    RecordingResult,
    ResultError,
    TrackProduct,
    failed,
    publish,
    read_result,
)
from recorder.recording import RecordingStatus
from recorder.timeline import JournalEvent, Timeline

_TRACKS_SHARE = 0.1
"""Of the work, what the tracks' files are: they are only copied."""
_HEARTBEAT_S = 1.0
_PROBLEMS = frozenset(
    {
        "capture_failed",
        "overflow_started",
        "events_dropped",
        "codec_unsupported",
        "file_damaged",
        "journal_damaged",
    }
)
"""Journal events, and findings of assembly, that say that something which was sent is missing."""


def make_products(
    directory: Path,
    on_progress: Callable[[float], None] = lambda share: None,
    options: CompositeOptions = DEFAULT_OPTIONS,
) -> RecordingResult:
    """Make everything that is made of a recording, and note the result beside it.

    Does nothing if there is a result already.

    Raises:
        RecorderError: the recording cannot be read, or a product did not come out right.
        OSError: a file cannot be read or written.
    """
    with contextlib.suppress(ResultError):
        existing = read_result(directory)
        if existing is not None:
            return existing
    timeline = assemble(directory)
    tracks = _write_tracks(timeline, directory, lambda share: on_progress(share * _TRACKS_SHARE))
    try:
        composite = _write_composite(
            timeline,
            directory,
            options,
            lambda share: on_progress(_TRACKS_SHARE + share * (1 - _TRACKS_SHARE)),
        )
    except EmptyRecordingError as error:
        result = failed(timeline.recording_id, error.code, RecordingStatus.ABORTED)
    else:
        problems = _problems(timeline.events)
        result = RecordingResult(
            recording_id=timeline.recording_id,
            status=RecordingStatus.PARTIAL if problems else RecordingStatus.COMPLETED,
            error=None,
            problems=problems,
            composite=composite,
            tracks=tuple(tracks),
        )
    result.write(directory)
    return result


def _write_tracks(
    timeline: Timeline, directory: Path, on_progress: Callable[[float], None]
) -> list[TrackProduct]:
    folder = directory / TRACKS_DIRECTORY
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    products = []
    for index, track in enumerate(timeline.tracks):
        path = folder / f"{index + 1:02d}-{track.kind}.mkv"
        on_progress(index / len(timeline.tracks))
        try:
            summary = write_mkv(track, path, started_wall_us=timeline.started_wall_us)
        except EmptyTrackError:
            continue
        products.append(
            TrackProduct(
                file=f"{TRACKS_DIRECTORY}/{path.name}",
                track_id=track.track_id,
                participant_id=track.participant_id,
                participant_name=track.participant_name,
                role=track.role,
                kind=track.kind,
                source=track.source,
                bytes=path.stat().st_size,
                frames=summary.frames,
                damaged_frames=summary.damaged_frames,
                first_us=summary.first_us,
                last_us=summary.last_us,
            )
        )
    return products


def _write_composite(
    timeline: Timeline, directory: Path, options: CompositeOptions, on_progress: Callable[[float], None]
) -> CompositeProduct:
    details = read_session(directory).details
    info = CompositeInfo(
        title=str(details.get("title") or timeline.recording_id),
        position=_first_position(details.get("position"), timeline.events),
        chapters=chapters(timeline.events, timeline.duration_us),
    )
    path = directory / COMPOSITE_FILE
    part = path.with_name(path.name + ".part")
    report = render(timeline, part, info, options, on_progress)
    size, digest = _sync_and_digest(part)
    publish(part, path)
    return _product(report, options, size, digest)


def _product(report: CompositeReport, options: CompositeOptions, size: int, digest: str) -> CompositeProduct:
    return CompositeProduct(
        file=COMPOSITE_FILE,
        bytes=size,
        sha256=digest,
        duration_us=report.duration_us,
        frames=report.frames,
        width=options.width,
        height=options.height,
        held_frames=report.held_frames,
        concealed_ms=report.concealed_ms,
    )


def _problems(events: Sequence[JournalEvent]) -> tuple[str, ...]:
    types = {event.type for event in events}
    if "recording_stopped" not in types:
        # Cut short by a crash: that the last packet of a file is not whole is no further loss.
        types.discard("file_damaged")
    return tuple(sorted(types & _PROBLEMS))


def _first_position(known: Any, events: Sequence[JournalEvent]) -> Position | None:
    """The requester's first fix: known when the recording began, or noted while it ran."""
    fixes = [known, *(event.data for event in events if event.type == "position")]
    for fix in fixes:
        try:
            return Position(float(fix["lat"]), float(fix["lng"]))
        except (KeyError, TypeError, ValueError):
            continue
    return None


def _sync_and_digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


class Reporter:
    """Writes progress to the parent, from a thread: no call into a library may silence it."""

    def __init__(self, output: TextIO, interval_s: float = _HEARTBEAT_S) -> None:
        self._output = output
        self._interval_s = interval_s
        self._share = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="progress", daemon=True)

    def progress(self, share: float) -> None:
        self._share = share

    def say(self, **fields: object) -> None:
        """One line, at once."""
        self._output.write(json.dumps(fields) + "\n")
        self._output.flush()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._done.is_set():
            self.say(progress=round(self._share, 4))
            self._done.wait(self._interval_s)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m recorder.job", description="Render one recording.")
    parser.add_argument("directory", type=Path, help="of the recording")
    parser.add_argument("--parent", type=int, help="process to end with")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        die_with_parent(options.parent)
    # Standard output belongs to the parent.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.umask(0o077)
    with Reporter(sys.stdout) as reporter:
        try:
            result = make_products(options.directory, reporter.progress)
        except Exception as error:
            traceback.print_exc()
            code = error.code if isinstance(error, RecorderError) else _code(error)
            reporter.say(error=code)
            return 1
        reporter.say(status=result.status)
    return 0


def _code(error: Exception) -> str:
    return "storage" if isinstance(error, OSError) else "internal"


if __name__ == "__main__":
    sys.exit(main())
