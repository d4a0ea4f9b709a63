"""Records of the store as the wire shows them."""

from __future__ import annotations

from datetime import datetime

from signalling.links import Links
from signalling.realtime.protocol import Location, MediaInfo, RecordingInfo, RoomInfo
from signalling.store.records import Media, Recording, Room


def iso(time: datetime) -> str:
    """ISO 8601 with offset, in whole milliseconds."""
    return time.isoformat(timespec="milliseconds")


def room_info(room: Room) -> RoomInfo:
    """What people in the room may know of it: never the password."""
    return RoomInfo(
        conv_id=room.conv_id,
        kind=room.kind,
        name=room.name,
        state=room.state,
        reference=room.reference,
        agent_name=room.agent,
        geolocation=room.geolocation,
        record=room.record,
        terms_url=room.terms_url,
        language=room.language,
        start_time=iso(room.start_time),
        end_time=iso(room.end_time),
    )


def media_info(media: Media, room: Room, links: Links) -> MediaInfo:
    position = media.position
    return MediaInfo(
        id=media.id,
        hash=media.hash,
        title=media.title,
        type=media.type,
        status=media.status,
        progress=media.progress,
        url=links.media(room, media.hash),
        created=iso(media.created),
        location=None if position is None else Location(lat=position.lat, lon=position.lng),
        filesize=media.filesize,
    )


def recording_info(recording: Recording) -> RecordingInfo:
    return RecordingInfo(
        recording_id=recording.recording_id, status=recording.status, started_at=iso(recording.started)
    )
