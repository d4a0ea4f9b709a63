"""Live rooms without media, socket or recorder: the internal API's other side, for tests."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from signalling.errors import (
    AlreadyRecordingError,
    NoPictureError,
    NotRecordingError,
    ParticipantNotFoundError,
    RecordingNotFoundError,
    RecordingOffError,
    RoomEndedError,
    RoomExpiredError,
)
from signalling.ids import new_media_hash
from signalling.internal_api.live import LiveParticipant
from signalling.store import Store
from signalling.store.records import (
    OPEN_STATES,
    Media,
    NewMedia,
    NewRecording,
    Recording,
    Room,
)
from signalling.store.store import Transaction


class FakeLiveRooms:
    """Keeps the promises of `LiveRooms` with the store alone; `present` says who is in a room."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.present: dict[str, list[LiveParticipant]] = {}
        self.changed: list[str] = []
        self.closed: list[tuple[str, str]] = []

    async def room_changed(self, room: Room) -> None:
        self.changed.append(room.conv_id)

    async def close(self, conv_id: str, reason: str) -> None:
        self.closed.append((conv_id, reason))
        async with self._store.write() as tx:
            room = await self._room(tx, conv_id)
            state = "done" if room.state == "ongoing" else "cancelled"
            await tx.rooms.set_state(room.id, state, expected=OPEN_STATES, end_time=tx.now, end_reason=reason)
            await tx.events.append(room.id, "room.ended", {"reason": reason})

    def participants(self, conv_id: str) -> Sequence[LiveParticipant]:
        return self.present.get(conv_id, [])

    async def start_recording(self, conv_id: str, by: str) -> tuple[Recording, Media]:
        async with self._store.write() as tx:
            room = await self._open_room(tx, conv_id)
            if room.record == "off":
                raise RecordingOffError
            if any(r.status in ("starting", "recording") for r in await tx.recordings.of_room(room.id)):
                raise AlreadyRecordingError
            media = await tx.medias.add(
                NewMedia(
                    hash=new_media_hash(),
                    room_id=room.id,
                    title="0YW553BN-1-composite",
                    filename="0YW553BN-1-composite.mp4",
                    type="video/mp4",
                    source_type="conf_record",
                    status="recording",
                )
            )
            recording = await tx.recordings.add(
                NewRecording(
                    recording_id=str(uuid.uuid4()),
                    room_id=room.id,
                    media_id=media.id,
                    status="recording",
                    started_by=by,
                )
            )
            await tx.events.append(room.id, "recording.started", {"recording_id": recording.recording_id})
        return recording, media

    async def stop_recording(self, conv_id: str, recording_id: str) -> tuple[Recording, Media]:
        async with self._store.write() as tx:
            room = await self._room(tx, conv_id)
            recording = await tx.recordings.by_id(recording_id)
            if recording is None or recording.room_id != room.id:
                raise RecordingNotFoundError
            moved = await tx.recordings.advance(recording_id, "stopping", stop_reason="api")
            if moved is None:
                raise NotRecordingError
        return moved

    async def take_snapshot(self, conv_id: str, participant_id: str | None) -> Media:
        async with self._store.write() as tx:
            room = await self._open_room(tx, conv_id)
            people = self.participants(conv_id)
            if participant_id is not None and participant_id not in {p.participant_id for p in people}:
                raise ParticipantNotFoundError
            if not people:
                raise NoPictureError
            return await tx.medias.add(
                NewMedia(
                    hash=new_media_hash(),
                    room_id=room.id,
                    title="diag_snapshot_1677103206155",
                    filename="diag_snapshot_1677103206155.jpg",
                    type="image/jpeg",
                    source_type="snapshot",
                    status="completed",
                    filesize=1234,
                    position=room.position,
                )
            )

    async def _room(self, tx: Transaction, conv_id: str) -> Room:
        room = await tx.rooms.by_conv_id(conv_id)
        assert room is not None, "the API looks first"
        return room

    async def _open_room(self, tx: Transaction, conv_id: str) -> Room:
        room = await self._room(tx, conv_id)
        if room.state == "expired":
            raise RoomExpiredError
        if not room.is_open:
            raise RoomEndedError
        return room
