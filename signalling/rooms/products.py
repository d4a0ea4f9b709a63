"""What one room brings forth: photos, recordings, and the list of both that its people see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mediaserver.sfu.interfaces import PublishedTrack
from signalling.errors import (
    AlreadyRecordingError,
    NoPictureError,
    NotRecordingError,
    ParticipantNotFoundError,
    RecordingOffError,
    UnknownTrackError,
)
from signalling.realtime.protocol import RecordingInfo
from signalling.rooms.context import RoomContext
from signalling.rooms.participant import RoomParticipant
from signalling.rooms.people import People
from signalling.rooms.recording import Owner, RoomRecording
from signalling.rooms.shapes import media_info, recording_info
from signalling.rooms.snapshots import Snapshots
from signalling.store.records import Media, Position, Recording, Room


class Products:
    """Photos and recordings of one room. At most one recording runs at a time."""

    def __init__(
        self, context: RoomContext, record: Callable[[], Room], people: People, medias: Iterable[Media]
    ) -> None:
        """Args:
        record: gives the room as it is now.
        medias: what is listed already.
        """
        self._context = context
        self._record = record
        self._people = people
        self._medias = {media.id: media for media in medias}
        self._snapshots = Snapshots(context.store, context.recorder, context.library)
        self._recording: RoomRecording | None = None
        self._recording_lock = asyncio.Lock()

    @property
    def recording(self) -> RecordingInfo | None:
        """The one that runs."""
        return None if self._recording is None else recording_info(self._recording.recording)

    @property
    def medias(self) -> Sequence[dict[str, Any]]:
        """As the wire shows them, oldest first."""
        return [self._wire(media) for media in self._medias.values()]

    def media_changed(self, media: Media) -> None:
        """Something was added to the list, or moved on: everybody sees it."""
        event = "media-changed" if media.id in self._medias else "media-added"
        self._medias[media.id] = media
        self._people.tell_all(event, self._wire(media))

    # --- what people do -----------------------------------------------------------------------------------

    def joined(self, participant: RoomParticipant) -> None:
        if self._recording is not None:
            self._recording.join(participant)

    async def left(self, participant: RoomParticipant, reason: str) -> None:
        if self._recording is not None:
            self._recording.leave(participant, reason)
        if not self._people:
            await self.end("everybody_left")

    def track_published(self, participant: RoomParticipant, track: PublishedTrack) -> None:
        self._snapshots.add_track(track)
        if self._recording is not None:
            self._recording.add_track(participant, track)

    def track_unpublished(self, track: PublishedTrack) -> None:
        self._snapshots.remove_track(track)
        if self._recording is not None:
            self._recording.remove_track(track.track_id)

    def track_muted(self, track_id: str, *, muted: bool) -> None:
        if self._recording is not None:
            self._recording.mute(track_id, muted=muted)

    async def moved(self, position: Position) -> None:
        if self._recording is not None:
            await self._recording.position(position)
            self.media_changed(self._recording.media)

    def recording_moved_on(self, recording: Recording, media: Media) -> None:
        """The recorder reports; perhaps that capture ended by itself, on a full disk."""
        if self._recording is not None and self._recording.recording.recording_id == recording.recording_id:
            self._recording = None
            self._people.tell_all("recording-changed", recording_info(recording).wire())
        self.media_changed(media)

    # --- photos -------------------------------------------------------------------------------------------

    async def take_snapshot(
        self, owner: Owner, *, track_id: str | None = None, participant_id: str | None = None
    ) -> Media:
        """A photo of a track, or of a participant's camera; by default the requester's.

        Raises:
            ParticipantNotFoundError, UnknownTrackError, NoPictureError
        """
        participant, track = self._camera(track_id, participant_id)
        media = await self._snapshots.take(self._record(), participant, track, owner)
        if self._recording is not None:
            self._recording.snapshot(media)
        self.media_changed(media)
        return media

    def _camera(
        self, track_id: str | None, participant_id: str | None
    ) -> tuple[RoomParticipant, PublishedTrack]:
        if track_id is not None:
            owner = self._people.owner_of(track_id)
            if owner is None:
                raise UnknownTrackError
            return owner, owner.tracks[track_id]
        if participant_id is not None:
            participant = self._people.get(participant_id)
            if participant is None:
                raise ParticipantNotFoundError
            candidates = [participant]
        else:
            candidates = [person for person in self._people if person.seat.role == "requester"]
        for candidate in candidates:
            for track in candidate.tracks.values():
                if track.source == "camera":
                    return candidate, track
        raise NoPictureError

    # --- recordings ---------------------------------------------------------------------------------------

    async def start_recording(self, owner: Owner) -> tuple[Recording, Media]:
        """Raises RecordingOffError, AlreadyRecordingError, StorageFullError."""
        async with self._recording_lock:
            if self._record().record == "off":
                raise RecordingOffError
            if self._recording is not None:
                raise AlreadyRecordingError
            started = await RoomRecording.start(
                self._context.store, self._context.recorder, self._record(), owner
            )
            self._recording = started
            for participant in self._people:
                started.join(participant)
        self._announce(started.recording, started.media)
        return started.recording, started.media

    async def stop_recording(self, reason: str, recording_id: str | None = None) -> tuple[Recording, Media]:
        """Stop the running recording.

        Raises:
            NotRecordingError: none is running, or another than `recording_id`.
        """
        async with self._recording_lock:
            running = self._recording
            if running is None or recording_id not in (None, running.recording.recording_id):
                raise NotRecordingError
            self._recording = None
            try:
                stopped, media = await running.end(reason)
                # Before the recorder goes on, and with it the status.
                self._announce(stopped, media)
            finally:
                await running.finish()
        return stopped, media

    async def end(self, reason: str) -> None:
        """Stop the recording if one runs."""
        if self._recording is not None:
            await self.stop_recording(reason)

    def _announce(self, recording: Recording, media: Media) -> None:
        self.media_changed(media)
        self._people.tell_all("recording-changed", recording_info(recording).wire())

    def _wire(self, media: Media) -> dict[str, Any]:
        return media_info(media, self._record(), self._context.links).wire()
