"""Seats: who was in a room, from when to when, with what device."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.store import schema
from signalling.store.records import NewSeat, Seat

_table = schema.seats
_columns = [_table.c[field.name] for field in fields(Seat)]


class SeatRepository:
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def add(self, seat: NewSeat) -> Seat:
        values = asdict(seat) | {"joined": self._now, "in_call_s": 0.0}
        result = await self._connection.execute(_table.insert().values(values).returning(*_columns))
        return Seat(**result.one()._mapping)

    async def by_participant(self, participant_id: str) -> Seat | None:
        return await self._one(_table.c.participant_id == participant_id)

    async def by_token(self, token_id: str) -> Seat | None:
        """The seat that an agent token opened, if it was used."""
        return await self._one(_table.c.token_id == token_id)

    async def held(self, room_id: int) -> list[Seat]:
        """Seats that nobody has left, in the order of joining."""
        return await self._list(_table.c.room_id == room_id, _table.c.left.is_(None))

    async def of_room(self, room_id: int) -> list[Seat]:
        """Everybody who was ever in the room, in the order of joining."""
        return await self._list(_table.c.room_id == room_id)

    async def update(self, seat_id: int, *, name: str | None = None, in_call_s: float | None = None) -> Seat:
        """Change what is given; None leaves a value as it is."""
        given = {"name": name, "in_call_s": in_call_s}
        return await self._change(seat_id, {key: value for key, value in given.items() if value is not None})

    async def leave(self, seat_id: int, *, reason: str, in_call_s: float | None = None) -> Seat:
        """Free the seat; a seat that is free already keeps its first reason and time."""
        current = await self._one(_table.c.id == seat_id)
        if current is not None and current.left is not None:
            return current
        values: dict[str, Any] = {"left": self._now, "leave_reason": reason}
        if in_call_s is not None:
            values["in_call_s"] = in_call_s
        return await self._change(seat_id, values)

    async def _change(self, seat_id: int, values: dict[str, Any]) -> Seat:
        statement = update(_table).where(_table.c.id == seat_id).values(**values).returning(*_columns)
        return Seat(**(await self._connection.execute(statement)).one()._mapping)

    async def _one(self, condition: ColumnElement[bool]) -> Seat | None:
        row = (await self._connection.execute(select(*_columns).where(condition))).one_or_none()
        return None if row is None else Seat(**row._mapping)

    async def _list(self, *conditions: ColumnElement[bool]) -> list[Seat]:
        query = select(*_columns).where(*conditions).order_by(_table.c.id)
        return [Seat(**row._mapping) for row in await self._connection.execute(query)]
