"""One connection's way through the protocol: from the first `lookup` to the end.

Events are validated when they arrive and handled by the mailbox, one after the other. Errors become an
acknowledgement in one place: what the caller may know by its code, everything else as `internal` with a
request id that stands in the log.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import JsonValue

from mediaserver.errors import NegotiationError
from mediaserver.tasks import TaskOwner
from signalling.errors import (
    AccessDeniedError,
    AlreadyJoinedError,
    ConsentRequiredError,
    ForbiddenError,
    InvalidMessageError,
    LockedError,
    NotJoinedError,
    PositionRequiredError,
    RateLimitedError,
    RequestError,
    UnknownEventError,
)
from signalling.links import Links
from signalling.realtime.mailbox import Mailbox
from signalling.realtime.protocol import (
    CLIENT_EVENTS,
    ClientMessage,
    Credentials,
    Join,
    Leave,
    Lookup,
    Mute,
    Negotiate,
    Position,
    RecordingStart,
    RecordingStop,
    Role,
    TakeSnapshot,
    parse_message,
)
from signalling.realtime.server import Ack, Connection
from signalling.rooms.door import Admission, Door
from signalling.rooms.participant import RoomParticipant
from signalling.rooms.recording import Owner
from signalling.rooms.room import Entrance, LiveRoom
from signalling.rooms.shapes import media_info, recording_info, room_info
from signalling.store import records

log = structlog.get_logger()

Result = dict[str, Any]

JOIN_TIMEOUT_S = 30.0
"""A connection that did neither `lookup` nor `join` is closed."""
LOOKUP_TIMEOUT_S = 15 * 60.0
"""The same after a successful `lookup`: reading the consent text may take a while."""

STAFF: frozenset[Role] = frozenset({"agent", "moderator"})
"""Who may take photos, record and end the session."""


class Session:
    """Handles the events of one connection (`signalling.realtime.server.Session`)."""

    def __init__(self, connection: Connection, *, door: Door, links: Links, tasks: TaskOwner) -> None:
        self._connection = connection
        self._door = door
        self._links = links
        self._mailbox = Mailbox(tasks, connection.client)
        self._room: LiveRoom | None = None
        self._participant: RoomParticipant | None = None
        self._closed = False
        self._deadline = asyncio.get_running_loop().call_later(JOIN_TIMEOUT_S, connection.close)

    def on_event(self, name: str, args: Sequence[JsonValue], ack: Ack) -> None:
        model = CLIENT_EVENTS.get(name)
        try:
            if model is None:
                raise UnknownEventError
            if len(args) > 1:
                raise InvalidMessageError("payload: an event has one")
            message = parse_message(model, args[0] if args else {})
            if not self._mailbox.post(lambda: self._run(name, message, ack)):
                raise RateLimitedError
        except RequestError as error:
            ack(_error(error.code, error.message))

    def on_closed(self) -> None:
        self._closed = True
        self._deadline.cancel()
        self._mailbox.close(self._gone)

    async def _gone(self) -> None:
        """After everything that the client had sent."""
        if self._room is not None and self._participant is not None:
            self._room.connection_lost(self._participant, self._connection)

    async def _run(self, name: str, message: ClientMessage, ack: Ack) -> None:
        try:
            if isinstance(message, Leave):
                await self._leave(message, ack)
            else:
                ack(await self._handle(message))
        except RequestError as error:
            ack(_error(error.code, error.message))
            if isinstance(error, AccessDeniedError | LockedError):
                self._connection.close()  # one connection tries one password
        except NegotiationError as error:
            ack(_error(error.code, str(error)))
        except Exception:
            request_id = secrets.token_hex(8)
            log.exception("event_failed", event_name=name, request_id=request_id)
            ack(_error("internal", f"Something went wrong on the server (request {request_id})."))

    async def _handle(self, message: ClientMessage) -> Result:
        match message:
            case Join():
                return await self._join(message)
            case Lookup():
                return await self._lookup(message)
        room, participant = self._member()
        match message:
            case Negotiate():
                return {"sdp": await room.negotiate(participant, message)}
            case Mute():
                room.mute(participant, message.track_id, muted=message.muted)
            case Position():
                _require(participant.seat.role == "requester" and room.record.geolocation != "off")
                await room.set_position(records.Position(**message.model_dump(by_alias=False)))
            case TakeSnapshot():
                _require(participant.seat.role in STAFF)
                media = await room.products.take_snapshot(_owner(participant), track_id=message.track_id)
                return {"media": media_info(media, room.record, self._links).wire()}
            case RecordingStart():
                _require(participant.seat.role in STAFF)
                recording, _ = await room.products.start_recording(_owner(participant))
                return {"recording": recording_info(recording).wire()}
            case RecordingStop():
                _require(participant.seat.role in STAFF)
                recording, _ = await room.products.stop_recording("requested")
                return {"recording": recording_info(recording).wire()}
        return {}

    async def _leave(self, message: Leave, ack: Ack) -> None:
        room, participant = self._member()
        _require(participant.seat.role in STAFF or not message.end)
        ack({})  # first: both ways close this connection
        if message.end:
            await room.close("hang_up")
        else:
            await room.leave(participant)
            self._connection.close()

    async def _lookup(self, message: Lookup) -> Result:
        admission = await self._admit(message)
        self._wait_for_join(LOOKUP_TIMEOUT_S)
        room, role = admission.room, admission.role
        return {"room": room_info(room.record).wire(), "role": role, "name": room.expected_name(role)}

    async def _join(self, message: Join) -> Result:
        admission = await self._admit(message)
        room = admission.room
        if admission.participant_id is None:
            _check_conditions(message, admission)
        if self._closed:
            raise NotJoinedError  # nobody is left to sit down
        entrance = Entrance(
            role=admission.role,
            participant_id=admission.participant_id,
            token_id=admission.token_id,
            name=message.name,
            consent_version=None if message.consent is None else message.consent.version,
            geolocation=message.geolocation,
            user_agent=self._connection.user_agent,
        )
        self._participant, welcome = await room.join(entrance, self._connection)
        self._room = room
        self._deadline.cancel()
        return welcome

    async def _admit(self, credentials: Credentials) -> Admission:
        if self._room is not None:
            raise AlreadyJoinedError
        return await self._door.admit(credentials, self._connection.client)

    def _member(self) -> tuple[LiveRoom, RoomParticipant]:
        room, participant = self._room, self._participant
        if room is None or participant is None or participant.peer is not self._connection:
            raise NotJoinedError
        return room, participant

    def _wait_for_join(self, timeout_s: float) -> None:
        self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(timeout_s, self._connection.close)


def _check_conditions(message: Join, admission: Admission) -> None:
    """What a requester owes before anything is shared; who comes back to a seat has given it."""
    if admission.role != "requester":
        return
    if message.consent is None:
        raise ConsentRequiredError
    if admission.room.record.geolocation == "required" and message.geolocation != "granted":
        raise PositionRequiredError


def _require(allowed: bool) -> None:
    if not allowed:
        raise ForbiddenError


def _owner(participant: RoomParticipant) -> Owner:
    return Owner(participant.name, participant.seat_id)


def _error(code: str, message: str) -> Result:
    return {"error": {"code": code, "message": message}}
