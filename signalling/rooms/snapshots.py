"""Photos from the running picture of a room's cameras."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from mediaserver.sfu.interfaces import PublishedTrack
from recorder import snapshot as snapshots
from recorder.gop import GopBuffer
from recorder.service import Recorder
from signalling.errors import NoPictureError
from signalling.ids import new_media_hash
from signalling.rooms.library import Library
from signalling.rooms.participant import RoomParticipant
from signalling.rooms.recording import Owner, recorder_position
from signalling.store import Store
from signalling.store.records import Media, NewMedia, Room


class Snapshots:
    """Keeps what a photo needs of every video track of one room, and takes photos."""

    def __init__(self, store: Store, recorder: Recorder, library: Library) -> None:
        self._store = store
        self._recorder = recorder
        self._library = library
        self._buffers: dict[str, GopBuffer] = {}

    def add_track(self, track: PublishedTrack) -> None:
        if track.kind == "video":
            buffer = self._buffers[track.track_id] = GopBuffer(track)
            track.add_sink(buffer)

    def remove_track(self, track: PublishedTrack) -> None:
        buffer = self._buffers.pop(track.track_id, None)
        if buffer is not None:
            track.remove_sink(buffer)

    async def take(
        self, room: Room, participant: RoomParticipant, track: PublishedTrack, owner: Owner
    ) -> Media:
        """A photo of `track` as it is now, listed and durable when this returns.

        Raises:
            NoPictureError: not video, or nothing decodable came yet.
        """
        buffer = self._buffers.get(track.track_id)
        if buffer is None:
            raise NoPictureError
        # The position is the requester's: it says nothing of where another camera stands.
        position = room.position if participant.seat.role == "requester" else None
        try:
            snapshot = await self._recorder.take_snapshot(
                buffer,
                at_us=time.monotonic_ns() // 1000,
                at_wall_us=time.time_ns() // 1000,
                position=recorder_position(position),
            )
        except snapshots.NoPictureError:
            raise NoPictureError from None
        except snapshots.SnapshotBusyError:
            raise NoPictureError("Too many photos are being taken at once. Try again.") from None
        title = snapshot.title
        async with self._store.write() as tx:
            media = await tx.medias.add(
                NewMedia(
                    hash=new_media_hash(),
                    room_id=room.id,
                    title=title,
                    filename=f"{title}.jpg",
                    type="image/jpeg",
                    source_type="snapshot",
                    status="completed",
                    path=self._library.catalogue_path(snapshot.path),
                    filesize=snapshot.filesize,
                    owner_id=owner.seat_id,
                    owner_name=owner.name,
                    participant_id=participant.participant_id,
                    position=position,
                    width=snapshot.width,
                    height=snapshot.height,
                ),
                created=datetime.fromtimestamp(snapshot.captured_at_ms / 1000, UTC),
            )
            await tx.events.append(
                room.id,
                "media.added",
                {"id": media.id, "hash": media.hash, "type": media.type, "title": title},
            )
        return media
