"""A store with a clock that tests move, and rooms to fill it with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from signalling.ids import new_conv_id, new_media_hash, new_participant_id
from signalling.store.records import NewMedia, NewRoom, NewSeat


class SettableClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 29, 0, 59, 30, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        """Takes the arguments of `timedelta`."""
        self.now += timedelta(**delta)
        return self.now


def new_room(now: datetime, **changes: Any) -> NewRoom:
    values: dict[str, Any] = {
        "conv_id": new_conv_id(),
        "pwd": "004217",
        "kind": "assistance",
        "state": "invited",
        "start_time": now,
        "end_time": now + timedelta(minutes=30),
        "enterprise": 1,
        "max_participants": 2,
    }
    return NewRoom(**values | changes)


def new_seat(room_id: int, **changes: Any) -> NewSeat:
    values: dict[str, Any] = {
        "participant_id": new_participant_id(),
        "room_id": room_id,
        "role": "requester",
        "name": "Customer",
    }
    return NewSeat(**values | changes)


def new_photo(room_id: int, **changes: Any) -> NewMedia:
    values: dict[str, Any] = {
        "hash": new_media_hash(),
        "room_id": room_id,
        "title": "diag_snapshot_1677103206155",
        "filename": "diag_snapshot_1677103206155.jpg",
        "type": "image/jpeg",
        "source_type": "snapshot",
        "status": "completed",
    }
    return NewMedia(**values | changes)


def new_composite(room_id: int, **changes: Any) -> NewMedia:
    values: dict[str, Any] = {
        "hash": new_media_hash(),
        "room_id": room_id,
        "title": "0YW553BN-1-composite",
        "filename": "0YW553BN-1-composite.mp4",
        "type": "video/mp4",
        "source_type": "conf_record",
        "status": "starting",
    }
    return NewMedia(**values | changes)
