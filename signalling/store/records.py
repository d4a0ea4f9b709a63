"""What the store holds, as frozen values. Times are UTC `datetime`s with offset.

`New…` is what a caller provides; the plain name is the row as stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar, get_args

RoomKind = Literal["assistance", "meeting"]
RoomState = Literal["scheduled", "invited", "ongoing", "done", "expired", "cancelled"]
RecordMode = Literal["off", "manual", "auto"]
GeolocationMode = Literal["off", "optional", "required"]
Role = Literal["requester", "agent", "moderator", "participant"]
MediaStatus = Literal[
    "starting",
    "recording",
    "stopping",
    "queued",
    "processing",
    "uploading",
    "completed",
    "partial",
    "failed",
    "aborted",
    "deleted",
]
"""In the order in which a recording passes them; it never goes back. A photo is `completed` at once."""

OPEN_STATES: tuple[RoomState, ...] = ("scheduled", "invited", "ongoing")
FETCHABLE: tuple[MediaStatus, ...] = ("completed", "partial")
FINAL: tuple[MediaStatus, ...] = ("completed", "partial", "failed", "aborted", "deleted")

_RANK: Mapping[str, int] = {status: rank for rank, status in enumerate(get_args(MediaStatus)[:6])} | {
    "completed": 6,
    "partial": 6,
    "failed": 6,
    "aborted": 6,
    "deleted": 7,
}


def moves_forward(current: MediaStatus, following: MediaStatus) -> bool:
    """Whether a recording may go from one status to the other. The outcomes exclude one another."""
    return _RANK[following] > _RANK[current]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `total` counts what the filter matches, not what is in `items`."""

    total: int
    items: Sequence[T]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a device was (WGS 84)."""

    lat: float
    """Degrees, -90 to 90."""
    lng: float
    """Degrees, -180 to 180."""
    accuracy_m: float | None = None
    altitude_m: float | None = None
    heading_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Requestor:
    name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoom:
    conv_id: str
    pwd: str = field(repr=False)
    kind: RoomKind
    state: RoomState
    start_time: datetime
    end_time: datetime
    enterprise: int
    max_participants: int
    reference: str | None = None
    name: str | None = None
    agent: str | None = None
    requestor: Requestor = Requestor()
    room_name: str | None = None
    moderation: bool = False
    record: RecordMode = "manual"
    geolocation: GeolocationMode = "optional"
    terms_url: str | None = None
    max_uploads: int | None = None
    language: str | None = None
    webhook_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    service_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(NewRoom):
    id: int
    created: datetime
    modified: datetime
    version: int
    """Counts changes; the ETag."""
    position: Position | None = None
    """The requester's, as last told."""
    end_reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class RoomChange(TypedDict, total=False):
    """What `PATCH` may change; a key that is absent leaves a field as it is."""

    reference: str | None
    name: str | None
    agent: str | None
    requestor: Requestor
    end_time: datetime
    record: RecordMode
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFilter:
    reference: str | None = None
    state: RoomState | None = None
    kind: RoomKind | None = None
    search: str | None = None
    """Part of the name, reference, agent, or requestor's name, e-mail or phone; case does not count."""
    since: datetime | None = None
    """Created at or after."""
    until: datetime | None = None
    """Created before."""
    newest_first: bool = True
    limit: int = 10
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSeat:
    participant_id: str
    room_id: int
    role: Role
    name: str
    token_id: str | None = None
    """`jti` of the agent token that opened the seat: a token opens one seat, once."""
    consent_version: str | None = None
    geolocation: str | None = None
    """The device's answer: granted, denied or unavailable."""
    device: str | None = None
    os: str | None = None
    browser: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat(NewSeat):
    id: int
    joined: datetime
    left: datetime | None = None
    leave_reason: str | None = None
    in_call_s: float = 0.0
    """Seconds with a working media connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMedia:
    hash: str
    room_id: int
    title: str
    filename: str
    type: str
    """MIME type."""
    source_type: str
    """As the conference envelope says it: `conf_record` for a composite, `snapshot` for a photo."""
    status: MediaStatus
    path: str | None = None
    """Of the file, relative to the media directory; None until there is one."""
    filesize: int | None = None
    description: str | None = None
    owner_id: int | None = None
    """Seat id of who made it."""
    owner_name: str | None = None
    participant_id: str | None = None
    """Whose camera it shows."""
    position: Position | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(NewMedia):
    id: int
    created: datetime
    modified: datetime
    progress: float | None = None
    """0 to 1 while it is being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecording:
    recording_id: str
    room_id: int
    media_id: int
    """Of the composite, which is listed from the start."""
    status: MediaStatus
    started_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(NewRecording):
    started: datetime
    stopped: datetime | None = None
    stop_reason: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a room's log."""

    room_id: int
    seq: int
    """From 1, without a gap, in each room."""
    type: str
    time: datetime
    data: Mapping[str, Any]
