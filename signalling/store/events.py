"""The event log of each room: numbered from 1 without a gap, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.store import schema
from signalling.store.records import Event

_table = schema.events
_columns = (_table.c.room_id, _table.c.seq, _table.c.type, _table.c.time, _table.c.data)


class EventRepository:
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def append(self, room_id: int, type: str, data: Mapping[str, Any] | None = None) -> Event:
        """Log what happened, in the transaction that makes it so.

        Args:
            type: dotted, as `room.created`, `participant.joined`, `media.added`.
            data: JSON values only; no secrets, passwords, tokens or chat text.
        """
        # The room's row hands out the numbers: on PostgreSQL its lock keeps two writers apart until the
        # first one commits, so numbers become visible in order.
        rooms = schema.rooms
        seq = await self._connection.scalar(
            update(rooms)
            .where(rooms.c.id == room_id)
            .values(last_seq=rooms.c.last_seq + 1)
            .returning(rooms.c.last_seq)
        )
        event = Event(room_id, seq, type, self._now, dict(data or {}))
        await self._connection.execute(
            _table.insert().values(room_id=room_id, seq=seq, type=type, time=self._now, data=event.data)
        )
        return event

    async def after(self, room_id: int, seq: int, limit: int = 1000) -> list[Event]:
        """The room's events that follow number `seq`, in order."""
        query = (
            select(*_columns)
            .where(_table.c.room_id == room_id, _table.c.seq > seq)
            .order_by(_table.c.seq)
            .limit(limit)
        )
        return [Event(**row._mapping) for row in await self._connection.execute(query)]
