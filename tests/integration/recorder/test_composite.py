"""Composites judged by ffmpeg, ffprobe and exiftool: what is in the file, not how it was made."""

from __future__ import annotations

import re
import statistics
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mediaserver.sfu.interfaces import Codec
from recorder.assembly import assemble
from recorder.compositor import CompositeInfo, EmptyRecordingError, render
from recorder.mkv import write_mkv
from recorder.position import Position
from recorder.timeline import EncodedFrame, JournalEvent, Timeline
from tests.support import judge
from tests.support.capturing import Publication, record
from tests.support.rtp_source import (
    BLUE,
    GREEN,
    H264,
    RED,
    VP8,
    Network,
    audio_source,
    read_counter,
    video_source,
)
from tests.support.timelines import MemoryTrack, timeline_of, track_of

TITLE = "0YW553BN-8214-composite"
POSITION = Position(48.7611333, -3.4669605)

RED_RGB, GREEN_RGB, BLUE_RGB = (
    # What the sources' BT.601 colours are in RGB.
    np.array(rgb)
    for rgb in ((223, 5, 0), (0, 178, 0), (0, 0, 214))
)


def make(path: Path, timeline: Timeline, **info: Any) -> Path:
    render(timeline, path, CompositeInfo(TITLE, **info))
    return path


def two_sides(codec: Codec = VP8, duration_s: float = 3.0) -> Timeline:
    return timeline_of(
        track_of(video_source(codec, duration_s=duration_s, width=640, height=480, colour=RED)),
        track_of(audio_source(duration_s=duration_s, beep_hz=1000)),
        track_of(
            video_source(H264, duration_s=duration_s, width=640, height=360, colour=GREEN),
            participant="agent",
        ),
        track_of(audio_source(duration_s=duration_s, beep_hz=2000), participant="agent"),
        duration_s=duration_s,
    )


def colour(frame: np.ndarray, x: int, y: int) -> np.ndarray:
    """Mean of a small patch, RGB."""
    mean: np.ndarray = frame[y - 4 : y + 4, x - 4 : x + 4].reshape(-1, 3).mean(axis=0)
    return mean


def is_colour(frame: np.ndarray, x: int, y: int, rgb: np.ndarray) -> bool:
    return bool(np.abs(colour(frame, x, y) - rgb).max() < 25)


def is_card(frame: np.ndarray, x: int, y: int) -> bool:
    return is_colour(frame, x, y, np.array([30, 36, 48]))


def is_black(frame: np.ndarray, x: int, y: int) -> bool:
    return bool(colour(frame, x, y).max() < 12)


def luma(frame: np.ndarray) -> np.ndarray:
    return frame.mean(axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def composite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("composite") / "composite.mp4"
    return make(path, two_sides(), position=POSITION, chapters=[(0, "Ana joined"), (1_500_000, "Photo")])


def test_streams_are_what_every_player_takes(composite: Path) -> None:
    found = judge.probe(composite)

    video, audio = found["streams"][:2]
    expected = {
        "codec_name": "h264",
        "profile": "High",
        "width": 1280,
        "height": 720,
        "pix_fmt": "yuv420p",
        "r_frame_rate": "25/1",
        "avg_frame_rate": "25/1",
        "nb_frames": "75",
        "color_range": "tv",
        "color_space": "bt709",
        "color_primaries": "bt709",
        "color_transfer": "bt709",
        "start_time": "0.000000",
    }
    assert {name: video.get(name) for name in expected} == expected
    assert (audio["codec_name"], audio["profile"], audio["sample_rate"], audio["channels"]) == (
        "aac",
        "LC",
        "48000",
        2,
    )
    assert float(audio["start_time"]) == 0
    assert float(found["format"]["duration"]) == pytest.approx(3.0, abs=0.025)


def test_frames_come_at_a_constant_rate_with_a_keyframe_at_least_each_two_seconds(composite: Path) -> None:
    times = judge.frame_times(composite)

    assert np.abs(np.diff(times) - 0.04).max() < 1e-6
    with av.open(str(composite)) as container:
        keys = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe]
    assert keys[0] == 0
    assert max(np.diff([*keys, 3])) <= 2


def test_every_frame_decodes_and_playing_can_begin_before_the_end_is_there(composite: Path) -> None:
    assert judge.decode_errors(composite) == ""
    assert judge.moov_before_mdat(composite)


