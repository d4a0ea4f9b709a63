"""The messages of the wire protocol, version 1, as models (`signalling/README.md` explains them).

What a client sends is checked here, whole, before anything looks at it: unknown fields are refused, strings
and lists have bounds, numbers are finite. What the server sends is built from the models at the end, so that
their field names stand in one place. Python says snake_case, the wire camelCase.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from mediaserver.sfu.interfaces import TrackKind, TrackSource
from signalling.errors import InvalidMessageError

MAX_SDP_CHARS = 48 * 1024
"""Below the transport's 64 KiB, so that the message around it fits too."""
MAX_SECTIONS = 32

Role = Literal["requester", "agent", "moderator", "participant"]
Kind = Literal["assistance", "meeting"]
Connection = Literal["new", "connecting", "connected", "interrupted", "away"]
LeaveReason = Literal["left", "timeout"]
EndReason = Literal["hang_up", "end_time", "closed", "expired"]

# What does not look like a room's id or password is not malformed but wrong: it gets the answer, and costs
# the attempts, of every other wrong one.
ConvId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Password = Annotated[str, StringConstraints(max_length=64)]
RoomName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Mid = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TrackId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Message(BaseModel):
    """Base of every object on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
    )

    def wire(self) -> dict[str, Any]:
        """As it is sent."""
        return self.model_dump(mode="json")


# --- what clients send ------------------------------------------------------------------------------------


class Credentials(Message):
    """Exactly one of the four ways in."""

    conv_id: ConvId | None = None
    pwd: Password | None = None
    token: Token | None = None
    room_name: RoomName | None = None
    resume_token: Token | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Credentials:
        names = ("conv_id", "pwd", "token", "room_name", "resume_token")
        given = {name for name in names if getattr(self, name) is not None}
        ways: tuple[set[str], ...] = (
            {"conv_id", "pwd"},
            {"conv_id", "token"},
            {"room_name"},
            {"conv_id", "resume_token"},
        )
        if given not in ways:
            raise ValueError("give convId with pwd, token or resumeToken, or roomName alone")
        return self


class Lookup(Credentials):
    pass


class Consent(Message):
    accepted: Literal[True]
    version: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Join(Credentials):
    name: Name | None = None
    consent: Consent | None = None
    geolocation: Literal["granted", "denied", "unavailable"] | None = None


class Publication(Message):
    mid: Mid
    source: TrackSource


class Subscription(Message):
    mid: Mid
    track_id: TrackId


class Negotiate(Message):
    sdp: Annotated[str, StringConstraints(min_length=1, max_length=MAX_SDP_CHARS)]
    publications: Annotated[tuple[Publication, ...], Field(max_length=MAX_SECTIONS, strict=False)]
    subscriptions: Annotated[tuple[Subscription, ...], Field(max_length=MAX_SECTIONS, strict=False)]

    @model_validator(mode="after")
    def _mids_differ(self) -> Negotiate:
        for mids in ([p.mid for p in self.publications], [s.mid for s in self.subscriptions]):
            if len(set(mids)) != len(mids):
                raise ValueError("a mid is named twice")
        return self


class Mute(Message):
    track_id: TrackId
    muted: bool


class Position(Message):
    lat: Annotated[float, Field(ge=-90, le=90)]
    lng: Annotated[float, Field(ge=-180, le=180)]
    accuracy_m: Annotated[float, Field(ge=0, le=1e8)] | None = None
    altitude_m: Annotated[float, Field(ge=-20_000, le=1e7)] | None = None
    heading_deg: Annotated[float, Field(ge=0, le=360)] | None = None


class TakeSnapshot(Message):
    track_id: TrackId | None = None


class RecordingStart(Message):
    pass


class RecordingStop(Message):
    pass


class Leave(Message):
    end: bool = False


ClientMessage = (
    Lookup | Join | Negotiate | Mute | Position | TakeSnapshot | RecordingStart | RecordingStop | Leave
)

CLIENT_EVENTS: dict[str, type[ClientMessage]] = {
    "lookup": Lookup,
    "join": Join,
    "negotiate": Negotiate,
    "mute": Mute,
    "position": Position,
    "snapshot": TakeSnapshot,
    "recording-start": RecordingStart,
    "recording-stop": RecordingStop,
    "leave": Leave,
}


def parse_message(model: type[ClientMessage], payload: JsonValue) -> ClientMessage:
    """Check one event's payload.

    Raises:
        InvalidMessageError: its message names the first field that is wrong, never the field's value.
    """
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "payload"
        raise InvalidMessageError(f"{where[:100]}: {fault['msg'][:200]}") from None


# --- what the server sends --------------------------------------------------------------------------------


class TrackInfo(Message):
    track_id: str
    participant_id: str
    kind: TrackKind
    source: TrackSource
    muted: bool


class ParticipantInfo(Message):
    participant_id: str
    role: Role
    name: str
    connection: Connection
    tracks: tuple[TrackInfo, ...]


class RoomInfo(Message):
    conv_id: str
    kind: Kind
    name: str | None
    state: str
    reference: str | None
    agent_name: str | None
    geolocation: Literal["off", "optional", "required"]
    record: Literal["off", "manual", "auto"]
    terms_url: str | None
    language: str | None
    start_time: str
    end_time: str


class RecordingInfo(Message):
    recording_id: str
    status: str
    started_at: str


_ABSENT_IF_NONE: Any = Field(default=None, exclude_if=lambda value: value is None)


class Location(Message):
    lat: float
    lon: float


class MediaInfo(Message):
    id: int
    hash: str
    title: str
    type: str
    status: str
    url: str
    created: str
    progress: float | None = _ABSENT_IF_NONE
    location: Location | None = _ABSENT_IF_NONE
    filesize: int | None = _ABSENT_IF_NONE
