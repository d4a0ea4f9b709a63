"""Recordings: when one ran, and how far its product is. Its status and its media entry's are one."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signalling.store import schema
from signalling.store.medias import MediaRepository
from signalling.store.records import (
    FINAL,
    Media,
    MediaStatus,
    NewRecording,
    Recording,
    moves_forward,
)

_table = schema.recordings
_columns = [_table.c[field.name] for field in fields(Recording)]


class RecordingRepository:
    def __init__(self, connection: AsyncConnection, now: datetime, medias: MediaRepository) -> None:
        self._connection = connection
        self._now = now
        self._medias = medias

    async def add(self, recording: NewRecording) -> Recording:
        """List a recording whose media entry was added before."""
        values = asdict(recording) | {"started": self._now}
        result = await self._connection.execute(_table.insert().values(values).returning(*_columns))
        return Recording(**result.one()._mapping)

    async def by_id(self, recording_id: str) -> Recording | None:
        query = select(*_columns).where(_table.c.recording_id == recording_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else Recording(**row._mapping)

    async def of_room(self, room_id: int) -> list[Recording]:
        """A room's recordings, the first one in front."""
        query = select(*_columns).where(_table.c.room_id == room_id).order_by(_table.c.started)
        return [Recording(**row._mapping) for row in await self._connection.execute(query)]

    async def unfinished(self) -> list[Recording]:
        """Recordings of all rooms whose product is not there yet: what a restart finds."""
        query = select(*_columns).where(_table.c.status.not_in(FINAL)).order_by(_table.c.started)
        return [Recording(**row._mapping) for row in await self._connection.execute(query)]

    async def advance(
        self,
        recording_id: str,
        status: MediaStatus,
        *,
        stop_reason: str | None = None,
        error_code: str | None = None,
    ) -> tuple[Recording, Media] | None:
        """Move a recording, and its media entry, on to a later status.

        `stop_reason` also writes down when it stopped, once.

        Returns:
            Both after it; None if there is no such recording or `status` is not later than its own, and
            then nothing changed.
        """
        current = await self.by_id(recording_id)
        if current is None or not moves_forward(current.status, status):
            return None
        values: dict[str, Any] = {"status": status}
        if stop_reason is not None and current.stopped is None:
            values |= {"stopped": self._now, "stop_reason": stop_reason}
        if error_code is not None:
            values["error_code"] = error_code
        statement = (
            update(_table).where(_table.c.recording_id == recording_id).values(**values).returning(*_columns)
        )
        row = (await self._connection.execute(statement)).one()
        return Recording(**row._mapping), await self._medias.update(current.media_id, status=status)
