import asyncio

from signalling.store import Store
from signalling.store.records import Room
from tests.support.store import SettableClock, new_room


async def test_events_are_numbered_from_one_in_each_room(
    store: Store, room: Room, clock: SettableClock
) -> None:
    async with store.write() as tx:
        other = await tx.rooms.create(new_room(clock.now))
        assert (await tx.events.append(room.id, "a")).seq == 1
        assert (await tx.events.append(other.id, "a")).seq == 1
        event = await tx.events.append(room.id, "b", {"lat": 48.7703337, "list": [None]})
    assert (event.seq, event.time) == (2, clock.now)


async def test_a_reader_gets_what_follows_the_number_it_has(store: Store, room: Room) -> None:
    async with store.write() as tx:
        for number in range(5):
            await tx.events.append(room.id, "tick", {"n": number})
    async with store.read() as tx:
        assert [event.seq for event in await tx.events.after(room.id, 2)] == [3, 4, 5]
        assert [event.data["n"] for event in await tx.events.after(room.id, 0, limit=2)] == [0, 1]
        assert await tx.events.after(room.id, 5) == []


async def test_events_that_are_written_at_once_leave_no_gap(store: Store, room: Room) -> None:
    async def append(fail: bool) -> None:
        try:
            async with store.write() as tx:
                await tx.events.append(room.id, "tick")
                if fail:
                    raise LookupError
        except LookupError:
            pass

    await asyncio.gather(*(append(fail=number % 3 == 0) for number in range(30)))
    async with store.read() as tx:
        assert [event.seq for event in await tx.events.after(room.id, 0)] == list(range(1, 21))


async def test_an_event_does_not_change_the_version_of_its_room(store: Store, room: Room) -> None:
    async with store.write() as tx:
        await tx.events.append(room.id, "tick")
        assert await tx.rooms.by_id(room.id) == room
