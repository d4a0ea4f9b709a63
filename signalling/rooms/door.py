"""Who may come in: credentials against rooms, with one answer for everything that is wrong.

A wrong password, an unknown room and a bad token are refused alike, after the same time: the refusal is held
back until `REFUSAL_S` after the question, which is longer than any way to find out takes.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from signalling.access.addresses import ClientKey
from signalling.access.passwords import PasswordLockout
from signalling.access.tokens import AgentTokens, ResumeTokens
from signalling.errors import AccessDeniedError, LockedError
from signalling.realtime.protocol import Credentials, Role
from signalling.rooms.room import LiveRoom
from signalling.store import Store

log = structlog.get_logger()

REFUSAL_S = 0.1
_NO_PASSWORD = "------"  # noqa: S105 - no password that anybody could give

FindRoom = Callable[[str], Awaitable[LiveRoom | None]]
"""The room of a convId, or None if there is none. Raises RoomExpiredError or RoomEndedError: it is over."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Credentials that were found good."""

    room: LiveRoom
    role: Role
    token_id: str | None = None
    participant_id: str | None = None
    """Of the seat that a resume token names."""


class Door:
    """Checks credentials. What it raises to a stranger says nothing of what was wrong."""

    def __init__(
        self,
        *,
        find: FindRoom,
        find_meeting: FindRoom,
        store: Store,
        lockout: PasswordLockout,
        agent_tokens: AgentTokens,
        resume_tokens: ResumeTokens,
    ) -> None:
        """`find_meeting` takes a room's name instead of its convId."""
        self._find = find
        self._find_meeting = find_meeting
        self._store = store
        self._lockout = lockout
        self._agent_tokens = agent_tokens
        self._resume_tokens = resume_tokens

    async def admit(self, credentials: Credentials, client: ClientKey) -> Admission:
        """Find the room that `credentials` open.

        Raises:
            AccessDeniedError: anything is wrong with them.
            LockedError: too many wrong passwords; these were not looked at.
            RoomExpiredError, RoomEndedError: they are right, but the room is over.
        """
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + REFUSAL_S
        try:
            if credentials.resume_token is not None:
                return await self._resume(str(credentials.conv_id), credentials.resume_token)
            if credentials.token is not None:
                return await self._agent(str(credentials.conv_id), credentials.token)
            if credentials.pwd is not None:
                return await self._password(str(credentials.conv_id), credentials.pwd, client)
            return await self._meeting(str(credentials.room_name))
        except (AccessDeniedError, LockedError):
            await asyncio.sleep(answer_at - loop.time())
            raise

    async def _password(self, conv_id: str, pwd: str, client: ClientKey) -> Admission:
        now_s = asyncio.get_running_loop().time()
        attempt = self._lockout.attempt(conv_id, client, now_s)
        if attempt is None:
            raise LockedError
        async with self._store.read() as tx:
            record = await tx.rooms.by_conv_id(conv_id)
        # Meetings are opened by name; their password, if they have one, is not for this.
        expected = _NO_PASSWORD if record is None or record.kind != "assistance" else record.pwd
        if not hmac.compare_digest(expected.encode(), pwd.encode()) or expected is _NO_PASSWORD:
            if attempt.locks:
                log.warning("password_locked", client=client)
                raise LockedError
            raise AccessDeniedError
        self._lockout.succeeded(attempt)
        return Admission(await self._found(self._find, conv_id), "requester")

    async def _agent(self, conv_id: str, token: str) -> Admission:
        claims = self._agent_tokens.verify(token)
        if claims.conv_id != conv_id:
            raise AccessDeniedError
        room = await self._found(self._find, conv_id)
        if claims.expired and not room.bound_to(claims.token_id):
            # Bound to a seat of this room that was freed, or taken before a restart.
            async with self._store.read() as tx:
                seat = await tx.seats.by_token(claims.token_id)
            if seat is None:
                raise AccessDeniedError
        return Admission(room, "agent" if room.record.kind == "assistance" else "moderator", claims.token_id)

    async def _resume(self, conv_id: str, token: str) -> Admission:
        claims = self._resume_tokens.verify(token)
        if claims.conv_id != conv_id:
            raise AccessDeniedError
        room = await self._found(self._find, conv_id)
        participant = room.people.get(claims.participant_id)
        if participant is None:
            raise AccessDeniedError
        return Admission(room, participant.seat.role, participant_id=claims.participant_id)

    async def _meeting(self, room_name: str) -> Admission:
        return Admission(await self._found(self._find_meeting, room_name), "participant")

    async def _found(self, find: FindRoom, key: str) -> LiveRoom:
        room = await find(key)
        if room is None:
            raise AccessDeniedError
        room.require_open()
        return room
