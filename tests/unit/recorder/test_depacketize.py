from __future__ import annotations

import base64
from collections.abc import Collection
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.interfaces import Codec
from recorder.depacketize import AccessUnit, OrderedPacket, depacketizer
from recorder.ordering import ArrivedPacket, PacketReader
from tests.support.rtp_source import H264, OPUS, VP8, RtpSource, audio_source, split_annex_b, video_source


@cache
def source(name: str) -> RtpSource:
    """40 frames with keyframes at 0 and 20."""
    return video_source(VP8 if name == "VP8" else H264, duration_s=1.6, keyframe_every=20)


def arrived(media: RtpSource) -> list[ArrivedPacket]:
    reader = PacketReader()
    return [packet for data in media.packets() for packet in reader.read(data, 0)]


def depacketize(codec: Codec, packets: list[ArrivedPacket], lost: Collection[int] = ()) -> list[AccessUnit]:
    """Frames from packets, without those at the indexes `lost`."""
    joiner = depacketizer(codec)
    units: list[AccessUnit] = []
    gap = False
    for index, packet in enumerate(packets):
        if index in lost:
            gap = True
            continue
        ordered = OrderedPacket(packet.sequence, packet.timestamp, packet.marker, packet.payload, gap)
        units += list(joiner.push(ordered))
        gap = False
    return units + list(joiner.flush())


def frame_packets(packets: list[ArrivedPacket], frame: int) -> list[int]:
    """Indexes of the packets of one frame."""
    timestamp = sorted({packet.timestamp for packet in packets})[frame]
    return [index for index, packet in enumerate(packets) if packet.timestamp == timestamp]


def content(codec: Codec, data: bytes) -> bytes | list[bytes]:
    """H.264 start codes have two lengths and mean the same."""
    return split_annex_b(data) if codec is H264 else data


videos = pytest.mark.parametrize("codec", [VP8, H264], ids=lambda codec: codec.name)


@videos
def test_frames_are_what_was_encoded(codec: Codec) -> None:
    media = source(codec.name)
    units = depacketize(codec, arrived(media))
    assert [content(codec, unit.data) for unit in units] == [content(codec, s.data) for s in media.samples]
    assert [unit.keyframe for unit in units] == [sample.keyframe for sample in media.samples]
    assert [unit.timestamp for unit in units] == [sample.rtp_timestamp for sample in media.samples]
    assert all(unit.intact for unit in units)


@videos
@pytest.mark.parametrize("position", [0, 1, -1])
def test_loss_within_a_frame_damages_up_to_the_next_keyframe(codec: Codec, position: int) -> None:
    media = source(codec.name)
    packets = arrived(media)
    lost = frame_packets(packets, 5)[position]
    units = depacketize(codec, packets, {lost})
    expected = [sample for index, sample in enumerate(media.samples) if index != 5]
    assert [content(codec, unit.data) for unit in units] == [content(codec, s.data) for s in expected]
    assert [unit.intact for unit in units] == [True] * 5 + [False] * 14 + [True] * 20


@videos
def test_lost_frame_damages_up_to_the_next_keyframe(codec: Codec) -> None:
    packets = arrived(source(codec.name))
    units = depacketize(codec, packets, set(frame_packets(packets, 5)))
    assert [unit.intact for unit in units] == [True] * 5 + [False] * 14 + [True] * 20


@videos
def test_lost_keyframe_keeps_the_damage(codec: Codec) -> None:
    packets = arrived(source(codec.name))
    units = depacketize(codec, packets, {frame_packets(packets, 20)[-1]})
    assert [unit.intact for unit in units] == [True] * 20 + [False] * 19


@videos
def test_nothing_is_intact_before_the_first_keyframe(codec: Codec) -> None:
    packets = arrived(source(codec.name))
    start = frame_packets(packets, 3)[0]
    units = depacketize(codec, packets[start:])
    assert [unit.intact for unit in units] == [False] * 17 + [True] * 20


@videos
def test_missing_marker_does_not_matter_when_the_next_frame_follows(codec: Codec) -> None:
    media = source(codec.name)
    packets = [packet._replace(marker=False) for packet in arrived(media)]
    units = depacketize(codec, packets)
    # Of the last frame nobody can say that it is whole.
    assert [content(codec, unit.data) for unit in units] == [
        content(codec, s.data) for s in media.samples[:-1]
    ]
    assert all(unit.intact for unit in units)


