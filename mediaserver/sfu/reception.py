"""What is known of one received RTP stream: sequence, loss, jitter, the publisher's clock. RFC 3550 A.

Pure state: no I/O; times are arguments.
"""

from __future__ import annotations

from typing import NamedTuple

from mediaserver.rtp.rtcp import ReceptionReport
from mediaserver.rtp.sequence import timestamp_delta
from mediaserver.sfu.missing import MissingPackets

MAX_GAP = 500
"""Packets. A longer gap is a break in the stream, not loss that can be repaired."""
_MAX_LEAD = 16
"""Packets that may be overtaken by the first one to arrive."""
_FIRST_CYCLE = 1 << 16
"""Added to the first sequence number, so that those before it do not become negative."""
_MAX_JITTER_STEP_S = 5


class SenderClock(NamedTuple):
    """One instant as the publisher's last sender report told it."""

    ntp: int
    """64-bit NTP time of the publisher's clock."""
    rtp_timestamp: int
    arrival_us: int


class Reception:
    """One SSRC as it arrives.

    Sequence numbers are extended to a count that does not wrap. It stays in one piece until the stream
    breaks: then `broken` is set, and numbers before and after have nothing to do with each other.
    """

    __slots__ = (
        "_bad_next",
        "_base",
        "_clock_rate",
        "_expected_before",
        "_received_at_base",
        "_received_before",
        "_timestamp",
        "_timestamp_arrival_us",
        "broken",
        "clock",
        "duplicates",
        "highest",
        "jitter",
        "missing",
        "octets",
        "received",
        "recovered",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        """
        Args:
            ssrc: of the stream.
            clock_rate: of its timestamps, in Hz.
        """
        self.ssrc = ssrc
        self._clock_rate = clock_rate
        self.highest = -1
        """The highest extended sequence number, -1 before the first packet; the count starts in the second
        cycle."""
        self.broken = False
        """Set when the stream breaks; cleared by whoever acts on it."""
        self.missing = MissingPackets()
        self.clock: SenderClock | None = None
        self.received = 0
        """Packets, without duplicates and repairs."""
        self.octets = 0
        """Payload bytes received, repairs included."""
        self.duplicates = 0
        self.recovered = 0
        self.jitter = 0.0
        """RFC 3550 6.4.1, in units of the RTP timestamp."""
        self._base = 0
        self._bad_next = -1
        self._expected_before = 0
        self._received_at_base = 0
        self._received_before = 0
        self._timestamp = 0
        self._timestamp_arrival_us = 0

    def accept(
        self, sequence_number: int, timestamp: int, octets: int, arrival_us: int, *, repair: bool = False
    ) -> int | None:
        """Take note of one packet.

        Args:
            sequence_number: 16-bit.
            timestamp: 32-bit.
            octets: size of the payload.
            arrival_us: when it arrived.
            repair: it came by retransmission: loss and jitter, which describe the path, stay as they are.

        Returns:
            The extended sequence number, or `None` if the packet is a duplicate or too late to matter.
        """
        highest = self.highest
        step = ((sequence_number - highest + 0x8000) & 0xFFFF) - 0x8000
        extended = highest + step
        if step != 1 or highest < 0:
            placed = self._place(sequence_number, timestamp, arrival_us, extended, repair)
            if placed is None:
                return None
            extended = placed
        if extended > highest:
            self.highest = extended
            if timestamp != self._timestamp and not repair:
                self._measure_jitter(timestamp, arrival_us)
        if repair:
            self.recovered += 1
        else:
            self.received += 1
        self.octets += octets
        return extended

    def _place(
        self, sequence_number: int, timestamp: int, arrival_us: int, extended: int, repair: bool
    ) -> int | None:
        """Where a packet belongs that is not the one after the highest; `None` if nowhere."""
        if self.highest < 0:
            return self._begin(sequence_number, timestamp, arrival_us)
        if extended > self.highest:
            if extended - self.highest <= MAX_GAP:
                self.missing.add(self.highest + 1, extended, arrival_us)
            elif repair:
                return None
            else:
                self.missing.clear()
                self.broken = True
            return extended
        if self._base - _MAX_LEAD <= extended < self._base:
            self.missing.add(extended + 1, self._base, arrival_us)
            self._base = extended
            return extended
        if self.missing.arrived(extended, arrival_us):
            return extended
        if extended <= self.highest - MAX_GAP and not repair and self._restarted(sequence_number):
            self.clock = None
            self.broken = True
            return self._begin(sequence_number, timestamp, arrival_us)
        self.duplicates += 1
        return None

    def _begin(self, sequence_number: int, timestamp: int, arrival_us: int) -> int:
        self.highest = self._base = sequence_number + _FIRST_CYCLE
        self.missing.clear()
        self._received_at_base = self.received
        self._received_before = self._expected_before = 0
        self._timestamp, self._timestamp_arrival_us = timestamp, arrival_us
        self._bad_next = -1
        return self.highest

    def _restarted(self, sequence_number: int) -> bool:
        # One old packet is a straggler; two in a row are a sender that began anew (RFC 3550 A.1).
        restarted = sequence_number == self._bad_next
        self._bad_next = (sequence_number + 1) & 0xFFFF
        return restarted

    def _measure_jitter(self, timestamp: int, arrival_us: int) -> None:
        # Once per timestamp: the packets of one video frame leave together, at the sender's pace.
        elapsed = (arrival_us - self._timestamp_arrival_us) * self._clock_rate / 1_000_000
        difference = abs(elapsed - timestamp_delta(timestamp, self._timestamp))
        if difference < _MAX_JITTER_STEP_S * self._clock_rate:
            self.jitter += (difference - self.jitter) / 16
        self._timestamp, self._timestamp_arrival_us = timestamp, arrival_us

    @property
    def lost(self) -> int:
        """Packets that did not arrive, other than by retransmission, since the stream began (anew)."""
        if self.highest < 0:
            return 0
        return self.highest - self._base + 1 - (self.received - self._received_at_base)

    def report(self, now_us: int) -> ReceptionReport | None:
        """The report block on this stream since the last call; `None` if nothing ever arrived."""
        if self.highest < 0:
            return None
        expected = self.highest - self._base + 1
        received = self.received - self._received_at_base
        expected_now = expected - self._expected_before
        lost_now = expected_now - (received - self._received_before)
        self._expected_before, self._received_before = expected, received
        last_sr = delay = 0
        if self.clock is not None:
            last_sr = (self.clock.ntp >> 16) & 0xFFFFFFFF
            delay = ((now_us - self.clock.arrival_us) << 16) // 1_000_000
        return ReceptionReport(
            ssrc=self.ssrc,
            fraction_lost=min(255, (lost_now << 8) // expected_now) if lost_now > 0 else 0,
            packets_lost=self.lost,
            highest_sequence=self.highest - _FIRST_CYCLE,
            jitter=int(self.jitter),
            last_sr=last_sr,
            delay_since_last_sr=delay,
        )
