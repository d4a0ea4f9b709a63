"""Idempotency keys: which request made which room, so that a repeated request makes no second one."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.errors import IdempotencyKeyReusedError
from signalling.store import schema

KEPT = timedelta(hours=24)
"""How long a key is known."""

_table = schema.idempotency_keys


class IdempotencyRepository:
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def claim(self, key: str, fingerprint: str) -> int | None:
        """Take a key for the request that this transaction carries out.

        Of requests that come at once, one gets the key; the others wait here until it has committed.

        Args:
            key: at most 255 characters.
            fingerprint: SHA-256 of what the request asks for, hexadecimal.
        Returns:
            None if the key was free: finish with `settle`. Otherwise the id of the room that the key's
            first request made.
        Raises:
            IdempotencyKeyReusedError: the key belongs to a request that asked for something else.
        """
        await self._connection.execute(delete(_table).where(_table.c.created < self._now - KEPT))
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        statement = (
            insert(_table)
            .values(key=key, fingerprint=fingerprint, created=self._now)
            .on_conflict_do_nothing()
            .returning(_table.c.key)
        )
        if await self._connection.scalar(statement) is not None:
            return None
        query = select(_table.c.fingerprint, _table.c.room_id).where(_table.c.key == key)
        row = (await self._connection.execute(query)).one()
        if row.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError
        room_id: int = row.room_id
        return room_id

    async def settle(self, key: str, room_id: int) -> None:
        """Note the room that the request with a claimed key made."""
        await self._connection.execute(update(_table).where(_table.c.key == key).values(room_id=room_id))
