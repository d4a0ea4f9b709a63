"""Media entries in the two shapes that ticketing backends know, and both in one.

`lon` in the ticket's shape, `lng` in the conference's: that is how existing integrations read them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from signalling.internal_api.models.fields import (
    Answer,
    Limit,
    Line,
    Offset,
    Request,
    Seconds,
    absent_if_none,
)
from signalling.internal_api.models.rooms import Geoloc, Person
from signalling.store.records import MediaStatus


class Location(Answer):
    """Degrees (WGS 84)."""

    lat: float
    lon: float


class TicketMedia(Answer):
    id: int
    title: str
    type: str = Field(description="MIME type", examples=["image/jpeg", "video/mp4"])
    hash: str = Field(description="A time-based UUID")
    description: str | None
    source_type: Literal["unknown"]
    location: Location | SkipJsonSchema[None] = absent_if_none("Absent where no position is known")
    url: str = Field(description="Signed, works for a while without a key; the path stays the same")


class TicketMediaList(Answer):
    limit: int
    offset: int
    medias: list[TicketMedia]
    count: int = Field(description="How many there are, on all pages")


class MediaMetadata(Answer):
    geoloc: Geoloc | SkipJsonSchema[None] = absent_if_none()


class ConferenceMedia(Answer):
    id: int
    hash: str
    created: Seconds
    owner: Person | None = Field(description="Who made it")
    title: str
    description: str | None
    filename: str
    status: MediaStatus
    media_type: Literal["image", "video"]
    url: str
    filesize: int | None = Field(description="Bytes; null until the file is there")
    source_type: str = Field(examples=["conf_record", "snapshot"])
    geoloc: Geoloc | SkipJsonSchema[None] = absent_if_none("Absent where no position is known")
    metadata: MediaMetadata
    progress: float | SkipJsonSchema[None] = absent_if_none("0 to 1; absent once the work is over")


class ConferenceMediaList(Answer):
    total: int
    data: list[ConferenceMedia]


class MediaEntry(ConferenceMedia):
    """One medium with the fields of both shapes."""

    type: str
    location: Location | SkipJsonSchema[None] = absent_if_none("Absent where no position is known")


class RecordingEntry(MediaEntry):
    """A recording, as the media entry of its composite. `url` works once `status` is `completed`."""

    recording_id: str
    started: Seconds
    stopped: Seconds | None
    stop_reason: str | None
    error_code: str | None


class RecordingList(Answer):
    total: int
    data: list[RecordingEntry]


class TakeSnapshot(Request):
    participant_id: Annotated[Line, Field(max_length=36)] | None = Field(
        default=None, description="Whose camera. Default: the requester's"
    )


class ListTicketMedias(Request):
    limit: Limit = 10
    offset: Offset = 0


class ListConferenceMedia(ListTicketMedias):
    orderby: Literal["date"] = Field(default="date", description="The time of creation")
    order: Literal["asc", "desc"] = "desc"