def test_title_time_position_and_chapters_are_in_it(composite: Path) -> None:
    found = judge.exif(composite, "Title", "CreateDate", "GPSCoordinates", "ChapterListTitle")

    assert found["Validate"] == "0 0 0"
    assert found["Title"] == TITLE
    assert found["CreateDate"] == "2023:11:14 22:13:20"
    latitude, longitude = map(float, found["GPSCoordinates"].split()[:2])
    assert (round(latitude, 5), round(longitude, 5)) == (48.76113, -3.46696)
    command = ["ffprobe", "-v", "error", "-show_chapters", "-of", "compact", str(composite)]
    chapters = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"start_time=([0-9.]+).*title=(.*)", chapters) == [
        ("0.000000", "Ana joined"),
        ("1.500000", "Photo"),
    ]


def test_both_sides_are_seen_in_their_colours_whole_and_uncropped(composite: Path) -> None:
    frame = judge.frames(composite)[30]

    assert is_colour(frame, 20, 700, RED_RGB) and is_colour(frame, 940, 700, RED_RGB)
    # 16:9 in a cell of 4:3: bars above and below, none at the sides.
    assert is_black(frame, 1120, 15) and is_black(frame, 1120, 225)
    assert is_colour(frame, 970, 200, GREEN_RGB) and is_colour(frame, 1270, 200, GREEN_RGB)
    assert is_black(frame, 1120, 500)


def test_each_tile_shows_the_frame_of_its_instant(composite: Path) -> None:
    frames = judge.frames(composite)

    for index in (0, 1, 37, 74):
        assert read_counter(luma(frames[index])[:720, :960]) == index
        assert read_counter(luma(frames[index])[30:210, 960:]) == index


def test_both_voices_are_heard(composite: Path) -> None:
    sound = judge.samples(composite)

    for hz in (1000, 2000):
        level = judge.tone_level(sound, hz)
        assert level[100:108].mean() > 0.2
        assert level[120:190].max() < 0.01


@pytest.mark.parametrize("codec", [VP8, H264], ids=["VP8", "H264"])
async def test_sound_and_picture_belong_together(tmp_path: Path, codec: Codec) -> None:
    """Through capture and assembly, over a network with jitter; measured by ffmpeg's filters alone."""
    network = Network(delay_us=40_000, jitter_us=25_000)
    publications = []
    for who, hz, start_us in (("requester", 1000, 0), ("agent", 2000, 720_000)):
        video = video_source(codec, duration_s=6, width=320, height=240, start_us=start_us, ssrc=1)
        audio = audio_source(duration_s=6, beep_hz=hz, start_us=start_us, ssrc=2)
        publications += [
            Publication(network.carry(source), who, who.capitalize(), who) for source in (video, audio)
        ]
    directory = await record(tmp_path, publications)

    path = make(tmp_path / "composite.mp4", assemble(directory))

    for crop, hz in ((judge.Tile(0, 0, 960, 720), 1000), (judge.Tile(960, 0, 1280, 240), 2000)):
        skews = judge.skews_ms(judge.flash_times(path, crop), judge.beep_times(path, hz))
        assert len(skews) >= 4
        assert abs(statistics.median(skews)) <= 15
        assert max(map(abs, skews)) <= 30


def test_pictures_are_as_sharp_as_they_came(tmp_path: Path) -> None:
    """Same size in the tile as in the source, so that nothing but encoding lies between them."""
    first, second = textured_track("a"), textured_track("b", mirrored=True)
    path = make(tmp_path / "composite.mp4", timeline_of(first, second, duration_s=2))
    for index, track in enumerate((first, second)):
        source = tmp_path / f"{index}.mkv"
        write_mkv(track, source, started_wall_us=0)
        # The source is BT.601, as VP8 is; the composite says BT.709.
        matrix = "colorspace=bt709:iall=bt601-6-625:fast=1"
        graph = f"[0:v]crop=640:480:{640 * index}:120[t];[1:v]fps=25,{matrix}[s];[t][s]ssim"
        command = ["ffmpeg", "-v", "info", "-nostats", "-i", str(path), "-i", str(source)]
        command += ["-lavfi", graph, "-f", "null", "-"]
        log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        match = re.search(r"All:([0-9.]+)", log)
        assert match is not None
        assert float(match[1]) >= 0.97


