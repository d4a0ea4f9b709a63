from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.interfaces import Codec
from recorder.gop import Gop, GopBuffer
from tests.support.rtp_source import H264, VP8, FakeTrack, RtpSource, play, video_source


def buffer_of(source: RtpSource, **bounds: int) -> GopBuffer:
    return GopBuffer(FakeTrack.of(source, track_id="t", participant_id="p"), **bounds)


def timestamps(group: Gop | None) -> list[int]:
    assert group is not None
    return sorted({struct.unpack_from("!I", packet, 4)[0] for packet, _ in group.packets})


@pytest.fixture(scope="module", params=[VP8, H264], ids=["VP8", "H264"])
def codec(request: pytest.FixtureRequest) -> Codec:
    assert isinstance(request.param, Codec)
    return request.param


@pytest.fixture(scope="module")
def source(codec: Codec) -> RtpSource:
    return video_source(codec, duration_s=2, keyframe_every=20, first_timestamp=0xFFFFFFFF - 100_000)


def test_a_group_begins_at_the_last_keyframe_before_the_instant(source: RtpSource) -> None:
    buffer = buffer_of(source)

    play([(source, buffer)])

    group = buffer.group(10_000_000)
    assert group is not None
    assert (group.frames, group.pixels) == (10, 320 * 240)
    newest = {sample.rtp_timestamp for sample in source.samples[40:]}
    assert set(timestamps(group)) == newest


def test_what_came_after_the_instant_is_not_part_of_it(source: RtpSource) -> None:
    buffer = buffer_of(source)

    play([(source, buffer)])

    group = buffer.group(44 * 40_000 + 39_999)
    assert group is not None
    assert group.frames == 5
    assert group.newest_us < 45 * 40_000


def test_before_the_first_keyframe_there_is_nothing(source: RtpSource) -> None:
    buffer = buffer_of(source)
    for packet in [packet for packet in source.packets() if packet[4:8] != source.packets()[0][4:8]][:30]:
        buffer.on_rtp(packet, 0)

    assert buffer.group(10) is None


def test_packets_that_overtake_their_keyframes_first_one_are_kept(codec: Codec) -> None:
    source = video_source(codec, duration_s=0.4, width=1280, height=960, keyframe_every=5, bit_rate=8_000_000)
    keyframe = struct.pack("!I", source.samples[5].rtp_timestamp)
    packets = source.packets()
    first = next(index for index, packet in enumerate(packets) if packet[4:8] == keyframe)
    assert packets[first + 1][4:8] == keyframe, "the keyframe has several packets"
    late = [*packets[: first - 1], packets[first + 1], packets[first], packets[first - 1]]
    buffer = buffer_of(source)

    for packet in [*late, *packets[first + 2 :]]:
        buffer.on_rtp(packet, 0)

    group = buffer.group(0)
    assert group is not None
    assert {packet for packet, _ in group.packets} == set(packets[first:])
    assert group.frames == 5


def test_a_new_ssrc_begins_anew_at_its_keyframe() -> None:
    first = video_source(duration_s=0.4)
    second = video_source(duration_s=0.4, start_us=400_000, ssrc=0x9999, first_timestamp=5)
    buffer = buffer_of(first)

    play([(first, buffer), (second, buffer)])

    group = buffer.group(10_000_000)
    assert group is not None
    assert {packet[8:12] for packet, _ in group.packets} == {struct.pack("!I", 0x9999)}
    assert group.frames == 10


@pytest.mark.parametrize("bounds", [{"max_frames": 20}, {"max_bytes": 30_000}])
def test_a_group_that_outgrows_its_bounds_is_dropped_until_the_next_keyframe(bounds: dict[str, int]) -> None:
    long = video_source(duration_s=2)
    buffer = buffer_of(long, **bounds)

    play([(long, buffer)])
    assert buffer.group(10_000_000) is None

    fresh = video_source(duration_s=0.2, start_us=3_000_000, first_timestamp=5_000_000)
    play([(fresh, buffer)])
    group = buffer.group(10_000_000)
    assert group is not None
    assert group.frames == 5


def test_after_the_end_there_is_nothing() -> None:
    source = video_source(duration_s=0.2)
    buffer = buffer_of(source)
    play([(source, buffer)])

    buffer.on_ended()

    assert buffer.group(10_000_000) is None


@given(st.sampled_from([VP8, H264]), st.lists(st.binary(max_size=60), max_size=20))
def test_junk_is_harmless(codec: Codec, packets: list[bytes]) -> None:
    buffer = GopBuffer(FakeTrack("video", "camera", codec))
    for packet in packets:
        buffer.on_rtp(packet, 0)
        buffer.on_rtp(b"\x80" + packet, 0)
    buffer.group(1)
