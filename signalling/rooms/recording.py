"""The recording of one room while it runs: who and what is captured, and what the store says of it."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from uuid import uuid4

import structlog

from mediaserver.sfu.interfaces import PublishedTrack
from recorder.capture import Capture
from recorder.errors import DiskLowError
from recorder.position import Position as RecorderPosition
from recorder.service import Recorder, RecordingInfo
from signalling.errors import StorageFullError
from signalling.ids import new_media_hash
from signalling.rooms.participant import RoomParticipant
from signalling.store import Store
from signalling.store.records import Media, NewMedia, NewRecording, Position, Recording, Room

log = structlog.get_logger()

_TITLE_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asked for a medium: somebody in the room, or the ticketing backend."""

    name: str | None
    seat_id: int | None = None


class RoomRecording:
    """One running recording, between `start` and `finish`."""

    def __init__(self, store: Store, capture: Capture, recording: Recording, media: Media) -> None:
        self.recording = recording
        self.media = media
        self._store = store
        self._capture = capture
        self._reason = "interrupted"

    @classmethod
    async def start(cls, store: Store, recorder: Recorder, room: Room, owner: Owner) -> RoomRecording:
        """Begin capture and list the composite that will be made of it.

        Raises:
            StorageFullError: too little space; nothing was created.
        """
        title = composite_title(room)
        recording_id = uuid4()
        try:
            capture = recorder.begin(
                RecordingInfo(
                    recording_id=recording_id,
                    room_id=room.conv_id,
                    title=title,
                    position=recorder_position(room.position),
                )
            )
        except DiskLowError:
            raise StorageFullError from None
        try:
            async with store.write() as tx:
                media = await tx.medias.add(
                    NewMedia(
                        hash=new_media_hash(),
                        room_id=room.id,
                        title=title,
                        filename=f"{title}.mp4",
                        type="video/mp4",
                        source_type="conf_record",
                        status="recording",
                        owner_id=owner.seat_id,
                        owner_name=owner.name,
                        position=room.position,
                    )
                )
                recording = await tx.recordings.add(
                    NewRecording(
                        recording_id=str(recording_id),
                        room_id=room.id,
                        media_id=media.id,
                        status="recording",
                        started_by=owner.name,
                    )
                )
                await tx.events.append(
                    room.id, "recording.started", {"recording_id": str(recording_id), "hash": media.hash}
                )
        except BaseException:
            await capture.stop("not_listed")
            raise
        return cls(store, capture, recording, media)

    def join(self, participant: RoomParticipant) -> None:
        """Note that somebody is in the room, and capture what they publish."""
        self._capture.event(
            "participant_joined",
            participant_id=participant.participant_id,
            name=participant.name,
            role=participant.seat.role,
        )
        for track in participant.tracks.values():
            self.add_track(participant, track)

    def leave(self, participant: RoomParticipant, reason: str) -> None:
        self._capture.event("participant_left", participant_id=participant.participant_id, reason=reason)

    def add_track(self, participant: RoomParticipant, track: PublishedTrack) -> None:
        self._capture.add_track(track, participant_name=participant.name, role=participant.seat.role)
        if track.track_id in participant.muted:
            self.mute(track.track_id, muted=True)

    def remove_track(self, track_id: str) -> None:
        self._capture.remove_track(track_id)

    def mute(self, track_id: str, *, muted: bool) -> None:
        self._capture.event("track_muted" if muted else "track_unmuted", track_id=track_id)

    async def position(self, position: Position) -> None:
        """Note where the requester is, so that the composite and its entry say it."""
        self._capture.event("position", lat=position.lat, lng=position.lng)
        if self.media.position is None:
            async with self._store.write() as tx:
                self.media = await tx.medias.update(self.media.id, position=position)

    def snapshot(self, media: Media) -> None:
        """Mark a photo in the recording."""
        self._capture.event("snapshot", media_id=media.id, title=media.title)

    async def end(self, reason: str) -> tuple[Recording, Media]:
        """Write down that capture ends; `finish` is to follow."""
        recording_id = self.recording.recording_id
        self._reason = reason
        async with self._store.write() as tx:
            advanced = await tx.recordings.advance(recording_id, "stopping", stop_reason=reason)
            if advanced is not None:
                self.recording, self.media = advanced
                data = {"recording_id": recording_id, "reason": reason}
                await tx.events.append(self.recording.room_id, "recording.stopped", data)
        return self.recording, self.media

    async def finish(self) -> None:
        """End capture. What was captured is on disk when this returns; its products are made afterwards."""
        await self._capture.stop(self._reason)


def composite_title(room: Room) -> str:
    """As the ticketing system knows them: `0YW553BN-8214-composite`."""
    letters = "".join(secrets.choice(_TITLE_ALPHABET) for _ in range(8))
    return f"{letters}-{room.id}-composite"


def recorder_position(position: Position | None) -> RecorderPosition | None:
    if position is None:
        return None
    return RecorderPosition(
        latitude_deg=position.lat,
        longitude_deg=position.lng,
        accuracy_m=position.accuracy_m,
        altitude_m=position.altitude_m,
        heading_deg=position.heading_deg,
    )
