"""The tables, as the code uses them; `migrations/` creates them, and a test compares the two.

Only what SQLite and PostgreSQL both do. Free-form values are `JSON` (text, not PostgreSQL's `jsonb`, which
refuses U+0000). Statuses are text, so that a new one needs no table rebuilt; the code writes known ones only.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""

Json = JSON(none_as_null=True)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: stored in UTC, given back with its offset. SQLite itself knows no offsets."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without offset says nothing")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


rooms = Table(
    "rooms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conv_id", String(36), nullable=False, unique=True),
    Column("pwd", String(6), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("reference", String(50), index=True),
    Column("name", Text),
    Column("agent", Text),
    Column("requestor", Json, nullable=False),
    Column("room_name", String(65), unique=True),
    Column("start_time", UtcDateTime, nullable=False),
    Column("end_time", UtcDateTime, nullable=False),
    Column("end_reason", Text),
    Column("max_participants", Integer, nullable=False),
    Column("moderation", Boolean, nullable=False),
    Column("record", String(16), nullable=False),
    Column("geolocation", String(16), nullable=False),
    Column("terms_url", Text),
    Column("max_uploads", Integer),
    Column("language", String(35)),
    Column("webhook_url", Text),
    Column("metadata", Json, nullable=False),
    Column("enterprise", Integer, nullable=False),
    Column("service_key", String(64)),
    Column("position", Json),
    Column("search_text", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("modified", UtcDateTime, nullable=False),
    Index(None, "created", "id"),
    sqlite_autoincrement=True,
)

seats = Table(
    "seats",
    metadata,
    Column("id", Id, primary_key=True),
    Column("participant_id", String(36), nullable=False, unique=True),
    Column("room_id", Id, ForeignKey("rooms.id"), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("token_id", String(64), unique=True),
    Column("consent_version", Text),
    Column("geolocation", String(16)),
    Column("device", Text),
    Column("os", Text),
    Column("browser", Text),
    Column("joined", UtcDateTime, nullable=False),
    Column("left", UtcDateTime),
    Column("leave_reason", Text),
    Column("in_call_s", Float, nullable=False),
    sqlite_autoincrement=True,
)

medias = Table(
    "medias",
    metadata,
    Column("id", Id, primary_key=True),
    Column("hash", String(36), nullable=False, unique=True),
    Column("room_id", Id, ForeignKey("rooms.id"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("type", String(127), nullable=False),
    Column("source_type", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", Float),
    Column("path", Text),
    Column("filesize", BigInteger),
    Column("description", Text),
    Column("owner_id", Id, ForeignKey("seats.id")),
    Column("owner_name", Text),
    Column("participant_id", String(36)),
    Column("position", Json),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_ms", BigInteger),
    Column("created", UtcDateTime, nullable=False),
    Column("modified", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

recordings = Table(
    "recordings",
    metadata,
    Column("recording_id", String(36), primary_key=True),
    Column("room_id", Id, ForeignKey("rooms.id"), nullable=False, index=True),
    Column("media_id", Id, ForeignKey("medias.id"), nullable=False, unique=True),
    Column("status", String(16), nullable=False, index=True),
    Column("started_by", Text),
    Column("started", UtcDateTime, nullable=False),
    Column("stopped", UtcDateTime),
    Column("stop_reason", Text),
    Column("error_code", String(64)),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("room_id", Id, ForeignKey("rooms.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("data", Json, nullable=False),
    UniqueConstraint("room_id", "seq"),
    sqlite_autoincrement=True,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("room_id", Id, ForeignKey("rooms.id")),
    Column("created", UtcDateTime, nullable=False, index=True),
)
