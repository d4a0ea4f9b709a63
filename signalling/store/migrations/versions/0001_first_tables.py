"""The first tables.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", _ID, nullable=False),
        sa.Column("conv_id", sa.String(length=36), nullable=False),
        sa.Column("pwd", sa.String(length=6), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=50), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("requestor", sa.JSON(), nullable=False),
        sa.Column("room_name", sa.String(length=65), nullable=True),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("moderation", sa.Boolean(), nullable=False),
        sa.Column("record", sa.String(length=16), nullable=False),
        sa.Column("geolocation", sa.String(length=16), nullable=False),
        sa.Column("terms_url", sa.Text(), nullable=True),
        sa.Column("max_uploads", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("enterprise", sa.Integer(), nullable=False),
        sa.Column("service_key", sa.String(length=64), nullable=True),
        sa.Column("position", sa.JSON(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("conv_id", name=op.f("uq_rooms_conv_id")),
        sa.UniqueConstraint("room_name", name=op.f("uq_rooms_room_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rooms_created_id"), "rooms", ["created", "id"], unique=False)
    op.create_index(op.f("ix_rooms_reference"), "rooms", ["reference"], unique=False)
    op.create_index(op.f("ix_rooms_state"), "rooms", ["state"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("room_id", _ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_events_room_id_rooms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("room_id", "seq", name=op.f("uq_events_room_id_seq")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("room_id", _ID, nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_idempotency_keys_room_id_rooms")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created"), "idempotency_keys", ["created"], unique=False)
    op.create_table(
        "seats",
        sa.Column("id", _ID, nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("room_id", _ID, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_id", sa.String(length=64), nullable=True),
        sa.Column("consent_version", sa.Text(), nullable=True),
        sa.Column("geolocation", sa.String(length=16), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("os", sa.Text(), nullable=True),
        sa.Column("browser", sa.Text(), nullable=True),
        sa.Column("joined", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leave_reason", sa.Text(), nullable=True),
        sa.Column("in_call_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_seats_room_id_rooms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seats")),
        sa.UniqueConstraint("participant_id", name=op.f("uq_seats_participant_id")),
        sa.UniqueConstraint("token_id", name=op.f("uq_seats_token_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_seats_room_id"), "seats", ["room_id"], unique=False)
    op.create_table(
        "medias",
        sa.Column("id", _ID, nullable=False),
        sa.Column("hash", sa.String(length=36), nullable=False),
        sa.Column("room_id", _ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=127), nullable=False),
        sa.Column("source_type", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("filesize", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner_id", _ID, nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("participant_id", sa.String(length=36), nullable=True),
        sa.Column("position", sa.JSON(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["seats.id"], name=op.f("fk_medias_owner_id_seats")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_medias_room_id_rooms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_medias")),
        sa.UniqueConstraint("hash", name=op.f("uq_medias_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_medias_room_id"), "medias", ["room_id"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("room_id", _ID, nullable=False),
        sa.Column("media_id", _ID, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["media_id"], ["medias.id"], name=op.f("fk_recordings_media_id_medias")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_recordings_room_id_rooms")),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("media_id", name=op.f("uq_recordings_media_id")),
    )
    op.create_index(op.f("ix_recordings_room_id"), "recordings", ["room_id"], unique=False)
    op.create_index(op.f("ix_recordings_status"), "recordings", ["status"], unique=False)
