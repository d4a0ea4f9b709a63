"""What a photo of a running camera needs: its packets since the last keyframe, and nothing decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from mediaserver.rtp import h264, vp8
from mediaserver.rtp.packet import HEADER, payload_span
from mediaserver.rtp.sequence import timestamp_delta
from mediaserver.sfu.interfaces import Codec, PublishedTrack

MAX_BYTES: Final = 4 << 20
MAX_FRAMES: Final = 750
"""Half a minute at 25 frames per second: more than can be decoded while somebody waits for a photo."""

_KEYFRAME_STARTS: Mapping[str, Callable[[bytes, int, int], bool]] = MappingProxyType(
    {"VP8": vp8.is_keyframe_start, "H264": h264.is_keyframe_start}
)
_UNKNOWN_PIXELS = 1280 * 720


class Gop(NamedTuple):
    """A group of pictures as it arrived, up to some instant."""

    codec: Codec
    packets: tuple[tuple[bytes, int], ...]
    """(packet, arrival in us), in order of arrival."""
    frames: int
    pixels: int
    """Of one picture."""

    @property
    def newest_us(self) -> int:
        """Arrival of the last packet."""
        return self.packets[-1][1]


class GopBuffer:
    """`RtpSink` of one camera or screen. Add it to the track, and take it off again.

    Bounded in bytes and in frames: a group that outgrows them is dropped as a whole, because without its
    keyframe the rest is worthless, and a new one begins at the next keyframe.
    """

    def __init__(
        self, track: PublishedTrack, *, max_bytes: int = MAX_BYTES, max_frames: int = MAX_FRAMES
    ) -> None:
        self._track = track
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._starts_keyframe = _KEYFRAME_STARTS.get(track.codec.name)
        self._ssrc = 0
        self._timestamp = 0
        """Of the keyframe, 32-bit."""
        self._packets: list[tuple[bytes, int]] = []
        self._bytes = 0
        self._frames = 0
        self._pixels = _UNKNOWN_PIXELS

    @property
    def track_id(self) -> str:
        return self._track.track_id

    @property
    def began_us(self) -> int | None:
        """Arrival of the current group's first packet, None before its first frame is complete."""
        return self._packets[0][1] if self._frames else None

    @property
    def holds_still(self) -> bool:
        """A source that sends nothing while nothing changes."""
        return self._track.source == "screen"

    def request_keyframe(self, now_us: int) -> None:
        """Ask the publisher for a picture that stands for itself."""
        self._track.request_keyframe(now_us)

    def group(self, until_us: int) -> Gop | None:
        """What arrived of the current group up to and including `until_us`; None if that is nothing."""
        packets = tuple(entry for entry in self._packets if entry[1] <= until_us)
        if not packets:
            return None
        frames = self._frames if len(packets) == len(self._packets) else _count_frames(packets)
        return Gop(self._track.codec, packets, frames, self._pixels)

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        span = payload_span(packet)
        if span is None or self._starts_keyframe is None:
            return
        start, end = span
        _, second, _, timestamp, ssrc = HEADER.unpack_from(packet)
        age = timestamp_delta(timestamp, self._timestamp)
        follows = bool(self._packets) and ssrc == self._ssrc
        if self._starts_keyframe(packet, start, end) and (age > 0 or not follows):
            self._begin(ssrc, timestamp)
        elif not follows or age < 0:
            return
        self._packets.append((packet, arrival_us))
        self._bytes += len(packet)
        self._frames += second >> 7
        self._measure(packet, start, end)
        if self._bytes > self._max_bytes or self._frames > self._max_frames:
            self._clear()

    def on_sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, arrival_us: int) -> None:
        pass

    def on_ended(self) -> None:
        self._clear()

    def _begin(self, ssrc: int, timestamp: int) -> None:
        """A new group; what overtook its first packet on the way belongs to it."""
        early = []
        if ssrc == self._ssrc:
            # Only the latest packets can have: looking through all of them would cost with every keyframe.
            early = [
                entry
                for entry in self._packets[-64:]
                if timestamp_delta(int.from_bytes(entry[0][4:8], "big"), timestamp) >= 0
            ]
        self._ssrc, self._timestamp = ssrc, timestamp
        self._packets = early
        self._bytes = sum(len(packet) for packet, _ in early)
        self._frames = _count_frames(early)

    def _measure(self, packet: bytes, start: int, end: int) -> None:
        """Learn the size of the picture where a keyframe's packet tells it."""
        if self._frames > 1:
            return
        size = None
        if self._track.codec.name == "VP8":
            size = vp8.frame_size(packet, start, end)
        else:
            for fragment in h264.fragments(packet[start:end]) or ():
                if fragment.starts and fragment.ends:
                    size = size or h264.sps_size(fragment.data)
        if size is not None:
            self._pixels = size[0] * size[1]

    def _clear(self) -> None:
        self._packets = []
        self._bytes = self._frames = 0


def _count_frames(packets: tuple[tuple[bytes, int], ...] | list[tuple[bytes, int]]) -> int:
    """A video frame's last packet carries the marker (RFC 7741, RFC 6184)."""
    return sum(packet[1] >> 7 for packet, _ in packets)
