"""All open rooms: found by their links, driven by the internal API, told what the recorder made.

Implements `LiveRooms` (`signalling/internal_api/live.py`). Every open room is in memory, from its creation or
the server's start until it is over; the store has what must survive.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from signalling.errors import (
    NotRecordingError,
    RecordingNotFoundError,
    RoomEndedError,
    RoomExpiredError,
)
from signalling.internal_api.live import LiveParticipant, LiveTrack
from signalling.rooms.context import RoomContext
from signalling.rooms.recording import Owner
from signalling.rooms.room import LiveRoom
from signalling.store.records import OPEN_STATES, Media, Recording, Room

log = structlog.get_logger()


class RoomService:
    """Made once; `start` before anybody is let in."""

    def __init__(self, context: RoomContext) -> None:
        self._context = context
        self._rooms: dict[str, LiveRoom] = {}

    async def start(self) -> None:
        """Take up every room that was open when the server stopped."""
        async with self._context.store.read() as tx:
            for record in await tx.rooms.open():
                held, medias = [], []
                if record.state == "ongoing":  # in the others, nobody was
                    held = await tx.seats.held(record.id)
                    medias = list((await tx.medias.page(record.id, newest_first=False)).items)
                self._rooms[record.conv_id] = LiveRoom(
                    self._context, record, on_over=self._forget, held=held, medias=medias
                )
        log.info("rooms_restored", rooms=len(self._rooms))

    async def aclose(self) -> None:
        """Stop capture and media. Rooms stay open in the store, and their seats are held."""
        for room in list(self._rooms.values()):
            try:
                await room.aclose()
            except Exception:
                log.exception("room_not_closed", room_id=room.record.id)

    async def find(self, conv_id: str) -> LiveRoom | None:
        """Raises RoomExpiredError or RoomEndedError: there is one, but it is over."""
        room = self._rooms.get(conv_id)
        if room is not None:
            return room
        async with self._context.store.read() as tx:
            record = await tx.rooms.by_conv_id(conv_id)
        return self._take_up(record)

    async def find_meeting(self, room_name: str) -> LiveRoom | None:
        """The same by a meeting's name."""
        async with self._context.store.read() as tx:
            record = await tx.rooms.by_room_name(room_name)
        return self._take_up(record)

    def _take_up(self, record: Room | None) -> LiveRoom | None:
        if record is None:
            return None
        room = self._rooms.get(record.conv_id)
        if room is not None:
            return room
        if record.state not in OPEN_STATES:
            raise RoomExpiredError if _ran_out(record) else RoomEndedError
        room = LiveRoom(self._context, record, on_over=self._forget)
        self._rooms[record.conv_id] = room
        return room

    def _forget(self, room: LiveRoom) -> None:
        self._rooms.pop(room.record.conv_id, None)

    # --- LiveRooms ----------------------------------------------------------------------------------------

    async def room_changed(self, room: Room) -> None:
        live = self._rooms.get(room.conv_id)
        if live is not None:
            live.changed(room)
        elif room.is_open:
            self._take_up(room)

    async def close(self, conv_id: str, reason: str) -> None:
        room = self._rooms.get(conv_id)
        if room is not None:
            await room.close("closed", reason)

    def participants(self, conv_id: str) -> Sequence[LiveParticipant]:
        room = self._rooms.get(conv_id)
        if room is None:
            return ()
        return [
            LiveParticipant(
                participant_id=person.participant_id,
                role=person.seat.role,
                name=person.name,
                connection=person.connection,
                joined=person.joined,
                tracks=[
                    LiveTrack(
                        track_id=track.track_id, kind=track.kind, source=track.source, muted=track.muted
                    )
                    for track in person.track_infos()
                ],
            )
            for person in room.people
        ]

    async def start_recording(self, conv_id: str, by: str) -> tuple[Recording, Media]:
        return await (await self._open_room(conv_id)).products.start_recording(Owner(by))

    async def stop_recording(self, conv_id: str, recording_id: str) -> tuple[Recording, Media]:
        async with self._context.store.read() as tx:
            recording = await tx.recordings.by_id(recording_id)
            record = await tx.rooms.by_conv_id(conv_id)
        if recording is None or record is None or recording.room_id != record.id:
            raise RecordingNotFoundError
        room = self._rooms.get(conv_id)
        if room is None:
            raise NotRecordingError
        return await room.products.stop_recording("requested", recording_id)

    async def take_snapshot(self, conv_id: str, participant_id: str | None) -> Media:
        room = await self._open_room(conv_id)
        return await room.products.take_snapshot(Owner(None), participant_id=participant_id)

    async def _open_room(self, conv_id: str) -> LiveRoom:
        room = await self.find(conv_id)
        if room is None:
            raise RoomEndedError
        room.require_open()
        return room

    # --- what the recorder reports ------------------------------------------------------------------------

    def recording_moved_on(self, recording: Recording, media: Media) -> None:
        """Tells the people of its room, if that is open."""
        for room in self._rooms.values():
            if room.record.id == recording.room_id:
                room.products.recording_moved_on(recording, media)


def _ran_out(record: Room) -> bool:
    return record.state == "expired" or record.end_reason == "end_time"
