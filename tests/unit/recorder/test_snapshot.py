"""Which frame a photo is made of, without a process, a clock or a wait."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recorder.darkroom import Developed, develop
from recorder.gop import Gop, GopBuffer
from recorder.position import Position
from recorder.snapshot import Darkroom, NoPictureError, SnapshotTaker
from tests.support.rtp_source import (
    H264,
    VP8,
    FakeTrack,
    RtpSource,
    SourceEvent,
    feed,
    read_counter,
    video_source,
)

WALL_US = 1_677_103_206_155_000
FRAME_US = 40_000


class Bench(Darkroom):
    """Camera, clock and darkroom of one photo; time passes only while the taker sleeps."""

    def __init__(self, directory: Path, source: RtpSource, *, slow_above_frames: int = 10**9) -> None:
        super().__init__()
        self.track = FakeTrack.of(source, track_id="t", participant_id="p")
        self.gop = GopBuffer(self.track)
        self.now_us = 0
        self.answer: RtpSource | None = None
        """What the camera sends once it is asked for a keyframe."""
        self.slow_above_frames = slow_above_frames
        self.developed: list[int] = []
        self._events: list[SourceEvent] = list(source.events)
        self.taker = SnapshotTaker(directory, darkroom=self, clock=lambda: self.now_us, sleep=self._sleep)

    def run_until(self, at_us: int) -> None:
        self.now_us = at_us
        while self._events and self._events[0].at_us <= at_us:
            event = self._events.pop(0)
            feed(self.gop, event, event.at_us)

    async def develop(self, group: Gop, budget_us: int) -> Developed:
        self.developed.append(group.frames)
        if group.frames > self.slow_above_frames and budget_us < 1_000_000:
            return Developed(b"", 0, 0, 0, group.frames, budget_us)
        return develop(group.codec, group.packets, 10**9)

    async def _sleep(self, delay_s: float) -> None:
        if self.track.keyframe_requests_us and self.answer is not None:
            self._events, self.answer = list(self.answer.events), None
        self.run_until(self.now_us + round(delay_s * 1_000_000))


def counter(path: Path) -> int:
    return read_counter(np.asarray(Image.open(path).convert("L")))


async def test_the_frame_at_the_click_is_taken_and_no_keyframe_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, video_source(VP8, duration_s=2))
    click_us = 30 * FRAME_US + 10_000
    bench.run_until(click_us + 500_000)

    snapshot = await bench.taker.take(bench.gop, at_us=click_us, at_wall_us=WALL_US)

    assert counter(snapshot.path) == 30
    assert bench.track.keyframe_requests_us == []
    assert snapshot.method == "running"


async def test_title_exif_and_instant_agree(tmp_path: Path) -> None:
    bench = Bench(tmp_path, video_source(H264, duration_s=2))
    bench.run_until(30 * FRAME_US + 12_000)

    snapshot = await bench.taker.take(bench.gop, at_us=bench.now_us, at_wall_us=WALL_US)

    arrived_us = max(
        event.at_us for event in video_source(H264, duration_s=2).events if event.at_us <= bench.now_us
    )
    assert snapshot.captured_at_ms == (WALL_US - (bench.now_us - arrived_us)) // 1000
    assert snapshot.title == f"diag_snapshot_{snapshot.captured_at_ms}"
    exif = Image.open(snapshot.path).getexif()
    assert exif[0x010E] == snapshot.title
    details = exif.get_ifd(0x8769)
    assert details[0x9003] == "2023:02:22 22:00:06"
    assert int(details[0x9291]) == snapshot.captured_at_ms % 1000


async def test_the_file_is_private_and_as_large_as_it_says(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "photos", video_source(VP8, duration_s=1))
    bench.run_until(900_000)

    snapshot = await bench.taker.take(
        bench.gop, at_us=900_000, at_wall_us=WALL_US, position=Position(48.5, -3.5)
    )

    assert snapshot.path.is_absolute()
    assert snapshot.path.parent == tmp_path / "photos" / "2023" / "02" / "22"
    assert stat.S_IMODE(snapshot.path.stat().st_mode) == 0o600
    assert snapshot.filesize == snapshot.path.stat().st_size
    image = Image.open(io.BytesIO(snapshot.path.read_bytes()))
    assert image.size == (snapshot.width, snapshot.height) == (320, 240)
    assert image.getexif().get_ifd(0x8825)[1] == "N"


async def test_a_group_too_long_to_decode_is_not_waited_for(tmp_path: Path) -> None:
    """A keyframe is asked for, and the photo is taken some frames after it."""
    bench = Bench(tmp_path, video_source(VP8, duration_s=3, width=1280, height=720, fps=10))
    bench.taker._ns_per_pixel["VP8"] = 40.0
    bench.run_until(2_900_000)
    bench.answer = video_source(
        VP8, duration_s=2, start_us=3_000_000, first_counter=100, first_timestamp=10_000_000
    )

    snapshot = await bench.taker.take(bench.gop, at_us=2_900_000, at_wall_us=WALL_US)

    assert snapshot.method == "keyframe"
    assert 105 <= counter(snapshot.path) <= 111
    assert bench.now_us <= 2_900_000 + 720_000
    assert len(bench.track.keyframe_requests_us) == 1
    assert bench.developed == [counter(snapshot.path) - 99]


async def test_what_turns_out_to_take_too_long_falls_back_to_a_keyframe(tmp_path: Path) -> None:
    bench = Bench(tmp_path, video_source(VP8, duration_s=2), slow_above_frames=20)
    bench.run_until(1_900_000)
    bench.answer = video_source(VP8, duration_s=1, start_us=2_000_000, first_timestamp=10_000_000)

    snapshot = await bench.taker.take(bench.gop, at_us=1_900_000, at_wall_us=WALL_US)

    assert snapshot.method == "keyframe"


async def test_a_late_photo_is_better_than_none(tmp_path: Path) -> None:
    """The publisher does not answer: the long group is decoded after all."""
    bench = Bench(tmp_path, video_source(VP8, duration_s=2), slow_above_frames=20)
    bench.run_until(1_900_000)

    snapshot = await bench.taker.take(bench.gop, at_us=1_900_000, at_wall_us=WALL_US)

    assert counter(snapshot.path) == 47
    assert bench.now_us <= 2_850_000
    assert len(bench.track.keyframe_requests_us) >= 2


async def test_a_damaged_picture_is_replaced_by_a_fresh_one(tmp_path: Path) -> None:
    source = video_source(VP8, duration_s=2)
    bench = Bench(tmp_path, source)
    lost = source.samples[20].rtp_timestamp.to_bytes(4, "big")
    bench._events = [e for e in bench._events if getattr(e, "packet", b"")[4:8] != lost]
    bench.run_until(1_900_000)
    bench.answer = video_source(
        VP8, duration_s=1, start_us=2_000_000, first_counter=60, first_timestamp=10_000_000
    )

    snapshot = await bench.taker.take(bench.gop, at_us=1_900_000, at_wall_us=WALL_US)

    assert counter(snapshot.path) >= 60


async def test_before_the_first_keyframe_one_is_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, video_source(VP8, duration_s=1))
    bench.answer = video_source(VP8, duration_s=1, start_us=100_000)

    snapshot = await bench.taker.take(bench.gop, at_us=0, at_wall_us=WALL_US)

    assert snapshot.method == "keyframe"


@pytest.mark.parametrize("silent_for_us", [0, 3_000_000])
async def test_a_camera_that_shows_nothing_has_no_photo(tmp_path: Path, silent_for_us: int) -> None:
    """Neither one that never sent, nor one whose last picture is long past."""
    bench = Bench(tmp_path, video_source(VP8, duration_s=1))
    if silent_for_us:
        bench.run_until(960_000 + silent_for_us)

    with pytest.raises(NoPictureError):
        await bench.taker.take(bench.gop, at_us=bench.now_us, at_wall_us=WALL_US)

    assert bench.now_us <= 960_000 + silent_for_us + 3_100_000
    assert list(tmp_path.iterdir()) == []


async def test_a_screen_that_rests_is_photographed_as_it_stands(tmp_path: Path) -> None:
    bench = Bench(tmp_path, video_source(VP8, duration_s=1, source="screen"))
    bench.run_until(30_000_000)

    snapshot = await bench.taker.take(bench.gop, at_us=30_000_000, at_wall_us=WALL_US)

    assert counter(snapshot.path) == 24
    assert snapshot.captured_at_ms < WALL_US // 1000 - 28_000
