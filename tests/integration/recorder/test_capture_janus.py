"""Capture and assembly against an independent reader of the same files: Janus' post-processor."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import av
import pytest

from mediaserver.sfu.interfaces import Codec
from recorder.assembly import assemble
from tests.support.capturing import Publication, record
from tests.support.rtp_source import (
    H264,
    OPUS,
    VP8,
    Network,
    RtpSource,
    audio_source,
    split_annex_b,
    video_source,
)

EXTENSIONS = {"VP8": "webm", "H264": "mp4", "opus": "opus"}
codecs = pytest.mark.parametrize("codec", [VP8, H264, OPUS], ids=lambda codec: codec.name)


@cache
def source(name: str) -> RtpSource:
    """6 s whose sequence numbers and timestamps wrap."""
    if name == "opus":
        return audio_source(duration_s=6, first_sequence=65_400, first_timestamp=2**32 - 96_000)
    return video_source(
        VP8 if name == "VP8" else H264, duration_s=6, first_sequence=65_400, first_timestamp=2**32 - 180_000
    )


def janus_frames(mjr: Path, codec: Codec) -> list[bytes]:
    """What janus-pp-rec makes of a file: its frames, H.264 in Annex B."""
    output = mjr.with_suffix("." + EXTENSIONS[codec.name])
    subprocess.run(["janus-pp-rec", "-d", "2", mjr, output], check=True, capture_output=True)
    with av.open(str(output)) as container:
        frames = [bytes(packet) for packet in container.demux(container.streams[0]) if packet.size]
    return [annex_b(frame) for frame in frames] if codec is H264 else frames


def annex_b(data: bytes) -> bytes:
    """From the 4-byte lengths of MP4, unless it is Annex B already."""
    if data.startswith((b"\0\0\0\1", b"\0\0\1")):
        return data
    units = []
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        units.append(b"\0\0\0\1" + data[position + 4 : position + 4 + size])
        position += 4 + size
    return b"".join(units)


def comparable(frames: list[bytes], codec: Codec) -> list[bytes] | list[list[bytes]]:
    return [split_annex_b(frame) for frame in frames] if codec is H264 else frames


@codecs
@pytest.mark.parametrize(
    "network",
    [
        Network(),
        Network(reordering=0.08),
        Network(duplicates=0.05),
        Network(jitter_us=10_000, reordering=0.08, duplicates=0.02),
    ],
    ids=["clean", "reordered", "duplicated", "all"],
)
async def test_both_read_the_frames_that_were_sent(tmp_path: Path, codec: Codec, network: Network) -> None:
    media = source(codec.name)
    directory = await record(tmp_path, [Publication(network.carry(media))])
    [track] = assemble(directory).tracks
    ours = comparable([frame.data for frame in track.frames()], codec)
    [mjr] = directory.glob("*.mjr")
    sent = comparable([sample.data for sample in media.samples], codec)
    assert ours == sent
    assert comparable(janus_frames(mjr, codec), codec) == sent


@codecs
async def test_both_read_the_same_from_a_truncated_file(tmp_path: Path, codec: Codec) -> None:
    media = source(codec.name)
    directory = await record(tmp_path, [Publication(Network(reordering=0.08).carry(media))])
    [mjr] = directory.glob("*.mjr")
    mjr.write_bytes(mjr.read_bytes()[:-300])
    [track] = assemble(directory).tracks
    ours = comparable([frame.data for frame in track.frames()], codec)
    sent = comparable([sample.data for sample in media.samples], codec)
    # Reordering may have put any of the last packets into what was cut off.
    assert len(ours) >= len(sent) - 12
    assert all(frame in sent for frame in ours)
    theirs = comparable(janus_frames(mjr, codec), codec)
    # The other tool gives out incomplete frames too.
    assert all(frame in theirs for frame in ours)
