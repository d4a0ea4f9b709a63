"""Lock-out for room passwords: how many wrong guesses a room, and a client, get.

A room's password has six digits, so what protects it is the number of guesses that are looked at. Five
wrong ones for a room from one client lock that client out of that room for 15 minutes from its *last*
attempt, so an attempt while locked starts the time again. Against many clients together, a room looks at no
more than 20 wrong guesses in 15 minutes, whoever makes them. Rooms that do not exist are counted like rooms
that do: the answer must not tell them apart.

Pure state: no I/O, no clock; `now_s` is any monotonic time in seconds. Memory is bounded: when a table is
full, the entry that was idle longest goes, entries that lock nobody first. Seats that are already held are
entered with a resume token, which is never counted here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass

from signalling.access.addresses import ClientKey


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    client_attempts: int = 5
    """Wrong guesses from one client for one room that lock it out."""
    lock_s: float = 900.0
    """How long a client stays locked out, from its last attempt."""
    room_attempts: int = 20
    """Wrong guesses per room, over all clients, that are looked at within `room_window_s`."""
    room_window_s: float = 900.0
    capacity: int = 20_000
    """Entries that each table may hold."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A guess that is being looked at."""

    conv_id: str
    client: ClientKey
    at_s: float
    locks: bool
    """If it is wrong, the client is locked out from now on."""


@dataclass(slots=True)
class _ClientEntry:
    failures: int
    last_attempt_s: float


class PasswordLockout:
    """Counts wrong guesses and says who may try."""

    def __init__(self, policy: LockoutPolicy | None = None) -> None:
        self._policy = policy or LockoutPolicy()
        # Two tables in order of the last attempt: filling the first with guesses at invented rooms must not
        # push a lock out of the second.
        self._counting: OrderedDict[tuple[str, ClientKey], _ClientEntry] = OrderedDict()
        self._locked: OrderedDict[tuple[str, ClientKey], float] = OrderedDict()
        self._rooms: OrderedDict[str, deque[float]] = OrderedDict()

    def attempt(self, conv_id: str, client: ClientKey, now_s: float) -> Attempt | None:
        """Begin to look at a guess. It counts as wrong until it is taken back, so that many at once get no
        further than many in a row.

        Returns:
            None if the guess may not be looked at. An attempt by a locked client restarts its lock.
        """
        key = (conv_id, client)
        locked_at = self._locked.pop(key, None)
        if locked_at is not None and now_s - locked_at < self._policy.lock_s:
            self._locked[key] = now_s
            return None
        if self._room_failures(conv_id, now_s) >= self._policy.room_attempts:
            return None
        self._count_for_room(conv_id, now_s)
        return Attempt(conv_id, client, now_s, locks=self._count_for_client(key, now_s))

    def succeeded(self, attempt: Attempt) -> None:
        """The guess was right: take it back, and this client's former mistakes with it."""
        key = (attempt.conv_id, attempt.client)
        self._counting.pop(key, None)
        self._locked.pop(key, None)
        failures = self._rooms.get(attempt.conv_id)
        if failures is not None:
            with suppress(ValueError):
                failures.remove(attempt.at_s)

    def _count_for_client(self, key: tuple[str, ClientKey], now_s: float) -> bool:
        """Returns True if this locks the client."""
        entry = self._counting.pop(key, None)
        if entry is None or now_s - entry.last_attempt_s >= self._policy.lock_s:
            entry = _ClientEntry(0, now_s)
        entry.failures += 1
        entry.last_attempt_s = now_s
        if entry.failures < self._policy.client_attempts:
            self._counting[key] = entry
            _trim(self._counting, self._policy.capacity)
            return False
        self._locked[key] = now_s
        _trim(self._locked, self._policy.capacity)
        return True

    def _room_failures(self, conv_id: str, now_s: float) -> int:
        failures = self._rooms.get(conv_id)
        if failures is None:
            return 0
        while failures and now_s - failures[0] >= self._policy.room_window_s:
            failures.popleft()
        if not failures:
            del self._rooms[conv_id]
        return len(failures)

    def _count_for_room(self, conv_id: str, now_s: float) -> None:
        failures = self._rooms.pop(conv_id, None)
        if failures is None:
            failures = deque(maxlen=self._policy.room_attempts)
        failures.append(now_s)
        self._rooms[conv_id] = failures
        _trim(self._rooms, self._policy.capacity)


def _trim(
    table: OrderedDict[tuple[str, ClientKey], _ClientEntry]
    | OrderedDict[tuple[str, ClientKey], float]
    | OrderedDict[str, deque[float]],
    capacity: int,
) -> None:
    while len(table) > capacity:
        table.popitem(last=False)
