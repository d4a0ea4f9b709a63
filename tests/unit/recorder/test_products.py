from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.products import (
    RESULT_FILE,
    CompositeProduct,
    RecordingResult,
    ResultError,
    TrackProduct,
    failed,
    read_result,
    recording_directories,
)
from recorder.recording import RecordingStatus

RESULT = RecordingResult(
    recording_id="id",
    status=RecordingStatus.PARTIAL,
    error=None,
    problems=("events_dropped",),
    composite=CompositeProduct("composite.mp4", 1, "00", 40_000, 1, 1280, 720, 0, 0),
    tracks=(
        TrackProduct(
            "tracks/01-video.mkv", "t", "p", "Ana \udcff", "agent", "video", "camera", 1, 2, 0, 5, 9
        ),
    ),
)


def test_a_result_reads_back(tmp_path: Path) -> None:
    RESULT.write(tmp_path)

    track = replace(RESULT.tracks[0], participant_name="Ana ?")
    assert read_result(tmp_path) == replace(RESULT, tracks=(track,))


def test_no_result_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None


def test_a_failure_names_its_cause(tmp_path: Path) -> None:
    failed("id", "storage").write(tmp_path)

    result = read_result(tmp_path)
    assert result is not None
    assert (result.status, result.error, result.composite) == (RecordingStatus.FAILED, "storage", None)


@pytest.mark.parametrize("status", ["processing", "deleted?", None])
def test_a_result_that_is_no_end_is_refused(tmp_path: Path, status: str | None) -> None:
    RESULT.write(tmp_path)
    path = tmp_path / RESULT_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": status}))

    with pytest.raises(ResultError):
        read_result(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.binary(max_size=100)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(
        st.sampled_from(["version", "status", "problems", "composite", "tracks", "error", "recording_id"]),
        json_values | st.just(1) | st.just("completed"),
    ).map(lambda value: json.dumps(value).encode())
)
def test_only_the_documented_error_escapes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("result")
    (directory / RESULT_FILE).write_bytes(data)

    with pytest.raises(ResultError):
        read_result(directory)


def test_recordings_are_found_oldest_day_first_and_nothing_else(tmp_path: Path) -> None:
    for name in ("2026/11/02/b", "2026/01/30/a", "lost+found/x/y/z"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "2026/11/02/file").touch()

    assert list(recording_directories(tmp_path)) == [tmp_path / "2026/01/30/a", tmp_path / "2026/11/02/b"]
