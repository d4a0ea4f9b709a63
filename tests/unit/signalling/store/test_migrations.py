"""The migrations run once, whoever starts them, and fit both databases."""

import asyncio

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from signalling.store import Store, schema


async def test_opening_again_changes_nothing(url: str) -> None:
    for _ in range(2):
        await (await Store.open(url)).aclose()


async def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    stores = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    for store in stores:
        await store.check()
        await store.aclose()


def test_every_table_can_be_made_on_postgresql() -> None:
    for table in schema.metadata.sorted_tables:
        statement = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        if table.name not in ("recordings", "idempotency_keys"):
            assert "id BIGSERIAL" in statement
        assert "DATETIME" not in statement
