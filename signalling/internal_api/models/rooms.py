"""Rooms as the ticketing backend creates, finds and reads them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, WithJsonSchema, field_validator
from pydantic.json_schema import SkipJsonSchema

from signalling.internal_api.models.fields import (
    INTEGRAL,
    Answer,
    Email,
    HttpUrl,
    Label,
    Language,
    Limit,
    Line,
    Offset,
    Phone,
    Reference,
    Request,
    Seconds,
    Timestamp,
    absent_if_none,
    not_null,
)
from signalling.store.records import GeolocationMode, RecordMode, RoomKind, RoomState

MAX_METADATA_BYTES = 65_536


class RequestorDetails(Request):
    """The person who asked for help."""

    name: Annotated[Line, Field(max_length=100)] | None = None
    email: Email | None = None
    phone: Phone | None = Field(default=None, examples=["+33662682193"])


def _check_metadata(value: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    if value is not None:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_METADATA_BYTES:
            raise ValueError(f"is {size} bytes of JSON, more than {MAX_METADATA_BYTES}")
    return value


Metadata = Annotated[
    dict[str, JsonValue],
    Field(description=f"Yours to use: an object of at most {MAX_METADATA_BYTES} bytes as compact JSON"),
]


class CreateRoom(Request):
    """A room to be created. Everything has a default."""

    kind: RoomKind = "assistance"
    reference: Reference | None = Field(default=None, description="Your number for the case")
    name: Label | None = None
    agent: Label | None = Field(default=None, description="Who will handle it: a login or a name")
    requestor: RequestorDetails = RequestorDetails()
    start_time: Timestamp | None = Field(default=None, description="Default: now")
    end_time: Timestamp | None = Field(
        default=None,
        description="When the session, and its links with it, end. Default: 30 minutes after `start_time` "
        "for assistance, 60 for a meeting",
    )
    max_participants: Annotated[int, Field(ge=2, le=50), INTEGRAL] | None = Field(
        default=None, description="Seats, the agent's included. Default: 2 for assistance, 12 for a meeting"
    )
    moderation: Annotated[bool, WithJsonSchema({"type": "boolean", "const": False})] = Field(
        default=False, description="A waiting room. Not available in this version: only `false` is accepted"
    )
    record: RecordMode = Field(
        default="manual", description="`manual`: the agent or the API starts it; `auto`: with the session"
    )
    geolocation: GeolocationMode | None = Field(
        default=None,
        description="Whether the requester is asked for the device's position, and may refuse. Default: "
        "`optional` for assistance, `off` for a meeting",
    )
    terms_url: HttpUrl | None = Field(default=None, description="Shown where the requester consents")
    max_uploads: Annotated[int, Field(ge=0, le=1000), INTEGRAL] | None = Field(
        default=None,
        description="Most files that the requester may send. Kept with the room; requesters cannot send "
        "files in this version",
    )
    language: Language | None = Field(default=None, description="Of the pages, for example `fr` (BCP 47)")
    webhook_url: Annotated[HttpUrl | None, WithJsonSchema({"type": "null"})] = Field(
        default=None, description="Not available in this version: only `null` is accepted"
    )
    metadata: Metadata = Field(default_factory=dict)
    enterprise: Annotated[int, Field(ge=1, le=2_147_483_647), INTEGRAL] | None = Field(
        default=None, description="Default: the server's SIGHTLINE_ENTERPRISE"
    )
    service_key: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,64}$")] | None = None

    _check_metadata = field_validator("metadata")(_check_metadata)

    @field_validator("moderation")
    @classmethod
    def _no_waiting_room(cls, value: bool) -> bool:
        if value:
            raise ValueError("the waiting room is not available in this version")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _no_webhooks(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("webhooks are not available in this version: read the room's events instead")
        return value


class ChangeRoom(Request):
    """What is to be changed; a field that is left out stays as it is."""

    reference: Reference | None = None
    name: Label | None = None
    agent: Label | None = None
    requestor: RequestorDetails | None = not_null()
    end_time: Timestamp | None = not_null("Only of a room that is not over")
    record: RecordMode | None = not_null("Only of a room that is not over")
    metadata: Metadata | None = not_null()

    _check_metadata = field_validator("metadata")(_check_metadata)

    @field_validator("requestor", "end_time", "record", "metadata", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("must not be null")
        return value


class ListRooms(Request):
    """Which rooms are wanted."""

    reference: Reference | None = not_null()
    state: RoomState | None = not_null()
    kind: RoomKind | None = not_null()
    search: Label | None = not_null(
        "Part of the name, reference, agent, or requestor's name, e-mail or phone; case does not count"
    )
    since: Timestamp | None = not_null("Created at this time or later")
    until: Timestamp | None = not_null("Created before this time")
    orderby: Literal["date"] = Field(default="date", description="The time of creation")
    order: Literal["asc", "desc"] = "desc"
    limit: Limit = 10
    offset: Offset = 0


class Requestor(Answer):
    name: str | SkipJsonSchema[None] = absent_if_none()
    email: str | SkipJsonSchema[None] = absent_if_none()
    phone: str | SkipJsonSchema[None] = absent_if_none()


class Geoloc(Answer):
    """Degrees (WGS 84)."""

    lat: float
    lng: float


class Person(Answer):
    id: int | None
    name: str | None


class Room(Answer):
    """A room and its links."""

    id: int
    convId: str = Field(description="Names the room in links and in this API; opaque")
    pwd: str = Field(description="The requester's password: 6 decimal digits, leading zeros count")
    kind: RoomKind
    state: RoomState
    status: RoomState = Field(description="The same as `state`")
    reference: str | None
    name: str | None
    created: Seconds
    modified: Seconds
    start_time: Seconds
    end_time: Seconds = Field(description="Scheduled; once the session is over, the real end")
    end_reason: str | None
    agent: str | None
    requestor: Requestor
    requestor_url: str = Field(description="The requester's link")
    agent_url: str = Field(
        description="The agent's link. Its token is new in each answer, and has to be used for the first "
        "time soon"
    )
    geoloc: Geoloc | SkipJsonSchema[None] = absent_if_none(
        "The requester's position; absent until it is known"
    )
    max_participants: int
    moderation: bool
    record: RecordMode
    geolocation: GeolocationMode
    terms_url: str | None
    max_uploads: int | None
    language: str | None
    metadata: dict[str, JsonValue]
    enterprise: int
    service_key: str | None
    room_name: str | SkipJsonSchema[None] = absent_if_none("Of a meeting: `<32 hex>:<32 hex>`")
    url: str | SkipJsonSchema[None] = absent_if_none("Of a meeting: every participant's link")
    moderator: Person | SkipJsonSchema[None] = absent_if_none("Of a meeting: who uses `agent_url`")


class RoomList(Answer):
    total: int = Field(description="How many rooms match, on all pages")
    data: list[Room]


class CloseRoom(Request):
    """How a room is closed."""

    reason: Annotated[Label, Field(min_length=1)] = Field(
        default="closed", description="Why; kept with the room and in its events"
    )
