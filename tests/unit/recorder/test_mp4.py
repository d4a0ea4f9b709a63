from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.mp4 import Mp4Error, location_placeholder, verify, write_position
from recorder.position import Position

HOME = Position(48.7611333, -3.4669605, altitude_m=71.5)
FRAMES = 25


def make(path: Path, position: Position | None = None, *, faststart: bool = True) -> Path:
    """One second of grey and silence."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        container.metadata["title"] = "0YW553BN-8214-composite"
        if position is not None:
            container.metadata["location"] = location_placeholder(position)
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 128, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1920), np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48_000, index * 1920, Fraction(1, 48_000)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("mp4") / "plain.mp4")


def exiftool(path: Path) -> dict[str, Any]:
    command = ["exiftool", "-json", "-n", "-a", "-G1", "-all", "-validate", str(path)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found[0]


@pytest.mark.parametrize("position", [HOME, Position(-0.0000001, 179.9999999), Position(90, -180)])
def test_the_position_is_exact_for_exiftool_and_ffprobe(tmp_path: Path, position: Position) -> None:
    path = make(tmp_path / "a.mp4", position)
    before = path.stat().st_size

    write_position(path, position)

    found = exiftool(path)
    latitude, longitude = map(float, found["UserData:GPSCoordinates"].split()[:2])
    assert abs(latitude - position.latitude_deg) < 1e-7
    assert abs(longitude - position.longitude_deg) < 1e-7
    assert found["ExifTool:Validate"] == "0 0 0"
    assert not [name for name in found if "LocationInformation" in name]
    probe = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags", str(path)]
    tags = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["format"]["tags"]
    assert tags["location"] == position.iso6709()
    assert path.stat().st_size == before


def test_the_media_is_untouched_by_writing_a_position(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", HOME)
    before = packets(path)

    write_position(path, HOME)

    assert packets(path) == before
    verify(path, frames=FRAMES, duration_us=1_000_000, fps=25)


def test_a_file_without_room_for_a_position_is_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(Mp4Error):
        write_position(plain, HOME)
    other = make(tmp_path / "other.mp4", Position(1, 2))
    with pytest.raises(Mp4Error):
        write_position(other, HOME)


def test_a_good_file_passes(plain: Path) -> None:
    verify(plain, frames=FRAMES, duration_us=1_000_000, fps=25)


@pytest.mark.parametrize(("frames", "duration_us"), [(24, 1_000_000), (26, 1_000_000), (25, 1_100_000)])
def test_missing_pictures_or_time_are_noticed(plain: Path, frames: int, duration_us: int) -> None:
    with pytest.raises(Mp4Error):
        verify(plain, frames=frames, duration_us=duration_us, fps=25)


def test_an_index_behind_the_media_is_noticed(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", faststart=False)

    with pytest.raises(Mp4Error, match="index"):
        verify(path, frames=FRAMES, duration_us=1_000_000, fps=25)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_cut_file_is_noticed(plain: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.mp4"
    data = plain.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(Mp4Error):
        verify(path, frames=FRAMES, duration_us=1_000_000, fps=25)


def test_a_damaged_keyframe_is_noticed(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    shutil.copy(plain, path)
    with av.open(str(path)) as container:
        offset = next(container.demux(video=0)).pos
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(400))

    with pytest.raises(Mp4Error):
        verify(path, frames=FRAMES, duration_us=1_000_000, fps=25)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_only_the_documented_error_escapes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk.mp4"
    for content in (data, b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + data):
        path.write_bytes(content)
        with pytest.raises(Mp4Error):
            verify(path, frames=1, duration_us=40_000, fps=25)
        with pytest.raises(Mp4Error):
            write_position(path, HOME)


def packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux()]