def test_who_joins_late_mutes_or_leaves_is_a_card_with_the_name(tmp_path: Path) -> None:
    requester = track_of(video_source(duration_s=4, width=640, height=480, colour=RED))
    agent = track_of(
        video_source(duration_s=2, start_us=1_000_000, width=640, height=480, colour=GREEN),
        participant="agent",
    )
    data = {"track_id": "requester-camera", "participant_id": "requester", "source": "camera"}
    left = {"track_id": "agent-camera", "participant_id": "agent", "source": "camera"}
    journal = [
        (0, "track_added", data),
        (900_000, "track_added", left),
        (1_500_000, "track_muted", data),
        (2_500_000, "track_unmuted", data),
        (3_000_000, "track_ended", left | {"reason": "removed"}),
    ]
    events = [JournalEvent(seq, *entry) for seq, entry in enumerate(journal)]

    path = make(tmp_path / "composite.mp4", timeline_of(requester, agent, duration_s=4, events=events))
    frames = judge.frames(path)

    def seen(index: int) -> tuple[str, str]:
        frame = frames[index]
        main = "red" if is_colour(frame, 900, 650, RED_RGB) else "card" if is_card(frame, 900, 650) else "?"
        side = (
            "green" if is_colour(frame, 980, 200, GREEN_RGB) else "card" if is_card(frame, 980, 200) else "?"
        )
        return main, side

    # Flashes are at the full seconds: look half a second behind them, and around the changes.
    assert [seen(index) for index in (12, 35, 37, 38, 45, 61, 63, 70)] == [
        ("red", "card"),
        ("red", "green"),
        ("red", "green"),
        ("card", "green"),
        ("card", "green"),
        ("card", "green"),
        ("red", "green"),
        ("red", "green"),
    ]
    assert [seen(index)[1] for index in (74, 75, 90)] == ["green", "card", "card"]
    # The name is written on the card.
    assert (frames[45][330:390, 200:760].max(axis=2) > 150).sum() > 200


def test_a_phone_that_is_turned_is_centred_each_time(tmp_path: Path) -> None:
    sources = []
    for number, (width, height) in enumerate([(640, 480), (480, 640), (160, 120), (480, 640)]):
        sources.append(
            video_source(
                VP8,
                duration_s=0.6,
                start_us=number * 600_000,
                width=width,
                height=height,
                first_counter=number * 15,
            )
        )
    path = make(tmp_path / "composite.mp4", timeline_of(track_of(*sources), duration_s=2.4))
    frames = judge.frames(path)

    for index, (left, right) in ((12, (160, 1120)), (20, (370, 910)), (42, (160, 1120)), (55, (370, 910))):
        frame = frames[index]
        assert is_colour(frame, left + 8, 600, RED_RGB) and is_colour(frame, right - 8, 600, RED_RGB)
        if left > 200:
            assert is_black(frame, left - 10, 600) and is_black(frame, right + 10, 600)
            assert is_black(frame, 200, 600) and is_black(frame, 1080, 600)
        assert read_counter(luma(frame)[:, left:right]) == index


def test_a_picture_damaged_by_loss_is_never_shown(tmp_path: Path) -> None:
    def damage(index: int, frame: EncodedFrame) -> EncodedFrame | None:
        if index == 20:
            return None
        return replace(frame, intact=False) if 20 < index < 50 else frame

    source = video_source(VP8, duration_s=3, width=320, height=240, keyframe_every=50)
    path = make(tmp_path / "composite.mp4", timeline_of(track_of(source, change=damage), duration_s=3))

    counters = [read_counter(luma(frame)[:, 160:1120]) for frame in judge.frames(path)]

    assert counters == [*range(20), *[19] * 30, *range(50, 75)]


