"""Alembic's entry point: runs on the connection, and in the transaction, that `migrate.py` opened."""

from alembic import context

from signalling.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column: the table is rebuilt
)
context.run_migrations()
