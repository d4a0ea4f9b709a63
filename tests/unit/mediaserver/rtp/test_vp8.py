"""VP8 payload descriptors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import vp8

KEYFRAME = bytes.fromhex("9003009d012a8002e001") + b"data"
INTERFRAME = bytes.fromhex("310100") + b"data"


def descriptor_bytes(
    *,
    starts: bool = True,
    partition: int = 0,
    picture_id: int | None = None,
    wide: bool = True,
    tl0: int | None = None,
    layer: int | None = None,
    key_index: int | None = None,
) -> bytes:
    present = (
        (0x80 if picture_id is not None else 0)
        | (0x40 if tl0 is not None else 0)
        | (0x20 if layer is not None else 0)
        | (0x10 if key_index is not None else 0)
    )
    head = (0x80 if present else 0) | (0x10 if starts else 0) | partition
    data = bytes([head]) + (bytes([present]) if present else b"")
    if picture_id is not None:
        data += (picture_id | 0x8000).to_bytes(2, "big") if wide else bytes([picture_id])
    if tl0 is not None:
        data += bytes([tl0])
    if layer is not None or key_index is not None:
        data += bytes([((layer or 0) << 6) | (key_index or 0)])
    return data


@st.composite
def descriptors(draw: st.DrawFn) -> dict[str, object]:
    wide = draw(st.booleans())
    return {
        "starts": draw(st.booleans()),
        "partition": draw(st.integers(0, 7)),
        "picture_id": draw(st.none() | st.integers(0, 0x7FFF if wide else 0x7F)),
        "wide": wide,
        "tl0": draw(st.none() | st.integers(0, 255)),
        "layer": draw(st.none() | st.integers(0, 3)),
        "key_index": draw(st.none() | st.integers(0, 31)),
    }


@given(descriptors(), st.binary(min_size=1, max_size=20), st.integers(0, 20))
def test_every_form_of_descriptor_reads_back(fields: dict, frame: bytes, before: int) -> None:
    head = descriptor_bytes(**fields)
    packet = bytes(before) + head + frame
    parsed = vp8.parse_descriptor(packet, before, len(packet))
    assert parsed is not None
    assert parsed.starts_partition is fields["starts"]
    assert parsed.starts_frame is (fields["starts"] and fields["partition"] == 0)
    assert parsed.partition == fields["partition"]
    assert parsed.picture_id == fields["picture_id"]
    assert parsed.picture_id_bits == (0 if fields["picture_id"] is None else 15 if fields["wide"] else 7)
    assert parsed.tl0_picture_index == fields["tl0"]
    assert parsed.temporal_layer == fields["layer"]
    assert parsed.length == len(head)


@given(descriptors())
def test_a_descriptor_cut_short_or_followed_by_nothing_is_malformed(fields: dict) -> None:
    head = descriptor_bytes(**fields)
    for length in range(len(head) + 1):
        assert vp8.parse_descriptor(head, 0, length) is None


@given(descriptors(), st.binary(min_size=1, max_size=20), st.integers(0, 0x7FFF), st.integers(0, 255))
def test_rewriting_changes_picture_id_and_tl0_and_nothing_else(
    fields: dict, frame: bytes, picture_id: int, tl0: int
) -> None:
    payload = descriptor_bytes(**fields) + frame
    before = vp8.parse_descriptor(payload, 0, len(payload))
    assert before is not None
    after_payload = vp8.rewrite_descriptor(payload, before, picture_id=picture_id, tl0_picture_index=tl0)
    after = vp8.parse_descriptor(after_payload, 0, len(after_payload))
    assert after is not None
    assert after_payload[after.length :] == frame
    expected = descriptor_bytes(
        **fields
        | {
            "picture_id": None if fields["picture_id"] is None else picture_id,
            "tl0": None if fields["tl0"] is None else tl0,
            "wide": True,
        }
    )
    assert after_payload[: after.length] == expected


@given(st.binary(max_size=12), st.integers(0, 12))
def test_no_byte_string_raises(data: bytes, start: int) -> None:
    vp8.parse_descriptor(data, start, len(data))
    vp8.is_keyframe_start(data, start, len(data))
    vp8.frame_size(data, start, len(data))
    vp8.keyframe_size(data)


def test_a_keyframe_is_known_by_its_first_packet_only() -> None:
    for fields in ({}, {"picture_id": 5, "wide": False}, {"picture_id": 5000, "tl0": 1, "layer": 0}):
        packet = descriptor_bytes(**fields) + KEYFRAME
        assert vp8.is_keyframe_start(packet, 0, len(packet))
        assert vp8.frame_size(packet, 0, len(packet)) == (640, 480)
        for other in (
            descriptor_bytes(starts=False, **fields) + KEYFRAME,
            descriptor_bytes(partition=1, **fields) + KEYFRAME,
            descriptor_bytes(**fields) + INTERFRAME,
        ):
            assert not vp8.is_keyframe_start(other, 0, len(other))
            assert vp8.frame_size(other, 0, len(other)) is None


@pytest.mark.parametrize(
    "frame",
    [
        KEYFRAME[:9],
        KEYFRAME[:3] + b"\x00\x00\x00" + KEYFRAME[6:],
        bytes.fromhex("9003009d012a0000e001"),
        INTERFRAME + bytes(10),
    ],
)
def test_a_size_is_read_only_from_a_whole_keyframe_header(frame: bytes) -> None:
    assert vp8.keyframe_size(frame) is None


def test_scaling_bits_do_not_enlarge_the_picture() -> None:
    assert vp8.keyframe_size(bytes.fromhex("9003009d012a8042e0c1")) == (640, 480)