def test_a_shared_screen_takes_the_large_place_while_it_is_shared(tmp_path: Path) -> None:
    camera = track_of(video_source(duration_s=3, width=640, height=480, colour=RED))
    screen = track_of(
        video_source(duration_s=1, start_us=1_000_000, width=640, height=480, colour=BLUE, source="screen"),
        participant="agent",
    )
    shared = {"track_id": "agent-screen", "participant_id": "agent", "source": "screen"}
    events = [
        JournalEvent(0, 1_000_000, "track_added", shared),
        JournalEvent(1, 2_000_000, "track_ended", shared | {"reason": "removed"}),
    ]
    path = make(tmp_path / "composite.mp4", timeline_of(camera, screen, duration_s=3, events=events))
    frames = judge.frames(path)

    assert is_colour(frames[15], 900, 650, RED_RGB) and is_card(frames[15], 980, 200)
    assert is_colour(frames[40], 900, 650, BLUE_RGB)
    assert is_colour(frames[40], 980, 200, RED_RGB) and is_card(frames[40], 980, 440)
    assert is_colour(frames[65], 900, 650, RED_RGB) and is_card(frames[65], 980, 200)


def test_sound_alone_makes_a_composite_of_cards(tmp_path: Path) -> None:
    path = make(
        tmp_path / "composite.mp4", timeline_of(track_of(audio_source(duration_s=1.5)), duration_s=1.5)
    )

    assert is_card(judge.frames(path)[20], 100, 100)
    assert judge.tone_level(judge.samples(path), 1000)[100:108].mean() > 0.2


def test_a_meeting_of_three_is_a_grid(tmp_path: Path) -> None:
    tracks = [
        replace(
            track_of(video_source(duration_s=0.6, width=640, height=360, colour=shade), participant=who),
            role="participant",
        )
        for who, shade in (("a", RED), ("b", GREEN), ("c", BLUE))
    ]
    frame = judge.frames(make(tmp_path / "composite.mp4", timeline_of(*tracks, duration_s=0.6)))[12]

    assert is_colour(frame, 30, 340, RED_RGB)
    assert is_colour(frame, 670, 340, GREEN_RGB)
    assert is_colour(frame, 350, 700, BLUE_RGB)


@pytest.mark.parametrize(
    "tracks", [(), (track_of(audio_source(duration_s=0.1), change=lambda index, frame: None),)]
)
def test_nothing_recorded_is_a_typed_error_and_leaves_no_file(
    tmp_path: Path, tracks: tuple[MemoryTrack, ...]
) -> None:
    with pytest.raises(EmptyRecordingError):
        make(tmp_path / "composite.mp4", timeline_of(*tracks, duration_s=0))

    assert list(tmp_path.iterdir()) == []


def test_tracks_are_read_as_rendering_goes_on(tmp_path: Path) -> None:
    """So that memory does not grow with length; and progress says how far it is."""
    timeline = two_sides(duration_s=4.0)
    ahead: list[float] = []
    shares: list[float] = []

    def note(share: float) -> None:
        shares.append(share)
        for track in timeline.tracks:
            assert isinstance(track, MemoryTrack)
            # One frame of each was read to see that the recording is not empty.
            ahead.append((track.frames_read - 1) / len(track.encoded) - share)

    render(timeline, tmp_path / "composite.mp4", CompositeInfo(TITLE), on_progress=note)

    assert max(ahead) < 0.05
    assert shares == sorted(shares)
    assert shares[-1] == 1


def textured_track(name: str, *, mirrored: bool = False) -> MemoryTrack:
    """Two seconds of a detailed picture that moves, 640x480 at 25 frames per second, VP8."""
    context = av.CodecContext.create("libvpx", "w")
    context.width, context.height, context.pix_fmt = 640, 480, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.bit_rate = 2_500_000
    context.options = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", "auto-alt-ref": "0"}
    y, x = np.mgrid[0:480, 0:960]
    texture = 120 + 50 * np.sin(x / 7) * np.cos(y / 11) + 30 * np.sin((x + y) / 40)
    texture += np.random.default_rng(7).normal(0, 2, texture.shape)
    frames: list[EncodedFrame] = []
    for index in range(50):
        luma_plane = texture[:, index * 3 : index * 3 + 640]
        planes = np.full((720, 640), 128, np.uint8)
        planes[:480] = (luma_plane[:, ::-1] if mirrored else luma_plane).clip(16, 235)
        planes[480:600] = 100 + 20 * mirrored
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = index
        for packet in context.encode(picture):
            frames.append(EncodedFrame(index * 40_000, bytes(packet), packet.is_keyframe, True, index * 3600))
    template = track_of(video_source(duration_s=0.1), participant=name)
    return replace(template, encoded=frames, role="participant")
