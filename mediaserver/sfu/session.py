"""The RTP side of one participant's connection: what it publishes, what it is sent, and RTCP both ways.

RFC 3550, RFC 4585, RFC 8834, RFC 8861 (several streams on one transport). Synchronous: the transport calls
`on_rtp`, `on_rtcp` and, every 20 ms while connected, `on_timer`; packets leave through the transport.
"""

from __future__ import annotations

import random

import structlog

from mediaserver.rtp.packet import HEADER, find_extension, payload_span, unwrap_rtx
from mediaserver.rtp.rtcp import (
    MAX_REPORTS,
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReceptionReport,
    Remb,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    compounds,
    parse_compound,
)
from mediaserver.rtp.twcc import TwccReceiver
from mediaserver.sfu.down_track import DownTrack
from mediaserver.sfu.interfaces import Downlink, RtpTransport, TrackSource, Uplink
from mediaserver.sfu.routing import Router
from mediaserver.sfu.stats import SessionStats
from mediaserver.sfu.track import Track

log = structlog.get_logger()

REPORT_INTERVAL_US = 1_000_000
FEEDBACK_INTERVAL_US = 100_000
_MAX_RTCP = 1200


class RtpSession:
    """Routes packets between one connection and the tracks of the room."""

    def __init__(self, transport: RtpTransport, cname: str) -> None:
        """
        Args:
            transport: to the participant.
            cname: our own canonical name in reports on what we receive.
        """
        self._transport = transport
        self._cname = cname
        self._ssrc = random.getrandbits(32)
        self._router = Router()
        self._tracks: list[Track] = []
        self._downs: dict[int, DownTrack] = {}
        self._closed = False
        self._twcc = TwccReceiver()
        self._twcc_extension: int | None = None
        self._feedback_due_us = 0
        self._media_ssrc = 0
        self._reports_due_us = 0
        self._remb_bps: int | None = None
        self._unrouted = 0
        self._malformed = 0

    # What the participant publishes and subscribes to

    def publish(self, uplink: Uplink, *, track_id: str, participant_id: str, source: TrackSource) -> Track:
        """Expect media on an m-section; forwarded and recorded through the track returned."""
        track = Track(
            uplink,
            track_id=track_id,
            participant_id=participant_id,
            source=source,
            transport=self._transport,
            sender_ssrc=self._ssrc,
        )
        self._tracks.append(track)
        self._router.add(track)
        if uplink.extensions.transport_cc is not None:
            self._twcc_extension = uplink.extensions.transport_cc
        return track

    def unpublish(self, track: Track) -> None:
        """End a track: its down tracks are closed and its sinks told; idempotent."""
        if track in self._tracks:
            self._tracks.remove(track)
            self._router.remove(track)
        track.end()

    def subscribe(self, downlink: Downlink, track: Track) -> DownTrack:
        """Forward a track of any session to this participant, from the next keyframe on.

        A keyframe is asked for at once, or when this participant is connected. The SSRCs of `downlink` must
        not have been used on this connection before.
        """
        down = DownTrack(downlink, track, self._transport, self._forget)
        self._downs[downlink.ssrc] = down
        if track.ended:
            down.close()
        elif self._transport.writable:
            track.attach(down)
        return down

    def unsubscribe(self, down: DownTrack) -> None:
        """Forward no more; idempotent."""
        down.close()

    def _forget(self, down: DownTrack) -> None:
        self._downs.pop(down.downlink.ssrc, None)

    def on_connected(self, now_us: int) -> None:
        """The transport became writable (again): subscriptions start, each with a keyframe."""
        for down in self._downs.values():
            down.track.attach(down)
            down.track.request_keyframe(now_us)

    def close(self) -> None:
        """End everything that was published and close every down track; idempotent."""
        if self._closed:
            return
        self._closed = True
        for down in list(self._downs.values()):
            down.close()
        for track in list(self._tracks):
            self.unpublish(track)

    # From the participant

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        """Take one decrypted RTP packet; never raises."""
        span = payload_span(packet)
        if span is None:
            self._malformed += 1
            return
        start, end = span
        header = HEADER.unpack_from(packet)
        if self._twcc_extension is not None:
            number = find_extension(packet, self._twcc_extension)
            if number is not None and len(number) == 2:
                self._twcc.add((number[0] << 8) | number[1], arrival_us)
        ssrc = header[4]
        route = self._router.routes.get(ssrc)
        if route is None:
            route = self._router.learn(packet, header[1] & 0x7F, ssrc)
            if route is None:
                self._unrouted += 1
                return
        track, repair, repaired_ssrc = route
        if not repair:
            self._media_ssrc = ssrc
            track.on_media(packet, start, end, header, arrival_us)
            return
        current = track.ssrc
        if current is None or repaired_ssrc != current:
            return
        if header[1] & 0x7F != track.uplink.rtx_payload_type:
            return
        original = unwrap_rtx(packet, start, end, payload_type=track.uplink.codec.payload_type, ssrc=current)
        if original is not None:
            restored = HEADER.unpack_from(original)
            track.on_media(original, HEADER.size, len(original), restored, arrival_us, repair=True)

    def on_rtcp(self, packet: bytes, arrival_us: int) -> None:
        """Take one decrypted RTCP datagram; never raises. What cannot be read, or is about no stream of
        this connection, has no effect."""
        compound = parse_compound(packet)
        self._malformed += compound.malformed
        for member in compound.packets:
            self._on_rtcp_member(member, arrival_us)

    def _on_rtcp_member(self, member: RtcpPacket, now_us: int) -> None:
        match member:
            case SenderReport():
                route = self._router.routes.get(member.ssrc)
                if route is not None:
                    route.track.on_sender_report(member, now_us)
                self._on_reports(member.reports, now_us)
            case ReceiverReport():
                self._on_reports(member.reports, now_us)
            case Nack():
                down = self._downs.get(member.media_ssrc)
                if down is not None:
                    down.on_nack(member, now_us)
            case PictureLoss():
                self._on_keyframe_wanted(member.media_ssrc, now_us)
            case FullIntraRequest():
                for ssrc, _ in member.requests:
                    self._on_keyframe_wanted(ssrc, now_us)
            case Remb():
                self._remb_bps = member.bitrate_bps
            case Bye():
                for ssrc in member.ssrcs:
                    route = self._router.routes.get(ssrc)
                    if route is not None:
                        route.track.on_bye(ssrc)

    def _on_reports(self, reports: tuple[ReceptionReport, ...], now_us: int) -> None:
        for report in reports:
            down = self._downs.get(report.ssrc)
            if down is not None:
                down.on_report(report, now_us)

    def _on_keyframe_wanted(self, ssrc: int, now_us: int) -> None:
        down = self._downs.get(ssrc)
        if down is not None:
            down.on_keyframe_wanted(now_us)

    # To the participant

    def on_timer(self, now_us: int) -> None:
        """Send what is due: NACK and PLI, transport-wide feedback each 100 ms, reports each second (the
        first sender reports of a down track sooner)."""
        if not self._transport.writable:
            return
        for track in self._tracks:
            track.on_timer(now_us)
        if now_us >= self._feedback_due_us:
            self._feedback_due_us = now_us + FEEDBACK_INTERVAL_US
            for feedback in self._twcc.build(self._ssrc, self._media_ssrc):
                self._transport.send_rtcp(feedback)
            reports = self._sender_reports(now_us)
            if now_us >= self._reports_due_us:
                self._reports_due_us = now_us + REPORT_INTERVAL_US
                reports += self._receiver_reports(now_us)
            for compound in compounds(reports, _MAX_RTCP):
                self._transport.send_rtcp(compound)

    def _sender_reports(self, now_us: int) -> list[bytes]:
        reports = []
        for down in self._downs.values():
            sender_report = down.sender_report(now_us)
            if sender_report is not None:
                description = SourceDescription(((sender_report.ssrc, down.downlink.cname),))
                reports.append(sender_report.pack() + description.pack())
        return reports

    def _receiver_reports(self, now_us: int) -> list[bytes]:
        reports = []
        blocks = [block for track in self._tracks if (block := track.report(now_us)) is not None]
        for first in range(0, len(blocks), MAX_REPORTS):
            report = ReceiverReport(self._ssrc, tuple(blocks[first : first + MAX_REPORTS]))
            reports.append(report.pack() + SourceDescription(((self._ssrc, self._cname),)).pack())
        return reports

    def stats(self, now_us: int) -> SessionStats:
        """What was counted until `now_us`."""
        return SessionStats(
            tracks=tuple(track.stats() for track in self._tracks),
            down_tracks=tuple(down.stats() for down in self._downs.values()),
            remb_bps=self._remb_bps,
            unrouted=self._unrouted,
            malformed=self._malformed,
        )
