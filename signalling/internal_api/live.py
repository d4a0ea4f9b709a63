"""What the internal API needs of the running sessions. `signalling/rooms/` implements it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from signalling.store.records import Media, Recording, Role, Room


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTrack:
    track_id: str
    kind: str
    source: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParticipant:
    """Somebody who holds a seat now; the shape of `Participant` in `signalling/README.md`."""

    participant_id: str
    role: Role
    name: str
    connection: str
    """`new`, `connecting`, `connected`, `interrupted` or `away`."""
    joined: datetime
    tracks: Sequence[LiveTrack]


class LiveRooms(Protocol):
    """Running sessions, named by `convId`. Whoever calls has seen that the room exists.

    Errors are those of `signalling/errors.py`.
    """

    async def room_changed(self, room: Room) -> None:
        """The API created or changed the room: its deadlines may have moved."""

    async def close(self, conv_id: str, reason: str) -> None:
        """End the room for everybody: `done` if it was ongoing, otherwise `cancelled`. Writes the state and
        its event. Harmless if the room is over.
        """

    def participants(self, conv_id: str) -> Sequence[LiveParticipant]:
        """Who holds a seat, in the order of joining; empty if nobody came yet."""

    async def start_recording(self, conv_id: str, by: str) -> tuple[Recording, Media]:
        """Start capture; the composite is listed from now on.

        Raises:
            RoomEndedError, RoomExpiredError, RecordingOffError, AlreadyRecordingError, StorageFullError
        """

    async def stop_recording(self, conv_id: str, recording_id: str) -> tuple[Recording, Media]:
        """Stop capture; the composite is made afterwards.

        Raises:
            RecordingNotFoundError: not of this room.
            NotRecordingError: it was stopped before.
        """

    async def take_snapshot(self, conv_id: str, participant_id: str | None) -> Media:
        """A photo from a participant's camera, by default the requester's.

        Raises:
            RoomEndedError, RoomExpiredError, ParticipantNotFoundError, NoPictureError
        """
