"""Opening the database: which driver, and how SQLite is made to keep its promises.

SQLite runs with a write-ahead log, so that readers and the one writer do not wait for each other, and with
`synchronous=FULL`: what the API answered 201 to is on disk also after a power cut. `NORMAL` would survive
`kill -9` but not that, and a session writes only some dozens of rows, so the fsync is affordable.

The driver's own transaction control is switched off. It begins a transaction late and as a reader, and a
reader that then wants to write fails at once with SQLITE_BUSY when another writer was faster. A transaction
that may write therefore takes the write lock when it begins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from signalling.errors import StoreUnavailableError

BUSY_TIMEOUT_MS = 10_000
"""How long to wait for another process that writes (a command of the operator's, a backup)."""

WRITES = "sightline_writes"
"""Execution option of an engine whose transactions may write."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def open_engine(url: str) -> AsyncEngine:
    """Make the engine for an operator's URL; nothing is connected yet.

    Args:
        url: `sqlite:///<path>` or `postgresql://<user>:<password>@<host>/<name>`.
    Raises:
        StoreUnavailableError: unusable URL, missing driver.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreUnavailableError("SIGHTLINE_DATABASE_URL is not a database URL.") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StoreUnavailableError("SIGHTLINE_DATABASE_URL must begin with sqlite:// or postgresql://.")
    parsed = parsed.set(drivername=driver)
    if driver.startswith("sqlite"):
        return _open_sqlite(parsed)
    try:
        return create_async_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreUnavailableError(f"The PostgreSQL driver is missing: install {error.name}.") from None


def _open_sqlite(url: URL) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise StoreUnavailableError(
            "SIGHTLINE_DATABASE_URL must name a file: sessions are kept over a restart."
        )
    path = Path(url.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # passwords of rooms are in it
    except OSError as error:
        raise StoreUnavailableError(f"{path}: {error.strerror}") from error
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _configure)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
