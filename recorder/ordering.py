"""Packets of one SSRC as they arrived to packets in sequence, without duplicates. Pure state.

A missing packet is waited for: a retransmission may arrive later in the file. What has not come within
`WAIT_US` of arrival time is lost. The wait is bounded in packets too, so that memory does not depend on what
a sender does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from mediaserver.rtp.packet import RtpHeader, parse_header
from mediaserver.rtp.sequence import sequence_delta, sequence_unwrapper, timestamp_delta, timestamp_unwrapper
from recorder.depacketize import OrderedPacket

WAIT_US = 3_000_000
START_WAIT_US = 300_000
"""The first packet that arrived need not be the first that was sent."""
MAX_WAITING = 8_192
RESTART_DISTANCE = 3_000
"""A packet older than this many is no retransmission: the sender began a new sequence."""


class ArrivedPacket(NamedTuple):
    """One packet as it arrived, its counters unwrapped."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    """Padding excluded; empty for a packet of padding only."""
    arrival_us: int


class PacketReader:
    """Parses the packets of one SSRC, in order of arrival, and unwraps their counters."""

    def __init__(self) -> None:
        self._sequence = sequence_unwrapper()
        self._timestamp = timestamp_unwrapper()
        self._offset = 0
        self._stray: tuple[RtpHeader, bytes, int] | None = None
        """A packet that may be the first of a new sequence: the next one decides (RFC 3550 A.1)."""

    def read(self, packet: bytes, arrival_us: int) -> Iterator[ArrivedPacket]:
        """Nothing for what is no RTP packet."""
        header = parse_header(packet)
        if header is None:
            return
        highest = self._sequence.highest
        if (
            highest is not None
            and sequence_delta(header.sequence_number, highest & 0xFFFF) < -RESTART_DISTANCE
        ):
            stray, self._stray = self._stray, (header, packet, arrival_us)
            if stray is None or sequence_delta(header.sequence_number, stray[0].sequence_number) != 1:
                return
            # A new sequence begins behind a gap, wherever its numbers lie.
            self._sequence = sequence_unwrapper()
            self._offset += highest + RESTART_DISTANCE - stray[0].sequence_number
            yield self._arrived(*stray)
        self._stray = None
        yield self._arrived(header, packet, arrival_us)

    def unwrap_timestamp(self, timestamp: int) -> int:
        """Extend the timestamp of a sender report; at least one packet must have been read."""
        highest = self._timestamp.highest
        assert highest is not None
        return highest + timestamp_delta(timestamp, highest & 0xFFFFFFFF)

    def _arrived(self, header: RtpHeader, packet: bytes, arrival_us: int) -> ArrivedPacket:
        return ArrivedPacket(
            self._sequence.unwrap(header.sequence_number) + self._offset,
            self._timestamp.unwrap(header.timestamp),
            header.marker,
            packet[header.payload_start : header.payload_end],
            arrival_us,
        )


class Reorderer:
    """Puts the packets of one SSRC in sequence."""

    def __init__(self) -> None:
        self._waiting: dict[int, ArrivedPacket] = {}
        self._heap: list[int] = []
        self._next: int | None = None
        """Sequence number that is due, None before the first."""
        self._first_us: int | None = None
        self._gap = False

    def push(self, packet: ArrivedPacket) -> Iterator[OrderedPacket]:
        """The packets that are in sequence now that this one arrived."""
        if packet.sequence in self._waiting or (self._next is not None and packet.sequence < self._next):
            return
        self._waiting[packet.sequence] = packet
        heapq.heappush(self._heap, packet.sequence)
        if self._next is None:
            if self._first_us is None:
                self._first_us = packet.arrival_us
            if packet.arrival_us - self._first_us < START_WAIT_US and len(self._heap) <= MAX_WAITING:
                return
            self._next = self._heap[0]
        yield from self._release(packet.arrival_us)

    def flush(self) -> Iterator[OrderedPacket]:
        """Everything that is left: nothing more will arrive."""
        yield from self._release(None)

    def _release(self, now_us: int | None) -> Iterator[OrderedPacket]:
        while self._heap:
            sequence = self._heap[0]
            if sequence != self._next:
                if self._next is not None and not self._is_lost(self._waiting[sequence], now_us):
                    return
                self._gap = self._next is not None
            heapq.heappop(self._heap)
            packet = self._waiting.pop(sequence)
            self._next = sequence + 1
            if packet.payload:
                yield OrderedPacket(sequence, packet.timestamp, packet.marker, packet.payload, self._gap)
                self._gap = False

    def _is_lost(self, following: ArrivedPacket, now_us: int | None) -> bool:
        """Whether to give up what is missing before `following`."""
        return now_us is None or now_us - following.arrival_us > WAIT_US or len(self._heap) > MAX_WAITING
