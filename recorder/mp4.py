"""What FFmpeg's MP4 muxer leaves to do: an exact position, and proof that a file is what it should be.

ISO/IEC 14496-12 (boxes), QuickTime File Format (`udta`/`(c)xyz`). FFmpeg stores a position in MP4 as
`loci` in 16.16 fixed point, which is off by up to a metre; players and tools read `(c)xyz`. So the muxer is
given a `location` whose `loci` box has exactly the length of the `(c)xyz` box, and `write_position`
then overwrites the one by the other: nothing moves, no offset changes, however large the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av

from recorder.errors import RecorderError
from recorder.position import Position

_XYZ = b"\xa9xyz"
_LANGUAGE_ENGLISH = 0x15C7
"""ISO 639-2 `eng`, five bits per letter."""
_LOCI_FIXED = len(struct.pack(">I4sIH", 0, b"", 0, 0)) + 1 + 1 + 12 + len(b"earth\0") + 1
"""Bytes of a `loci` box besides the place's name (3GPP TS 26.244 8.3)."""


class Mp4Error(RecorderError):
    """The file is not what was to be written."""

    code = "bad_mp4"


@dataclass(frozen=True, slots=True)
class _Box:
    type: bytes
    offset: int
    header: int
    size: int

    @property
    def body(self) -> int:
        return self.offset + self.header

    @property
    def end(self) -> int:
        return self.offset + self.size


def location_placeholder(position: Position) -> str:
    """A value for the muxer's `location` tag that reserves the room which `write_position` needs."""
    name = "x" * (len(_xyz_box(position)) - _LOCI_FIXED)
    return f"{position.latitude_deg:+08.4f}{position.longitude_deg:+09.4f}/{name}"


def write_position(path: Path, position: Position) -> None:
    """Put `position` in place of the reserved room, exact to its 7 decimals.

    Raises:
        Mp4Error: `path` is not an MP4 file written with `location_placeholder(position)`.
    """
    box = _xyz_box(position)
    with path.open("r+b") as file:
        size = path.stat().st_size
        movie = _find(file, 0, size, b"moov")
        user_data = _find(file, movie.body, movie.end, b"udta")
        reserved = _find(file, user_data.body, user_data.end, b"loci")
        if reserved.size != len(box):
            raise Mp4Error(f"{reserved.size} bytes are reserved for a position of {len(box)}")
        file.seek(reserved.offset)
        file.write(box)


def verify(path: Path, *, frames: int, duration_us: int, fps: int) -> None:
    """Read the file back: order of boxes, every packet of every stream, every keyframe decoded.

    Args:
        frames: that the video stream must hold.
        duration_us: that both streams must last, give or take one frame.

    Raises:
        Mp4Error: something is missing or damaged.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if _find(file, 0, size, b"moov").offset > _find(file, 0, size, b"mdat").offset:
            raise Mp4Error("the index is behind the media data")
    try:
        counts = _read_back(path)
    except av.FFmpegError as error:
        raise Mp4Error(f"cannot be read back: {error}") from error
    if counts.video_packets != frames:
        raise Mp4Error(f"{counts.video_packets} pictures instead of {frames}")
    if not counts.pictures_decoded:
        raise Mp4Error("no keyframe can be decoded")
    for name, lasts_us in (("video", counts.video_us), ("audio", counts.audio_us)):
        if abs(lasts_us - duration_us) > 1_000_000 // fps:
            raise Mp4Error(f"{name} lasts {lasts_us} us instead of {duration_us}")


@dataclass(slots=True)
class _Counts:
    video_packets: int = 0
    pictures_decoded: int = 0
    video_us: int = 0
    audio_us: int = 0


def _read_back(path: Path) -> _Counts:
    counts = _Counts()
    with av.open(str(path), "r", format="mp4") as container:
        if not container.streams.video or not container.streams.audio:
            raise Mp4Error("a stream is missing")
        video, audio = container.streams.video[0], container.streams.audio[0]
        # Decoding everything would take a sixth of the time of encoding; a keyframe per GOP tells as much.
        video.codec_context.skip_frame = "NONKEY"
        for packet in container.demux(video, audio):
            if packet.dts is None or packet.pts is None:
                continue
            ends_us = round((packet.pts + (packet.duration or 0)) * packet.time_base * 1_000_000)
            if packet.stream is video:
                counts.video_packets += 1
                counts.video_us = max(counts.video_us, ends_us)
                if packet.is_keyframe:
                    counts.pictures_decoded += len(video.codec_context.decode(packet))
            else:
                counts.audio_us = max(counts.audio_us, ends_us)
        counts.pictures_decoded += len(video.codec_context.decode(None))
    return counts


def _xyz_box(position: Position) -> bytes:
    value = position.iso6709().encode("ascii")
    return struct.pack(">I4sHH", 12 + len(value), _XYZ, len(value), _LANGUAGE_ENGLISH) + value


def _find(file: BinaryIO, start: int, end: int, box_type: bytes) -> _Box:
    for box in _boxes(file, start, end):
        if box.type == box_type:
            return box
    raise Mp4Error(f"no {box_type.decode('latin-1')} box")


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """The boxes between two offsets; a malformed one ends the iteration."""
    offset = start
    while offset + 8 <= end:
        file.seek(offset)
        head = file.read(16)
        size, box_type = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif size == 0:
            size = end - offset
        if size < header or offset + size > end:
            return
        yield _Box(box_type, offset, header, size)
        offset += size
