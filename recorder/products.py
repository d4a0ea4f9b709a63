"""The files that are made of a recording, and the note that says so: `result.json`.

<recording>/composite.mp4      what people look at
<recording>/tracks/NN-kind.mkv every track as it was sent
<recording>/result.json        written last; a recording without it is unfinished
<recording>/attempts.json      how often a job was begun
<recording>/job.log            what the last job had to say
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from recorder.errors import RecorderError
from recorder.recording import RecordingStatus, is_finished

COMPOSITE_FILE: Final = "composite.mp4"
TRACKS_DIRECTORY: Final = "tracks"
RESULT_FILE: Final = "result.json"
ATTEMPTS_FILE: Final = "attempts.json"
LOG_FILE: Final = "job.log"
RESULT_VERSION: Final = 1


class ResultError(RecorderError):
    """`result.json` is not what a job writes."""

    code = "bad_result"


@dataclass(frozen=True, slots=True)
class TrackProduct:
    """One track's file."""

    file: str
    """Relative to the recording's directory."""
    track_id: str
    participant_id: str
    participant_name: str
    role: str
    kind: str
    source: str
    bytes: int
    frames: int
    damaged_frames: int
    first_us: int
    """Session time of the first frame."""
    last_us: int


@dataclass(frozen=True, slots=True)
class CompositeProduct:
    file: str
    bytes: int
    sha256: str
    duration_us: int
    frames: int
    width: int
    height: int
    held_frames: int
    """Frames that were sent but not shown, because what they build on was lost."""
    concealed_ms: int
    """Sound that was lost and made up by the decoder."""


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """How a recording ended, and what came of it."""

    recording_id: str
    status: RecordingStatus
    """`completed`, `partial`, `failed` or `aborted`."""
    error: str | None
    """A stable code where there is no product."""
    problems: tuple[str, ...]
    """Stable codes of what is missing from a partial product."""
    composite: CompositeProduct | None
    tracks: tuple[TrackProduct, ...]

    def write(self, directory: Path) -> None:
        """Write `result.json`, whole or not at all, and durable when this returns.

        Raises:
            OSError
        """
        text = json.dumps({"version": RESULT_VERSION, **asdict(self)}, indent=1, ensure_ascii=False)
        write_durably(directory / RESULT_FILE, text.encode("utf-8", "replace") + b"\n")


def read_result(directory: Path) -> RecordingResult | None:
    """The result of the recording in `directory`, None if it has none yet.

    Raises:
        ResultError: there is one, but it cannot be understood.
        OSError: it cannot be read.
    """
    try:
        data = (directory / RESULT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        parsed = json.loads(data)
        if parsed.pop("version") != RESULT_VERSION:
            raise ResultError("another version")
        result = RecordingResult(
            **parsed
            | {
                "status": RecordingStatus(parsed["status"]),
                "problems": tuple(parsed["problems"]),
                "composite": parsed["composite"] and CompositeProduct(**parsed["composite"]),
                "tracks": tuple(TrackProduct(**track) for track in parsed["tracks"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResultError(f"{RESULT_FILE}: {type(error).__name__}") from None
    if not is_finished(result.status):
        raise ResultError(f"{RESULT_FILE}: status {result.status}")
    return result


def failed(
    recording_id: str, error: str, status: RecordingStatus = RecordingStatus.FAILED
) -> RecordingResult:
    """The result of a recording that has no product; `error` is a stable code."""
    return RecordingResult(recording_id, status, error, (), None, ())


def recording_directories(root: Path) -> Iterator[Path]:
    """Every recording below `root`, finished or not, oldest day first."""
    return iter(sorted(path for path in root.glob("[0-9]*/[0-9]*/[0-9]*/*") if path.is_dir()))


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file's content as one step that survives a loss of power."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    publish(part, path)


def publish(part: Path, path: Path) -> None:
    """Give a synced file its final name."""
    part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
