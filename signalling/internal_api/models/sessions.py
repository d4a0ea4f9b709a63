"""Who is in a room, what happened in it, and whether the server is well."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from signalling.internal_api.models.fields import Answer, Limit, Milliseconds, Offset, Request, Seconds
from signalling.store.records import Role


class Track(Answer):
    track_id: str
    kind: Literal["audio", "video"]
    source: Literal["microphone", "camera", "screen"]
    muted: bool


class Participant(Answer):
    """Somebody who holds a seat now."""

    participant_id: str
    role: Role
    name: str
    connection: Literal["new", "connecting", "connected", "interrupted", "away"] = Field(
        description="`away`: the connection is lost, the seat is held"
    )
    joined: Seconds
    tracks: list[Track]
    device: str | None
    os: str | None
    browser: str | None


class ParticipantList(Answer):
    total: int
    data: list[Participant]


class ListEvents(Request):
    after: Offset = Field(default=0, description="The last `seq` that you have")
    limit: Limit = 100


class Event(Answer):
    """One entry of a room's log."""

    seq: int = Field(description="From 1, without a gap, in each room")
    type: str = Field(examples=["room.created"])
    time: Milliseconds
    convId: str
    reference: str | None
    data: dict[str, JsonValue]


class EventList(Answer):
    data: list[Event]
    last_seq: int = Field(description="For `after` in the next request")


class Health(Answer):
    status: Literal["ok"] = "ok"


class Readiness(Answer):
    status: Literal["ready"] = "ready"
