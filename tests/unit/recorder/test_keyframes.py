from __future__ import annotations

from itertools import pairwise

from recorder.keyframes import KeyframePolicy

MS = 1000
SECOND = 1_000_000


def feed(policy: KeyframePolicy, numbers: list[int], at_us: int, step_us: int = 10 * MS) -> list[int]:
    """Interframe packets; returns the instants at which a keyframe was asked for."""
    asked = []
    for index, number in enumerate(numbers):
        if policy.on_packet(number & 0xFFFF, False, at_us + index * step_us):
            asked.append(at_us + index * step_us)
    return asked


def healthy(first: int = 0) -> KeyframePolicy:
    """After its first keyframe, at time zero."""
    policy = KeyframePolicy(0)
    assert not policy.on_packet(first & 0xFFFF, True, 0)
    return policy


def test_start_is_repeated_after_half_a_second_and_then_each_second() -> None:
    asked = feed(KeyframePolicy(0), list(range(320)), 0)
    assert asked == [500 * MS, 1500 * MS, 2500 * MS]


def test_nothing_is_asked_for_after_a_keyframe() -> None:
    policy = KeyframePolicy(0)
    assert not policy.on_packet(0, True, 100 * MS)
    assert feed(policy, list(range(1, 500)), 110 * MS) == []


def test_hole_that_is_filled_in_time_is_no_gap() -> None:
    policy = healthy(65_530)
    assert feed(policy, [65_531, 65_532, 65_536, 65_537], 10 * MS) == []
    assert feed(policy, [65_533, 65_534, 65_535], 900 * MS) == []
    assert feed(policy, list(range(65_538, 65_738)), 950 * MS) == []


def test_hole_that_stays_for_a_second_is_a_gap() -> None:
    policy = healthy()
    assert feed(policy, [1, 2, 4], 10 * MS) == []
    asked = feed(policy, list(range(5, 305)), 40 * MS)
    assert asked[0] == 1040 * MS
    assert policy.cause == "gap"
    assert asked[1] - asked[0] == SECOND


def test_keyframe_behind_a_hole_makes_it_irrelevant() -> None:
    policy = healthy()
    feed(policy, [1, 3], 10 * MS)
    assert not policy.on_packet(4, True, 30 * MS)
    assert feed(policy, list(range(5, 205)), 40 * MS) == []


def test_hole_within_a_keyframe_counts() -> None:
    policy = healthy()
    feed(policy, [1], 10 * MS)
    assert not policy.on_packet(2, True, 20 * MS)
    assert feed(policy, list(range(4, 204)), 30 * MS) == [1040 * MS]


def test_more_missing_than_can_be_repaired_is_a_gap_at_once() -> None:
    policy = healthy()
    assert policy.on_packet(600, False, 2 * SECOND)


def test_requests_are_a_second_apart_whatever_happens() -> None:
    policy = healthy()
    asked = []
    number = 0
    for step in range(500):
        number += 600 if step % 10 == 0 else 1
        keyframe = step % 10 == 5
        if policy.on_packet(number & 0xFFFF, keyframe, step * 10 * MS):
            asked.append(step * 10 * MS)
    assert len(asked) >= 4
    assert all(later - earlier >= SECOND for earlier, later in pairwise(asked))


def test_packet_that_was_not_recorded_needs_a_keyframe() -> None:
    policy = healthy()
    assert policy.on_overflow(2 * SECOND)
    assert policy.cause == "overflow"
    assert not policy.on_overflow(2 * SECOND + 10 * MS)
