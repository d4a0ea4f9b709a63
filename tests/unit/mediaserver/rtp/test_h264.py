"""H.264 payload formats."""

import io
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import h264

SPS_NAL = b"\x67sps"
PPS_NAL = b"\x68pps"
IDR_NAL = b"\x65idr picture"
DELTA_NAL = b"\x41delta picture"

NALS = st.binary(min_size=1, max_size=60).map(lambda d: bytes([(d[0] & 0x60) | 1 + d[0] % 23]) + d[1:])


def stap_a(*nals: bytes) -> bytes:
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def fu_a(nal: bytes, size: int) -> list[bytes]:
    body = nal[1:]
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    packets = []
    for index, piece in enumerate(pieces):
        flags = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
        packets.append(bytes([(nal[0] & 0xE0) | 28, flags | (nal[0] & 0x1F)]) + piece)
    return packets


def is_keyframe_start(payload: bytes) -> bool:
    return h264.is_keyframe_start(b"head" + payload + b"pad", 4, 4 + len(payload))


@given(NALS)
def test_a_single_nal_unit_is_one_whole_fragment(nal: bytes) -> None:
    assert h264.fragments(nal) == [(nal, True, True)]


@given(st.lists(NALS, min_size=1, max_size=5))
def test_an_aggregate_holds_whole_nal_units(nals: list[bytes]) -> None:
    assert h264.fragments(stap_a(*nals)) == [(nal, True, True) for nal in nals]


@given(NALS.filter(lambda n: len(n) >= 3), st.integers(1, 40))
def test_fragments_join_to_the_nal_unit(nal: bytes, size: int) -> None:
    size = min(size, len(nal) - 2)  # at least two fragments: one alone is not allowed
    found = [fragment for payload in fu_a(nal, size) for fragment in h264.fragments(payload) or []]
    assert b"".join(fragment.data for fragment in found) == nal
    assert [f.starts for f in found] == [True] + [False] * (len(found) - 1)
    assert [f.ends for f in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x60data",  # type 0
        b"\x7ddata",  # FU-B
        b"\x78",  # STAP-A of nothing
        b"\x78\x00",
        b"\x78\x00\x00",  # NAL unit of no bytes
        b"\x78\x00\x05\x67ab",  # cut short
        b"\x78\x00\x03\x78ab",  # nested
        b"\x7c\x85",  # FU-A without data
        b"\x7c\xc5data",  # starts and ends
        b"\x7c\x9cdata",  # FU-A of FU-A
    ],
)
def test_a_malformed_payload_parses_to_none(payload: bytes) -> None:
    assert h264.fragments(payload) is None


def test_a_decoder_can_begin_at_an_sps_or_an_idr_picture() -> None:
    assert is_keyframe_start(SPS_NAL)
    assert is_keyframe_start(IDR_NAL)
    assert is_keyframe_start(stap_a(SPS_NAL, PPS_NAL))
    assert is_keyframe_start(stap_a(b"\x09\xf0", SPS_NAL, PPS_NAL, IDR_NAL))
    first, *rest = fu_a(IDR_NAL, 4)
    assert is_keyframe_start(first)
    assert not any(is_keyframe_start(payload) for payload in rest)
    assert not is_keyframe_start(DELTA_NAL)
    assert not is_keyframe_start(PPS_NAL)
    assert not is_keyframe_start(stap_a(b"\x09\xf0", DELTA_NAL))
    assert not is_keyframe_start(fu_a(DELTA_NAL, 4)[0])
    assert not is_keyframe_start(b"")


@given(st.binary(max_size=40))
def test_no_byte_string_raises(data: bytes) -> None:
    for payload in (data, b"\x78" + data, b"\x7c" + data, b"\x67" + data):
        h264.fragments(payload)
        is_keyframe_start(payload)
        h264.sps_size(payload)


def encoded_sps(width: int, height: int, profile: str, options: dict[str, str]) -> bytes:
    stream_file = io.BytesIO()
    with av.open(stream_file, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25, options={"profile": profile, **options})
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if profile == "high444" else "yuv420p"
        stream.time_base = Fraction(1, 25)
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    nals = stream_file.getvalue().replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return next(nal for nal in nals if nal and nal[0] & 0x1F == h264.SPS)


@pytest.mark.parametrize(
    ("width", "height", "profile", "options"),
    [
        (640, 480, "baseline", {}),
        (1280, 720, "main", {}),
        (1920, 1080, "high", {}),
        (638, 358, "high", {}),
        (1920, 1080, "high", {"x264-params": "interlaced=1"}),
        (322, 242, "high444", {}),
    ],
)
def test_picture_size_is_what_the_encoder_was_given(
    width: int, height: int, profile: str, options: dict[str, str]
) -> None:
    sps = encoded_sps(width, height, profile, options)
    assert h264.sps_size(sps) == (width, height)
    assert h264.sps_size(sps[:6]) is None
    assert h264.sps_size(b"\x68" + sps[1:]) is None
