"""One SSRC of a recording, from its files: when its packets arrived, and the frames they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mediaserver.rtp.opus import packet_samples
from mediaserver.sfu.interfaces import Codec, TrackKind
from recorder.arrivals import ArrivalObserver
from recorder.clock import Report, StreamReadings
from recorder.depacketize import AccessUnit, depacketizer
from recorder.errors import MjrError
from recorder.mjr import MjrReader
from recorder.ordering import ArrivedPacket, PacketReader, Reorderer

MAX_LAST_FRAME_US = 100_000
"""How long a video's last frame may be taken to last."""


@dataclass(frozen=True, slots=True)
class CapturedFile:
    path: Path
    first_us: int
    """Server's monotonic clock at the arrival time 0 of the file."""


class RawReport(NamedTuple):
    """A sender report as the journal has it."""

    ntp_us: int
    rtp_timestamp: int
    """32-bit."""
    arrival_us: int


@dataclass(frozen=True, slots=True)
class CapturedStream:
    """What the journal says about one SSRC of one track."""

    kind: TrackKind
    codec: Codec
    ssrc: int
    files: Sequence[CapturedFile]
    """In the order in which they were written."""
    reports: Sequence[RawReport]
    """In order of arrival."""


@dataclass(frozen=True, slots=True)
class StreamScan:
    """What the packets of one SSRC say about time."""

    readings: StreamReadings
    first: ArrivedPacket
    last: ArrivedPacket
    """The newest, not the last to arrive."""
    last_duration_us: int
    """How long the last sample lasts."""


def scan_stream(stream: CapturedStream, damaged: list[str]) -> StreamScan | None:
    """Read all packets once; None if there are none. Memory: one small entry per second of media.

    Args:
        damaged: gets the names of the files that are missing or do not end with a whole packet.

    Raises:
        OSError: a file cannot be read.
    """
    reader = PacketReader()
    observer = ArrivalObserver()
    reports: list[Report] = []
    waiting = list(reversed(stream.reports))
    first = last = None
    spacing_us = 0

    def unwrap(report: RawReport) -> Report:
        timestamp = reader.unwrap_timestamp(report.rtp_timestamp)
        return Report(rtp_us(timestamp, stream.codec), report.ntp_us, report.arrival_us)

    for packet in _packets(stream.files, reader, damaged):
        if first is None or last is None:
            first = last = packet
        while waiting and waiting[-1].arrival_us <= packet.arrival_us:
            reports.append(unwrap(waiting.pop()))
        observer.on_packet(packet.sequence, rtp_us(packet.timestamp, stream.codec), packet.arrival_us)
        if packet.sequence > last.sequence:
            if packet.timestamp > last.timestamp:
                spacing_us = rtp_us(packet.timestamp - last.timestamp, stream.codec)
            last = packet
    if first is None or last is None:
        return None
    observer.finish()
    reports += [unwrap(report) for report in reversed(waiting)]
    if stream.kind == "audio":
        duration_us = rtp_us(packet_samples(last.payload) or 0, stream.codec)
    else:
        duration_us = min(spacing_us, MAX_LAST_FRAME_US)
    return StreamScan(StreamReadings(observer.runs, reports), first, last, duration_us)


def read_access_units(stream: CapturedStream) -> Iterator[AccessUnit]:
    """The complete frames of one SSRC, in decoding order, read from disk as they are asked for.

    Raises:
        OSError: a file cannot be read.
    """
    joiner = depacketizer(stream.codec)
    reorderer = Reorderer()
    for arrived in _packets(stream.files, PacketReader(), []):
        for packet in reorderer.push(arrived):
            yield from joiner.push(packet)
    for packet in reorderer.flush():
        yield from joiner.push(packet)
    yield from joiner.flush()


def rtp_us(timestamp: int, codec: Codec) -> int:
    """Ticks of the RTP clock in microseconds."""
    return timestamp * 1_000_000 // codec.clock_rate


def _packets(
    files: Sequence[CapturedFile], reader: PacketReader, damaged: list[str]
) -> Iterator[ArrivedPacket]:
    """In order of arrival; names of damaged files are added to `damaged`."""
    for file in files:
        try:
            mjr = MjrReader(file.path)
        except (MjrError, FileNotFoundError):
            # The journal announces a file before its first byte is written.
            damaged.append(file.path.name)
            continue
        with mjr:
            for record in mjr:
                yield from reader.read(record.packet, file.first_us + record.arrival_ms * 1000)
        if mjr.damaged:
            damaged.append(file.path.name)
