"""A published track: keyframes, sinks, loss, changes of the stream that feeds it."""

from __future__ import annotations

import pytest

from mediaserver.rtp.packet import HEADER, payload_span
from mediaserver.rtp.rtcp import Nack, PictureLoss, SenderReport
from mediaserver.sfu.down_track import DownTrack
from mediaserver.sfu.interfaces import Codec
from mediaserver.sfu.reception import MAX_GAP, SenderClock
from mediaserver.sfu.track import Track
from tests.support.rtp import (
    H264,
    OPUS,
    VP8,
    FakeTransport,
    Vp8Stream,
    downlink,
    numbers,
    payload_of,
    rtp,
    uplink,
    vp8_payload,
)

MS = 1000
SECOND = 1_000_000


class Rig:
    """One track, fed directly, with any number of subscribers."""

    def __init__(self, codec: Codec = VP8) -> None:
        self.publisher = FakeTransport()
        self.track = Track(
            uplink(codec),
            track_id="t",
            participant_id="p",
            source="camera",
            transport=self.publisher,
            sender_ssrc=42,
        )
        self.now_us = SECOND
        self.closed: list[DownTrack] = []

    def subscribe(self, ssrc: int = 7000) -> tuple[DownTrack, FakeTransport]:
        transport = FakeTransport()
        link = downlink(self.track.codec, ssrc=ssrc)
        down = DownTrack(link, self.track, transport, self.closed.append)
        self.track.attach(down)
        return down, transport

    def feed(self, *packets: bytes, repair: bool = False) -> None:
        for packet in packets:
            span = payload_span(packet)
            assert span is not None
            self.track.on_media(packet, *span, HEADER.unpack_from(packet), self.now_us, repair=repair)

    def play(self, stream: Vp8Stream, frames: int, *, key: bool = False) -> None:
        for index in range(frames):
            self.feed(*stream.frame(key=key and index == 0))
            self.now_us += 33_333

    def run(self, duration_us: int) -> None:
        """Let timers run."""
        for _ in range(duration_us // 20_000):
            self.now_us += 20_000
            self.track.on_timer(self.now_us)


class ListSink:
    def __init__(self) -> None:
        self.events: list[object] = []

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        self.events.append((packet, arrival_us))

    def on_sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, arrival_us: int) -> None:
        self.events.append((ssrc, ntp, rtp_timestamp, arrival_us))

    def on_ended(self) -> None:
        self.events.append("ended")


class BrokenSink(ListSink):
    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        raise RuntimeError("broken")

    def on_sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, arrival_us: int) -> None:
        raise RuntimeError("broken")

    def on_ended(self) -> None:
        raise RuntimeError("broken")


def test_video_starts_at_a_keyframe_and_asks_for_one() -> None:
    rig = Rig()
    stream = Vp8Stream()
    rig.play(stream, 2, key=True)
    _, viewer = rig.subscribe()
    rig.play(stream, 3)
    rig.run(20 * MS)
    assert viewer.rtp == []
    assert rig.publisher.take_rtcp() == [PictureLoss(42, 1000)]
    rig.play(stream, 2, key=True)
    assert len(viewer.rtp) == 4
    assert payload_of(viewer.rtp[0])[4:6] == b"\x90\x03"


def test_h264_starts_at_a_parameter_set() -> None:
    rig = Rig(H264)
    _, viewer = rig.subscribe()
    for seq, payload in enumerate(
        [b"\x41delta", b"\x7c\x05mid of IDR", b"\x78\x00\x02\x67\x42", b"\x7c\x85IDR"]
    ):
        rig.feed(rtp(payload, seq=seq, payload_type=102))
    assert [payload_of(packet)[:1] for packet in viewer.rtp] == [b"\x78", b"\x7c"]


def test_audio_starts_at_once_and_never_asks_for_a_keyframe() -> None:
    rig = Rig(OPUS)
    rig.feed(rtp(b"opus", seq=0, payload_type=111))
    _, listener = rig.subscribe()
    rig.feed(rtp(b"opus", seq=1, payload_type=111))
    rig.track.request_keyframe(rig.now_us)
    rig.run(SECOND)
    assert len(listener.rtp) == 1
    assert rig.publisher.take_rtcp() == []


