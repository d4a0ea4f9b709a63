"""Every test here runs on SQLite, and on PostgreSQL too if `TEST_POSTGRES_URL` names a database to empty."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from signalling.store import Store
from signalling.store.engine import open_engine
from signalling.store.records import Room
from tests.support.store import SettableClock, new_room

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sightline.db"
    assert POSTGRES_URL is not None
    engine = open_engine(POSTGRES_URL)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    return POSTGRES_URL


@pytest.fixture
async def store(url: str, clock: SettableClock) -> AsyncIterator[Store]:
    opened = await Store.open(url, clock=clock)
    yield opened
    await opened.aclose()


@pytest.fixture
async def room(store: Store, clock: SettableClock) -> Room:
    async with store.write() as tx:
        return await tx.rooms.create(new_room(clock.now))
