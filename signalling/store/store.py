"""The one SQL store. All access is in transactions; what happens in one is there as a whole, or not at all.

    async with store.write() as tx:
        room = await tx.rooms.set_state(room.id, "ongoing", expected=("scheduled", "invited"))
        await tx.events.append(room.id, "room.ongoing")

Nothing slow may be awaited inside `write()`: with SQLite there is one writer at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import cached_property

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from signalling.errors import StoreUnavailableError
from signalling.store.engine import WRITES, open_engine
from signalling.store.events import EventRepository
from signalling.store.idempotency import IdempotencyRepository
from signalling.store.medias import MediaRepository
from signalling.store.migrate import migrate
from signalling.store.recordings import RecordingRepository
from signalling.store.rooms import RoomRepository
from signalling.store.seats import SeatRepository

log = structlog.get_logger()

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Transaction:
    """The repositories, on one connection and at one moment."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self.now = now
        """The time of everything that this transaction writes."""

    @cached_property
    def rooms(self) -> RoomRepository:
        return RoomRepository(self._connection, self.now)

    @cached_property
    def seats(self) -> SeatRepository:
        return SeatRepository(self._connection, self.now)

    @cached_property
    def medias(self) -> MediaRepository:
        return MediaRepository(self._connection, self.now)

    @cached_property
    def recordings(self) -> RecordingRepository:
        return RecordingRepository(self._connection, self.now, self.medias)

    @cached_property
    def events(self) -> EventRepository:
        return EventRepository(self._connection, self.now)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        return IdempotencyRepository(self._connection, self.now)


class Store:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._clock = clock
        # A reader of SQLite's log sees one state anyway, PostgreSQL has to be asked. SQLite's write lock is
        # polled for, and unfair: our writers queue here instead.
        sqlite = engine.dialect.name == "sqlite"
        self._reader = engine if sqlite else engine.execution_options(isolation_level="REPEATABLE READ")
        self._turn: AbstractAsyncContextManager[object] = asyncio.Lock() if sqlite else nullcontext()

    @classmethod
    async def open(cls, url: str, *, clock: Clock = utc_now) -> Store:
        """Open the database and bring its tables up to date.

        Args:
            url: `sqlite:///<path>` or `postgresql://<user>:<password>@<host>/<name>`.
        Raises:
            StoreUnavailableError: it cannot be opened or migrated.
        """
        engine = open_engine(url)
        try:
            revision = await migrate(engine.execution_options(**{WRITES: True}))
        except (DBAPIError, OSError) as error:
            await engine.dispose()
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StoreUnavailableError(f"The database cannot be opened: {cause}") from error
        except BaseException:
            await engine.dispose()
            raise
        log.info("store_opened", database=engine.dialect.name, revision=revision)
        return cls(engine, clock)

    async def aclose(self) -> None:
        """Close all connections; SQLite folds its write-ahead log into the database."""
        await self._engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that may write. Committed at the end of the block, rolled back if it raises."""
        async with self._turn, self._writer.begin() as connection:
            yield Transaction(connection, self._clock())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that only reads: it sees one state throughout, and waits for no writer."""
        async with self._reader.begin() as connection:
            yield Transaction(connection, self._clock())

    async def check(self) -> None:
        """Raise unless the database answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
