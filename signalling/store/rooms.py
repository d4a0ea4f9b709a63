"""Rooms: what the ticketing backend asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import ColumnElement, Row, Update, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.errors import VersionMismatchError
from signalling.store import schema
from signalling.store.records import (
    OPEN_STATES,
    NewRoom,
    Page,
    Position,
    Requestor,
    Room,
    RoomChange,
    RoomFilter,
    RoomState,
)

_table = schema.rooms
_columns = [_table.c[field.name] for field in fields(Room)]


class RoomRepository:
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def create(self, room: NewRoom) -> Room:
        values = asdict(room) | {
            "search_text": _search_text(room.name, room.reference, room.agent, room.requestor),
            "version": 1,
            "last_seq": 0,
            "created": self._now,
            "modified": self._now,
        }
        result = await self._connection.execute(_table.insert().values(values).returning(*_columns))
        return _room(result.one())

    async def by_conv_id(self, conv_id: str) -> Room | None:
        return await self._one(_table.c.conv_id == conv_id)

    async def by_room_name(self, room_name: str) -> Room | None:
        """A meeting by `<32 hex>:<32 hex>`."""
        return await self._one(_table.c.room_name == room_name)

    async def by_id(self, room_id: int) -> Room | None:
        return await self._one(_table.c.id == room_id)

    async def open(self) -> list[Room]:
        """All rooms that are not over, the one that ends first in front."""
        query = (
            select(*_columns).where(_table.c.state.in_(OPEN_STATES)).order_by(_table.c.end_time, _table.c.id)
        )
        return [_room(row) for row in await self._connection.execute(query)]

    async def count_by_state(self) -> dict[RoomState, int]:
        """How many rooms are in each state; all states are named."""
        query = select(_table.c.state, func.count()).group_by(_table.c.state)
        counts: dict[RoomState, int] = dict.fromkeys(get_args(RoomState), 0)
        return counts | {state: count for state, count in await self._connection.execute(query)}

    async def page(self, wanted: RoomFilter) -> Page[Room]:
        """One page of what matches, ordered by creation."""
        conditions = _conditions(wanted)
        total = await self._connection.scalar(select(func.count()).select_from(_table).where(*conditions))
        order = (_table.c.created, _table.c.id)
        query = (
            select(*_columns)
            .where(*conditions)
            .order_by(*(column.desc() for column in order) if wanted.newest_first else order)
            .limit(wanted.limit)
            .offset(wanted.offset)
        )
        return Page(total or 0, [_room(row) for row in await self._connection.execute(query)])

    async def set_state(
        self,
        room_id: int,
        state: RoomState,
        *,
        expected: Collection[RoomState],
        end_time: datetime | None = None,
        end_reason: str | None = None,
    ) -> Room | None:
        """Move a room to another state.

        Args:
            expected: the states it may be in.
            end_time: the real end, where this is the end.
        Returns:
            The room after it, or None if it was in another state; then nothing changed.
        """
        values: dict[str, Any] = {"state": state}
        if end_time is not None:
            values["end_time"] = end_time
        if end_reason is not None:
            values["end_reason"] = end_reason
        statement = self._update(room_id, values).where(_table.c.state.in_(expected))
        row = (await self._connection.execute(statement.returning(*_columns))).one_or_none()
        return None if row is None else _room(row)

    async def set_position(self, room_id: int, position: Position) -> Room:
        """Keep the requester's last known position."""
        statement = self._update(room_id, {"position": asdict(position)}).returning(*_columns)
        return _room((await self._connection.execute(statement)).one())

    async def change(self, room_id: int, change: RoomChange, *, expected_version: int | None) -> Room:
        """Change what the ticketing backend may change.

        Raises:
            VersionMismatchError: the room is at another version; nothing changed.
        """
        values: dict[str, Any] = dict(change)
        if "requestor" in change:
            values["requestor"] = asdict(change["requestor"])
        statement = self._update(room_id, values)
        if expected_version is not None:
            statement = statement.where(_table.c.version == expected_version)
        row = (await self._connection.execute(statement.returning(*_columns))).one_or_none()
        if row is None:
            raise VersionMismatchError
        room = _room(row)
        text = _search_text(room.name, room.reference, room.agent, room.requestor)
        await self._connection.execute(_table.update().where(_table.c.id == room_id).values(search_text=text))
        return room

    def _update(self, room_id: int, values: Mapping[str, Any]) -> Update:
        return (
            update(_table)
            .where(_table.c.id == room_id)
            .values(**values, version=_table.c.version + 1, modified=self._now)
        )

    async def _one(self, condition: ColumnElement[bool]) -> Room | None:
        row = (await self._connection.execute(select(*_columns).where(condition))).one_or_none()
        return None if row is None else _room(row)


def _conditions(wanted: RoomFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (_table.c.reference, wanted.reference),
        (_table.c.state, wanted.state),
        (_table.c.kind, wanted.kind),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.search is not None:
        conditions.append(_table.c.search_text.contains(wanted.search.casefold(), autoescape=True))
    if wanted.since is not None:
        conditions.append(_table.c.created >= wanted.since)
    if wanted.until is not None:
        conditions.append(_table.c.created < wanted.until)
    return conditions


def _search_text(name: str | None, reference: str | None, agent: str | None, requestor: Requestor) -> str:
    """What `search` looks in. Folded here, because SQLite folds the case of ASCII only."""
    parts = (name, reference, agent, requestor.name, requestor.email, requestor.phone)
    return "\n".join(part.casefold() for part in parts if part)


def _room(row: Row[Any]) -> Room:
    values = dict(row._mapping)
    position = values.pop("position")
    return Room(
        **values | {"requestor": Requestor(**values["requestor"])},
        position=None if position is None else Position(**position),
    )
