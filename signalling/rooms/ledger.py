"""What the store says of one open room, and the event log with it: each change and its event are one
transaction."""

from __future__ import annotations

from collections.abc import Iterable

from signalling.errors import RoomEndedError
from signalling.rooms.participant import RoomParticipant
from signalling.store import Store, Transaction
from signalling.store.records import OPEN_STATES, NewSeat, Position, Room, RoomState, Seat


class RoomLedger:
    """Holds the room as it was last read or written."""

    def __init__(self, store: Store, record: Room) -> None:
        self.record = record
        self._store = store

    def replace(self, record: Room) -> None:
        """Somebody else changed the room. An older version than ours came late and is ignored."""
        if record.version >= self.record.version:
            self.record = record

    async def seat_taken(self, seat: NewSeat) -> Seat:
        """Write down a new seat; the room is `ongoing` from the first one on.

        Raises:
            RoomEndedError: the store has the room closed.
        """
        record = self.record
        async with self._store.write() as tx:
            if record.state != "ongoing":
                record = await self._move(tx, "ongoing")
            stored = await tx.seats.add(seat)
            data = {
                "participant_id": stored.participant_id,
                "role": stored.role,
                "name": stored.name,
                "consent_version": stored.consent_version,
            }
            await tx.events.append(record.id, "participant.joined", data)
        self.record = record
        return stored

    async def renamed(self, seat_id: int, name: str) -> None:
        async with self._store.write() as tx:
            await tx.seats.update(seat_id, name=name)

    async def token_is_used(self, token_id: str) -> bool:
        """True if the agent token opened a seat before, in any room."""
        async with self._store.read() as tx:
            return await tx.seats.by_token(token_id) is not None

    async def left(self, participant: RoomParticipant, reason: str, now_s: float) -> None:
        async with self._store.write() as tx:
            await self._leave(tx, participant, reason, now_s)

    async def spent(self, people: Iterable[RoomParticipant], now_s: float) -> None:
        """Write down how long people have been in the call so far, where that has changed."""
        changed = [
            (person, in_call_s)
            for person in people
            if (in_call_s := person.total_in_call_s(now_s)) != person.stored_in_call_s
        ]
        if changed:
            async with self._store.write() as tx:
                for person, in_call_s in changed:
                    await tx.seats.update(person.seat_id, in_call_s=in_call_s)
            for person, in_call_s in changed:
                person.stored_in_call_s = in_call_s

    async def opened(self) -> None:
        """The room's time has come; it was only `scheduled`."""
        async with self._store.write() as tx:
            record = await self._move(tx, "invited")
        self.record = record

    async def moved(self, position: Position) -> None:
        """The requester's position is another."""
        async with self._store.write() as tx:
            record = await tx.rooms.set_position(self.record.id, position)
            data = {"lat": position.lat, "lng": position.lng}
            await tx.events.append(record.id, "position.changed", data)
        self.record = record

    async def closed(
        self, state: RoomState, reason: str, people: Iterable[RoomParticipant], now_s: float
    ) -> None:
        """The room is over; its end is now, or was when its time ran out.

        Raises:
            RoomEndedError: the store has the room closed.
        """
        async with self._store.write() as tx:
            for participant in people:
                await self._leave(tx, participant, "ended", now_s)
            record = await self._move(tx, state, reason)
        self.record = record

    async def _leave(self, tx: Transaction, participant: RoomParticipant, reason: str, now_s: float) -> None:
        in_call_s = participant.total_in_call_s(now_s)
        await tx.seats.leave(participant.seat_id, reason=reason, in_call_s=in_call_s)
        data = {
            "participant_id": participant.participant_id,
            "reason": reason,
            "in_call_s": round(in_call_s, 1),
        }
        await tx.events.append(self.record.id, "participant.left", data)

    async def _move(self, tx: Transaction, state: RoomState, reason: str | None = None) -> Room:
        over = state not in OPEN_STATES
        record = await tx.rooms.set_state(
            self.record.id,
            state,
            expected=OPEN_STATES,
            end_time=min(tx.now, self.record.end_time) if over else None,
            end_reason=reason,
        )
        if record is None:
            raise RoomEndedError
        await tx.events.append(record.id, f"room.{state}", {"reason": reason} if over else None)
        return record
