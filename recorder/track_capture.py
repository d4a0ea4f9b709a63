"""The sink of one published track in one recording: its packets into MJR files, its reports into the journal.

A file holds one SSRC; a new SSRC, or a full file, starts the next file of the same track. File names are
made of numbers only. Nothing here waits, raises for what a peer sent, or decides what is good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from mediaserver.rtp import h264, vp8
from mediaserver.rtp.packet import HEADER, HEADER_LENGTH, payload_span
from mediaserver.sfu.interfaces import PublishedTrack
from recorder.instants import Clock
from recorder.journal import JsonValue
from recorder.keyframes import KeyframeCause, KeyframePolicy
from recorder.mjr import MjrHeader, encode_header, encode_record
from recorder.settings import RecorderSettings
from recorder.writer import AppendFile, FileGroup

MAX_OPEN_FILES: Final = 4
"""SSRCs of one track that packets are expected from; a fifth closes the one that was opened first."""

_KEYFRAME_STARTS: Mapping[str, Callable[[bytes, int, int], bool]] = MappingProxyType(
    {"VP8": vp8.is_keyframe_start, "H264": h264.is_keyframe_start}
)


class EventLog(Protocol):
    def __call__(self, type: str, /, **data: JsonValue) -> bool:
        """Add a line to the journal; false if there was no room for it."""


@dataclass(slots=True)
class CaptureCounters:
    """What one recording took in."""

    packets: int = 0
    bytes: int = 0
    dropped_packets: int = 0
    """Received but not recorded: the disk was too slow, or the track had too many files."""
    dropped_events: int = 0


@dataclass(slots=True)
class _OpenFile:
    file: AppendFile
    first_us: int
    """Arrival of the first packet, monotonic."""
    policy: KeyframePolicy


class TrackCapture:
    """`RtpSink` of one track. Made by `Capture.add_track`."""

    def __init__(
        self,
        track: PublishedTrack,
        number: int,
        *,
        group: FileGroup,
        event: EventLog,
        counters: CaptureCounters,
        settings: RecorderSettings,
        clock: Clock,
        on_end: Callable[[], object],
    ) -> None:
        self._track = track
        self._number = number
        self._group = group
        self._event = event
        self._counters = counters
        self._settings = settings
        self._clock = clock
        self._on_end = on_end
        self._files: dict[int, _OpenFile] = {}
        self._file_count = 0
        self._is_keyframe_start = _KEYFRAME_STARTS.get(track.codec.name)
        self._dropped_packets = 0
        """Of the running overflow; 0 while there is none."""
        self._ended = False

    def start(self) -> None:
        """Begin to receive."""
        self._track.add_sink(self)
        self._request_keyframe("start", self._clock().mono_us)

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        if self._ended or len(packet) < HEADER_LENGTH:
            return
        _, _, sequence_number, _, ssrc = HEADER.unpack_from(packet)
        open_file = self._files.get(ssrc) or self._open(ssrc, arrival_us)
        if open_file is None:
            self._drop("too_many_files")
            return
        arrival_ms = max(arrival_us - open_file.first_us, 0) // 1000
        if not open_file.file.append(encode_record(arrival_ms, packet)):
            self._drop("disk_slow")
            if open_file.policy.on_overflow(arrival_us):
                self._request_keyframe("overflow", arrival_us)
            return
        counters = self._counters
        counters.packets += 1
        counters.bytes += len(packet)
        if self._dropped_packets:
            self._end_drop()
        if self._is_keyframe_start is not None:
            span = payload_span(packet)
            keyframe = span is not None and self._is_keyframe_start(packet, *span)
            if open_file.policy.on_packet(sequence_number, keyframe, arrival_us):
                self._request_keyframe(open_file.policy.cause or "start", arrival_us)
        if open_file.file.appended_bytes >= self._settings.max_file_bytes:
            self._group.finish(self._files.pop(ssrc).file)
            self._open(ssrc, arrival_us, open_file.policy)

    def on_sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, arrival_us: int) -> None:
        if not self._ended:
            self._event(
                "sender_report",
                track=self._number,
                ssrc=ssrc,
                # 64-bit fixed point is more than JSON numbers carry in other languages; microseconds fit.
                ntp_us=(ntp * 1_000_000 + (1 << 31)) >> 32,
                rtp_timestamp=rtp_timestamp,
                arrival_us=arrival_us,
            )

    def on_ended(self) -> None:
        self.end("ended")

    def end(self, reason: str) -> None:
        """Receive nothing more and close the files. Harmless if repeated."""
        if self._ended:
            return
        self._ended = True
        self._track.remove_sink(self)
        if self._dropped_packets:
            self._end_drop()
        for open_file in self._files.values():
            self._group.finish(open_file.file)
        self._files.clear()
        self._event("track_ended", track=self._number, track_id=self._track.track_id, reason=reason)
        self._on_end()

    def _open(self, ssrc: int, arrival_us: int, policy: KeyframePolicy | None = None) -> _OpenFile | None:
        if self._file_count >= self._settings.max_files_per_track:
            return None
        if len(self._files) >= MAX_OPEN_FILES:
            self._group.finish(self._files.pop(next(iter(self._files))).file)
        name = f"{self._number:03d}-{self._track.kind}-{self._file_count + 1}.mjr"
        # The journal line first: the writer never puts a file on disk before it.
        if not self._event("file_opened", track=self._number, file=name, ssrc=ssrc, first_us=arrival_us):
            return None
        self._file_count += 1
        wall_us = self._clock().wall_us
        header = MjrHeader(self._track.kind, self._track.codec.name.lower(), wall_us, wall_us)
        file = self._group.open(name, encode_header(header))
        opened = _OpenFile(file, arrival_us, policy or KeyframePolicy(arrival_us))
        self._files[ssrc] = opened
        return opened

    def _request_keyframe(self, cause: KeyframeCause, now_us: int) -> None:
        if self._is_keyframe_start is not None:
            self._event("keyframe_requested", track=self._number, cause=cause)
            self._track.request_keyframe(now_us)

    def _drop(self, cause: str) -> None:
        if not self._dropped_packets:
            self._event("overflow_started", track=self._number, cause=cause)
        self._dropped_packets += 1
        self._counters.dropped_packets += 1

    def _end_drop(self) -> None:
        self._event("overflow_ended", track=self._number, packets=self._dropped_packets)
        self._dropped_packets = 0
