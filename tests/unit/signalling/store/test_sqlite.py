"""What holds for SQLite alone: its file, its locks, its promises to the disk."""

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from signalling.errors import StoreUnavailableError
from signalling.store import Store, schema
from signalling.store.records import Room


@pytest.fixture(autouse=True)
async def _no_thread_is_left() -> AsyncIterator[None]:
    """A connection that could not be opened tells its thread to end, which needs our loop for that."""
    threads = threading.active_count()
    yield
    async with asyncio.timeout(5):
        while threading.active_count() > threads:
            await asyncio.sleep(0.01)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/sightline.db"


async def test_another_process_that_writes_is_waited_for(tmp_path: Path, store: Store, room: Room) -> None:
    other = sqlite3.connect(tmp_path / "sightline.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def append() -> int:
        async with store.write() as tx:
            return (await tx.events.append(room.id, "late")).seq

    task = asyncio.create_task(append())
    await asyncio.sleep(0.2)
    assert not task.done()
    other.execute("COMMIT")
    other.close()
    assert await asyncio.wait_for(task, 5) == 1


async def test_commits_are_synced_to_the_disk(store: Store) -> None:
    async with store._engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2  # FULL
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar() == "wal"


async def test_the_database_is_readable_by_its_owner_only(tmp_path: Path, store: Store) -> None:
    mode = (tmp_path / "sightline.db").stat().st_mode
    assert not mode & (stat.S_IRWXG | stat.S_IRWXO)


async def test_a_file_that_is_no_database_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StoreUnavailableError, match="not a database"):
        await Store.open(f"sqlite:///{path}")


async def test_check_fails_when_the_database_is_gone(tmp_path: Path, url: str) -> None:
    store = await Store.open(url)
    await store.check()
    await store.aclose()
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "sightline.db").mkdir()
    with pytest.raises(Exception, match="unable to open"):
        await store.check()
    await store.aclose()


async def test_migrated_tables_are_those_of_the_schema(tmp_path: Path, url: str) -> None:
    await (await Store.open(url)).aclose()
    engine = create_engine(f"sqlite:///{tmp_path}/sightline.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


async def test_a_database_of_a_later_version_is_refused_and_left_alone(tmp_path: Path, url: str) -> None:
    await (await Store.open(url)).aclose()
    with sqlite3.connect(tmp_path / "sightline.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailableError, match="later version"):
        await Store.open(url)
    with sqlite3.connect(tmp_path / "sightline.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
