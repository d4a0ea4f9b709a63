from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from signalling.rooms.schedule import End, Schedule, Warn

END = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def before(**time: float) -> datetime:
    return END - timedelta(**time)


def test_people_are_warned_5_minutes_and_1_minute_before_the_end() -> None:
    schedule = Schedule(END)
    assert schedule.due(before(minutes=5, seconds=1)) is None
    assert schedule.due(before(minutes=5)) == Warn(300)
    assert schedule.due(before(minutes=3)) is None
    assert schedule.due(before(minutes=1)) == Warn(60)
    assert schedule.due(before(seconds=1)) is None
    assert schedule.due(END) == End()


def test_a_warning_that_was_missed_is_given_once_for_the_shorter_time() -> None:
    schedule = Schedule(END)
    assert schedule.due(before(seconds=30)) == Warn(30)
    assert schedule.due(before(seconds=29)) is None


def test_people_are_warned_again_of_another_end() -> None:
    schedule = Schedule(END)
    schedule.due(before(minutes=5))
    schedule.move(END + timedelta(minutes=30))
    assert schedule.due(END) is None
    assert schedule.due(END + timedelta(minutes=25)) == Warn(300)


def test_a_change_of_something_else_repeats_no_warning() -> None:
    schedule = Schedule(END)
    schedule.due(before(minutes=5))
    schedule.move(END)
    assert schedule.due(before(minutes=4)) is None


def test_who_comes_late_is_told_of_the_end_too() -> None:
    schedule = Schedule(END)
    assert schedule.due(before(minutes=5)) == Warn(300)
    schedule.repeat()
    assert schedule.next_at(before(minutes=4)) == before(minutes=4)
    assert schedule.due(before(minutes=4)) == Warn(240)
    assert schedule.due(before(minutes=1)) == Warn(60)


@given(st.floats(-600, 7200))
def test_looking_again_at_the_named_time_misses_nothing(left_s: float) -> None:
    schedule = Schedule(END)
    now = END - timedelta(seconds=left_s)
    given_warnings = []
    for _ in range(5):
        due = schedule.due(now)
        if isinstance(due, End):
            break
        if due is not None:
            given_warnings.append(due.seconds_left)
        following = schedule.next_at(now)
        assert following > now, "asked in vain"
        now = following
    assert isinstance(due, End)
    if left_s > 300:
        assert given_warnings == [300, 60]
