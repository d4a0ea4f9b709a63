"""What `kill -9` costs: a process that captures in real time is killed at random instants."""

from __future__ import annotations

import asyncio
import pickle
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.assembly import assemble
from recorder.mkv import write_mkv
from tests.support.rtp_source import H264, RtpSource, audio_source, split_annex_b, video_source

MAX_LOSS_US = 500_000
PROJECT = Path(__file__).parents[3]
CHILDREN = 6


def streams() -> list[RtpSource]:
    return [
        video_source(duration_s=10),
        audio_source(duration_s=10),
        video_source(H264, source="screen", duration_s=10),
    ]


async def killed_child(directory: Path, streams_file: Path, lifetime_s: float) -> tuple[Path, list[int]]:
    """Returns the recording and, per stream, when the last packet was handed to capture."""
    directory.mkdir()
    progress = directory / "progress"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.capture_child"),
        *(directory / "rec", streams_file, progress),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        while (line := await process.stdout.readline()) != b"ready\n":
            assert line, "the child ended by itself"
        await asyncio.sleep(lifetime_s)
    finally:
        process.kill()
        await process.wait()
    [recording] = (directory / "rec").glob("*/*/*/*")
    return recording, list(struct.unpack("!3q", progress.read_bytes()))


@pytest.mark.timeout(120)
async def test_at_most_half_a_second_is_lost_whenever_the_process_is_killed(tmp_path: Path) -> None:
    sources = streams()
    streams_file = tmp_path / "streams"
    streams_file.write_bytes(pickle.dumps(sources))

    results = await asyncio.gather(
        *(
            killed_child(tmp_path / str(number), streams_file, random.uniform(0.5, 4.0))
            for number in range(CHILDREN)
        )
    )
    losses_us = []
    for recording, handed_over_us in results:
        timeline = assemble(recording)
        assert timeline.events[-1].type != "recording_stopped"
        for track, source, last_us in zip(timeline.tracks, sources, handed_over_us, strict=True):
            found = list(track.frames())
            assert len(found) > 1 or last_us < MAX_LOSS_US
            for frame, sample in zip(found, source.samples, strict=False):
                if source.codec.name == "H264":
                    assert split_annex_b(frame.data) == split_annex_b(sample.data)
                else:
                    assert frame.data == sample.data
            sent_until = {sample.rtp_timestamp: sample.capture_us for sample in source.samples}
            losses_us.append(last_us - sent_until[found[-1].rtp_timestamp])
            mkv = recording / f"{track.source}.mkv"
            write_mkv(track, mkv, started_wall_us=timeline.started_wall_us)
            subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-i", mkv, "-f", "null", "-"], check=True)
    print(f"lost in ms: {sorted(loss // 1000 for loss in losses_us)}")
    assert max(losses_us) <= MAX_LOSS_US
