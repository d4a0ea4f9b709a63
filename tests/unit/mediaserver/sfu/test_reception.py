"""What is known of one received stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.reception import MAX_GAP, Reception, SenderClock

CYCLE = 1 << 16
"""The extended count starts in the second cycle."""


def feed(reception: Reception, numbers: list[int]) -> list[int | None]:
    """-> the extended numbers, counted from the first cycle."""
    accepted = [
        reception.accept(number & 0xFFFF, number * 960 & 0xFFFFFFFF, 100, number * 20_000)
        for number in numbers
    ]
    return [extended - CYCLE if extended is not None else None for extended in accepted]


@given(
    start=st.integers(0, 0xFFFF),
    order=st.lists(st.integers(0, 60), min_size=1, max_size=200),
)
def test_each_packet_is_accepted_once_whatever_the_order(start: int, order: list[int]) -> None:
    reception = Reception(1, 48_000)
    # Nothing before the first packet counts.
    numbers = [start + 100 * (index > 0) + offset for index, offset in enumerate([0, *order])]
    accepted = [extended for extended in feed(reception, numbers) if extended is not None]
    assert sorted(accepted) == sorted(set(numbers))
    assert reception.highest == max(numbers) + CYCLE
    assert reception.duplicates == len(numbers) - len(set(numbers))
    assert reception.lost == max(numbers) - start + 1 - len(set(numbers))
    assert not reception.broken


def test_numbers_are_extended_over_wraps() -> None:
    reception = Reception(1, 48_000)
    walked = list(range(65_000, 65_000 + 3 * 65_536, 97))
    assert feed(reception, walked) == walked
    report = reception.report(0)
    assert report is not None and report.highest_sequence == walked[-1]


def test_a_gap_is_noted_as_missing_until_it_is_filled() -> None:
    reception = Reception(1, 90_000)
    feed(reception, [10, 14])
    assert reception.missing.due(1_000_000) == [CYCLE + 11, CYCLE + 12, CYCLE + 13]
    assert feed(reception, [12]) == [12]
    assert reception.accept(13, 0, 5, 0, repair=True) == CYCLE + 13
    assert len(reception.missing) == 1
    assert (reception.received, reception.recovered, reception.lost) == (3, 1, 2)


def test_a_packet_long_before_the_first_or_repeated_is_dropped() -> None:
    reception = Reception(1, 90_000)
    assert feed(reception, [100, 83, 100, 101, 101]) == [100, None, None, 101, None]
    assert reception.accept(101, 0, 5, 0, repair=True) is None


def test_the_first_packets_may_be_overtaken() -> None:
    reception = Reception(1, 90_000)
    assert feed(reception, [1, -2, -1, 2, -2]) == [1, -2, -1, 2, None]
    assert reception.missing.due(0) == [CYCLE]
    assert reception.lost == 1
    report = reception.report(0)
    assert report is not None and report.highest_sequence == 2


def test_a_long_gap_breaks_the_stream_and_is_not_asked_for() -> None:
    reception = Reception(1, 90_000)
    feed(reception, [10, 12, 12 + MAX_GAP])
    assert not reception.broken
    feed(reception, [13 + 2 * MAX_GAP])
    assert reception.broken
    assert len(reception.missing) == 0


def test_a_straggler_does_not_restart_the_stream_but_two_in_a_row_do() -> None:
    reception = Reception(1, 90_000)
    feed(reception, list(range(30_000, 30_010)))
    reception.clock = SenderClock(1, 1, 1)
    assert feed(reception, [500, 30_010, 700]) == [None, 30_010, None]
    assert not reception.broken
    assert feed(reception, [800, 801, 802]) == [None, 801, 802]
    assert reception.broken
    assert reception.clock is None
    assert reception.received == 13
    assert reception.lost == 0


def test_a_repair_neither_breaks_nor_restarts_the_stream() -> None:
    reception = Reception(1, 90_000)
    feed(reception, list(range(20_000, 20_010)))
    for number in (500, 501, 502, 30_000):
        assert reception.accept(number, 0, 5, 0, repair=True) is None
    assert not reception.broken
    assert reception.highest == CYCLE + 20_009


def test_reports_tell_loss_of_the_interval_and_of_all_time() -> None:
    reception = Reception(7, 48_000)
    assert reception.report(0) is None
    feed(reception, list(range(100, 110)))
    first = reception.report(0)
    assert first is not None
    assert (first.ssrc, first.fraction_lost, first.packets_lost, first.highest_sequence) == (7, 0, 0, 109)
    feed(reception, [110, 111, 114, 117])  # 4 of 8 lost
    second = reception.report(0)
    assert second is not None
    assert (second.fraction_lost, second.packets_lost, second.highest_sequence) == (128, 4, 117)
    feed(reception, [112, 113])  # late: negative loss in this interval is none
    third = reception.report(0)
    assert third is not None
    assert (third.fraction_lost, third.packets_lost) == (0, 2)


def test_a_report_refers_to_the_last_sender_report() -> None:
    reception = Reception(7, 48_000)
    feed(reception, [1])
    reception.clock = SenderClock(0x0123_4567_89AB_CDEF, 5, 1_000_000)
    report = reception.report(1_500_000)
    assert report is not None
    assert (report.last_sr, report.delay_since_last_sr) == (0x4567_89AB, 32_768)


def test_jitter_follows_the_formula_and_survives_a_timestamp_wrap() -> None:
    reception = Reception(1, 48_000)
    expected = 0.0
    delays_us = [0, 5_000, 1_000, 30_000, 2_000, 0, 9_000]
    for index, delay_us in enumerate(delays_us):
        reception.accept(index, (0xFFFFF000 + index * 960) & 0xFFFFFFFF, 80, index * 20_000 + delay_us)
        if index:
            difference = abs(delay_us - delays_us[index - 1]) * 48 / 1000
            expected += (difference - expected) / 16
    assert reception.jitter == pytest.approx(expected)


def test_packets_of_one_frame_and_repairs_do_not_count_as_jitter() -> None:
    reception = Reception(1, 90_000)
    for number, ts, at_us in ((0, 0, 0), (1, 0, 900), (2, 0, 1800), (4, 3000, 33_333)):
        reception.accept(number, ts, 100, at_us)
    reception.accept(3, 3000, 100, 900_000, repair=True)
    reception.accept(5, 6000, 100, 900_000, repair=True)
    assert reception.jitter < 0.1
