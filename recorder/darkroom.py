"""Photos are developed here, in a child process: packets in, JPEG out. Nothing else runs in it.

`python -m recorder.darkroom <parent pid>` is started by `recorder/snapshot.py` and lives as long as the
server, so that a photo does not wait for imports. Requests come by stdin, replies go by stdout, each behind
its size; an empty reply says that the process is ready.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import time
from dataclasses import dataclass

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from mediaserver.sfu.interfaces import Codec
from recorder.child import die_with_parent
from recorder.decoding import DamagedFrameError, VideoDecoder
from recorder.depacketize import AccessUnit, depacketizer
from recorder.ordering import PacketReader, Reorderer

JPEG_QUALITY = 92
SIZE_BYTES = 4
"""Before each request and reply: its size, big-endian."""
_REPLY = struct.Struct("!IIqII")
"""Width, height, arrival_us, frames, decode_us of `Developed`; the JPEG follows."""


@dataclass(frozen=True, slots=True)
class Developed:
    """The newest picture of a group that can be shown, or how far it got."""

    jpeg: bytes
    """Empty if there is no such picture, or time ran out before it."""
    width: int
    height: int
    arrival_us: int
    """When the picture's last packet came."""
    frames: int
    """Decoded on the way."""
    decode_us: int


def prepare(parent_pid: int) -> None:
    """First call in the process: from here on it ends with its parent."""
    die_with_parent(parent_pid)
    # What a first photo would otherwise wait for: codec tables, PIL's plugins.
    blank = av.VideoFrame(64, 64, "yuv420p")
    _encode(blank)
    VideoDecoder("VP8")


def encode_request(codec: Codec, packets: tuple[tuple[bytes, int], ...], budget_us: int) -> bytes:
    """The arguments of `develop`, as the process takes them."""
    return _sized(pickle.dumps((codec, packets, budget_us)))


def decode_reply(reply: bytes) -> Developed:
    """What `develop` returned, from a reply without its size.

    Raises:
        EOFError: too short to be one.
    """
    if len(reply) < _REPLY.size:
        raise EOFError
    return Developed(reply[_REPLY.size :], *_REPLY.unpack_from(reply))


def main() -> None:
    """Answer requests until there are no more."""
    prepare(int(sys.argv[1]))
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    replies.write(_sized(b""))
    replies.flush()
    while size := requests.read(SIZE_BYTES):
        # Pickle is for our parent's words only; the other way goes plain data.
        codec, packets, budget_us = pickle.loads(requests.read(int.from_bytes(size)))  # noqa: S301
        photo = develop(codec, packets, budget_us)
        about = _REPLY.pack(photo.width, photo.height, photo.arrival_us, photo.frames, photo.decode_us)
        replies.write(_sized(about + photo.jpeg))
        replies.flush()


def _sized(message: bytes) -> bytes:
    return len(message).to_bytes(SIZE_BYTES) + message


def develop(codec: Codec, packets: tuple[tuple[bytes, int], ...], budget_us: int) -> Developed:
    """Decode a group of pictures and encode its last intact one.

    Args:
        packets: (RTP packet, arrival in us) of one SSRC from a keyframe on, in order of arrival.
        budget_us: for decoding; beyond it the group is given up.
    """
    started_s = time.perf_counter()
    decoder = VideoDecoder(codec.name)
    units, arrivals = _access_units(codec, packets)
    picture: av.VideoFrame | None = None
    decoded = 0
    slow = False
    for unit in units:
        if not unit.intact:
            continue
        try:
            for frame in decoder.decode(unit.data, arrivals[unit.timestamp]):
                picture = frame
        except DamagedFrameError:
            break
        decoded += 1
        slow = (time.perf_counter() - started_s) * 1e6 > budget_us
        if slow:
            break
    decode_us = round((time.perf_counter() - started_s) * 1e6)
    if picture is None or slow:
        return Developed(b"", 0, 0, 0, decoded, decode_us)
    return Developed(_encode(picture), picture.width, picture.height, picture.pts or 0, decoded, decode_us)


def _access_units(
    codec: Codec, packets: tuple[tuple[bytes, int], ...]
) -> tuple[list[AccessUnit], dict[int, int]]:
    """The complete frames in order, and the arrival of each timestamp's last packet."""
    reader, order, join = PacketReader(), Reorderer(), depacketizer(codec)
    arrivals: dict[int, int] = {}
    units: list[AccessUnit] = []
    for packet, arrival_us in packets:
        for arrived in reader.read(packet, arrival_us):
            arrivals[arrived.timestamp] = max(arrivals.get(arrived.timestamp, arrival_us), arrival_us)
            for ordered in order.push(arrived):
                units.extend(join.push(ordered))
    for ordered in order.flush():
        units.extend(join.push(ordered))
    return units, arrivals


def _encode(frame: av.VideoFrame) -> bytes:
    """JPEG of a decoded frame; colours as in `recorder/canvas.py`."""
    bt709 = frame.colorspace == Colorspace.ITU709
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709 if bt709 else Colorspace.ITU601,
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    ).to_ndarray()
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return file.getvalue()


if __name__ == "__main__":
    main()