def test_vp8_picture_ids_prove_that_only_padding_is_missing() -> None:
    packets = arrived(source("VP8"))
    first = frame_packets(packets, 5)[0]
    # A hole of sequence numbers between two frames, with no frame missing.
    shifted = packets[:first] + [packet._replace(sequence=packet.sequence + 3) for packet in packets[first:]]
    joiner = depacketizer(VP8)
    units = [
        unit
        for index, packet in enumerate(shifted)
        for unit in joiner.push(
            OrderedPacket(packet.sequence, packet.timestamp, packet.marker, packet.payload, index == first)
        )
    ]
    assert len(units) == 40
    assert all(unit.intact for unit in units)


def test_h264_picture_without_its_top_is_not_whole() -> None:
    # A set bit after the NAL header is first_mb_in_slice 0; each slice is a packet of its own.
    top, bottom = b"\x41\x9a1", b"\x41\x1a2"
    joiner = depacketizer(H264)

    def push(sequence: int, payload: bytes, *, gap: bool) -> list[bytes]:
        packet = OrderedPacket(sequence, sequence // 10, sequence % 10 == 2, payload, gap)
        return [unit.data for unit in joiner.push(packet)]

    assert push(11, top, gap=False) == []
    assert push(12, bottom, gap=False) == [b"\0\0\0\1" + top + b"\0\0\0\1" + bottom]
    assert push(22, bottom, gap=True) == []
    assert push(32, top, gap=True) == [b"\0\0\0\1" + top]


def strip_parameter_sets(packets: list[ArrivedPacket], *, keep_first: bool) -> list[ArrivedPacket]:
    kept = []
    for index, packet in enumerate(packets):
        is_stap = packet.payload[0] & 0x1F == 24
        if not is_stap or (keep_first and index == 0):
            kept.append(packet)
    return kept


def test_h264_parameter_sets_sent_once_are_put_before_every_keyframe() -> None:
    units = depacketize(H264, strip_parameter_sets(arrived(source("H264")), keep_first=True))
    second = units[20]
    assert second.keyframe
    assert [unit[0] & 0x1F for unit in split_annex_b(second.data)][:2] == [7, 8]


def test_h264_parameter_sets_may_come_by_signalling() -> None:
    media = source("H264")
    sets = [unit for unit in split_annex_b(media.samples[0].data) if unit[0] & 0x1F in (7, 8)]
    sprop = ",".join(base64.b64encode(unit).decode() for unit in sets)
    codec = Codec("H264", 90_000, 102, parameters={"sprop-parameter-sets": sprop})
    packets = strip_parameter_sets(arrived(media), keep_first=False)
    units = depacketize(codec, packets)
    assert units[0].keyframe and units[0].intact
    assert not any(unit.keyframe or unit.intact for unit in depacketize(H264, packets))


def test_each_opus_packet_is_a_frame() -> None:
    media = audio_source(duration_s=0.5)
    units = depacketize(OPUS, arrived(media), {3})
    assert [unit.data for unit in units] == [s.data for index, s in enumerate(media.samples) if index != 3]
    assert all(unit.keyframe and unit.intact for unit in units)


@given(
    codec=st.sampled_from([VP8, H264, OPUS]),
    packets=st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.binary(min_size=1, max_size=30), st.booleans()),
        max_size=20,
    ),
)
def test_nothing_escapes_whatever_was_sent(
    codec: Codec, packets: list[tuple[int, bool, bytes, bool]]
) -> None:
    joiner = depacketizer(codec)
    units = []
    for sequence, (timestamp, marker, payload, gap) in enumerate(packets):
        units += list(joiner.push(OrderedPacket(sequence, timestamp, marker, payload, gap)))
    units += list(joiner.flush())
    assert all(unit.data for unit in units)


@videos
@given(data=st.data())
def test_given_out_frames_are_whole_whatever_is_lost(codec: Codec, data: st.DataObject) -> None:
    media = source(codec.name)
    packets = arrived(media)
    lost = data.draw(st.sets(st.integers(0, len(packets) - 1), max_size=30))
    incomplete = {packets[index].timestamp for index in lost}
    given_out = {unit.timestamp: unit for unit in depacketize(codec, packets, lost)}
    damaged = True
    for sample in media.samples:
        unit = given_out.get(sample.rtp_timestamp)
        if sample.rtp_timestamp in incomplete:
            assert unit is None
            damaged = True
        else:
            assert unit is not None
            assert content(codec, unit.data) == content(codec, sample.data)
            damaged = damaged and not unit.keyframe
            assert unit.intact == (not damaged)
