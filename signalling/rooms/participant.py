"""One person in a room: the seat, the connection that serves it now, and what media says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mediaserver.participant import Participant as MediaParticipant
from mediaserver.sfu.interfaces import ConnectionState, PublishedTrack
from signalling.realtime.protocol import Connection, ParticipantInfo, TrackInfo
from signalling.rooms.seats import Seat


class Peer(Protocol):
    """The connection of one person, as a room sees it. Nothing here blocks or raises."""

    def send(self, event: str, payload: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """End the connection after what was sent has been read."""


class TrackListener(Protocol):
    """What the room is told about a participant's media."""

    def on_track_published(self, participant: RoomParticipant, track: PublishedTrack) -> None: ...

    def on_track_unpublished(self, participant: RoomParticipant, track: PublishedTrack) -> None: ...

    def on_connection_state(self, participant: RoomParticipant, state: ConnectionState) -> None: ...


@dataclass(eq=False, slots=True, kw_only=True)
class RoomParticipant:
    """Held from taking the seat until it is free again; connections come and go meanwhile."""

    seat: Seat
    seat_id: int
    """In the store."""
    name: str
    joined: datetime
    listener: TrackListener
    peer: Peer | None = None
    media: MediaParticipant | None = None
    """None until the first offer."""
    tracks: dict[str, PublishedTrack] = field(default_factory=dict)
    muted: set[str] = field(default_factory=set)
    in_call_s: float = 0.0
    """Seconds with a working media connection, up to `connected_since_s`."""
    stored_in_call_s: float = 0.0
    """What the store has of it."""
    connected_since_s: float | None = None
    media_state: ConnectionState = "new"

    @property
    def participant_id(self) -> str:
        return self.seat.participant_id

    @property
    def connection(self) -> Connection:
        if self.seat.away_since_s is not None:
            return "away"
        # The server gave the path up; the client's next offer makes a new one.
        return "interrupted" if self.media_state == "closed" else self.media_state

    def send(self, event: str, payload: dict[str, Any]) -> None:
        if self.peer is not None:
            self.peer.send(event, payload)

    def set_muted(self, track_id: str, muted: bool) -> bool:
        """Returns False if that was so before."""
        if (track_id in self.muted) == muted:
            return False
        if muted:
            self.muted.add(track_id)
        else:
            self.muted.discard(track_id)
        return True

    def set_media_state(self, state: ConnectionState, now_s: float) -> None:
        """Note the media path's state and the time that was spent connected."""
        if state == "connected":
            if self.connected_since_s is None:
                self.connected_since_s = now_s
        elif self.connected_since_s is not None:
            self.in_call_s += now_s - self.connected_since_s
            self.connected_since_s = None
        self.media_state = state
        self.seat.lost = state in ("interrupted", "closed")

    def total_in_call_s(self, now_s: float) -> float:
        since = self.connected_since_s
        return self.in_call_s if since is None else self.in_call_s + now_s - since

    def track_info(self, track: PublishedTrack) -> TrackInfo:
        return TrackInfo(
            track_id=track.track_id,
            participant_id=self.participant_id,
            kind=track.kind,
            source=track.source,
            muted=track.track_id in self.muted,
        )

    def track_infos(self) -> Sequence[TrackInfo]:
        return tuple(self.track_info(track) for track in self.tracks.values())

    def info(self) -> ParticipantInfo:
        return ParticipantInfo(
            participant_id=self.participant_id,
            role=self.seat.role,
            name=self.name,
            connection=self.connection,
            tracks=tuple(self.track_infos()),
        )

    # --- mediaserver.sfu.interfaces.ParticipantListener ---------------------------------------------------

    def on_track_published(self, track: PublishedTrack) -> None:
        self.tracks[track.track_id] = track
        self.listener.on_track_published(self, track)

    def on_track_unpublished(self, track: PublishedTrack) -> None:
        self.muted.discard(track.track_id)
        if self.tracks.pop(track.track_id, None) is not None:
            self.listener.on_track_unpublished(self, track)

    def on_connection_state(self, state: ConnectionState) -> None:
        self.listener.on_connection_state(self, state)
