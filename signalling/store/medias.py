"""The media catalogue: photos and recordings' products. The files themselves are elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.store import schema
from signalling.store.records import Media, MediaStatus, NewMedia, Page, Position

_table = schema.medias
_columns = [_table.c[field.name] for field in fields(Media)]


class MediaRepository:
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def add(self, media: NewMedia, *, created: datetime | None = None) -> Media:
        """List a photo or a recording. `created`: the capture instant, default now."""
        values = asdict(media) | {"created": created or self._now, "modified": self._now}
        result = await self._connection.execute(_table.insert().values(values).returning(*_columns))
        return _media(result.one())

    async def by_id(self, media_id: int) -> Media | None:
        row = (await self._connection.execute(select(*_columns).where(_table.c.id == media_id))).one_or_none()
        return None if row is None else _media(row)

    async def by_hash(self, media_hash: str) -> Media | None:
        query = select(*_columns).where(_table.c.hash == media_hash)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _media(row)

    async def page(
        self,
        room_id: int,
        *,
        statuses: Collection[MediaStatus] | None = None,
        newest_first: bool = True,
        limit: int = 1000,
        offset: int = 0,
    ) -> Page[Media]:
        """One page of a room's media, ordered by creation."""
        conditions = [_table.c.room_id == room_id]
        if statuses is not None:
            conditions.append(_table.c.status.in_(statuses))
        total = await self._connection.scalar(select(func.count()).select_from(_table).where(*conditions))
        order = (_table.c.created, _table.c.id)
        query = (
            select(*_columns)
            .where(*conditions)
            .order_by(*(column.desc() for column in order) if newest_first else order)
            .limit(limit)
            .offset(offset)
        )
        return Page(total or 0, [_media(row) for row in await self._connection.execute(query)])

    async def update(
        self,
        media_id: int,
        *,
        status: MediaStatus | None = None,
        progress: float | None = None,
        title: str | None = None,
        filename: str | None = None,
        path: str | None = None,
        filesize: int | None = None,
        position: Position | None = None,
        width: int | None = None,
        height: int | None = None,
        duration_ms: int | None = None,
    ) -> Media:
        """Change what is given; None leaves a value as it is."""
        given = {
            "status": status,
            "progress": progress,
            "title": title,
            "filename": filename,
            "path": path,
            "filesize": filesize,
            "position": None if position is None else asdict(position),
            "width": width,
            "height": height,
            "duration_ms": duration_ms,
        }
        values = {name: value for name, value in given.items() if value is not None}
        statement = (
            update(_table)
            .where(_table.c.id == media_id)
            .values(**values, modified=self._now)
            .returning(*_columns)
        )
        return _media((await self._connection.execute(statement)).one())


def _media(row: Row[Any]) -> Media:
    values = dict(row._mapping)
    position = values.pop("position")
    return Media(**values, position=None if position is None else Position(**position))
