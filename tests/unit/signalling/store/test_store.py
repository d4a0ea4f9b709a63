"""What all of the store promises: whole transactions, nothing lost, one writer at a time."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from signalling.errors import StoreUnavailableError
from signalling.store import Store
from signalling.store.records import Room
from tests.support.store import SettableClock, new_composite, new_photo, new_room, new_seat


async def test_everything_is_there_after_a_restart(
    url: str, store: Store, room: Room, clock: SettableClock
) -> None:
    async with store.write() as tx:
        seat = await tx.seats.add(new_seat(room.id))
        media = await tx.medias.add(new_photo(room.id))
        event = await tx.events.append(room.id, "media.added", {"hash": media.hash})
    await store.aclose()

    reopened = await Store.open(url, clock=clock)
    async with reopened.read() as tx:
        assert await tx.rooms.by_conv_id(room.conv_id) == room
        assert await tx.seats.held(room.id) == [seat]
        assert (await tx.medias.page(room.id)).items == [media]
        assert await tx.events.after(room.id, 0) == [event]
    await reopened.aclose()


async def test_a_process_that_is_killed_loses_nothing_it_committed(url: str) -> None:
    writer = textwrap.dedent(
        """
        import asyncio, sys
        from signalling.store import Store, utc_now
        from tests.support.store import new_room

        async def main():
            store = await Store.open(sys.argv[1])
            while True:
                async with store.write() as tx:
                    room = await tx.rooms.create(new_room(utc_now()))
                    await tx.events.append(room.id, "room.created")
                print(room.conv_id, flush=True)

        asyncio.run(main())
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", writer, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    seen = [child.stdout.readline().strip() for _ in range(20)]
    child.kill()
    # The log goes to the same pipe: what names no room is not ours to judge.
    seen += [line.strip() for line in child.stdout]
    child.wait()

    store = await Store.open(url)
    async with store.read() as tx:
        for conv_id in (line for line in seen if len(line) == 36 and line.count("-") == 4):
            room = await tx.rooms.by_conv_id(conv_id)
            assert room is not None
            assert [event.type for event in await tx.events.after(room.id, 0)] == ["room.created"]
    await store.aclose()


async def test_a_transaction_that_raises_leaves_nothing_behind(store: Store, room: Room) -> None:
    with pytest.raises(RuntimeError):
        async with store.write() as tx:
            await tx.rooms.set_state(room.id, "ongoing", expected=("invited",))
            await tx.events.append(room.id, "room.ongoing")
            raise RuntimeError("boom")
    async with store.read() as tx:
        assert await tx.rooms.by_id(room.id) == room
        assert await tx.events.after(room.id, 0) == []


async def test_a_cancelled_writer_leaves_nothing_behind_and_blocks_nobody(
    store: Store, room: Room, clock: SettableClock
) -> None:
    async def write_slowly() -> None:
        async with store.write() as tx:
            await tx.events.append(room.id, "never")
            await asyncio.sleep(60)

    task = asyncio.create_task(write_slowly())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5), store.write() as tx:
        event = await tx.events.append(room.id, "after")
    assert event.seq == 1


async def test_writers_that_come_at_once_are_all_served(store: Store, clock: SettableClock) -> None:
    async def create() -> Room:
        async with store.write() as tx:
            created = await tx.rooms.create(new_room(clock.now))
            await tx.events.append(created.id, "room.created")
            return created

    rooms = await asyncio.gather(*(create() for _ in range(50)))
    assert len({room.id for room in rooms}) == 50


async def test_a_reader_sees_one_state_while_others_write(store: Store, room: Room) -> None:
    async with store.read() as reader:
        assert await reader.events.after(room.id, 0) == []
        async with store.write() as tx:
            await tx.events.append(room.id, "meanwhile")
        assert await reader.events.after(room.id, 0) == []
    async with store.read() as reader:
        assert len(await reader.events.after(room.id, 0)) == 1


async def test_a_row_of_a_room_that_does_not_exist_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with store.write() as tx:
            await tx.seats.add(new_seat(4711))


async def test_ids_of_rows_are_never_used_again(store: Store, room: Room) -> None:
    async with store.write() as tx:
        media = await tx.medias.add(new_composite(room.id))
    async with store._engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM medias")
    async with store.write() as tx:
        assert (await tx.medias.add(new_composite(room.id))).id > media.id


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////proc/nowhere/x.db",
        "postgresql://127.0.0.1:1/nowhere",
    ],
)
async def test_a_url_that_cannot_work_is_told_in_words(url: str) -> None:
    with pytest.raises(StoreUnavailableError):
        await Store.open(url)


async def test_the_password_of_a_room_is_not_in_its_repr(room: Room) -> None:
    assert "004217" not in repr(room)
