"""From what the store holds to what the API tells."""

from __future__ import annotations

from typing import Literal

from signalling.internal_api.live import LiveParticipant
from signalling.internal_api.models import medias, rooms, sessions
from signalling.links import Links
from signalling.store import records


def room(record: records.Room, links: Links) -> rooms.Room:
    return rooms.Room(
        id=record.id,
        convId=record.conv_id,
        pwd=record.pwd,
        kind=record.kind,
        state=record.state,
        status=record.state,
        reference=record.reference,
        name=record.name,
        created=record.created,
        modified=record.modified,
        start_time=record.start_time,
        end_time=record.end_time,
        end_reason=record.end_reason,
        agent=record.agent,
        requestor=rooms.Requestor(
            name=record.requestor.name, email=record.requestor.email, phone=record.requestor.phone
        ),
        requestor_url=links.requestor(record),
        agent_url=links.agent(record),
        geoloc=_geoloc(record.position),
        max_participants=record.max_participants,
        moderation=record.moderation,
        record=record.record,
        geolocation=record.geolocation,
        terms_url=record.terms_url,
        max_uploads=record.max_uploads,
        language=record.language,
        metadata=dict(record.metadata),
        enterprise=record.enterprise,
        service_key=record.service_key,
        room_name=record.room_name,
        url=links.meeting(record.room_name) if record.room_name is not None else None,
        moderator=rooms.Person(id=None, name=record.agent) if record.room_name is not None else None,
    )


def room_headers(record: records.Room) -> dict[str, str]:
    return {"ETag": etag(record)}


def etag(record: records.Room) -> str:
    return f'"{record.version}"'


def ticket_media(record: records.Media, owner: records.Room, links: Links) -> medias.TicketMedia:
    return medias.TicketMedia(
        id=record.id,
        title=record.title,
        type=record.type,
        hash=record.hash,
        description=record.description,
        source_type="unknown",
        location=_location(record.position),
        url=links.media(owner, record.hash),
    )


def conference_media(record: records.Media, owner: records.Room, links: Links) -> medias.ConferenceMedia:
    return medias.ConferenceMedia.model_validate(_media_fields(record, owner, links))


def media_entry(record: records.Media, owner: records.Room, links: Links) -> medias.MediaEntry:
    return medias.MediaEntry.model_validate(
        _media_fields(record, owner, links) | {"type": record.type, "location": _location(record.position)}
    )


def recording(
    record: records.Recording, media: records.Media, owner: records.Room, links: Links
) -> medias.RecordingEntry:
    fields = _media_fields(media, owner, links) | {
        "type": media.type,
        "location": _location(media.position),
        "recording_id": record.recording_id,
        "started": record.started,
        "stopped": record.stopped,
        "stop_reason": record.stop_reason,
        "error_code": record.error_code,
    }
    return medias.RecordingEntry.model_validate(fields)


def participant(live: LiveParticipant, seat: records.Seat | None) -> sessions.Participant:
    return sessions.Participant.model_validate(
        {
            "participant_id": live.participant_id,
            "role": live.role,
            "name": live.name,
            "connection": live.connection,
            "joined": live.joined,
            "tracks": [
                {"track_id": track.track_id, "kind": track.kind, "source": track.source, "muted": track.muted}
                for track in live.tracks
            ],
            "device": seat.device if seat else None,
            "os": seat.os if seat else None,
            "browser": seat.browser if seat else None,
        }
    )


def event(record: records.Event, owner: records.Room) -> sessions.Event:
    return sessions.Event(
        seq=record.seq,
        type=record.type,
        time=record.time,
        convId=owner.conv_id,
        reference=owner.reference,
        data=dict(record.data),
    )


def _media_fields(record: records.Media, owner: records.Room, links: Links) -> dict[str, object]:
    geoloc = _geoloc(record.position)
    made_by = record.owner_id is not None or record.owner_name is not None
    media_type: Literal["image", "video"] = "image" if record.type.startswith("image/") else "video"
    return {
        "id": record.id,
        "hash": record.hash,
        "created": record.created,
        "owner": rooms.Person(id=record.owner_id, name=record.owner_name) if made_by else None,
        "title": record.title,
        "description": record.description,
        "filename": record.filename,
        "status": record.status,
        "media_type": media_type,
        "url": links.media(owner, record.hash),
        "filesize": record.filesize,
        "source_type": record.source_type,
        "geoloc": geoloc,
        "metadata": medias.MediaMetadata(geoloc=geoloc),
        "progress": None if record.status in records.FINAL else record.progress,
    }


def _geoloc(position: records.Position | None) -> rooms.Geoloc | None:
    return None if position is None else rooms.Geoloc(lat=position.lat, lng=position.lng)


def _location(position: records.Position | None) -> medias.Location | None:
    return None if position is None else medias.Location(lat=position.lat, lon=position.lng)
