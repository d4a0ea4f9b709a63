import asyncio

import pytest

from signalling.errors import IdempotencyKeyReusedError
from signalling.store import Store
from signalling.store.idempotency import KEPT
from tests.support.store import SettableClock, new_room


async def create_once(store: Store, clock: SettableClock, key: str, fingerprint: str = "f") -> int:
    async with store.write() as tx:
        known = await tx.idempotency.claim(key, fingerprint)
        if known is not None:
            return known
        room = await tx.rooms.create(new_room(clock.now))
        await tx.idempotency.settle(key, room.id)
        return room.id


async def test_the_same_key_gives_the_same_room(store: Store, clock: SettableClock) -> None:
    first = await create_once(store, clock, "k")
    assert await create_once(store, clock, "k") == first
    assert await create_once(store, clock, "K") != first


async def test_the_same_key_at_once_makes_one_room(store: Store, clock: SettableClock) -> None:
    rooms = await asyncio.gather(*(create_once(store, clock, "k") for _ in range(20)))
    assert len(set(rooms)) == 1
    async with store.read() as tx:
        assert len(await tx.rooms.open()) == 1


async def test_the_same_key_for_something_else_is_refused(store: Store, clock: SettableClock) -> None:
    await create_once(store, clock, "k", "f")
    with pytest.raises(IdempotencyKeyReusedError):
        await create_once(store, clock, "k", "g")


async def test_a_key_whose_request_failed_is_free(store: Store, clock: SettableClock) -> None:
    with pytest.raises(RuntimeError):
        async with store.write() as tx:
            await tx.idempotency.claim("k", "f")
            raise RuntimeError
    await create_once(store, clock, "k", "g")


async def test_a_key_is_forgotten_after_its_time(store: Store, clock: SettableClock) -> None:
    first = await create_once(store, clock, "k", "f")
    clock.now += KEPT
    assert await create_once(store, clock, "k", "f") == first
    clock.advance(seconds=1)
    assert await create_once(store, clock, "k", "g") != first
