"""The Matroska files, judged by tools that are not ours."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaserver.sfu.interfaces import Codec, TrackKind
from recorder.assembly import assemble
from recorder.mkv import EmptyTrackError, write_mkv
from recorder.timeline import EncodedFrame
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
from tests.support.timelines import MemoryTrack

SECOND = 1_000_000

videos = pytest.mark.parametrize("codec", [VP8, H264], ids=lambda codec: codec.name)


async def mkv_of(tmp_path: Path, *sources: RtpSource) -> Path:
    timeline = assemble(await record(tmp_path, [Publication(source) for source in sources]))
    path = tmp_path / "track.mkv"
    write_mkv(timeline.tracks[0], path, started_wall_us=timeline.started_wall_us)
    return path


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def probe(path: Path, *entries: str) -> Any:
    return json.loads(run("ffprobe", "-v", "error", "-of", "json", *entries, path))


def check_conformance(path: Path) -> None:
    """By three tools that are not ours: Matroska's conformance checker, mkvtoolnix, ffmpeg."""
    assert run("mediaconch", path).startswith("pass!")
    identified = json.loads(run("mkvmerge", "-J", path))
    assert identified["errors"] == identified["warnings"] == []
    subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-"], check=True)


def payload_sizes(path: Path) -> list[int]:
    packets = probe(path, "-show_packets")["packets"]
    return [int(packet["size"]) for packet in packets]


@videos
async def test_video_file_conforms_and_holds_every_frame(tmp_path: Path, codec: Codec) -> None:
    media = video_source(codec, duration_s=2, keyframe_every=25)
    path = await mkv_of(tmp_path, Network(jitter_us=5000).carry(media))
    check_conformance(path)
    probed = probe(path, "-count_frames", "-show_streams", "-show_format")
    [stream] = probed["streams"]
    assert (stream["width"], stream["height"], int(stream["nb_read_frames"])) == (320, 240, 50)
    assert stream["tags"]["title"] == "Ana (camera)"
    assert probed["format"]["tags"]["PARTICIPANT_ID"] == "p1"
    assert probed["format"]["tags"]["creation_time"].startswith("2023-11-14T22:13:20")
    if codec is VP8:
        assert payload_sizes(path) == [len(sample.data) for sample in media.samples]
    else:
        # Matroska has lengths of 4 bytes in the place of start codes.
        expected = [sum(4 + len(unit) for unit in split_annex_b(sample.data)) for sample in media.samples]
        assert payload_sizes(path) == expected


async def test_audio_file_conforms_and_has_the_length_of_the_sound(tmp_path: Path) -> None:
    path = await mkv_of(tmp_path, audio_source(duration_s=2))
    check_conformance(path)
    probed = probe(path, "-count_frames", "-show_streams", "-show_format")
    assert probed["streams"][0]["nb_read_frames"] == "100"
    # Matroska adds the 6.5 ms that the decoder throws away.
    assert abs(float(probed["format"]["duration"]) - 2.0065) < 0.002


@videos
async def test_picture_may_change_its_size(tmp_path: Path, codec: Codec) -> None:
    sizes = [(320, 240), (160, 120), (240, 320)]
    parts = [
        video_source(codec, duration_s=1, width=width, height=height, start_us=n * SECOND, ssrc=n + 1)
        for n, (width, height) in enumerate(sizes)
    ]
    path = await mkv_of(tmp_path, *parts)
    check_conformance(path)
    shown = probe(path, "-select_streams", "v", "-show_entries", "frame=width,height")["frames"]
    assert [(frame["width"], frame["height"]) for frame in shown] == [
        size for size in sizes for _ in range(25)
    ]


async def test_times_are_those_of_the_session(tmp_path: Path) -> None:
    path = await mkv_of(tmp_path, video_source(duration_s=1, start_us=5 * SECOND))
    packets = probe(path, "-show_packets")["packets"]
    times = [float(packet["pts_time"]) for packet in packets]
    assert times == pytest.approx([5 + n / 25 for n in range(25)], abs=0.002)


@videos
async def test_file_begins_with_the_first_keyframe_and_keeps_damaged_frames(
    tmp_path: Path, codec: Codec
) -> None:
    media = video_source(codec, duration_s=2, keyframe_every=25)
    first = media.packets()
    second_frame = next(n for n, packet in enumerate(first) if packet[4:8] != first[0][4:8])
    lossy = Network(drop=lambda index: index < second_frame or index == len(first) - 10).carry(media)
    timeline = assemble(await record(tmp_path, [Publication(lossy)]))
    path = tmp_path / "track.mkv"
    summary = write_mkv(timeline.tracks[0], path, started_wall_us=0)
    assert summary.frames == 24
    assert 0 < summary.damaged_frames < 10
    assert len(payload_sizes(path)) == 24
    assert run("mediaconch", path).startswith("pass!")


async def test_track_without_a_keyframe_makes_no_file(tmp_path: Path) -> None:
    lossy = Network(drop=lambda index: index == 0).carry(video_source(duration_s=1))
    with pytest.raises(EmptyTrackError):
        await mkv_of(tmp_path, lossy)
    assert not list(tmp_path.glob("*.mkv*"))


units = st.lists(
    st.binary(max_size=20) | st.sampled_from([b"\0\0\0\1\x67", b"\0\0\0\1\x68", b"\0\0\0\1\x65"]), max_size=6
).map(b"".join)
vp8_keyframes = st.binary(max_size=30).map(lambda data: b"\x10\0\0\x9d\x01\x2a" + data)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codec=st.sampled_from([VP8, H264, OPUS]),
    frames=st.lists(st.tuples(units | vp8_keyframes, st.booleans()), max_size=5),
)
def test_whatever_a_sender_calls_a_frame_makes_a_file_or_a_documented_error(
    tmp_path: Path, codec: Codec, frames: list[tuple[bytes, bool]]
) -> None:
    kind: TrackKind = "audio" if codec is OPUS else "video"
    encoded = [
        EncodedFrame(number * 20_000, data, keyframe, True, 0)
        for number, (data, keyframe) in enumerate(frames)
        if data
    ]
    path = tmp_path / "track.mkv"
    try:
        summary = write_mkv(MemoryTrack(kind, "camera", codec, encoded), path, started_wall_us=0)
    except EmptyTrackError:
        assert not list(tmp_path.glob("*.part"))
    else:
        assert summary.frames > 0
        assert run("mkvmerge", "-J", path)


async def test_keyframe_of_garbage_is_passed_over(tmp_path: Path) -> None:
    media = video_source(H264, duration_s=0.4)
    garbage = EncodedFrame(0, b"\0\0\0\1\x67abc\0\0\0\1\x65def", True, True, 0)
    frames = [EncodedFrame(s.capture_us + 40_000, s.data, s.keyframe, True, 0) for s in media.samples]
    path = tmp_path / "track.mkv"
    summary = write_mkv(MemoryTrack("video", "camera", H264, [garbage, *frames]), path, started_wall_us=0)
    assert summary.frames == 10
    check_conformance(path)


async def test_disk_that_is_full_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    timeline = assemble(await record(tmp_path, [Publication(video_source(duration_s=4))]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError):
            write_mkv(timeline.tracks[0], tmp_path / "track.mkv", started_wall_us=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.glob("*.mkv*"))
