"""One subscriber's copy of a track."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.packet import HEADER, find_extension, parse_header, payload_span
from mediaserver.rtp.rtcp import Bye, Nack, ReceptionReport, SenderReport
from mediaserver.rtp.vp8 import parse_descriptor
from mediaserver.sfu.down_track import DownTrack
from mediaserver.sfu.interfaces import Codec, Downlink, HeaderExtensionIds
from mediaserver.sfu.reception import MAX_GAP
from mediaserver.sfu.track import Track
from tests.support.rtp import (
    DOWN_EXTENSIONS,
    OPUS,
    VP8,
    FakeTransport,
    Vp8Stream,
    downlink,
    mid_of,
    numbers,
    payload_of,
    rtp,
    uplink,
    vp8_payload,
)

MS = 1000
SECOND = 1_000_000
NTP = 0xE800_0000_0000_0000


def make_track(codec: Codec = VP8, track_id: str = "t") -> Track:
    return Track(
        uplink(codec),
        track_id=track_id,
        participant_id="p",
        source="camera",
        transport=FakeTransport(),
        sender_ssrc=42,
    )


def feed(track: Track, packets: list[bytes], now_us: int, *, repair: bool = False) -> None:
    for packet in packets:
        span = payload_span(packet)
        assert span is not None
        track.on_media(packet, *span, HEADER.unpack_from(packet), now_us, repair=repair)


class Viewer:
    """A subscriber of one track."""

    def __init__(self, track: Track | None = None, link: Downlink | None = None) -> None:
        self.track = track or make_track()
        self.transport = FakeTransport()
        self.link = link or downlink(self.track.codec)
        self.closed = 0
        self.down = DownTrack(self.link, self.track, self.transport, self._on_closed)
        self.track.attach(self.down)

    def _on_closed(self, down: DownTrack) -> None:
        self.closed += 1

    @property
    def sent(self) -> list[bytes]:
        return self.transport.rtp

    def nack(self, *lost: int, now_us: int = SECOND) -> list[bytes]:
        self.transport.take_rtp()
        self.down.on_nack(Nack(1, self.link.ssrc, lost), now_us)
        return self.transport.take_rtp()


def timestamps(packets: list[bytes]) -> list[int]:
    return [header.timestamp for packet in packets if (header := parse_header(packet))]


def picture_ids(packets: list[bytes]) -> list[int | None]:
    found = []
    for packet in packets:
        payload = payload_of(packet)
        descriptor = parse_descriptor(payload, 0, len(payload))
        assert descriptor is not None
        found.append(descriptor.picture_id)
    return found


def test_header_fields_and_extensions_are_the_subscribers_own() -> None:
    viewer = Viewer()
    source = rtp(vp8_payload(5, key=True), seq=9, ts=77, marker=True, mid="0", transport_sequence=3)
    feed(viewer.track, [source], 3 * SECOND // 2)
    (packet,) = viewer.sent
    header = parse_header(packet)
    assert header is not None
    assert (header.marker, header.payload_type, header.ssrc) == (True, 120, 7000)
    assert mid_of(packet) == "7"
    assert find_extension(packet, 5) == (3 << 17).to_bytes(3, "big")  # 1.5 s in 6.18 bits
    assert payload_of(packet) == payload_of(source)


@pytest.mark.parametrize(
    ("extensions", "length"),
    [
        (HeaderExtensionIds(), 0),
        (HeaderExtensionIds(mid=1), 8),
        (HeaderExtensionIds(abs_send_time=1), 8),
        (HeaderExtensionIds(mid=17, abs_send_time=2), 12),
    ],
)
def test_only_extensions_that_were_negotiated_are_sent(extensions: HeaderExtensionIds, length: int) -> None:
    viewer = Viewer(link=downlink(extensions=extensions))
    feed(viewer.track, [rtp(vp8_payload(5, key=True), seq=9, mid="0", transport_sequence=3)], SECOND)
    (packet,) = viewer.sent
    header = parse_header(packet)
    assert header is not None
    assert header.payload_start == 12 + length
    if extensions.mid is not None:
        assert mid_of(packet, extensions.mid) == "7"
    if extensions.abs_send_time is not None:
        assert find_extension(packet, extensions.abs_send_time) == (1 << 18).to_bytes(3, "big")


def test_padding_and_csrcs_of_the_source_are_not_forwarded() -> None:
    viewer = Viewer()
    feed(viewer.track, [rtp(vp8_payload(5, key=True), seq=9, padding=50)], SECOND)
    (packet,) = viewer.sent
    assert packet[0] == 0x90
    assert packet.endswith(vp8_payload(5, key=True))


def test_numbering_starts_in_the_lower_half() -> None:
    for seed in range(200):
        random.seed(seed)
        viewer = Viewer()
        feed(viewer.track, Vp8Stream(seq=60_000).frame(key=True), SECOND)
        (first,) = numbers(viewer.sent)[:1]
        (repeated,) = numbers(viewer.nack(first))
        assert first < 0x8000 and repeated < 0x8000


@given(
    start=st.integers(0, 0xFFFF),
    start_ts=st.integers(0, 0xFFFFFFFF),
    moves=st.lists(st.integers(-20, 40), min_size=1, max_size=120),
)
def test_order_and_gaps_of_the_source_are_kept_over_wraps(
    start: int, start_ts: int, moves: list[int]
) -> None:
    viewer = Viewer(make_track(OPUS))
    position = start
    fed: list[int] = []
    for move in [0, *moves]:
        position = max(start, position + move)
        packet = rtp(b"opus", seq=position, ts=start_ts + 960 * (position - start), payload_type=111)
        before = len(viewer.sent)
        feed(viewer.track, [packet], SECOND + position * 20 * MS)
        if len(viewer.sent) > before:
            fed.append(position - start)
    first_number, first_timestamp = numbers(viewer.sent)[0], timestamps(viewer.sent)[0]
    assert numbers(viewer.sent) == [(first_number + offset) & 0xFFFF for offset in fed]
    assert timestamps(viewer.sent) == [(first_timestamp + 960 * offset) & 0xFFFFFFFF for offset in fed]


def test_a_repaired_packet_takes_the_place_of_the_lost_one() -> None:
    viewer = Viewer()
    stream = Vp8Stream(seq=65_534)
    packets = stream.frame(key=True, packets=6)
    feed(viewer.track, [packets[n] for n in (0, 1, 4, 5)], SECOND)
    feed(viewer.track, packets[2:4], SECOND, repair=True)
    sent = numbers(viewer.sent)
    assert [(n - sent[0]) & 0xFFFF for n in sent] == [0, 1, 4, 5, 2, 3]


@given(
    seqs=st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=5),
    ids=st.lists(st.integers(0, 0x7FFF), min_size=5, max_size=5),
    tl0=st.none() | st.integers(0, 255),
    start_ts=st.integers(0, 0xFFFFFFFF),
    per_source=st.integers(1, 4),
    per_frame=st.integers(1, 3),
)
def test_numbers_and_pictures_go_on_over_changes_of_the_source(
    seqs: list[int], ids: list[int], tl0: int | None, start_ts: int, per_source: int, per_frame: int
) -> None:
    viewer = Viewer()
    now_us = SECOND
    for index, seq in enumerate(seqs):
        stream = Vp8Stream(1000 + index, seq=seq, ts=start_ts * (index + 1), picture_id=ids[index], tl0=tl0)
        for frame in range(per_source):
            feed(viewer.track, stream.frame(key=frame == 0, packets=per_frame), now_us)
            now_us += 33_333
    sent = viewer.sent
    total = per_frame * per_source * len(seqs)
    assert len(sent) == total
    assert numbers(sent) == [(numbers(sent)[0] + n) & 0xFFFF for n in range(total)]
    assert picture_ids(sent) == [(ids[0] + n // per_frame) & 0x7FFF for n in range(total)]
    steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(timestamps(sent)[::per_frame])]
    assert all(2990 <= step <= 3010 for step in steps)
    assert {header.ssrc for packet in sent if (header := parse_header(packet))} == {7000}


def test_another_track_continues_the_stream_of_the_first() -> None:
    viewer = Viewer()
    other = make_track(track_id="u")
    first, second = Vp8Stream(1000, picture_id=500), Vp8Stream(9000, seq=77, picture_id=3)
    feed(viewer.track, first.frame(key=True), SECOND)
    viewer.track.detach(viewer.down)
    viewer.down.track = other
    feed(other, second.frame(key=True), 2 * SECOND)
    other.attach(viewer.down)
    feed(viewer.track, first.frame(), 2 * SECOND)
    feed(other, second.frame(key=True), 3 * SECOND)
    sent = numbers(viewer.sent)
    assert [n - sent[0] for n in sent] == [0, 1, 2, 3]
    assert picture_ids(viewer.sent) == [500, 500, 501, 501]
    assert timestamps(viewer.sent)[2] - timestamps(viewer.sent)[0] == 2 * 90_000


def test_a_dropped_stretch_leaves_no_gap_and_keeps_the_time() -> None:
    viewer = Viewer()
    stream = Vp8Stream(picture_id=100)
    feed(viewer.track, stream.frame(key=True), SECOND)
    for _ in range(MAX_GAP):
        stream.frame()
    now_us = SECOND + (MAX_GAP + 1) * 33_333
    feed(viewer.track, stream.frame(), now_us)  # the gap shows: nothing can be decoded
    feed(viewer.track, stream.frame(key=True), now_us + 33_333)
    sent = numbers(viewer.sent)
    assert [n - sent[0] for n in sent] == [0, 1, 2, 3]
    assert picture_ids(viewer.sent) == [100, 100, 101, 101]
    assert timestamps(viewer.sent)[2] - timestamps(viewer.sent)[0] == (MAX_GAP + 2) * 3000


def test_packets_from_before_the_stretch_are_not_sent() -> None:
    viewer = Viewer()
    stream = Vp8Stream()
    late = stream.frame()[1]
    feed(viewer.track, [rtp(vp8_payload(0, key=False), seq=0)], SECOND)
    feed(viewer.track, stream.frame(key=True), SECOND)
    feed(viewer.track, [late], SECOND, repair=True)
    sent = numbers(viewer.sent)
    assert [n - sent[0] for n in sent] == [0, 1]


def test_silence_is_neither_a_gap_nor_a_jump() -> None:
    viewer = Viewer(make_track(OPUS))
    for seq, ts, at_us in ((0, 0, SECOND), (1, 960, SECOND + 20 * MS), (2, 960 + 480_000, 11 * SECOND)):
        feed(viewer.track, [rtp(b"opus", seq=seq, ts=ts, payload_type=111, marker=seq == 2)], at_us)
    sent = viewer.sent
    assert [n - numbers(sent)[0] for n in numbers(sent)] == [0, 1, 2]
    assert (timestamps(sent)[2] - timestamps(sent)[1]) & 0xFFFFFFFF == 480_000


def test_a_nack_is_answered_by_rtx() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream(seq=65_535).frame(key=True, packets=3), SECOND)
    originals = viewer.sent[:]
    first, second = viewer.nack(*numbers(originals)[1:], now_us=2 * SECOND)
    for repeated, original in ((first, originals[1]), (second, originals[2])):
        header, was = parse_header(repeated), parse_header(original)
        assert header is not None and was is not None
        assert (header.payload_type, header.ssrc) == (121, 7001)
        assert (header.marker, header.timestamp) == (was.marker, was.timestamp)
        assert payload_of(repeated) == was.sequence_number.to_bytes(2, "big") + payload_of(original)
        assert mid_of(repeated) == "7"
        assert find_extension(repeated, 5) == (2 << 18).to_bytes(3, "big")
    assert (numbers([second])[0] - numbers([first])[0]) & 0xFFFF == 1


def test_a_repeated_packet_carries_the_picture_id_that_was_sent() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream(1000, picture_id=10).frame(key=True), SECOND)
    feed(viewer.track, Vp8Stream(2000, picture_id=900).frame(key=True), 2 * SECOND)
    original = viewer.sent[-1]
    (repeated,) = viewer.nack(*numbers([original]))
    assert payload_of(repeated)[2:] == payload_of(original)
    assert picture_ids([original]) == [11]


def test_without_rtx_the_very_same_packet_is_sent_again() -> None:
    viewer = Viewer(link=downlink(rtx=False))
    feed(viewer.track, Vp8Stream().frame(key=True), SECOND)
    originals = viewer.sent[:]
    assert viewer.nack(*numbers(originals), now_us=5 * SECOND) == originals


def test_a_nack_for_what_was_never_sent_or_just_repeated_has_no_effect() -> None:
    viewer = Viewer()
    assert viewer.nack(*range(0, 65_536, 7)) == []
    feed(viewer.track, Vp8Stream().frame(key=True), SECOND)
    number = numbers(viewer.sent)[0]
    assert len(viewer.nack(number, number, (number + 500) & 0xFFFF)) == 1
    assert viewer.nack(number, now_us=SECOND + 1) == []


def ntp_after(elapsed_us: int) -> int:
    return NTP + (elapsed_us << 32) // SECOND


def test_a_sender_report_is_the_publishers_clock_in_the_subscribers_timestamps() -> None:
    viewer = Viewer()
    assert viewer.down.sender_report(SECOND) is None
    stream = Vp8Stream(ts=0xFFFF_FF00)
    feed(viewer.track, stream.frame(key=True), SECOND)
    assert viewer.down.sender_report(SECOND) is None
    viewer.track.on_sender_report(SenderReport(1000, NTP, 0xFFFF_FF00, 0, 0), SECOND + 5 * MS)
    report = viewer.down.sender_report(SECOND + 505 * MS)
    assert report is not None
    assert report.ssrc == 7000
    assert report.ntp == ntp_after(500 * MS)
    assert (report.rtp_timestamp - timestamps(viewer.sent)[0]) & 0xFFFFFFFF == 45_000
    assert (report.packets, report.octets) == (2, sum(len(payload_of(p)) for p in viewer.sent))


@pytest.mark.parametrize("restart", [False, True])
def test_audio_and_video_keep_their_sync_even_after_a_change_of_source(restart: bool) -> None:
    """Instants of capture that were equal at the publisher are equal by the subscriber's reports."""
    video, audio = Viewer(), Viewer(make_track(OPUS))
    feed(video.track, Vp8Stream(1000, ts=5_000_000).frame(key=True), SECOND)
    feed(audio.track, [rtp(b"opus", seq=1, ts=777, payload_type=111)], SECOND)
    ssrc, video_ts = 1000, 5_000_000
    if restart:
        ssrc, video_ts = 2000, 123
        feed(video.track, Vp8Stream(2000, ts=123).frame(key=True), SECOND + 300 * MS)
        assert video.down.sender_report(SECOND) is None  # the new source has not reported
    # Captured at the same instant: video timestamp video_ts, audio timestamp 777. The reports refer to
    # other instants, arrive at other times and are passed on at other times.
    video.track.on_sender_report(SenderReport(ssrc, ntp_after(0), video_ts, 0, 0), 2 * SECOND)
    audio.track.on_sender_report(
        SenderReport(1000, ntp_after(SECOND), 777 + 48_000, 0, 0), 3 * SECOND + 90 * MS
    )
    video_report = video.down.sender_report(4 * SECOND)
    audio_report = audio.down.sender_report(5 * SECOND)
    assert video_report is not None and audio_report is not None

    def ntp_of(report: SenderReport, timestamp: int, clock_rate: int) -> float:
        delta = ((timestamp - report.rtp_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        return report.ntp / 2**32 + delta / clock_rate

    captured_video = ntp_of(video_report, timestamps(video.sent)[-1], 90_000)
    captured_audio = ntp_of(audio_report, timestamps(audio.sent)[-1], 48_000)
    assert captured_video == pytest.approx(captured_audio, abs=0.0001)


def test_a_new_sources_clock_is_not_told_before_its_packets_are_sent() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream(1000).frame(key=True), SECOND)
    feed(viewer.track, Vp8Stream(2000).frame(), SECOND)
    viewer.track.on_sender_report(SenderReport(2000, NTP, 0, 0, 0), SECOND)
    assert viewer.down.sender_report(SECOND) is None


def test_the_first_reports_come_quickly_and_then_one_a_second() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream().frame(key=True), SECOND)
    viewer.track.on_sender_report(SenderReport(1000, NTP, 0, 0, 0), SECOND)
    sent_ms = [ms for ms in range(0, 4000, 100) if viewer.down.sender_report(SECOND + ms * MS)]
    assert sent_ms == [0, 100, 200, 1200, 2200, 3200]