def test_keyframe_requests_of_many_are_one() -> None:
    rig = Rig()
    rig.play(Vp8Stream(), 1, key=True)
    for index in range(50):
        rig.subscribe(7000 + 2 * index)
    for _ in range(40):
        for _ in range(10):
            rig.track.request_keyframe(rig.now_us)
        rig.run(20 * MS)
    assert 4 <= len(rig.publisher.take_rtcp()) <= 5


def test_requests_wait_until_the_publisher_can_be_reached_and_has_sent_something() -> None:
    rig = Rig()
    rig.publisher.writable = False
    rig.subscribe()
    rig.run(SECOND)
    stream = Vp8Stream()
    rig.play(stream, 1)
    rig.track.request_keyframe(rig.now_us)
    assert rig.publisher.take_rtcp() == []
    rig.publisher.writable = True
    rig.run(20 * MS)
    assert rig.publisher.take_rtcp() == [PictureLoss(42, 1000)]


def test_a_publisher_that_was_silent_too_long_is_asked_again_when_it_sends() -> None:
    rig = Rig()
    stream = Vp8Stream()
    rig.play(stream, 1, key=True)
    rig.subscribe()
    rig.run(60 * SECOND)
    rig.publisher.take_rtcp()
    rig.run(10 * SECOND)
    assert rig.publisher.take_rtcp() == []
    rig.play(stream, 1)
    rig.run(20 * MS)
    assert rig.publisher.take_rtcp() == [PictureLoss(42, 1000)]


def test_a_keyframe_whose_start_comes_late_is_delivered_whole() -> None:
    rig = Rig()
    stream = Vp8Stream()
    rig.play(stream, 1, key=True)
    _, viewer = rig.subscribe()
    first, second, third, fourth = stream.frame(key=True, packets=4)
    rig.feed(fourth, second)
    assert viewer.rtp == []
    rig.feed(first, repair=True)
    rig.feed(third, repair=True)
    rig.play(stream, 1)
    sent = numbers(viewer.rtp)
    assert [n - sent[0] for n in sent] == [0, 1, 3, 2, 4, 5]
    assert [payload_of(packet)[-1] for packet in viewer.rtp] == [0, 1, 3, 2, 0, 1]


def test_a_keyframe_that_passed_in_part_before_the_subscription_is_not_delivered() -> None:
    rig = Rig()
    stream = Vp8Stream()
    rig.play(stream, 1, key=True)
    first, second = stream.frame(key=True)
    rig.feed(second)
    _, viewer = rig.subscribe()
    rig.run(20 * MS)
    rig.feed(first, repair=True)
    assert viewer.rtp == []
    rig.publisher.take_rtcp()
    rig.run(200 * MS)
    assert PictureLoss(42, 1000) in rig.publisher.take_rtcp()


def test_sinks_get_each_packet_once_as_it_came() -> None:
    rig = Rig()
    sink = ListSink()
    rig.track.add_sink(sink)
    rig.track.add_sink(sink)
    packets = [rtp(vp8_payload(n, key=False), seq=n) for n in range(6)]
    order = [0, 2, 2, 1, 4, 0]  # one lost, some twice
    rig.feed(*(packets[n] for n in order))
    rig.feed(packets[3], repair=True)
    rig.feed(packets[3], repair=True)
    rig.feed(rtp(b"", seq=5, padding=200))
    assert [event[0] for event in sink.events] == [packets[n] for n in (0, 2, 1, 4, 3)]
    assert {event[1] for event in sink.events} == {rig.now_us}


def test_a_sink_that_raises_harms_nobody() -> None:
    rig = Rig()
    after = ListSink()
    rig.track.add_sink(BrokenSink())
    rig.track.add_sink(after)
    _, viewer = rig.subscribe()
    rig.play(Vp8Stream(), 2, key=True)
    rig.track.on_sender_report(SenderReport(1000, 1, 2, 0, 0), rig.now_us)
    rig.track.end()
    assert len(viewer.rtp) == 4
    assert len(after.events) == 6
    assert after.events[-1] == "ended"


