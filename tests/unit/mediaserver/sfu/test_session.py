"""The RTP side of one connection: routing, feedback, reports, closing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.packet import wrap_rtx
from mediaserver.rtp.rtcp import (
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReceptionReport,
    Remb,
    SenderReport,
    SourceDescription,
    TransportFeedback,
)
from mediaserver.sfu.session import RtpSession
from mediaserver.sfu.track import Track
from tests.support.rtp import (
    OPUS,
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


class Peer:
    """A session with its transport and clock."""

    def __init__(self, *, writable: bool = True) -> None:
        self.transport = FakeTransport(writable=writable)
        self.session = RtpSession(self.transport, "server")
        self.now_us = SECOND

    def publish_camera(self, **fields: object) -> Track:
        return self.session.publish(
            uplink(**fields),  # type: ignore[arg-type]
            track_id="camera",
            participant_id="p",
            source="camera",
        )

    def publish_microphone(self) -> Track:
        return self.session.publish(
            uplink(OPUS, mid="1"), track_id="microphone", participant_id="p", source="microphone"
        )

    def receive(self, *packets: bytes) -> None:
        for packet in packets:
            self.session.on_rtp(packet, self.now_us)

    def run(self, duration_us: int) -> None:
        for _ in range(duration_us // 20_000):
            self.now_us += 20_000
            self.session.on_timer(self.now_us)


def test_media_finds_its_track_and_its_subscribers() -> None:
    publisher, subscriber = Peer(), Peer()
    camera, microphone = publisher.publish_camera(), publisher.publish_microphone()
    subscriber.session.subscribe(downlink(mid="3", ssrc=7000), camera)
    subscriber.session.subscribe(downlink(OPUS, mid="4", ssrc=8000), microphone)
    publisher.receive(*Vp8Stream(mid="0").frame(key=True))
    publisher.receive(rtp(b"opus", seq=5, payload_type=111, ssrc=77, mid="1"))
    publisher.receive(rtp(b"stray", seq=5, ssrc=78, mid="9"))
    publisher.receive(b"\x80\x60")
    assert [int.from_bytes(packet[8:12], "big") for packet in subscriber.transport.rtp] == [7000, 7000, 8000]
    stats = publisher.session.stats(publisher.now_us)
    assert [(track.track_id, track.ssrc) for track in stats.tracks] == [("camera", 1000), ("microphone", 77)]
    assert (stats.unrouted, stats.malformed) == (1, 1)
    assert [down.mid for down in subscriber.session.stats(0).down_tracks] == ["3", "4"]


def test_a_keyframe_is_asked_for_on_subscribe() -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera()
    publisher.receive(*Vp8Stream(mid="0").frame(key=True))
    subscriber.session.subscribe(downlink(), camera)
    publisher.run(20 * MS)
    assert any(isinstance(member, PictureLoss) for member in publisher.transport.take_rtcp())


def test_a_subscription_made_before_the_connection_starts_with_it() -> None:
    publisher, subscriber = Peer(), Peer(writable=False)
    camera = publisher.publish_camera()
    stream = Vp8Stream(mid="0")
    subscriber.session.subscribe(downlink(), camera)
    publisher.receive(*stream.frame(key=True))
    publisher.run(SECOND)
    subscriber.run(SECOND)
    publisher.transport.take_rtcp()
    assert subscriber.transport.rtp == subscriber.transport.compounds == []
    subscriber.transport.writable = True
    subscriber.session.on_connected(publisher.now_us)
    assert len(publisher.transport.take_rtcp()) == 1
    publisher.receive(*stream.frame(), *stream.frame(key=True))
    assert len(subscriber.transport.rtp) == 2


def test_retransmissions_are_unwrapped_for_declared_and_for_learned_streams() -> None:
    for declared in (True, False):
        publisher, subscriber = Peer(), Peer()
        fields = {"ssrcs": (1000,), "rtx_ssrcs": {1000: 2000}} if declared else {}
        camera = publisher.publish_camera(**fields)
        subscriber.session.subscribe(downlink(), camera)
        packets = Vp8Stream(mid="0").frame(key=True, packets=4)
        publisher.receive(packets[0], packets[3])
        for number in (1, 2):
            payload = wrap_rtx(number) + payload_of(packets[number])
            rtx = rtp(payload, seq=90 + number, ssrc=2000, payload_type=97, mid=None if declared else "0")
            publisher.receive(rtx, rtx)
        sent = numbers(subscriber.transport.rtp)
        assert [n - sent[0] for n in sent] == [0, 3, 1, 2]
        assert payload_of(subscriber.transport.rtp[2]) == payload_of(packets[1])
        stats = publisher.session.stats(0).tracks[0]
        assert (stats.recovered, stats.duplicates) == (2, 2)


def test_padding_probes_and_junk_on_the_rtx_stream_are_dropped() -> None:
    publisher = Peer()
    publisher.publish_camera(ssrcs=(1000,), rtx_ssrcs={1000: 2000})
    probe = rtp(b"", seq=1, ssrc=2000, payload_type=97, padding=255)
    publisher.receive(probe)
    publisher.receive(*Vp8Stream().frame())
    publisher.receive(probe, rtp(b"\x00\x00junk", seq=2, ssrc=2000, payload_type=39))
    stats = publisher.session.stats(0).tracks[0]
    assert (stats.packets, stats.recovered, stats.duplicates) == (2, 0, 0)


def test_a_former_streams_retransmissions_do_not_disturb_its_successor() -> None:
    publisher = Peer()
    publisher.publish_camera()
    publisher.receive(*Vp8Stream(1000, mid="0").frame())
    publisher.receive(rtp(wrap_rtx(0) + b"x", seq=1, ssrc=2000, payload_type=97, mid="0"))
    publisher.receive(*Vp8Stream(3000, seq=500, mid="0").frame())
    publisher.receive(rtp(wrap_rtx(505) + b"x", seq=2, ssrc=2000, payload_type=97, mid="0"))
    stats = publisher.session.stats(0).tracks[0]
    assert (stats.ssrc, stats.packets, stats.recovered, stats.packets_lost) == (3000, 2, 0, 0)


def test_transport_wide_feedback_goes_out_ten_times_a_second() -> None:
    publisher = Peer()
    publisher.publish_camera()
    for index in range(50):
        publisher.receive(rtp(b"\x00x", seq=index, mid="0", transport_sequence=65_530 + index))
        publisher.run(20 * MS)
    feedback = [m for m in publisher.transport.take_rtcp() if isinstance(m, TransportFeedback)]
    assert len(feedback) == 10
    counted = [int.from_bytes(member.body[2:4], "big") for member in feedback]
    assert sum(counted) >= 46
    bases = [int.from_bytes(member.body[:2], "big") for member in feedback]
    assert bases[0] == 65_530
    ends = [(base + count) & 0xFFFF for base, count in zip(bases, counted, strict=True)]
    assert bases[1:] == ends[:-1]


def test_receiver_reports_go_out_each_second_with_our_name() -> None:
    publisher = Peer()
    publisher.publish_camera()
    publisher.publish_microphone()
    publisher.receive(*Vp8Stream(mid="0").frame())
    publisher.receive(rtp(b"opus", seq=5, payload_type=111, ssrc=77, mid="1"))
    publisher.run(5 * SECOND)
    members = publisher.transport.take_rtcp()
    reports = [member for member in members if isinstance(member, ReceiverReport)]
    assert len(reports) == 5
    assert [[block.ssrc for block in report.reports] for report in reports] == [[1000, 77]] * 5
    names = [member for member in members if isinstance(member, SourceDescription)]
    assert [name.cnames for name in names] == [((report.ssrc, "server"),) for report in reports]


def test_sender_reports_go_out_with_the_publishers_name() -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera()
    subscriber.session.subscribe(downlink(), camera)
    publisher.receive(*Vp8Stream(mid="0").frame(key=True))
    publisher.session.on_rtcp(SenderReport(1000, 1 << 40, 0, 2, 99).pack(), publisher.now_us)
    subscriber.run(100 * MS)
    report, name = subscriber.transport.take_rtcp()
    assert isinstance(report, SenderReport) and report.ssrc == 7000
    assert name == SourceDescription(((7000, "publisher"),))


def test_feedback_of_a_subscriber_reaches_its_down_track() -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera()
    subscriber.session.subscribe(downlink(), camera)
    publisher.receive(*Vp8Stream(mid="0").frame(key=True))
    (first, _) = subscriber.transport.take_rtp()
    block = ReceptionReport(7000, 128, 5, 0, 0, 0, 0)
    datagram = b"".join(
        member.pack()
        for member in (
            ReceiverReport(1, (block, ReceptionReport(1, 255, 9, 0, 0, 0, 0))),
            Nack(1, 7000, tuple(numbers([first]))),
            Nack(1, 1234, (1, 2, 3)),
            PictureLoss(1, 7000),
            PictureLoss(1, 1234),
            FullIntraRequest(1, ((7000, 1), (1234, 1))),
            Remb(1, 640_000, (7000,)),
        )
    )
    subscriber.session.on_rtcp(datagram + b"\x80\xc8", subscriber.now_us)
    stats = subscriber.session.stats(0)
    (down,) = stats.down_tracks
    assert (down.fraction_lost, down.packets_lost, down.resent, down.plis_received) == (0.5, 5, 1, 2)
    assert (stats.remb_bps, stats.malformed) == (640_000, 1)
    assert len(subscriber.transport.rtp) == 1
    assert publisher.transport.take_rtcp() == [PictureLoss(publisher.session._ssrc, 1000)]


def test_a_publishers_goodbye_is_taken_note_of() -> None:
    publisher = Peer()
    publisher.publish_camera()
    publisher.receive(rtp(b"\x00x", seq=0, mid="0"), rtp(b"\x00x", seq=9, mid="0"))
    publisher.session.on_rtcp(Bye((1000, 5)).pack(), publisher.now_us)
    publisher.run(SECOND)
    assert not any(isinstance(member, Nack) for member in publisher.transport.take_rtcp())


def test_unpublishing_closes_down_tracks_everywhere() -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera()
    down = subscriber.session.subscribe(downlink(), camera)
    stream = Vp8Stream(mid="0")
    publisher.receive(*stream.frame(key=True))
    publisher.session.unpublish(camera)
    publisher.session.unpublish(camera)
    publisher.receive(*stream.frame(key=True))
    assert down.closed
    assert subscriber.session.stats(0).down_tracks == ()
    assert len(subscriber.transport.rtp) == 2
    assert subscriber.transport.take_rtcp() == [Bye((7000,))]
    assert subscriber.session.subscribe(downlink(ssrc=7100), camera).closed


def test_unsubscribing_stops_the_stream_and_leaves_the_track() -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera()
    down = subscriber.session.subscribe(downlink(), camera)
    stream = Vp8Stream(mid="0")
    publisher.receive(*stream.frame(key=True))
    subscriber.session.unsubscribe(down)
    subscriber.session.unsubscribe(down)
    publisher.receive(*stream.frame(key=True))
    assert len(subscriber.transport.rtp) == 2
    assert not camera.ended


def test_closing_a_session_ends_its_tracks_and_subscriptions() -> None:
    left, right = Peer(), Peer()
    left_camera, right_camera = left.publish_camera(), right.publish_camera()
    to_left = left.session.subscribe(downlink(), right_camera)
    to_right = right.session.subscribe(downlink(), left_camera)
    left.session.close()
    left.session.close()
    assert left_camera.ended and not right_camera.ended
    assert to_left.closed and to_right.closed
    left.receive(*Vp8Stream(mid="0").frame(key=True))
    right.receive(*Vp8Stream(mid="0").frame(key=True))
    assert left.transport.rtp == right.transport.rtp == []


def test_nothing_is_sent_while_the_transport_is_not_writable() -> None:
    publisher = Peer(writable=False)
    publisher.publish_camera()
    publisher.receive(rtp(b"\x00x", seq=0, mid="0", transport_sequence=1), rtp(b"\x00x", seq=9, mid="0"))
    publisher.run(2 * SECOND)
    assert publisher.transport.compounds == []


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                rtp,
                st.binary(max_size=30),
                seq=st.integers(0, 0xFFFF),
                ts=st.integers(0, 0xFFFFFFFF),
                ssrc=st.sampled_from([1000, 2000, 3000, 4000]),
                payload_type=st.sampled_from([96, 97, 111, 39]),
                mid=st.sampled_from([None, "0", "1", "x"]),
                transport_sequence=st.none() | st.integers(0, 0xFFFF),
                padding=st.sampled_from([0, 1, 4]),
            ),
        ),
        max_size=40,
    )
)
def test_no_packet_makes_the_session_raise(packets: list[bytes]) -> None:
    publisher, subscriber = Peer(), Peer()
    camera = publisher.publish_camera(rtx_ssrcs={1000: 2000})
    subscriber.session.subscribe(downlink(), camera)
    subscriber.session.subscribe(downlink(OPUS, ssrc=8000), publisher.publish_microphone())
    publisher.receive(rtp(vp8_payload(1, key=True), seq=0, mid="0"))
    for packet in packets:
        publisher.receive(packet)
        publisher.session.on_rtcp(packet, publisher.now_us)
        subscriber.session.on_rtcp(packet, publisher.now_us)
    publisher.run(SECOND)
    subscriber.run(SECOND)
    publisher.transport.take_rtcp()
    subscriber.transport.take_rtcp()
