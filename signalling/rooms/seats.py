"""Who sits where: the rules for taking, holding, resuming and freeing seats.

A seat is a person's place in a room, above any connection. When its connection is lost it is held for a
while (`away`); the same person comes back to it with the resume token, or by opening the link again. One
agent (assistance) sits on one seat; everybody else shares the rest.

Pure state: no I/O, no clock; `now_s` is any monotonic time in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signalling.errors import AgentPresentError, RoomFullError
from signalling.realtime.protocol import Role

SINGLE_ROLES: frozenset[Role] = frozenset({"agent", "moderator"})
"""Roles that one person at a time holds, admitted by a token instead of the room's password."""


@dataclass(slots=True)
class Seat:
    participant_id: str
    role: Role
    token_id: str | None = None
    """Of the token that opened it (`agent`, `moderator`)."""
    away_since_s: float | None = None
    """When its connection was lost; None while somebody is connected."""
    lost: bool = False
    """Connected as far as we know, but nothing has come from the device for seconds."""


class SeatTable:
    """The seats of one room."""

    def __init__(self, *, max_participants: int, hold_s: float) -> None:
        """`hold_s`: how long a seat without connection is kept."""
        self._max_participants = max_participants
        self._hold_s = hold_s
        self._seats: dict[str, Seat] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats.values())

    def get(self, participant_id: str) -> Seat | None:
        return self._seats.get(participant_id)

    def admit(self, role: Role, token_id: str | None = None) -> Seat | None:
        """Where somebody with these credentials may sit.

        Returns:
            The seat to take over, or None for a new one.
        Raises:
            AgentPresentError: somebody else sits on the only seat of this role.
            RoomFullError: no place is left, and nobody is away whose place this could be.
        """
        if role in SINGLE_ROLES:
            return self._admit_single(role, token_id)
        others = [seat for seat in self._seats.values() if seat.role not in SINGLE_ROLES]
        if len(others) < self._max_participants - 1:
            return None
        if role == "requester":
            # The link was opened again, perhaps on another device, before the lost seat was freed.
            for seat in others:
                if seat.away_since_s is not None or seat.lost:
                    return seat
        raise RoomFullError

    def _admit_single(self, role: Role, token_id: str | None) -> Seat | None:
        for seat in self._seats.values():
            if seat.role == role:
                if seat.token_id == token_id or seat.away_since_s is not None or seat.lost:
                    return seat
                raise AgentPresentError
        return None

    def add(self, seat: Seat) -> None:
        self._seats[seat.participant_id] = seat

    def remove(self, participant_id: str) -> None:
        self._seats.pop(participant_id, None)

    def expired(self, now_s: float) -> list[Seat]:
        """Seats that nobody came back to in time. They stay until they are removed."""
        return [seat for seat in self._seats.values() if self._hold_left_s(seat, now_s) <= 0]

    def next_expiry_s(self) -> float | None:
        """When the next held seat is due, or None."""
        dues = [s.away_since_s + self._hold_s for s in self._seats.values() if s.away_since_s is not None]
        return min(dues, default=None)

    def _hold_left_s(self, seat: Seat, now_s: float) -> float:
        return self._hold_s if seat.away_since_s is None else seat.away_since_s + self._hold_s - now_s
