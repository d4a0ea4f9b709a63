"""Bringing the tables up to date, at every start (Alembic, `migrations/versions/`).

A change of `schema.py` needs a new file there, which `alembic.command.revision(migration_config(), "…")`
begins. One that was released is never changed: databases have had it.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from signalling.errors import StoreUnavailableError

_LOCK_ID = 0x5167_4C1E
"""Names our advisory lock on PostgreSQL: of several nodes that start at once, one migrates."""


async def migrate(engine: AsyncEngine) -> str:
    """Run the migrations that the database has not had.

    Returns:
        The revision it is at now.
    Raises:
        StoreUnavailableError: the database is from a later version of the program.
    """
    async with engine.begin() as connection:
        return await connection.run_sync(_upgrade)


def migration_config() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def _upgrade(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
    config = migration_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise StoreUnavailableError(
            f"The database is at revision {current}, which this version of the program does not know: "
            "it was used with a later version."
        )
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailableError(f"The database cannot be migrated: {error}") from error
    revision = MigrationContext.configure(connection).get_current_revision()
    assert revision is not None
    return revision
