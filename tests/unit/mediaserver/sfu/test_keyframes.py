"""When a publisher is asked for a keyframe."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.keyframes import MAX_UNANSWERED, MIN_INTERVAL_US, KeyframeRequests

MS = 1000


def test_a_first_request_is_due_at_once() -> None:
    keyframes = KeyframeRequests()
    assert not keyframes.take_due(0)
    keyframes.request()
    assert keyframes.take_due(0)
    assert not keyframes.take_due(0)


def test_an_unanswered_request_is_repeated_ever_more_slowly_and_then_dropped() -> None:
    keyframes = KeyframeRequests()
    keyframes.request()
    sent_ms = [ms for ms in range(0, 100_000, 20) if keyframes.take_due(ms * MS)]
    assert sent_ms[:5] == [0, 500, 1500, 3500, 7500]
    assert len(sent_ms) == MAX_UNANSWERED
    assert not keyframes.pending
    keyframes.request()
    assert keyframes.take_due(200_000 * MS)


def test_a_keyframe_ends_the_requests() -> None:
    keyframes = KeyframeRequests()
    keyframes.request()
    assert keyframes.take_due(0)
    keyframes.answered()
    assert not any(keyframes.take_due(ms * MS) for ms in range(0, 5000, 20))


def test_a_request_within_the_interval_is_kept_not_lost() -> None:
    keyframes = KeyframeRequests()
    keyframes.request()
    assert keyframes.take_due(0)
    keyframes.answered()
    keyframes.request()
    assert [ms for ms in range(0, 400, 20) if keyframes.take_due(ms * MS)] == [200]


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.sampled_from(["request", "answered", "due"])), max_size=300)
)
def test_requests_are_never_closer_than_the_interval(steps: list[tuple[int, str]]) -> None:
    keyframes = KeyframeRequests()
    now_us = 0
    sent: list[int] = []
    for delay_us, step in steps:
        now_us += delay_us
        if step == "request":
            keyframes.request()
        elif step == "answered":
            keyframes.answered()
        if keyframes.take_due(now_us):
            sent.append(now_us)
    assert all(later - earlier >= MIN_INTERVAL_US for earlier, later in pairwise(sent))
