from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signalling.access.addresses import ClientKey
from signalling.realtime.limits import ConnectionQuota, TokenBucket


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    bucket = TokenBucket(50.0, 100, 0.0)
    assert [bucket.take(0.0) for _ in range(101)] == [True] * 100 + [False]
    assert bucket.take(0.02)
    assert not bucket.take(0.02)


@given(st.lists(st.floats(0, 2), max_size=500))
def test_never_more_than_burst_and_rate_allow(waits: list[float]) -> None:
    bucket = TokenBucket(50.0, 100, 0.0)
    now_s, taken = 0.0, 0
    for wait_s in waits:
        now_s += wait_s
        taken += bucket.take(now_s)
        assert taken <= 100 + 50 * now_s + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(50.0, 1, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(0.0)


def test_quota_is_per_client_and_given_back() -> None:
    quota = ConnectionQuota(2)
    alice, bob = ClientKey("a"), ClientKey("b")
    assert [quota.acquire(alice) for _ in range(3)] == [True, True, False]
    assert quota.acquire(bob)
    quota.release(alice)
    assert quota.acquire(alice)
    for client in (alice, alice, bob):
        quota.release(client)
    assert not quota._open, "nothing is remembered of clients that left"
