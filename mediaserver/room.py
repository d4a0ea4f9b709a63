"""A room as media sees it: who is in it, and what is published in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog

from mediaserver.context import ServerContext
from mediaserver.errors import ClosedError, DuplicateError
from mediaserver.participant import Participant
from mediaserver.sfu.interfaces import ParticipantListener, PublishedTrack
from mediaserver.sfu.track import Track

log = structlog.get_logger()

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Room:
    """Made by `MediaServer.create_room`."""

    def __init__(self, context: ServerContext, room_id: str, on_closed: Callable[[Room], None]) -> None:
        self.room_id = room_id
        self._context = context
        self._on_closed = on_closed
        self._participants: dict[str, Participant] = {}
        self._tracks: dict[str, Track] = {}
        self._closed = False

    @property
    def participants(self) -> Mapping[str, Participant]:
        """By identifier; a live view."""
        return MappingProxyType(self._participants)

    @property
    def tracks(self) -> Mapping[str, PublishedTrack]:
        """Everything published, by track identifier; a live view."""
        return MappingProxyType(self._tracks)

    @property
    def track_table(self) -> Mapping[str, Track]:
        """As `tracks`, for connections that subscribe."""
        return self._tracks

    def add_participant(self, participant_id: str, listener: ParticipantListener) -> Participant:
        """Let somebody in. Media flows once they negotiate.

        Args:
            participant_id: a token of at most 64 characters (`[A-Za-z0-9_-]`): it is written into SDP.
            listener: told what happens to this participant, on the event loop.
        Raises:
            DuplicateError: the identifier is in use in this room.
            ClosedError: the room was closed.
            ValueError: the identifier is not such a token.
        """
        if self._closed:
            raise ClosedError(f"room {self.room_id} is closed")
        if not _IDENTIFIER.fullmatch(participant_id):
            raise ValueError("a participant identifier is 1 to 64 of A-Z a-z 0-9 _ -")
        if participant_id in self._participants:
            raise DuplicateError(f"participant {participant_id} is in the room already")
        participant = Participant(self._context, self, participant_id, listener)
        self._participants[participant_id] = participant
        return participant

    async def aclose(self) -> None:
        """Close every participant, then the room itself. May be called again."""
        if self._closed:
            return
        self._closed = True
        # One that fails to close must not keep the others open.
        results = await asyncio.gather(
            *(participant.aclose() for participant in list(self._participants.values())),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, Exception):
                log.error("participant_close_failed", room_id=self.room_id, exc_info=result)
        self._on_closed(self)

    # Called by its participants

    def add_track(self, track: Track) -> None:
        """A participant publishes `track`."""
        self._tracks[track.track_id] = track

    def remove_track(self, track: Track) -> None:
        """`track` has ended."""
        if self._tracks.pop(track.track_id, None) is not None:
            for participant in self._participants.values():
                participant.forget(track.track_id)

    def discard(self, participant: Participant) -> None:
        """`participant` has left."""
        if self._participants.get(participant.participant_id) is participant:
            del self._participants[participant.participant_id]
