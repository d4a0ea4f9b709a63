"""One track of a recording as a Matroska file, frame for frame as it was sent.

Times in the file are session times, so that the files of one recording lie side by side: a late joiner's
begins late. The picture may change its size on the way; every decoder of the two codecs takes that from the
stream. The file begins with the first keyframe, because nothing before it can be decoded. Frames behind a
loss are kept although they show damage: this is the evidence, the composite is what people look at.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from mediaserver.rtp.opus import packet_samples
from mediaserver.rtp.vp8 import keyframe_size
from mediaserver.sfu.interfaces import Codec
from recorder.errors import RecorderError
from recorder.timeline import AssembledTrack, EncodedFrame

_MICROSECONDS = Fraction(1, 1_000_000)
_OPUS_PRE_SKIP_SAMPLES = 312
"""What libopus needs to settle, 6.5 ms: encoders in browsers are made of it."""


class EmptyTrackError(RecorderError):
    """The track has nothing that a player could begin with, or is no video at all; no file was made."""

    code = "track_empty"


@dataclass(frozen=True, slots=True)
class MkvSummary:
    frames: int
    damaged_frames: int
    """Of these: behind a loss and before the next keyframe."""
    first_us: int
    """Session time of the first frame."""
    last_us: int


def write_mkv(track: AssembledTrack, path: Path, *, started_wall_us: int) -> MkvSummary:
    """Write one track; a file of this name is replaced once the new one is complete.

    Args:
        started_wall_us: UTC of session time zero, microseconds since the epoch.

    Raises:
        EmptyTrackError: there is nothing in the track that a player could begin with.
        OSError: the file cannot be written.
    """
    frames = dropwhile(lambda frame: not _can_begin(track.codec, frame), track.frames())
    first = next(frames, None)
    if first is None:
        raise EmptyTrackError(track.track_id)
    part = path.with_name(path.name + ".part")
    try:
        with av.open(str(part), "w", format="matroska") as container:
            container.metadata.update(
                title=f"{track.participant_name} ({track.source})",
                creation_time=datetime.fromtimestamp(started_wall_us / 1e6, UTC).isoformat(),
                PARTICIPANT_ID=track.participant_id,
            )
            with _stream(container, track.codec, first) as stream:
                stream.metadata["title"] = f"{track.participant_name} ({track.source})"
                summary = _mux(container, stream, track, first, frames)
        part.replace(path)
    except ValueError as error:
        # What PyAV raises for content that FFmpeg cannot make sense of; trouble with the file is an OSError.
        raise EmptyTrackError(f"{track.track_id}: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    return summary


def _mux(
    container: OutputContainer,
    stream: Stream,
    track: AssembledTrack,
    first: EncodedFrame,
    rest: Iterator[EncodedFrame],
) -> MkvSummary:
    count = damaged = 0
    frame = first
    while True:
        packet = av.Packet(frame.data)
        # What was captured just before the start is shown at the start: Matroska has no earlier time.
        packet.pts = packet.dts = max(frame.session_us, 0)
        packet.time_base = _MICROSECONDS
        packet.is_keyframe = frame.keyframe
        packet.stream = stream
        if track.kind == "audio":
            packet.duration = (packet_samples(frame.data) or 0) * 1_000_000 // track.codec.clock_rate
        container.mux(packet)
        count += 1
        damaged += not frame.intact
        last_us = frame.session_us
        following = next(rest, None)
        if following is None:
            return MkvSummary(count, damaged, first.session_us, last_us)
        frame = following


def _can_begin(codec: Codec, frame: EncodedFrame) -> bool:
    """Whether a file can begin with this frame: a keyframe that really tells the size of its picture."""
    if not frame.keyframe:
        return False
    match codec.name:
        case "VP8":
            return keyframe_size(frame.data) is not None
        case "H264":
            with suppress(ValueError), _h264_template(frame) as template:
                context = template.codec_context
                return bool(context.width and context.height and context.extradata)
            return False
        case _:
            return True


@contextmanager
def _stream(container: OutputContainer, codec: Codec, first: EncodedFrame) -> Iterator[Stream]:
    """The output's stream. Only VP8 can be declared; H.264 and Opus need codec private data, which PyAV takes
    from a stream that it has read."""
    match codec.name:
        case "VP8":
            size = keyframe_size(first.data)
            assert size is not None
            yield container.add_mux_stream("vp8", width=size[0], height=size[1])
        case "H264":
            with _h264_template(first) as template:
                yield container.add_stream_from_template(template)
        case _:
            with av.open(io.BytesIO(_ogg_opus_head(codec.channels or 2)), format="ogg") as opus:
                yield container.add_stream_from_template(opus.streams.audio[0])


@contextmanager
def _h264_template(frame: EncodedFrame) -> Iterator[VideoStream]:
    # The demuxer wants more than one picture before it believes what it sees.
    with av.open(io.BytesIO(frame.data * 3), format="h264") as template:
        yield template.streams.video[0]


def _ogg_opus_head(channels: int) -> bytes:
    """An Ogg file (RFC 3533, RFC 7845) of the Opus headers and one silent packet."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, _OPUS_PRE_SKIP_SAMPLES, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<II", 0, 0)
    silence = b"\xfc\xff\xfe"
    return _ogg_page(head, 0, 0, 2) + _ogg_page(tags, 0, 1, 0) + _ogg_page(silence, 960, 2, 4)


def _ogg_page(data: bytes, granule_position: int, number: int, flags: int) -> bytes:
    """One page of one packet shorter than 255 bytes."""
    page = struct.pack("<4sBBqIIIBB", b"OggS", 0, flags, granule_position, 1, number, 0, 1, len(data)) + data
    return page[:22] + struct.pack("<I", _ogg_crc(page)) + page[26:]


def _ogg_crc(data: bytes) -> int:
    """CRC-32 of polynomial 0x04c11db7, not reflected, starting from 0 (RFC 3533 section 6)."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc
