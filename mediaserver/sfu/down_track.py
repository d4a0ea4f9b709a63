"""One subscriber's copy of a published track: rewritten, numbered without breaks, repeated on request.

A subscriber sees one RTP stream for as long as it is subscribed, whatever happens to the publisher:
sequence numbers, timestamps and VP8 picture ids go on where they stopped. Loss on the publisher's path
stays visible as a gap, until the publisher repairs it. RFC 3550, RFC 4588, RFC 7667 section 3.7.

Synchronous; times are arguments.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mediaserver.rtp.packet import HEADER, extension_block, wrap_rtx
from mediaserver.rtp.rtcp import Bye, Nack, ReceptionReport, SenderReport
from mediaserver.rtp.sequence import timestamp_delta
from mediaserver.sfu.history import PacketHistory, SentPacket
from mediaserver.sfu.interfaces import Downlink, RtpTransport
from mediaserver.sfu.picture_ids import PictureIds
from mediaserver.sfu.round_trip import RoundTrip
from mediaserver.sfu.stats import DownTrackStats
from mediaserver.sfu.track import Track

_HISTORY = {"video": 1024, "audio": 128}
"""Packets that can be sent again."""
_LOOK_BACK = 32
"""Sent packets searched for one that is not empty."""
_REPORT_INTERVAL_US = 1_000_000
_QUICK_REPORTS = 3
"""Sender reports that are not held back by the interval: a receiver needs two for lip-sync."""
_MAX_DRIFT_S = 2
"""Timestamps of a source that goes on are kept if they are this near to where the clock says they are."""


class DownTrack:
    """Forwards one track on one m-section of a subscriber's connection."""

    def __init__(
        self,
        downlink: Downlink,
        track: Track,
        transport: RtpTransport,
        on_closed: Callable[[DownTrack], None],
    ) -> None:
        """
        Args:
            transport: to the subscriber.
            on_closed: called once, when the subscription or the track ends.
        """
        self.downlink = downlink
        self.track = track
        self.closed = False
        self._transport = transport
        self._send = transport.send_rtp
        self._on_closed = on_closed
        self._is_vp8 = downlink.codec.name == "VP8"
        self._ssrc = downlink.ssrc
        self._payload_type = downlink.codec.payload_type

        elements = []
        if downlink.extensions.mid is not None:
            elements.append((downlink.extensions.mid, downlink.mid.encode()))
        self._stamped = downlink.extensions.abs_send_time is not None
        if downlink.extensions.abs_send_time is not None:
            elements.append((downlink.extensions.abs_send_time, bytes(3)))
        block = extension_block(elements)
        self._first_byte = 0x90 if block else 0x80
        # The value of abs-send-time ends the block and is appended per packet.
        self._extensions = block[:-3] if self._stamped else block

        # SRTP counts roll-overs of the sequence number implicitly: a receiver that misses the first packets
        # must not miss a roll-over with them (RFC 3711 3.3.1), so numbering starts in the lower half.
        self._next_sequence = random.getrandbits(15)
        self._rtx_sequence = random.getrandbits(15) - 1
        self._history = PacketHistory(_HISTORY[downlink.kind])
        self._ring, self._ring_mask = self._history.ring, self._history.mask

        # Where the current stretch of the source lies in the subscriber's stream.
        self._first = 0
        self._highest = -1
        self._source_timestamp = 0
        self._sequence_shift = 0
        self._timestamp_shift = 0
        self._picture_ids: PictureIds | None = None
        # Where the last one ended.
        self._source_ssrc: int | None = None
        self._last_timestamp: int | None = None
        self._last_arrival_us = 0

        self._packets = 0
        self._octets = 0
        self._resent = 0
        self._nacks = 0
        self._plis = 0
        self._reports_sent = 0
        self._report_due_us = 0
        self._round_trip = RoundTrip()

    # From the track

    def start(self, ssrc: int, extended: int, timestamp: int, payload: bytes, arrival_us: int) -> None:
        """A stretch of the source begins with this packet (`forward` brings the packet itself).

        Args:
            ssrc: of the source.
            extended: sequence number in the source's count.
            timestamp: 32-bit, the source's.
            payload: of the packet.
            arrival_us: when it arrived.
        """
        if self._last_timestamp is None:
            self._timestamp_shift = random.getrandbits(32)
        else:
            self._timestamp_shift = self._continue_timestamps(ssrc, timestamp, arrival_us)
        if self._is_vp8:
            self._picture_ids = PictureIds.following(self._last_payload(), payload)
        self._source_ssrc = ssrc
        self._sequence_shift = self._next_sequence - extended
        self._first = extended
        self._highest = extended - 1

    def _continue_timestamps(self, ssrc: int, timestamp: int, arrival_us: int) -> int:
        assert self._last_timestamp is not None
        clock_rate = self.downlink.codec.clock_rate
        elapsed = max(1, (arrival_us - self._last_arrival_us) * clock_rate // 1_000_000)
        expected = self._last_timestamp + elapsed
        if ssrc == self._source_ssrc:
            drift = timestamp_delta(timestamp + self._timestamp_shift, expected)
            if abs(drift) < _MAX_DRIFT_S * clock_rate:
                return self._timestamp_shift
        return expected - timestamp

    def _last_payload(self) -> bytes | None:
        """The payload that was sent last and is not empty."""
        for back in range(1, _LOOK_BACK + 1):
            sent = self._history.find((self._next_sequence - back) & 0xFFFF)
            if sent is not None and sent[4]:
                return sent[4]
        return None

    def forward(self, extended: int, timestamp: int, marker: int, payload: bytes, send_time: bytes) -> None:
        """Send one packet of the track.

        Args:
            extended: sequence number in the source's count.
            timestamp: 32-bit, the source's.
            marker: 0 or 0x80.
            payload: empty to fill a number that has nothing for the subscriber.
            send_time: abs-send-time, 3 bytes.
        """
        if extended > self._highest:
            self._highest = extended
            self._source_timestamp = timestamp
        elif extended < self._first:
            return
        if self._picture_ids is not None:
            payload = self._picture_ids.rewrite(payload)
        sequence_number = (extended + self._sequence_shift) & 0xFFFF
        timestamp = (timestamp + self._timestamp_shift) & 0xFFFFFFFF
        self._ring[sequence_number & self._ring_mask] = (
            sequence_number,
            marker,
            timestamp,
            send_time,
            payload,
        )
        self._packets += 1
        self._octets += len(payload)
        header = HEADER.pack(
            self._first_byte, marker | self._payload_type, sequence_number, timestamp, self._ssrc
        )
        if self._stamped:
            self._send(header + self._extensions + send_time + payload)
        else:
            self._send(header + self._extensions + payload)

    def suspend(self, last_arrival_us: int) -> None:
        """The stretch ends; `last_arrival_us`: when the source's last packet arrived."""
        if self._highest < self._first:
            return
        self._next_sequence = (self._highest + self._sequence_shift + 1) & 0xFFFF
        self._last_timestamp = self._source_timestamp + self._timestamp_shift
        self._last_arrival_us = last_arrival_us

    # From the subscriber

    def on_nack(self, nack: Nack, now_us: int) -> None:
        """Send again what is asked for and still there."""
        self._nacks += len(nack.lost)
        rtt_us = self._round_trip.rtt_us or 0
        for sequence_number in nack.lost:
            sent = self._history.take(sequence_number, now_us, rtt_us)
            if sent is not None:
                self._resent += 1
                self._send_again(sent, now_us)

    def _send_again(self, sent: SentPacket, now_us: int) -> None:
        sequence_number, marker, timestamp, send_time, payload = sent
        if self.downlink.rtx_payload_type is None:
            # The same number must carry the same bytes: SRTP derives its nonce from it.
            packet = self._packet(
                marker | self._payload_type, sequence_number, timestamp, self._ssrc, send_time
            )
            self._send(packet + payload)
            return
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        send_time = (((now_us << 18) // 1_000_000) & 0xFFFFFF).to_bytes(3, "big")
        packet = self._packet(
            marker | self.downlink.rtx_payload_type,
            self._rtx_sequence,
            timestamp,
            self.downlink.rtx_ssrc,
            send_time,
        )
        self._send(packet + wrap_rtx(sequence_number) + payload)

    def _packet(
        self, second: int, sequence_number: int, timestamp: int, ssrc: int, send_time: bytes
    ) -> bytes:
        header = HEADER.pack(self._first_byte, second, sequence_number, timestamp, ssrc)
        return header + self._extensions + (send_time if self._stamped else b"")

    def on_keyframe_wanted(self, now_us: int) -> None:
        """PLI or FIR."""
        self._plis += 1
        self.track.request_keyframe(now_us)

    def on_report(self, report: ReceptionReport, now_us: int) -> None:
        """A report block on this stream."""
        self._round_trip.on_report(report, now_us)

    # Reports

    def sender_report(self, now_us: int) -> SenderReport | None:
        """The publisher's clock, carried over to the subscriber's timestamps, when it is time to tell it.

        NTP times stay the publisher's: its audio and video, reported on the same clock, are played in
        sync. `None` while the publisher has not reported, or nothing was sent.
        """
        clock = self.track.clock
        if now_us < self._report_due_us or clock is None:
            return None
        if self._highest < self._first or self._source_ssrc != self.track.ssrc:
            return None
        self._reports_sent += 1
        if self._reports_sent >= _QUICK_REPORTS:
            self._report_due_us = now_us + _REPORT_INTERVAL_US
        elapsed_us = now_us - clock.arrival_us
        ntp = (clock.ntp + (elapsed_us << 32) // 1_000_000) & 0xFFFFFFFFFFFFFFFF
        elapsed = elapsed_us * self.downlink.codec.clock_rate // 1_000_000
        self._round_trip.on_sent(ntp, now_us)
        return SenderReport(
            ssrc=self._ssrc,
            ntp=ntp,
            rtp_timestamp=(clock.rtp_timestamp + elapsed + self._timestamp_shift) & 0xFFFFFFFF,
            packets=self._packets,
            octets=self._octets,
        )

    def stats(self) -> DownTrackStats:
        report = self._round_trip.report
        rtt_us = self._round_trip.rtt_us
        return DownTrackStats(
            mid=self.downlink.mid,
            track_id=self.track.track_id,
            ssrc=self._ssrc,
            packets=self._packets,
            octets=self._octets,
            resent=self._resent,
            nacks_received=self._nacks,
            plis_received=self._plis,
            fraction_lost=report.fraction_lost / 256 if report is not None else 0.0,
            packets_lost=report.packets_lost if report is not None else 0,
            jitter_ms=report.jitter * 1000 / self.downlink.codec.clock_rate if report is not None else 0.0,
            rtt_ms=rtt_us / 1000 if rtt_us is not None else None,
        )

    def close(self) -> None:
        """Leave the track and tell the subscriber (BYE); idempotent."""
        if self.closed:
            return
        self.closed = True
        self.track.detach(self)
        if self._packets and self._transport.writable:
            self._transport.send_rtcp(Bye((self._ssrc,)).pack())
        self._on_closed(self)
