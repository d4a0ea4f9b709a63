"""Photos through the real child process: in time, and whatever becomes of the process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from recorder.gop import GopBuffer
from recorder.position import Position
from recorder.snapshot import Darkroom, SnapshotTaker
from tests.support import judge
from tests.support.rtp_source import VP8, FakeTrack, RtpSource, play, read_counter, video_source

WALL_US = 1_677_103_206_155_000


@pytest.fixture
async def darkroom() -> AsyncIterator[Darkroom]:
    room = Darkroom()
    await room.start()
    yield room
    await room.aclose()


def filled(source: RtpSource) -> GopBuffer:
    buffer = GopBuffer(FakeTrack.of(source, track_id="t", participant_id="p"))
    play([(source, buffer)])
    return buffer


def counter(path: Path) -> int:
    return read_counter(np.asarray(Image.open(path).convert("L")))


def children() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [child for child in found if "recorder.darkroom" in " ".join(child.cmdline())]


async def test_a_photo_is_right_and_there_within_a_second(tmp_path: Path, darkroom: Darkroom) -> None:
    taker = SnapshotTaker(tmp_path, darkroom=darkroom)
    buffer = filled(video_source(VP8, duration_s=3, width=640, height=480))

    started_s = time.monotonic()
    snapshot = await taker.take(
        buffer, at_us=2_985_000, at_wall_us=WALL_US, position=Position(48.7703337, -3.5149756, accuracy_m=12)
    )
    elapsed_s = time.monotonic() - started_s

    assert elapsed_s < 1.0
    assert counter(snapshot.path) == 74
    found = judge.exif(
        snapshot.path, "SubSecDateTimeOriginal", "GPSLatitude", "GPSLongitude", "ImageDescription"
    )
    assert found["Validate"] == "0 0 0"
    assert abs(found["GPSLatitude"] - 48.7703337) < 1e-7
    assert abs(found["GPSLongitude"] + 3.5149756) < 1e-7
    assert found["ImageDescription"] == snapshot.title == f"diag_snapshot_{snapshot.captured_at_ms}"
    milliseconds = snapshot.captured_at_ms % 1000
    assert found["SubSecDateTimeOriginal"] == f"2023:02:22 22:00:06.{milliseconds:03d}+00:00"


async def test_a_process_that_died_is_replaced(tmp_path: Path, darkroom: Darkroom) -> None:
    taker = SnapshotTaker(tmp_path, darkroom=darkroom)
    buffer = filled(video_source(VP8, duration_s=1))
    for child in children():
        os.kill(child.pid, signal.SIGKILL)

    snapshot = await taker.take(buffer, at_us=900_000, at_wall_us=WALL_US)

    assert counter(snapshot.path) == 22


async def test_a_process_that_hangs_is_replaced(
    tmp_path: Path, darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.snapshot._CHILD_TIMEOUT_S", 3.0)
    taker = SnapshotTaker(tmp_path, darkroom=darkroom)
    buffer = filled(video_source(VP8, duration_s=1))
    (hanging,) = children()
    os.kill(hanging.pid, signal.SIGSTOP)

    snapshot = await taker.take(buffer, at_us=900_000, at_wall_us=WALL_US)

    assert counter(snapshot.path) == 22
    assert not hanging.is_running()


async def test_closing_leaves_no_process() -> None:
    room = Darkroom()
    await room.start()
    assert children()

    await room.aclose()

    assert not children()