def test_a_sink_may_remove_itself_while_it_is_called() -> None:
    rig = Rig()

    class OneShot(ListSink):
        def on_rtp(self, packet: bytes, arrival_us: int) -> None:
            super().on_rtp(packet, arrival_us)
            rig.track.remove_sink(self)
            rig.track.remove_sink(self)

    once, always = OneShot(), ListSink()
    rig.track.add_sink(once)
    rig.track.add_sink(always)
    rig.play(Vp8Stream(), 2)
    assert (len(once.events), len(always.events)) == (1, 4)


def test_missing_video_is_asked_for_and_missing_audio_is_not() -> None:
    rig = Rig()
    rig.feed(*(rtp(vp8_payload(0, key=False), seq=n) for n in (65_534, 2, 5)))
    rig.run(20 * MS)
    assert rig.publisher.take_rtcp() == [Nack(42, 1000, (65_535, 0, 1, 3, 4))]
    audio = Rig(OPUS)
    audio.feed(*(rtp(b"opus", seq=n, payload_type=111) for n in (1, 5)))
    audio.run(SECOND)
    assert audio.publisher.take_rtcp() == []


def test_many_missing_packets_are_asked_for_in_datagrams_that_fit() -> None:
    rig = Rig()
    rig.feed(rtp(b"\x00x", seq=0), rtp(b"\x00x", seq=MAX_GAP))
    rig.run(20 * MS)
    nacks = rig.publisher.take_rtcp()
    assert [number for nack in nacks if isinstance(nack, Nack) for number in nack.lost] == [
        *range(1, MAX_GAP)
    ]


def test_loss_that_is_not_repaired_leads_to_a_keyframe() -> None:
    rig = Rig()
    rig.feed(rtp(b"\x00x", seq=0), rtp(b"\x00x", seq=2))
    rig.run(3 * SECOND)
    assert rig.publisher.take_rtcp()[-1] == PictureLoss(42, 1000)


def test_a_goodbye_ends_the_wait_for_missing_packets() -> None:
    rig = Rig()
    rig.feed(rtp(b"\x00x", seq=0), rtp(b"\x00x", seq=5))
    rig.track.on_bye(999)
    assert rig.track.stats().packets_lost == 4
    rig.track.on_bye(1000)
    rig.run(SECOND)
    assert rig.publisher.take_rtcp() == []


@pytest.mark.parametrize(
    "filler",
    [rtp(b"", seq=2, padding=100), rtp(b"redundant", seq=2, payload_type=63)],
    ids=["padding", "foreign payload"],
)
def test_what_is_not_media_reaches_subscribers_as_an_empty_packet(filler: bytes) -> None:
    rig = Rig()
    sink = ListSink()
    rig.track.add_sink(sink)
    _, viewer = rig.subscribe()
    rig.feed(*(rtp(vp8_payload(n, key=n == 0), seq=n) for n in (0, 1)))
    rig.feed(filler)
    rig.feed(rtp(vp8_payload(2, key=False), seq=3))
    sent = numbers(viewer.rtp)
    assert sent == [sent[0] + n for n in range(4)]
    assert [bool(payload_of(packet)) for packet in viewer.rtp] == [True, True, False, True]
    assert len(sink.events) == 3


def test_a_new_ssrc_takes_over_and_the_old_one_is_ignored() -> None:
    rig = Rig()
    old, new = Vp8Stream(1000), Vp8Stream(2000, seq=40_000)
    rig.play(old, 2, key=True)
    _, viewer = rig.subscribe()
    rig.play(old, 1, key=True)
    rig.play(new, 1)
    assert rig.track.ssrc == 2000
    rig.run(20 * MS)
    assert rig.publisher.take_rtcp()[-1] == PictureLoss(42, 2000)
    rig.play(old, 3, key=True)
    assert rig.track.ssrc == 2000
    assert len(viewer.rtp) == 2
    rig.play(new, 2, key=True)
    assert len(viewer.rtp) == 6


