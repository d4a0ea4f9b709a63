"""RTP headers, header extensions and RTX as bytes and offsets."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.packet import (
    HEADER,
    extension_block,
    find_extension,
    header_extensions,
    is_rtcp,
    parse_header,
    payload_span,
    unwrap_rtx,
    wrap_rtx,
)

ELEMENTS = st.lists(
    st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), unique_by=lambda e: e[0], max_size=6
)
LONG_ELEMENTS = st.lists(
    st.tuples(st.integers(1, 255), st.binary(max_size=40)), unique_by=lambda e: e[0], max_size=6
)


def rtp(
    payload: bytes, *, block: bytes = b"", csrcs: int = 0, padding: int = 0, marker: bool = False
) -> bytes:
    first = 0x80 | (0x20 if padding else 0) | (0x10 if block else 0) | csrcs
    head = HEADER.pack(first, (0x80 if marker else 0) | 96, 4660, 305419896, 3735928559)
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return head + bytes(4 * csrcs) + block + payload + tail


@given(
    payload=st.binary(max_size=40),
    elements=LONG_ELEMENTS,
    csrcs=st.integers(0, 15),
    padding=st.integers(0, 255),
    marker=st.booleans(),
)
def test_header_and_payload_are_found_behind_csrcs_extensions_and_padding(
    payload: bytes, elements: list[tuple[int, bytes]], csrcs: int, padding: int, marker: bool
) -> None:
    packet = rtp(payload, block=extension_block(elements), csrcs=csrcs, padding=padding, marker=marker)
    header = parse_header(packet)
    assert header is not None
    assert header[:5] == (marker, 96, 4660, 305419896, 3735928559)
    assert packet[header.payload_start : header.payload_end] == payload
    assert payload_span(packet) == (header.payload_start, header.payload_end)


@given(st.one_of(ELEMENTS, LONG_ELEMENTS), st.integers(0, 15))
def test_extensions_read_back_as_built(elements: list[tuple[int, bytes]], csrcs: int) -> None:
    packet = rtp(b"payload", block=extension_block(elements), csrcs=csrcs)
    assert list(header_extensions(packet)) == elements
    for identifier, data in elements:
        assert find_extension(packet, identifier) == data
    absent = next(i for i in range(1, 256) if i not in dict(elements))
    assert find_extension(packet, absent) is None


@given(ELEMENTS.filter(bool))
def test_an_extension_block_fills_whole_words_and_ends_with_its_last_element(
    elements: list[tuple[int, bytes]],
) -> None:
    block = extension_block(elements)
    profile, words = struct.unpack_from("!HH", block)
    assert profile == 0xBEDE
    assert len(block) == 4 + 4 * words
    assert block.endswith(elements[-1][1])


def test_an_element_too_long_for_one_byte_form_uses_two_byte_form() -> None:
    block = extension_block([(1, b"a" * 17)])
    assert block[:2] == b"\x10\x00"
    assert list(header_extensions(rtp(b"", block=block))) == [(1, b"a" * 17)]


def test_extension_padding_and_the_reserved_identifier_are_honoured() -> None:
    padded = rtp(b"", block=b"\xbe\xde\x00\x02" + b"\x00\x10\xaa\x00\x00\x21\xbb\xcc")
    assert list(header_extensions(padded)) == [(1, b"\xaa"), (2, b"\xbb\xcc")]
    assert find_extension(padded, 2) == b"\xbb\xcc"
    reserved = rtp(b"", block=b"\xbe\xde\x00\x01" + b"\xf0\xaa\x10\xbb")
    assert list(header_extensions(reserved)) == []
    assert find_extension(reserved, 1) is None


def test_an_unknown_extension_profile_is_skipped() -> None:
    packet = rtp(b"payload", block=b"\x12\x34\x00\x01\x10\xaa\x00\x00")
    assert list(header_extensions(packet)) == []
    span = payload_span(packet)
    assert span is not None and packet[span[0] : span[1]] == b"payload"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + rtp(b"x")[1:],  # version 1
        rtp(b"", csrcs=3)[:20],  # CSRC list cut short
        rtp(b"", block=extension_block([(1, b"abc")]))[:14],  # extension header cut short
        rtp(b"", block=b"\xbe\xde\x00\x05\x10\xaa\x00\x00"),  # extension cut short
        b"\xa0" + rtp(b"payload\x00")[1:],  # padding of zero bytes
        b"\xa0" + rtp(b"payload\x09")[1:],  # more padding than payload
        b"\xa0" + rtp(b"")[1:],  # padding flag without payload
    ],
)
def test_a_malformed_packet_parses_to_none(packet: bytes) -> None:
    assert parse_header(packet) is None
    assert payload_span(packet) is None


@given(st.binary(max_size=80), st.integers(0, 255))
def test_no_byte_string_raises(data: bytes, identifier: int) -> None:
    for packet in (data, b"\x90" + data, b"\xb1" + data):
        header = parse_header(packet)
        if header is not None:
            assert 12 <= header.payload_start <= header.payload_end <= len(packet)
        found = next((d for i, d in header_extensions(packet) if i == identifier), None)
        assert find_extension(packet, identifier) == found
        is_rtcp(packet)


@given(st.binary(min_size=4, max_size=40), st.integers(1, 14))
def test_extension_scan_of_arbitrary_blocks_agrees_with_the_generator(data: bytes, identifier: int) -> None:
    data = data[: len(data) // 4 * 4]
    packet = rtp(b"", block=b"\xbe\xde" + struct.pack("!H", len(data) // 4) + data)
    found = next((d for i, d in header_extensions(packet) if i == identifier), None)
    assert find_extension(packet, identifier) == found


def test_rtp_and_rtcp_are_told_apart() -> None:
    assert is_rtcp(b"\x80\xc8\x00\x06")
    assert is_rtcp(b"\x81\xce\x00\x02")
    assert not is_rtcp(rtp(b"x"))
    assert not is_rtcp(rtp(b"x", marker=True))


@given(st.binary(max_size=30), st.integers(0, 65535), st.booleans(), st.integers(0, 20))
def test_rtx_restores_the_original_packet(
    payload: bytes, sequence_number: int, marker: bool, padding: int
) -> None:
    packet = rtp(
        wrap_rtx(sequence_number) + payload,
        block=extension_block([(3, b"0")]),
        padding=padding,
        marker=marker,
    )
    span = payload_span(packet)
    assert span is not None
    original = unwrap_rtx(packet, *span, payload_type=97, ssrc=7)
    assert original is not None
    header = parse_header(original)
    assert header is not None
    assert header[:5] == (marker, 97, sequence_number, 305419896, 7)
    assert original[header.payload_start : header.payload_end] == payload


def test_an_rtx_padding_probe_restores_nothing() -> None:
    packet = rtp(b"", padding=200)
    span = payload_span(packet)
    assert span is not None
    assert unwrap_rtx(packet, *span, payload_type=97, ssrc=7) is None
