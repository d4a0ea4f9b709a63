"""Durations of Opus packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import opus


@pytest.mark.parametrize(
    ("configuration", "samples"),
    [
        *zip(range(12), (480, 960, 1920, 2880) * 3, strict=True),
        *zip(range(12, 16), (480, 960) * 2, strict=True),
        *zip(range(16, 32), (120, 240, 480, 960) * 4, strict=True),
    ],
)
def test_each_configuration_has_its_frame_duration(configuration: int, samples: int) -> None:
    toc = configuration << 3
    assert opus.packet_samples(bytes([toc, 1, 2])) == samples
    assert opus.packet_samples(bytes([toc])) == samples  # DTX
    doubled = 2 * samples
    assert opus.packet_samples(bytes([toc | 1, 1, 2])) == doubled
    assert opus.packet_samples(bytes([toc | 2, 1, 2])) == doubled


def test_a_counted_packet_lasts_count_frames_up_to_120_ms() -> None:
    toc = (31 << 3) | 3  # 20 ms
    assert opus.packet_samples(bytes([toc, 3])) == 2880
    assert opus.packet_samples(bytes([toc, 0x80 | 0x40 | 6])) == 5760
    assert opus.packet_samples(bytes([toc, 7])) is None
    assert opus.packet_samples(bytes([toc, 0])) is None
    assert opus.packet_samples(bytes([toc])) is None


def test_an_empty_packet_is_malformed() -> None:
    assert opus.packet_samples(b"") is None


@given(st.binary(max_size=4))
def test_no_byte_string_raises_or_exceeds_120_ms(data: bytes) -> None:
    samples = opus.packet_samples(data)
    assert samples is None or 120 <= samples <= opus.MAX_PACKET_SAMPLES
