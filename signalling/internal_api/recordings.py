"""Operations on recordings and photos, and the media lists in both shapes."""

from __future__ import annotations

from typing import Any

from signalling.errors import (
    AlreadyRecordingError,
    NoPictureError,
    NotRecordingError,
    ParticipantNotFoundError,
    RecordingNotFoundError,
    RecordingOffError,
    RoomEndedError,
    RoomExpiredError,
    StorageFullError,
)
from signalling.internal_api import present
from signalling.internal_api.endpoint import PREFIX, RECORDING_ID, AnyEndpoint, Call, Endpoint, Reply
from signalling.internal_api.models import medias as models
from signalling.internal_api.models.fields import Nothing
from signalling.store.records import FETCHABLE, Room


async def start_recording(call: Call[Nothing, Nothing]) -> Reply:
    room = await _room(call)
    recording, media = await call.api.live.start_recording(room.conv_id, by="api")
    location = f"{PREFIX}/rooms/{room.conv_id}/recordings/{recording.recording_id}"
    entry = present.recording(recording, media, room, call.api.links)
    return Reply(entry, status=201, headers={"Location": location})


async def stop_recording(call: Call[Nothing, Nothing]) -> Reply:
    room = await _room(call)
    recording, media = await call.api.live.stop_recording(room.conv_id, call.path[RECORDING_ID.name])
    return Reply(present.recording(recording, media, room, call.api.links))


async def list_recordings(call: Call[Nothing, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        recordings = await tx.recordings.of_room(room.id)
        pairs = [(recording, await tx.medias.by_id(recording.media_id)) for recording in recordings]
    data = [present.recording(recording, media, room, call.api.links) for recording, media in pairs if media]
    return Reply(models.RecordingList(total=len(data), data=data))


async def read_recording(call: Call[Nothing, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        recording = await tx.recordings.by_id(call.path[RECORDING_ID.name])
        if recording is None or recording.room_id != room.id:
            raise RecordingNotFoundError
        media = await tx.medias.by_id(recording.media_id)
    assert media is not None
    return Reply(present.recording(recording, media, room, call.api.links))


async def take_snapshot(call: Call[Nothing, models.TakeSnapshot]) -> Reply:
    room = await _room(call)
    media = await call.api.live.take_snapshot(room.conv_id, call.body.participant_id)
    return Reply(present.media_entry(media, room, call.api.links), status=201)


async def list_ticket_medias(call: Call[models.ListTicketMedias, Nothing]) -> Reply:
    query = call.query
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        page = await tx.medias.page(room.id, statuses=FETCHABLE, limit=query.limit, offset=query.offset)
    medias = [present.ticket_media(media, room, call.api.links) for media in page.items]
    return Reply(
        models.TicketMediaList(limit=query.limit, offset=query.offset, medias=medias, count=page.total)
    )


async def list_conference_media(call: Call[models.ListConferenceMedia, Nothing]) -> Reply:
    query = call.query
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        page = await tx.medias.page(
            room.id, newest_first=query.order == "desc", limit=query.limit, offset=query.offset
        )
    data = [present.conference_media(media, room, call.api.links) for media in page.items]
    return Reply(models.ConferenceMediaList(total=page.total, data=data))


async def _room(call: Call[Any, Any]) -> Room:
    async with call.api.store.read() as tx:
        return await call.room(tx)


_OVER = (RoomEndedError, RoomExpiredError)

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="POST",
        path="/rooms/{convId}/recordings",
        tag="media",
        summary="Start a recording",
        description="The answer is the media entry of the composite, with its final address; the file is "
        "there once `status` is `completed`.",
        function=start_recording,
        query=Nothing,
        body=Nothing,
        answer=models.RecordingEntry,
        status=201,
        answer_headers={"Location": "The recording's address in this API"},
        errors=(*_OVER, RecordingOffError, AlreadyRecordingError, StorageFullError),
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}/recordings",
        tag="media",
        summary="List the recordings of a room",
        function=list_recordings,
        query=Nothing,
        body=Nothing,
        answer=models.RecordingList,
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}/recordings/{rid}",
        tag="media",
        summary="Read a recording",
        function=read_recording,
        query=Nothing,
        body=Nothing,
        answer=models.RecordingEntry,
    ),
    Endpoint(
        method="POST",
        path="/rooms/{convId}/recordings/{rid}/stop",
        tag="media",
        summary="Stop a recording",
        function=stop_recording,
        query=Nothing,
        body=Nothing,
        answer=models.RecordingEntry,
        errors=(NotRecordingError,),
    ),
    Endpoint(
        method="POST",
        path="/rooms/{convId}/snapshots",
        tag="media",
        summary="Take a photo of a participant's camera",
        function=take_snapshot,
        query=Nothing,
        body=models.TakeSnapshot,
        body_optional=True,
        answer=models.MediaEntry,
        status=201,
        errors=(*_OVER, ParticipantNotFoundError, NoPictureError),
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}/medias",
        tag="media",
        summary="List media in the ticket's shape",
        description="What can be fetched now: photos, and recordings whose composite is there. Newest first.",
        function=list_ticket_medias,
        query=models.ListTicketMedias,
        body=Nothing,
        answer=models.TicketMediaList,
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}/media",
        tag="media",
        summary="List media in the conference's shape",
        description="Everything, also what is still being made: see `status`.",
        function=list_conference_media,
        query=models.ListConferenceMedia,
        body=Nothing,
        answer=models.ConferenceMediaList,
    ),
)
