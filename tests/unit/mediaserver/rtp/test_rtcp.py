"""RTCP compounds."""

import aiortc.rtp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.rtcp import (
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
    TransportFeedback,
    compounds,
    parse_compound,
)
from mediaserver.rtp.twcc import TwccReceiver

U8, U32 = st.integers(0, 255), st.integers(0, 0xFFFFFFFF)
REPORTS = st.lists(
    st.builds(ReceptionReport, U32, U8, st.integers(-0x800000, 0x7FFFFF), U32, U32, U32, U32), max_size=31
).map(tuple)
NAMES = st.text(max_size=60).filter(lambda name: len(name.encode()) <= 255)


@st.composite
def nacks(draw: st.DrawFn) -> Nack:
    start = draw(st.integers(0, 0xFFFF))
    distances = sorted(draw(st.sets(st.integers(0, 2000), min_size=1, max_size=60)))
    return Nack(draw(U32), draw(U32), tuple((start + d) & 0xFFFF for d in distances))


PACKETS: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(SenderReport, U32, st.integers(0, 2**64 - 1), U32, U32, U32, REPORTS),
    st.builds(ReceiverReport, U32, REPORTS),
    st.builds(
        SourceDescription,
        st.lists(st.tuples(U32, NAMES), max_size=31).map(tuple),
    ),
    st.builds(Bye, st.lists(U32, max_size=31).map(tuple)),
    nacks(),
    st.builds(PictureLoss, U32, U32),
    st.builds(FullIntraRequest, U32, st.lists(st.tuples(U32, U8), min_size=1, max_size=5).map(tuple)),
    st.builds(Remb, U32, st.integers(0, 0x3FFFF), st.lists(U32, max_size=5).map(tuple)),
)


@given(st.lists(PACKETS, max_size=5))
def test_a_compound_reads_back_as_packed(packets: list[RtcpPacket]) -> None:
    compound = parse_compound(b"".join(packet.pack() for packet in packets))
    assert compound.packets == packets
    assert compound.malformed == 0


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_an_independent_parser_reads_what_we_pack(packets: list[RtcpPacket]) -> None:
    # aiortc reads SDES of one chunk only (it ignores the padding between chunks).
    packets = [p for p in packets if not (isinstance(p, SourceDescription) and len(p.cnames) > 1)]
    read = aiortc.rtp.RtcpPacket.parse(b"".join(packet.pack() for packet in packets))
    assert len(read) == len(packets)
    for ours, theirs in zip(packets, read, strict=True):
        match ours:
            case SenderReport():
                assert (theirs.ssrc, theirs.sender_info.ntp_timestamp) == (ours.ssrc, ours.ntp)
                assert theirs.sender_info.rtp_timestamp == ours.rtp_timestamp
                assert [r.packets_lost for r in theirs.reports] == [r.packets_lost for r in ours.reports]
            case Nack():
                assert tuple(n & 0xFFFF for n in theirs.lost) == ours.lost
            case Remb():
                assert aiortc.rtp.unpack_remb_fci(theirs.fci) == (ours.bitrate_bps, list(ours.ssrcs))
            case SourceDescription(cnames=((ssrc, cname),)):
                assert theirs.chunks[0].ssrc == ssrc
                assert theirs.chunks[0].items == [(1, cname.encode())]


