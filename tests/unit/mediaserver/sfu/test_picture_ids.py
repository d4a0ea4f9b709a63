"""VP8 picture ids over breaks."""

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.vp8 import parse_descriptor
from mediaserver.sfu.picture_ids import PictureIds
from tests.support.rtp import vp8_payload

IDS = st.integers(0, 0x7FFF)


def narrow_payload(picture_id: int) -> bytes:
    return bytes([0x90, 0x80, picture_id & 0x7F]) + b"\x31\x01\x00"


def picture_id(payload: bytes) -> int | None:
    descriptor = parse_descriptor(payload, 0, len(payload))
    assert descriptor is not None
    return descriptor.picture_id


def test_a_stream_passes_as_it_is_from_its_start() -> None:
    assert PictureIds.following(None, vp8_payload(300, key=True)) is None


def test_a_stream_without_picture_ids_passes_as_it_is() -> None:
    assert PictureIds.following(vp8_payload(300, key=False), vp8_payload(None, key=True)) is None


def test_a_stream_that_happens_to_continue_passes_as_it_is() -> None:
    assert PictureIds.following(vp8_payload(0x7FFE, key=False), vp8_payload(0x7FFF, key=True)) is None


@given(last=IDS, first=IDS, frames=st.integers(1, 200))
def test_picture_ids_follow_the_last_one_sent_and_wrap(last: int, first: int, frames: int) -> None:
    mapping = PictureIds.following(vp8_payload(last, key=False), vp8_payload(first, key=True))
    for frame in range(frames):
        payload = vp8_payload((first + frame) & 0x7FFF, key=frame == 0)
        mapped = mapping.rewrite(payload) if mapping is not None else payload
        assert picture_id(mapped) == (last + 1 + frame) & 0x7FFF
        assert mapped[4:] == payload[4:]


@given(last=IDS, first=IDS, last_tl0=st.integers(0, 255), first_tl0=st.integers(0, 255))
def test_temporal_indices_follow_too(last: int, first: int, last_tl0: int, first_tl0: int) -> None:
    before = vp8_payload(last, key=False, tl0=last_tl0)
    after = vp8_payload(first, key=True, tl0=first_tl0)
    mapping = PictureIds.following(before, after)
    mapped = mapping.rewrite(after) if mapping is not None else after
    descriptor = parse_descriptor(mapped, 0, len(mapped))
    assert descriptor is not None
    assert descriptor.picture_id == (last + 1) & 0x7FFF
    assert descriptor.tl0_picture_index == (last_tl0 + 1) & 0xFF


def test_seven_bit_ids_are_widened_and_go_on_beyond_their_wrap() -> None:
    mapping = PictureIds.following(None, narrow_payload(120))
    assert mapping is not None
    mapped = [picture_id(mapping.rewrite(narrow_payload(number))) for number in range(120, 420)]
    assert mapped == list(range(120, 420))


def test_a_late_packet_keeps_its_place() -> None:
    mapping = PictureIds.following(vp8_payload(99, key=False), vp8_payload(0x7FFF, key=True))
    assert mapping is not None
    order = [0x7FFF, 1, 0, 2]
    assert [picture_id(mapping.rewrite(vp8_payload(n, key=False))) for n in order] == [100, 102, 101, 103]


@given(st.binary(max_size=12))
def test_no_payload_raises(payload: bytes) -> None:
    mapping = PictureIds.following(vp8_payload(5, key=False), vp8_payload(9, key=True))
    assert mapping is not None
    mapping.rewrite(payload)
    PictureIds.following(payload, payload)
