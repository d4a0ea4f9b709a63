"""One video stream's decoder: access units in, pictures out, at once and stamped with their instant."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import av
from av.codec.context import Flags

from recorder.errors import RecorderError

_DECODERS: Mapping[str, Literal["vp8", "h264"]] = {"VP8": "vp8", "H264": "h264"}
_MICROSECONDS = Fraction(1, 1_000_000)


class DamagedFrameError(RecorderError):
    """The decoder refused an access unit. Mostly it does not: it shows damage and reports nothing."""

    code = "damaged_frame"


class VideoDecoder:
    """Decodes one stream."""

    def __init__(self, codec_name: str) -> None:
        """
        Args:
            codec_name: `VP8` or `H264`, as in `Codec.name`.
        """
        self._context = av.CodecContext.create(_DECODERS[codec_name], "r")
        # Real-time senders use no B frames; without this flag the H.264 decoder waits for them.
        self._context.flags |= Flags.low_delay
        self._context.thread_count = 1

    def decode(self, data: bytes, instant_us: int) -> list[av.VideoFrame]:
        """The pictures that `data` completes; `pts` of each is the `instant_us` it was given with.

        Raises:
            DamagedFrameError: `data` cannot be decoded; what follows can, from the next keyframe on.
        """
        packet = av.Packet(data)
        packet.pts = instant_us
        packet.time_base = _MICROSECONDS
        try:
            return self._context.decode(packet)
        except av.FFmpegError as error:
            raise DamagedFrameError(str(error)) from error

    def restart(self) -> None:
        """Forget what came before: the next access unit is a keyframe."""
        self._context.flush_buffers()
