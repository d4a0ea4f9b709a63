"""EXIF is judged by exiftool and exiv2, which are not ours."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recorder.exif import JpegError, PhotoTags, write_exif
from recorder.position import Position

CAPTURED_AT_MS = 1_677_103_206_155
UNIQUE_ID = "445f0780b2fc11ed89d409e76cc8a403"


def make_jpeg(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 48), 40).convert("RGB").save(file, "JPEG", quality=92, **options)
    return file.getvalue()


JPEG = make_jpeg()


def tags(position: Position | None = None, captured_at_ms: int = CAPTURED_AT_MS) -> PhotoTags:
    return PhotoTags(f"diag_snapshot_{captured_at_ms}", captured_at_ms, 64, 48, UNIQUE_ID, position)


def exiftool(path: Path, *arguments: str) -> dict[str, Any]:
    command = ["exiftool", "-json", "-a", "-n", *arguments, str(path)]
    result: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return result[0]


@pytest.mark.parametrize(
    "position",
    [
        None,
        Position(48.7703337, -3.5149756),
        Position(-33.8567844, 151.2152967, accuracy_m=12.34, altitude_m=-71.5, heading_deg=271.5),
        Position(0.0, 0.0),
        Position(89.999999999, 179.9999999999),
    ],
)
def test_exiftool_finds_nothing_to_complain_about(tmp_path: Path, position: Position | None) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(write_exif(make_jpeg(), tags(position)))

    assert exiftool(photo, "-validate", "-warning", "-error")["Validate"] == "0 0 0"


def test_instant_and_names_read_back(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(write_exif(make_jpeg(), tags()))

    found = exiftool(photo)

    assert found["SubSecDateTimeOriginal"] == "2023:02:22 22:00:06.155+00:00"
    assert found["SubSecCreateDate"] == found["SubSecModifyDate"] == found["SubSecDateTimeOriginal"]
    assert found["ImageDescription"] == "diag_snapshot_1677103206155"
    assert found["ImageUniqueID"] == UNIQUE_ID
    assert (found["ExifImageWidth"], found["ExifImageHeight"], found["Orientation"]) == (64, 48, 1)


def test_position_reads_back_to_a_centimetre(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    position = Position(-33.8567844, 151.2152967, accuracy_m=12.34, altitude_m=-71.5, heading_deg=271.5)
    photo.write_bytes(write_exif(make_jpeg(), tags(position)))

    found = exiftool(photo)

    assert abs(found["GPSLatitude"] - position.latitude_deg) < 1e-7
    assert abs(found["GPSLongitude"] - position.longitude_deg) < 1e-7
    assert (found["GPSAltitude"], found["GPSHPositioningError"], found["GPSTrack"]) == (-71.5, 12.34, 271.5)
    assert found["GPSDateTime"] == "2023:02:22 22:00:06.155Z"


def test_exiv2_reads_the_same(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(write_exif(make_jpeg(), tags(Position(48.5, -3.25))))

    printed = subprocess.run(["exiv2", "-pa", str(photo)], capture_output=True, text=True, check=True)

    assert printed.stderr == ""
    assert "48deg 30' 0\"" in printed.stdout
    assert "3deg 15' 0\"" in printed.stdout
    assert UNIQUE_ID in printed.stdout


def test_without_position_there_is_no_gps_directory(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(write_exif(make_jpeg(), tags()))

    assert not [name for name in exiftool(photo) if name.startswith("GPS")]


def test_the_picture_is_not_encoded_again() -> None:
    jpeg = make_jpeg()

    tagged = write_exif(jpeg, tags())

    assert tagged.endswith(jpeg[2:])


def test_existing_exif_is_replaced(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(write_exif(make_jpeg(exif=exif), tags()))

    assert "Make" not in exiftool(photo)
    assert exiftool(photo, "-validate")["Validate"] == "0 0 0"


@settings(max_examples=30, deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_degrees_minutes_and_seconds_never_overflow(lat: float, lng: float) -> None:
    image = Image.open(io.BytesIO(write_exif(make_jpeg(), tags(Position(lat, lng)))))

    gps = image.getexif().get_ifd(0x8825)

    for tag, value in ((2, lat), (4, lng)):
        degrees, minutes, seconds = map(float, gps[tag])
        assert minutes < 60 and seconds < 60
        assert abs(degrees + minutes / 60 + seconds / 3600 - abs(value)) < 2e-8


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"\xff\xd8\xff" + data))
def test_what_is_no_jpeg_is_refused_with_the_documented_error(data: bytes) -> None:
    try:
        tagged = write_exif(data, tags())
    except JpegError:
        return
    assert tagged.startswith(b"\xff\xd8\xff\xe1")


@given(st.data())
def test_a_cut_jpeg_is_refused_or_kept_as_it_is(data: st.DataObject) -> None:
    cut = JPEG[: data.draw(st.integers(0, 4000))]
    try:
        tagged = write_exif(cut, tags())
    except JpegError:
        return
    assert tagged.endswith(cut[2:])