def test_packets_of_the_former_ssrc_that_were_held_back_are_not_sent() -> None:
    rig = Rig()
    old, new = Vp8Stream(1000, seq=60_000), Vp8Stream(2000, seq=10)
    rig.play(old, 1, key=True)
    _, viewer = rig.subscribe()
    rig.play(old, 3)
    rig.play(new, 1, key=True)
    assert len(viewer.rtp) == 2


def test_an_ssrc_may_return_when_its_successor_is_silent() -> None:
    rig = Rig()
    first, second = Vp8Stream(1000), Vp8Stream(2000)
    rig.play(first, 1)
    rig.play(second, 1)
    rig.now_us += 3 * SECOND
    rig.play(first, 1)
    assert rig.track.ssrc == 1000


def test_simulcast_without_negotiation_settles_on_one_stream() -> None:
    rig = Rig()
    _, viewer = rig.subscribe()
    layers = [Vp8Stream(ssrc) for ssrc in (1000, 2000, 3000)]
    for index in range(90):
        for layer in layers:
            rig.feed(*layer.frame(key=index % 30 == 0))
        rig.now_us += 33_333
    assert rig.track.ssrc == 3000
    # The first frame of the two that were replaced, then every frame of the third.
    assert len(viewer.rtp) == 2 * (2 + 90)


def test_sender_reports_of_the_current_ssrc_only_count() -> None:
    rig = Rig()
    sink = ListSink()
    rig.track.on_sender_report(SenderReport(1000, 1, 2, 0, 0), 5)
    assert rig.track.clock is None
    rig.play(Vp8Stream(1000), 1)
    rig.track.add_sink(sink)
    rig.track.on_sender_report(SenderReport(1001, 1, 2, 0, 0), 5)
    rig.track.on_sender_report(SenderReport(1000, 3, 4, 0, 0), 6)
    assert rig.track.clock == SenderClock(3, 4, 6)
    assert sink.events == [(1000, 3, 4, 6)]


def test_a_detached_down_track_gets_nothing_more() -> None:
    rig = Rig()
    flowing, viewer = rig.subscribe()
    stream = Vp8Stream()
    rig.play(stream, 1, key=True)
    waiting, other = rig.subscribe(7100)
    rig.track.detach(flowing)
    rig.track.detach(waiting)
    rig.track.detach(waiting)
    rig.play(stream, 2, key=True)
    assert len(viewer.rtp) == 2
    assert other.rtp == []


def test_the_end_of_a_track_is_told_once_to_everybody() -> None:
    rig = Rig()
    sink = ListSink()
    rig.track.add_sink(sink)
    flowing, _ = rig.subscribe()
    rig.play(Vp8Stream(), 1, key=True)
    waiting, _ = rig.subscribe(7100)
    rig.track.end()
    rig.track.end()
    assert sink.events[-1] == "ended" and sink.events.count("ended") == 1
    assert rig.closed == [flowing, waiting]
    rig.subscribe(7200)
    rig.track.request_keyframe(rig.now_us)
    rig.publisher.take_rtcp()
    rig.run(SECOND)
    assert rig.publisher.take_rtcp() == []


def test_stats_count_what_happened() -> None:
    rig = Rig()
    assert (rig.track.stats().ssrc, rig.track.stats().packets) == (None, 0)
    rig.feed(*(rtp(b"\x00" * 50, seq=n) for n in (0, 1, 1, 4)))
    rig.run(20 * MS)
    rig.feed(rtp(b"\x00" * 50, seq=2), repair=True)
    rig.track.request_keyframe(rig.now_us)
    stats = rig.track.stats()
    assert (stats.packets, stats.octets, stats.packets_lost) == (3, 200, 2)
    assert (stats.recovered, stats.duplicates, stats.nacks_sent, stats.plis_sent) == (1, 1, 2, 1)
