"""A published track: one camera, microphone or screen, from the publisher's packets to its subscribers.

Owns the state of the stream that currently feeds the track (its SSRC may change), asks the publisher for
what is missing, and hands every packet to the down tracks and sinks. RFC 3550, RFC 4585, RFC 7667 3.7.

Synchronous; times are arguments. The track belongs to the `RtpSession` it was published on, which routes
packets to it and calls its timers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from mediaserver.rtp import h264, vp8
from mediaserver.rtp.rtcp import Nack, PictureLoss, ReceptionReport, SenderReport
from mediaserver.sfu.fan_out import FanOut
from mediaserver.sfu.interfaces import Codec, RtpSink, RtpTransport, TrackKind, TrackSource, Uplink
from mediaserver.sfu.keyframes import KeyframeRequests
from mediaserver.sfu.reception import Reception, SenderClock
from mediaserver.sfu.stats import TrackStats

if TYPE_CHECKING:
    from mediaserver.sfu.down_track import DownTrack

log = structlog.get_logger()

_SILENCE_US = 2_000_000
"""An SSRC that fed the track earlier may do so again once its successor has been silent for this long."""
_MAX_FORMER_SSRCS = 8
_MAX_NACKS = 250
"""Sequence numbers in one NACK: it stays within one datagram whatever their distances."""

_KEYFRAME_STARTS: dict[str, Callable[[bytes, int, int], bool]] = {
    "VP8": vp8.is_keyframe_start,
    "H264": h264.is_keyframe_start,
}


def _always(packet: bytes, start: int, end: int) -> bool:
    return True


class Track:
    """Implements `PublishedTrack`."""

    def __init__(
        self,
        uplink: Uplink,
        *,
        track_id: str,
        participant_id: str,
        source: TrackSource,
        transport: RtpTransport,
        sender_ssrc: int,
    ) -> None:
        """
        Args:
            transport: to the publisher.
            sender_ssrc: names us in the feedback we send.
        """
        self.uplink = uplink
        self.ended = False
        self._track_id = track_id
        self._participant_id = participant_id
        self._source: TrackSource = source
        self._transport = transport
        self._sender_ssrc = sender_ssrc
        self._is_video = uplink.kind == "video"
        self._payload_type = uplink.codec.payload_type
        self._can_start_at = _KEYFRAME_STARTS[uplink.codec.name] if self._is_video else _always
        self._reception: Reception | None = None
        self._former_ssrcs: list[int] = []
        self._arrival_us = 0
        self._keyframes = KeyframeRequests()
        self._fan_out = FanOut()
        # Replaced, never changed in place: a sink may remove itself while it is being called.
        self._sinks: list[RtpSink] = []
        self._failed_sinks: set[int] = set()
        self._nacks_sent = 0
        self._plis_sent = 0

    @property
    def track_id(self) -> str:
        return self._track_id

    @property
    def participant_id(self) -> str:
        return self._participant_id

    @property
    def kind(self) -> TrackKind:
        return self.uplink.kind

    @property
    def source(self) -> TrackSource:
        return self._source

    @property
    def codec(self) -> Codec:
        return self.uplink.codec

    @property
    def ssrc(self) -> int | None:
        """The SSRC that feeds the track now, `None` before the first packet."""
        return self._reception.ssrc if self._reception is not None else None

    @property
    def clock(self) -> SenderClock | None:
        """The publisher's last sender report on the current SSRC."""
        return self._reception.clock if self._reception is not None else None

    # Subscribers and sinks

    def attach(self, down: DownTrack) -> None:
        """Forward to a down track from the next keyframe (audio: packet) on, and ask for one."""
        complete_from = self._reception.highest + 1 if self._reception is not None else 0
        if not self.ended and self._fan_out.add(down, complete_from):
            self._want_keyframe()

    def detach(self, down: DownTrack) -> None:
        """Forward no more to it; harmless if it is not attached."""
        self._fan_out.remove(down, self._arrival_us)

    def add_sink(self, sink: RtpSink) -> None:
        if sink not in self._sinks:
            self._sinks = [*self._sinks, sink]

    def remove_sink(self, sink: RtpSink) -> None:
        """Harmless if the sink is not there."""
        self._sinks = [other for other in self._sinks if other is not sink]

    def end(self) -> None:
        """Close down tracks and tell sinks; idempotent."""
        if self.ended:
            return
        self.ended = True
        self._keyframes.answered()
        self._fan_out.close()
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.on_ended()
            except Exception:
                self._sink_failed(sink)

    # From the publisher

    def on_media(
        self,
        packet: bytes,
        start: int,
        end: int,
        header: tuple[int, int, int, int, int],
        arrival_us: int,
        *,
        repair: bool = False,
    ) -> None:
        """Take one packet of the track's media.

        Args:
            packet: decrypted; RTX unwrapped.
            start, end: where its payload lies.
            header: as unpacked by `mediaserver.rtp.packet.HEADER`.
            repair: it came by retransmission.
        """
        _, second, sequence_number, timestamp, ssrc = header
        reception = self._reception
        if reception is None or reception.ssrc != ssrc:
            if not self._adopt(ssrc, arrival_us):
                return
            reception = self._reception
            assert reception is not None
        extended = reception.accept(sequence_number, timestamp, end - start, arrival_us, repair=repair)
        if extended is None:
            return
        if reception.broken:
            reception.broken = False
            self._break_off()
        self._arrival_us = arrival_us
        marker, payload, is_media = second & 0x80, packet[start:end], True
        if start == end or second & 0x7F != self._payload_type:
            # Padding, or a payload nobody negotiated: an empty packet in its place leaves the subscriber
            # no gap to ask for.
            marker, payload, is_media = 0, b"", False
        fan_out = self._fan_out
        fan_out.forward(extended, timestamp, marker, payload, arrival_us)
        if fan_out.waiting or self._keyframes.pending:
            self._look_for_start(extended, is_media and self._can_start_at(packet, start, end), arrival_us)
        if is_media:
            for sink in self._sinks:
                try:
                    sink.on_rtp(packet, arrival_us)
                except Exception:
                    self._sink_failed(sink)

    def _look_for_start(self, extended: int, starts: bool, arrival_us: int) -> None:
        """Somebody waits for a keyframe: is this where one starts?"""
        assert self._reception is not None
        if starts:
            self._keyframes.answered()
            if self._fan_out.waiting and not self._fan_out.start(self._reception.ssrc, extended, arrival_us):
                self._want_keyframe()
        elif not self._keyframes.pending:
            # Requests went unanswered while nothing came; now something comes.
            self._want_keyframe()

    def _adopt(self, ssrc: int, arrival_us: int) -> bool:
        """Let `ssrc` feed the track, unless it is one that was replaced and is still being sent."""
        former = self._reception
        if ssrc in self._former_ssrcs:
            if arrival_us - self._arrival_us < _SILENCE_US:
                return False
            self._former_ssrcs.remove(ssrc)
        if former is not None:
            if len(self._former_ssrcs) < _MAX_FORMER_SSRCS:
                # Not for ever: a hostile publisher may change it with every packet.
                log.info("track_ssrc_changed", track_id=self._track_id)
            self._former_ssrcs = [*self._former_ssrcs, former.ssrc][-_MAX_FORMER_SSRCS:]
            self._break_off()
        self._reception = Reception(ssrc, self.uplink.codec.clock_rate)
        return True

    def _break_off(self) -> None:
        """What comes now does not continue what came before."""
        self._fan_out.suspend(self._arrival_us)
        self._want_keyframe()

    def on_sender_report(self, report: SenderReport, arrival_us: int) -> None:
        """Take the publisher's clock; reports on another SSRC than the current one are ignored."""
        if self._reception is None or self._reception.ssrc != report.ssrc:
            return
        self._reception.clock = SenderClock(report.ntp, report.rtp_timestamp, arrival_us)
        for sink in self._sinks:
            try:
                sink.on_sender_report(report.ssrc, report.ntp, report.rtp_timestamp, arrival_us)
            except Exception:
                self._sink_failed(sink)

    def on_bye(self, ssrc: int) -> None:
        """The publisher stopped sending the SSRC: what is missing of it will not come."""
        if self._reception is not None and self._reception.ssrc == ssrc:
            self._reception.missing.clear()

    def _sink_failed(self, sink: RtpSink) -> None:
        # One line per sink: it may fail for every packet that follows.
        if id(sink) not in self._failed_sinks:
            self._failed_sinks.add(id(sink))
            log.exception("track_sink_failed", track_id=self._track_id, sink=type(sink).__name__)

    # To the publisher

    def request_keyframe(self, now_us: int) -> None:
        """Ask the publisher for a keyframe (PLI), throttled; nothing happens for audio."""
        self._want_keyframe()
        self._send_keyframe_request(now_us)

    def _want_keyframe(self) -> None:
        if self._is_video and not self.ended:
            self._keyframes.request()

    def _send_keyframe_request(self, now_us: int) -> None:
        reception = self._reception
        if reception is None or not self._transport.writable or not self._keyframes.take_due(now_us):
            return
        self._plis_sent += 1
        self._transport.send_rtcp(PictureLoss(self._sender_ssrc, reception.ssrc).pack())

    def on_timer(self, now_us: int) -> None:
        """Ask for missing packets and keyframes that are due; called every 20 ms while connected."""
        reception = self._reception
        if reception is None:
            return
        if len(reception.missing):
            due = reception.missing.due(now_us)
            if self._is_video:
                self._send_nacks(reception.ssrc, due)
        if reception.missing.take_abandoned():
            self._want_keyframe()
        if self._keyframes.pending:
            self._send_keyframe_request(now_us)

    def _send_nacks(self, ssrc: int, due: list[int]) -> None:
        self._nacks_sent += len(due)
        for first in range(0, len(due), _MAX_NACKS):
            numbers = tuple(extended & 0xFFFF for extended in due[first : first + _MAX_NACKS])
            self._transport.send_rtcp(Nack(self._sender_ssrc, ssrc, numbers).pack())

    def report(self, now_us: int) -> ReceptionReport | None:
        """The report block on the current SSRC; `None` if nothing has arrived."""
        return self._reception.report(now_us) if self._reception is not None else None

    def stats(self) -> TrackStats:
        reception = self._reception or Reception(0, self.uplink.codec.clock_rate)
        return TrackStats(
            track_id=self._track_id,
            kind=self.kind,
            source=self._source,
            ssrc=self.ssrc,
            packets=reception.received,
            octets=reception.octets,
            packets_lost=reception.lost,
            recovered=reception.recovered,
            duplicates=reception.duplicates,
            jitter_ms=reception.jitter * 1000 / self.uplink.codec.clock_rate,
            nacks_sent=self._nacks_sent,
            plis_sent=self._plis_sent,
            last_arrival_us=self._arrival_us,
        )
