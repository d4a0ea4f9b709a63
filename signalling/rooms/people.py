"""Everybody who holds a seat in one room, and how they are told things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from signalling.rooms.participant import RoomParticipant


class People:
    """In the order of joining."""

    def __init__(self) -> None:
        self._people: dict[str, RoomParticipant] = {}

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[RoomParticipant]:
        return iter(list(self._people.values()))

    def get(self, participant_id: str) -> RoomParticipant | None:
        return self._people.get(participant_id)

    def add(self, participant: RoomParticipant) -> None:
        self._people[participant.participant_id] = participant

    def remove(self, participant: RoomParticipant) -> bool:
        """False if they were gone already."""
        return self._people.pop(participant.participant_id, None) is not None

    def owner_of(self, track_id: str) -> RoomParticipant | None:
        return next((person for person in self if track_id in person.tracks), None)

    def tell_all(self, event: str, payload: dict[str, Any]) -> None:
        for participant in self:
            participant.send(event, payload)

    def tell_others(self, subject: RoomParticipant, event: str, payload: dict[str, Any]) -> None:
        for participant in self:
            if participant is not subject:
                participant.send(event, payload)
