from __future__ import annotations

import itertools

import pytest

from recorder.recording import (
    TRANSITIONS,
    RecordingState,
    RecordingStatus,
    RecordingStatusError,
    is_finished,
    next_status,
)

ORDER = [
    "starting",
    "recording",
    "stopping",
    "queued",
    "processing",
    "uploading",
    "completed",
    "partial",
    "failed",
    "aborted",
    "deleted",
]
FINISHED = {"completed", "partial", "failed", "aborted"}


def allowed(status: str, wanted: str) -> bool:
    """The rule, said differently than in the table."""
    if status in FINISHED:
        return wanted == "deleted"
    if ORDER.index(wanted) <= ORDER.index(status) or wanted == "deleted":
        return False
    if wanted in ("completed", "partial"):
        return status in ("processing", "uploading")
    if wanted == "uploading":
        return status == "processing"
    if wanted == "processing":
        return status == "queued"
    return not (wanted == "aborted" and status == "uploading")


@pytest.mark.parametrize(("status", "wanted"), list(itertools.product(RecordingStatus, repeat=2)))
def test_a_recording_only_moves_forward(status: RecordingStatus, wanted: RecordingStatus) -> None:
    if allowed(status, wanted):
        assert next_status(status, wanted) is wanted
    else:
        with pytest.raises(RecordingStatusError):
            next_status(status, wanted)


def test_the_names_are_the_ones_of_the_api_in_their_order() -> None:
    assert [status.value for status in RecordingStatus] == ORDER
    assert set(TRANSITIONS) == set(RecordingStatus)


def test_a_refused_step_changes_nothing() -> None:
    state = RecordingState("id", RecordingStatus.QUEUED)

    with pytest.raises(RecordingStatusError):
        state.advance(RecordingStatus.RECORDING)

    assert state.status is RecordingStatus.QUEUED


def test_finished_is_what_nothing_happens_to_by_itself() -> None:
    assert {status.value for status in RecordingStatus if is_finished(status)} == FINISHED | {"deleted"}
