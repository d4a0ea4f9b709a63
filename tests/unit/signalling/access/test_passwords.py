from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signalling.access.addresses import ClientKey
from signalling.access.passwords import LockoutPolicy, PasswordLockout

ALICE = ClientKey("192.0.2.1")
BOB = ClientKey("192.0.2.2")
MINUTE = 60.0


def guess_wrong(
    lockout: PasswordLockout, room: str, client: ClientKey, times: int, now_s: float
) -> list[bool]:
    """Each guess that was looked at says whether it locked the client."""
    attempts = [lockout.attempt(room, client, now_s) for _ in range(times)]
    return [attempt.locks for attempt in attempts if attempt is not None]


def test_the_fifth_wrong_password_locks_the_client() -> None:
    lockout = PasswordLockout()
    assert guess_wrong(lockout, "room", ALICE, 5, 0.0) == [False, False, False, False, True]
    assert guess_wrong(lockout, "room", ALICE, 5, 1.0) == []


def test_a_lock_holds_for_one_room_and_one_client() -> None:
    lockout = PasswordLockout()
    guess_wrong(lockout, "room", ALICE, 5, 0.0)
    assert lockout.attempt("room", BOB, 1.0)
    assert lockout.attempt("other", ALICE, 1.0)


def test_the_lock_ends_15_minutes_after_the_last_attempt() -> None:
    lockout = PasswordLockout()
    guess_wrong(lockout, "room", ALICE, 5, 0.0)
    assert not lockout.attempt("room", ALICE, 14 * MINUTE)
    assert not lockout.attempt("room", ALICE, 28 * MINUTE), "the attempt at 14 minutes restarted the time"
    assert lockout.attempt("room", ALICE, 43 * MINUTE)


def test_after_a_lock_there_are_five_attempts_again() -> None:
    lockout = PasswordLockout()
    guess_wrong(lockout, "room", ALICE, 5, 0.0)
    assert guess_wrong(lockout, "room", ALICE, 5, 16 * MINUTE) == [False, False, False, False, True]


def test_slow_guesses_are_forgotten_only_after_15_idle_minutes() -> None:
    lockout = PasswordLockout()
    locked = [guess_wrong(lockout, "room", ALICE, 1, n * 14 * MINUTE)[0] for n in range(5)]
    assert locked == [False, False, False, False, True]
    other = PasswordLockout()
    assert not any(guess_wrong(other, "room", ALICE, 1, n * 15 * MINUTE)[0] for n in range(20))


def test_the_right_password_forgets_former_mistakes() -> None:
    lockout = PasswordLockout(LockoutPolicy(room_attempts=10_000))
    for _ in range(10):
        guess_wrong(lockout, "room", ALICE, 4, 0.0)
        fifth = lockout.attempt("room", ALICE, 1.0)
        assert fifth is not None and fifth.locks
        lockout.succeeded(fifth)


def test_right_passwords_do_not_count_against_the_room() -> None:
    lockout = PasswordLockout()
    for n in range(100):
        attempt = lockout.attempt("room", ClientKey(str(n)), 0.0)
        assert attempt is not None
        lockout.succeeded(attempt)


def test_many_clients_together_get_20_guesses_at_a_room() -> None:
    lockout = PasswordLockout()
    clients = [ClientKey(f"10.0.{n // 256}.{n % 256}") for n in range(1000)]
    assert sum(lockout.attempt("room", client, 0.0) is not None for client in clients) == 20
    assert lockout.attempt("other", ALICE, 100.0)


def test_the_rooms_limit_slides() -> None:
    lockout = PasswordLockout()
    for n in range(20):
        assert lockout.attempt("room", ClientKey(str(n)), n * MINUTE / 2)
    assert not lockout.attempt("room", ALICE, 14.9 * MINUTE)
    assert lockout.attempt("room", ALICE, 15 * MINUTE), "the first guess left the window"


def test_guesses_at_invented_rooms_push_no_lock_out() -> None:
    lockout = PasswordLockout(LockoutPolicy(capacity=10))
    guess_wrong(lockout, "room", ALICE, 5, 0.0)
    for n in range(1000):
        lockout.attempt(f"invented {n}", BOB, 1.0)
    assert not lockout.attempt("room", ALICE, 2.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.floats(0, 300)),
        max_size=200,
    )
)
def test_no_client_gets_more_than_five_guesses_in_any_15_minutes(steps: list[tuple[int, int, float]]) -> None:
    lockout = PasswordLockout(LockoutPolicy(room_attempts=10_000))
    now_s = 0.0
    evaluated: dict[tuple[str, ClientKey], list[float]] = {}
    for room, client, wait_s in steps:
        now_s += wait_s
        key = (str(room), ClientKey(str(client)))
        if lockout.attempt(*key, now_s):
            evaluated.setdefault(key, []).append(now_s)
    for times in evaluated.values():
        for first, sixth in zip(times, times[5:], strict=False):
            assert sixth - first >= 900.0
