import pytest
from sqlalchemy.exc import IntegrityError

from signalling.store import Store
from signalling.store.records import Room, Seat
from tests.support.store import SettableClock, new_seat


async def add(store: Store, room: Room, **changes: object) -> Seat:
    async with store.write() as tx:
        return await tx.seats.add(new_seat(room.id, **changes))


async def test_a_seat_is_held_until_it_is_left(store: Store, room: Room, clock: SettableClock) -> None:
    seat = await add(store, room, device="iPhone", os="iOS 19", browser="Safari 19", consent_version="2")
    other = await add(store, room, role="agent", name="Agent", token_id="jti-1")
    async with store.read() as tx:
        assert await tx.seats.held(room.id) == [seat, other]
        assert await tx.seats.by_participant(seat.participant_id) == seat
    left_at = clock.advance(seconds=68)
    async with store.write() as tx:
        left = await tx.seats.leave(seat.id, reason="timeout", in_call_s=61.5)
    assert (left.left, left.leave_reason, left.in_call_s) == (left_at, "timeout", 61.5)
    async with store.read() as tx:
        assert await tx.seats.held(room.id) == [other]
        assert await tx.seats.of_room(room.id) == [left, other]


async def test_a_seat_is_left_once(store: Store, room: Room, clock: SettableClock) -> None:
    seat = await add(store, room)
    async with store.write() as tx:
        first = await tx.seats.leave(seat.id, reason="left")
    clock.advance(seconds=1)
    async with store.write() as tx:
        assert await tx.seats.leave(seat.id, reason="timeout") == first


async def test_a_token_opens_one_seat(store: Store, room: Room) -> None:
    seat = await add(store, room, token_id="jti-1")
    async with store.read() as tx:
        assert await tx.seats.by_token("jti-1") == seat
        assert await tx.seats.by_token("jti-2") is None
    with pytest.raises(IntegrityError):
        await add(store, room, token_id="jti-1")


async def test_an_update_leaves_what_is_not_given(store: Store, room: Room) -> None:
    seat = await add(store, room)
    async with store.write() as tx:
        assert (await tx.seats.update(seat.id, in_call_s=3.0)).name == "Customer"
        renamed = await tx.seats.update(seat.id, name="Élise")
    assert (renamed.name, renamed.in_call_s) == ("Élise", 3.0)