@given(st.binary(max_size=120))
def test_no_byte_string_raises(data: bytes) -> None:
    parse_compound(data)
    for packet_type in range(198, 210):
        for first in (0x81, 0x8F, 0xA4):
            words = min(len(data) // 4, 0xFFFF)
            parse_compound(bytes([first, packet_type]) + words.to_bytes(2, "big") + data)


@given(PACKETS, PACKETS, st.data())
def test_a_malformed_member_does_not_cost_its_neighbours(
    before: RtcpPacket, after: RtcpPacket, data: st.DataObject
) -> None:
    broken = data.draw(
        st.sampled_from(
            [
                b"\x81\xc8\x00\x01" + bytes(4),  # SR with too little in it
                b"\x81\xc9\x00\x01" + bytes(4),  # RR that promises a report
                b"\x82\xca\x00\x01" + bytes(4),  # SDES cut short
                b"\x9f\xcb\x00\x01" + bytes(4),  # BYE of 31 sources
                b"\x81\xcd\x00\x01" + bytes(4),  # NACK without media SSRC
                b"\x84\xce\x00\x03" + bytes(12),  # FIR with half an item
                b"\x8f\xce\x00\x04" + bytes(8) + b"REMB" + b"\x05\x00\x00\x00",  # REMB of five sources
                b"\xa1\xc9\x00\x01" + bytes(3) + b"\x09",  # more padding than packet
                b"\xa1\xc9\x00\x00",  # padding flag without a byte
            ]
        )
    )
    compound = parse_compound(before.pack() + broken + after.pack())
    assert compound.packets == [before, after]
    assert compound.malformed == 1


@pytest.mark.parametrize("tail", [b"\x80", b"\x80\xc9\x00", b"\x80\xc9\x00\x09\x00", b"\x40\xc9\x00\x00"])
def test_a_broken_length_or_version_ends_the_compound_and_keeps_what_came_before(tail: bytes) -> None:
    report = ReceiverReport(1)
    compound = parse_compound(report.pack() + tail)
    assert compound.packets == [report]
    assert compound.malformed == 1


def test_padding_and_unknown_types_are_passed_over() -> None:
    extended_report = b"\x80\xcf\x00\x01" + bytes(4)
    bye_with_reason = b"\x81\xcb\x00\x02" + (9).to_bytes(4, "big") + b"\x03bye"
    padded = b"\xa0\xc9\x00\x02" + (7).to_bytes(4, "big") + b"\x00\x00\x00\x04"
    slice_loss = b"\x82\xce\x00\x02" + bytes(8)
    compound = parse_compound(extended_report + bye_with_reason + padded + slice_loss)
    assert compound.packets == [Bye((9,)), ReceiverReport(7)]
    assert compound.malformed == 0


def test_loss_beyond_24_bits_is_clamped() -> None:
    for lost, clamped in ((1 << 30, 0x7FFFFF), (-(1 << 30), -0x800000)):
        packed = ReceiverReport(1, (ReceptionReport(2, 0, lost, 0, 0, 0, 0),)).pack()
        (report,) = parse_compound(packed).packets
        assert isinstance(report, ReceiverReport)
        assert report.reports[0].packets_lost == clamped


@pytest.mark.parametrize("bitrate_bps", [0, 262_143, 262_144, 2_500_000, 10_000_000_000])
def test_remb_keeps_18_significant_bits(bitrate_bps: int) -> None:
    (remb,) = parse_compound(Remb(1, bitrate_bps, (2,)).pack()).packets
    assert isinstance(remb, Remb)
    assert remb.bitrate_bps == pytest.approx(bitrate_bps, rel=2**-17)


def test_a_wrapping_run_of_losses_packs_into_one_item() -> None:
    nack = Nack(1, 2, tuple(n & 0xFFFF for n in range(65530, 65547)))
    assert len(nack.pack()) == 12 + 4
    assert parse_compound(nack.pack()).packets == [nack]


def test_transport_feedback_is_recognised() -> None:
    receiver = TwccReceiver()
    receiver.add(7, 1_000_000)
    (packed,) = receiver.build(1, 2)
    (feedback,) = parse_compound(packed).packets
    assert isinstance(feedback, TransportFeedback)
    assert (feedback.sender_ssrc, feedback.media_ssrc, feedback.body[:2]) == (1, 2, b"\x00\x07")


def test_packets_are_joined_up_to_the_limit_in_order() -> None:
    packets = [bytes([i]) * 40 for i in range(7)]
    joined = compounds(packets, 100)
    assert b"".join(joined) == b"".join(packets)
    assert [len(datagram) for datagram in joined] == [80, 80, 80, 40]
    assert compounds([], 100) == []
    assert compounds([b"x" * 200, b"y"], 100) == [b"x" * 200, b"y"]
