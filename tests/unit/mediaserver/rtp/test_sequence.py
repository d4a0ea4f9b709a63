"""Counters that wrap."""

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.sequence import (
    Unwrapper,
    sequence_delta,
    sequence_unwrapper,
    timestamp_delta,
    timestamp_unwrapper,
)


@given(st.integers(0, 1 << 40), st.integers(-0x8000, 0x7FFF))
def test_sequence_delta_is_the_distance_across_any_wrap(start: int, distance: int) -> None:
    assert sequence_delta((start + distance) & 0xFFFF, start & 0xFFFF) == distance


@given(st.integers(0, 1 << 40), st.integers(-0x80000000, 0x7FFFFFFF))
def test_timestamp_delta_is_the_distance_across_any_wrap(start: int, distance: int) -> None:
    assert timestamp_delta((start + distance) & 0xFFFFFFFF, start & 0xFFFFFFFF) == distance


@given(
    bits=st.sampled_from([7, 15, 16, 32]),
    start=st.integers(0, 1 << 32),
    steps=st.lists(st.floats(-0.49, 0.49), max_size=200),
)
def test_unwrapping_follows_every_walk_that_stays_within_half_the_range(
    bits: int, start: int, steps: list[float]
) -> None:
    half = 1 << (bits - 1)
    unwrapper = Unwrapper(bits)
    mask = (1 << bits) - 1
    origin = start & mask
    highest = position = origin
    assert unwrapper.unwrap(origin) == origin
    for step in steps:
        # Distances count from the highest value seen: that is what the unwrapper compares with.
        position = highest + int(step * 2 * (half - 1))
        assert unwrapper.unwrap(position & mask) == position
        highest = max(highest, position)
        assert unwrapper.highest == highest


def test_reordering_around_a_wrap_keeps_the_order() -> None:
    unwrap = sequence_unwrapper().unwrap
    assert [unwrap(s) for s in (65534, 0, 65535, 1)] == [65534, 65536, 65535, 65537]


def test_a_packet_before_the_first_is_negative() -> None:
    unwrap = timestamp_unwrapper().unwrap
    assert [unwrap(t) for t in (0, 0xFFFFFFFF)] == [0, -1]