def test_reports_of_the_subscriber_show_in_the_figures() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream().frame(key=True), SECOND)
    viewer.track.on_sender_report(SenderReport(1000, NTP, 0, 0, 0), SECOND)
    report = viewer.down.sender_report(SECOND)
    assert report is not None
    assert viewer.down.stats().rtt_ms is None
    last_sr = (report.ntp >> 16) & 0xFFFFFFFF
    viewer.down.on_report(ReceptionReport(7000, 64, 3, 9, 900, last_sr, 0), SECOND + 80 * MS)
    viewer.nack(*numbers(viewer.sent)[:1])
    viewer.down.on_keyframe_wanted(SECOND)
    stats = viewer.down.stats()
    assert (stats.fraction_lost, stats.packets_lost, stats.jitter_ms, stats.rtt_ms) == (0.25, 3, 10.0, 80.0)
    assert (stats.packets, stats.nacks_received, stats.resent, stats.plis_received) == (2, 1, 1, 1)


def test_closing_says_goodbye_once() -> None:
    viewer = Viewer()
    feed(viewer.track, Vp8Stream().frame(key=True), SECOND)
    viewer.down.close()
    viewer.down.close()
    assert viewer.transport.take_rtcp() == [Bye((7000,))]
    assert viewer.closed == 1
    silent = Viewer()
    silent.down.close()
    assert silent.transport.take_rtcp() == []


def test_a_long_mid_is_sent_in_two_byte_form() -> None:
    viewer = Viewer(link=downlink(mid="m" * 40, extensions=DOWN_EXTENSIONS))
    feed(viewer.track, [rtp(vp8_payload(5, key=True), seq=9)], SECOND)
    (packet,) = viewer.sent
    assert mid_of(packet) == "m" * 40
    assert find_extension(packet, 5) == (1 << 18).to_bytes(3, "big")
