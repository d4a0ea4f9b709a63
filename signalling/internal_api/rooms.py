"""Operations on rooms: create, list, read, change, close."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from signalling.errors import (
    IdempotencyKeyReusedError,
    RoomEndedError,
    RoomExpiredError,
    TimesConflictError,
    VersionMismatchError,
)
from signalling.ids import new_conv_id, new_pwd, new_room_name
from signalling.internal_api import present
from signalling.internal_api.endpoint import PREFIX, AnyEndpoint, Call, Endpoint, HeaderParameter, Reply
from signalling.internal_api.models import rooms as models
from signalling.internal_api.models.fields import Nothing
from signalling.store.records import NewRoom, Requestor, Room, RoomChange, RoomFilter

DURATION = {"assistance": timedelta(minutes=30), "meeting": timedelta(minutes=60)}
MAX_PARTICIPANTS = {"assistance": 2, "meeting": 12}

IDEMPOTENCY_KEY = HeaderParameter(
    "Idempotency-Key",
    "Yours, new for each room: a request that is sent again with it within 24 hours makes no second room, "
    "but is answered with the first one",
    r"^[!-~]{1,255}$",
)
IF_MATCH = HeaderParameter(
    "If-Match", "With the `ETag` that you read, the room is changed only if it is still the same."
)


async def create_room(call: Call[Nothing, models.CreateRoom]) -> Reply:
    key = call.headers.get(IDEMPOTENCY_KEY.name)
    async with call.api.store.write() as tx:
        if key is not None:
            known = await tx.idempotency.claim(key, _fingerprint(call.body))
            if known is not None:
                return _created(call, await tx.rooms.by_id(known), replayed=True)
        room = await tx.rooms.create(_new_room(call.body, tx.now, call.api.enterprise))
        if key is not None:
            await tx.idempotency.settle(key, room.id)
        await tx.events.append(
            room.id,
            "room.created",
            {
                "kind": room.kind,
                "state": room.state,
                "start_time": room.start_time.isoformat(timespec="seconds"),
                "end_time": room.end_time.isoformat(timespec="seconds"),
            },
        )
    await call.api.live.room_changed(room)
    return _created(call, room, replayed=False)


async def list_rooms(call: Call[models.ListRooms, Nothing]) -> Reply:
    query = call.query
    wanted = RoomFilter(
        reference=query.reference,
        state=query.state,
        kind=query.kind,
        search=query.search,
        since=query.since,
        until=query.until,
        newest_first=query.order == "desc",
        limit=query.limit,
        offset=query.offset,
    )
    async with call.api.store.read() as tx:
        page = await tx.rooms.page(wanted)
    data = [present.room(room, call.api.links) for room in page.items]
    return Reply(models.RoomList(total=page.total, data=data))


async def read_room(call: Call[Nothing, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
    return _reply(call, room)


async def change_room(call: Call[Nothing, models.ChangeRoom]) -> Reply:
    given = call.body.model_fields_set
    condition = call.headers.get(IF_MATCH.name)
    async with call.api.store.write() as tx:
        room = await call.room(tx)
        if condition is not None and condition != "*" and present.etag(room) not in _tags(condition):
            raise VersionMismatchError
        if given & {"end_time", "record"} and not room.is_open:
            raise RoomExpiredError if room.state == "expired" else RoomEndedError
        if call.body.end_time is not None:
            _check_times(room.start_time, call.body.end_time, tx.now)
        if given:
            version = None if condition is None else room.version
            room = await tx.rooms.change(room.id, _change(call.body), expected_version=version)
            await tx.events.append(room.id, "room.changed", {"fields": sorted(given)})
    if given:
        await call.api.live.room_changed(room)
    return _reply(call, room)


async def close_room(call: Call[models.CloseRoom, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
    if room.is_open:
        await call.api.live.close(room.conv_id, call.query.reason)
        async with call.api.store.read() as tx:
            room = await call.room(tx)
    return _reply(call, room)


def _new_room(wanted: models.CreateRoom, now: datetime, enterprise: int) -> NewRoom:
    """Fill in what the caller left to us.

    Raises:
        TimesConflictError
    """
    start = wanted.start_time or now.replace(microsecond=0)
    try:
        end = wanted.end_time or start + DURATION[wanted.kind]
    except OverflowError:
        raise TimesConflictError from None
    _check_times(start, end, now)
    meeting = wanted.kind == "meeting"
    return NewRoom(
        conv_id=new_conv_id(),
        pwd=new_pwd(),
        room_name=new_room_name() if meeting else None,
        kind=wanted.kind,
        state="scheduled" if meeting or start > now else "invited",
        reference=wanted.reference,
        name=wanted.name,
        agent=wanted.agent,
        requestor=_requestor(wanted.requestor),
        start_time=start,
        end_time=end,
        max_participants=wanted.max_participants or MAX_PARTICIPANTS[wanted.kind],
        moderation=wanted.moderation,
        record=wanted.record,
        geolocation=wanted.geolocation or ("off" if meeting else "optional"),
        terms_url=wanted.terms_url,
        max_uploads=wanted.max_uploads,
        language=wanted.language,
        metadata=wanted.metadata,
        enterprise=wanted.enterprise or enterprise,
        service_key=wanted.service_key,
    )


def _check_times(start: datetime, end: datetime, now: datetime) -> None:
    if end <= start or end <= now:
        raise TimesConflictError


def _requestor(details: models.RequestorDetails) -> Requestor:
    return Requestor(name=details.name, email=details.email, phone=details.phone)


def _change(body: models.ChangeRoom) -> RoomChange:
    change = RoomChange()
    if "reference" in body.model_fields_set:
        change["reference"] = body.reference
    if "name" in body.model_fields_set:
        change["name"] = body.name
    if "agent" in body.model_fields_set:
        change["agent"] = body.agent
    if body.requestor is not None:
        change["requestor"] = _requestor(body.requestor)
    if body.end_time is not None:
        change["end_time"] = body.end_time
    if body.record is not None:
        change["record"] = body.record
    if body.metadata is not None:
        change["metadata"] = body.metadata
    return change


def _tags(condition: str) -> list[str]:
    """The entity tags of an If-Match; a weak one (RFC 9110 8.8.3.2) equals none."""
    return [tag.strip() for tag in condition.split(",")]


def _fingerprint(body: models.CreateRoom) -> str:
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


def _reply(call: Call[Any, Any], room: Room) -> Reply:
    return Reply(present.room(room, call.api.links), headers=present.room_headers(room))


def _created(call: Call[Nothing, models.CreateRoom], room: Room | None, *, replayed: bool) -> Reply:
    assert room is not None
    headers = present.room_headers(room) | {"Location": f"{PREFIX}/rooms/{room.conv_id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Reply(present.room(room, call.api.links), status=201, headers=headers)


_ETAG = {"ETag": "The room's version, for `If-Match`"}

ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="POST",
        path="/rooms",
        tag="rooms",
        summary="Create a room",
        description="Gives the links of both sides. An empty object creates an assistance room that starts "
        "now.",
        function=create_room,
        query=Nothing,
        body=models.CreateRoom,
        headers=(IDEMPOTENCY_KEY,),
        answer=models.Room,
        status=201,
        answer_headers=_ETAG
        | {
            "Location": "The room's address in this API",
            "Idempotency-Replayed": "`true` if this room was made by an earlier request with the same key",
        },
        errors=(TimesConflictError, IdempotencyKeyReusedError),
    ),
    Endpoint(
        method="GET",
        path="/rooms",
        tag="rooms",
        summary="Find rooms",
        function=list_rooms,
        query=models.ListRooms,
        body=Nothing,
        answer=models.RoomList,
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}",
        tag="rooms",
        summary="Read a room",
        function=read_room,
        query=Nothing,
        body=Nothing,
        answer=models.Room,
        answer_headers=_ETAG,
    ),
    Endpoint(
        method="PATCH",
        path="/rooms/{convId}",
        tag="rooms",
        summary="Change a room",
        description=f"`If-Match`: {IF_MATCH.description}",
        function=change_room,
        query=Nothing,
        body=models.ChangeRoom,
        headers=(IF_MATCH,),
        answer=models.Room,
        answer_headers=_ETAG,
        errors=(RoomEndedError, RoomExpiredError, TimesConflictError, VersionMismatchError),
    ),
    Endpoint(
        method="DELETE",
        path="/rooms/{convId}",
        tag="rooms",
        summary="Close a room",
        description="Everybody in it is told, and their connections end. The room is `done`, or `cancelled` "
        "if nobody had come. It can still be read, and so can its media. A room that is over stays as it is.",
        function=close_room,
        query=models.CloseRoom,
        body=Nothing,
        answer=models.Room,
        answer_headers=_ETAG,
    ),
)
