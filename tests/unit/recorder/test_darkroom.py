"""The child's functions, called directly; `tests/integration/recorder/test_snapshots.py` runs the process."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mediaserver.sfu.interfaces import Codec
from recorder.darkroom import develop
from tests.support.rtp_source import H264, RED, VP8, Network, Rtp, RtpSource, read_counter, video_source

UNLIMITED_US = 10**9


def packets(source: RtpSource) -> tuple[tuple[bytes, int], ...]:
    return tuple((event.packet, event.at_us) for event in source.events if isinstance(event, Rtp))


def luma(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))


@pytest.fixture(scope="module", params=[VP8, H264], ids=["VP8", "H264"])
def codec(request: pytest.FixtureRequest) -> Codec:
    assert isinstance(request.param, Codec)
    return request.param


def test_the_last_frame_is_developed_with_the_instant_it_arrived(codec: Codec) -> None:
    source = Network(delay_us=35_000).carry(video_source(codec, duration_s=0.84, bit_rate=2_000_000))

    photo = develop(codec, packets(source), UNLIMITED_US)

    assert read_counter(luma(photo.jpeg)) == 20
    assert (photo.width, photo.height, photo.frames) == (320, 240, 21)
    assert photo.arrival_us == packets(source)[-1][1]


def test_colours_are_the_cameras() -> None:
    source = video_source(VP8, duration_s=0.84, colour=RED, bit_rate=2_000_000)

    image = Image.open(io.BytesIO(develop(VP8, packets(source), UNLIMITED_US).jpeg))

    # BT.601: what R'G'B' this Y'CbCr stands for, by the matrix of the standard.
    y, cb, cr = (RED.y - 16) / 219, (RED.u - 128) / 224, (RED.v - 128) / 224
    expected = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
    found = np.asarray(image.convert("RGB"))[200, 300] / 255
    assert np.abs(found - np.clip(expected, 0, 1)).max() < 0.03


def test_an_incomplete_last_frame_is_left_out(codec: Codec) -> None:
    source = video_source(codec, duration_s=0.4, width=640, height=480, bit_rate=4_000_000)
    whole = packets(source)
    assert whole[-2][0][4:8] == whole[-1][0][4:8], "the last frame has several packets"

    assert read_counter(luma(develop(codec, whole[:-1], UNLIMITED_US).jpeg)) == 8


def test_after_a_loss_the_last_intact_picture_is_developed(codec: Codec) -> None:
    source = video_source(codec, duration_s=0.8)
    lost = {sample.rtp_timestamp for sample in source.samples[6:7]}
    kept = tuple(p for p in packets(source) if int.from_bytes(p[0][4:8], "big") not in lost)

    assert read_counter(luma(develop(codec, kept, UNLIMITED_US).jpeg)) == 5


def test_reordered_and_repeated_packets_are_put_right(codec: Codec) -> None:
    source = Network(reordering=0.3, duplicates=0.2, seed=5).carry(video_source(codec, duration_s=0.8))

    assert read_counter(luma(develop(codec, packets(source), UNLIMITED_US).jpeg)) == 19


def test_beyond_its_budget_a_group_is_given_up(codec: Codec) -> None:
    photo = develop(codec, packets(video_source(codec, duration_s=0.8)), 0)

    assert photo.jpeg == b""
    assert photo.frames == 1


def test_without_a_keyframe_there_is_no_picture(codec: Codec) -> None:
    source = video_source(codec, duration_s=0.4)
    first = source.samples[0].rtp_timestamp
    rest = tuple(p for p in packets(source) if int.from_bytes(p[0][4:8], "big") != first)

    assert develop(codec, rest, UNLIMITED_US).jpeg == b""
