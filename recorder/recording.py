"""The life of a recording: an ordered set of statuses that only moves forward.

The names are the ones the API shows. A status may be skipped (local storage has nothing to upload, a
recovered recording was never stopped), but no way leads back, and a finished recording can only be
deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from recorder.errors import RecorderError


class RecordingStatus(StrEnum):
    STARTING = "starting"
    """Capture is being set up; no packet was written yet."""
    RECORDING = "recording"
    STOPPING = "stopping"
    """What is in memory is being written."""
    QUEUED = "queued"
    """Everything is on disk and waits for a worker."""
    PROCESSING = "processing"
    UPLOADING = "uploading"
    """The product is being moved to where it is kept."""
    COMPLETED = "completed"
    PARTIAL = "partial"
    """There is a product, but something that was sent is missing from it."""
    FAILED = "failed"
    """No product; what was captured is kept."""
    ABORTED = "aborted"
    """There was nothing to make a product of."""
    DELETED = "deleted"


class RecordingStatusError(RecorderError):
    """A recording was asked to go backwards, or to skip what cannot be skipped."""

    code = "illegal_recording_status"


_S = RecordingStatus
_FINISHED = frozenset({_S.COMPLETED, _S.PARTIAL, _S.FAILED, _S.ABORTED})

TRANSITIONS = MappingProxyType(
    {
        _S.STARTING: frozenset({_S.RECORDING, _S.STOPPING, _S.QUEUED, _S.FAILED, _S.ABORTED}),
        _S.RECORDING: frozenset({_S.STOPPING, _S.QUEUED, _S.FAILED, _S.ABORTED}),
        _S.STOPPING: frozenset({_S.QUEUED, _S.FAILED, _S.ABORTED}),
        _S.QUEUED: frozenset({_S.PROCESSING, _S.FAILED, _S.ABORTED}),
        _S.PROCESSING: frozenset({_S.UPLOADING, *_FINISHED}),
        _S.UPLOADING: frozenset({_S.COMPLETED, _S.PARTIAL, _S.FAILED}),
        **{status: frozenset({_S.DELETED}) for status in _FINISHED},
        _S.DELETED: frozenset(),
    }
)


def next_status(status: RecordingStatus, wanted: RecordingStatus) -> RecordingStatus:
    """Return `wanted` if a recording in `status` may go there.

    Raises:
        RecordingStatusError: it may not; staying where it is counts as that too.
    """
    if wanted not in TRANSITIONS[status]:
        raise RecordingStatusError(f"{status} -> {wanted}")
    return wanted


def is_finished(status: RecordingStatus) -> bool:
    """True when no further work happens by itself."""
    return status in _FINISHED or status is RecordingStatus.DELETED


@dataclass(slots=True)
class RecordingState:
    """One recording's status; only `advance` changes it."""

    recording_id: str
    status: RecordingStatus = RecordingStatus.STARTING

    def advance(self, wanted: RecordingStatus) -> None:
        """Move forward to `wanted`.

        Raises:
            RecordingStatusError: not a way forward; the status stays as it was.
        """
        self.status = next_status(self.status, wanted)
