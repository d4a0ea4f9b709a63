from __future__ import annotations

import asyncio

from engineio.packet import MESSAGE, Packet

from signalling.realtime.outgoing import OutgoingQueue


def test_holds_what_fits() -> None:
    queue = OutgoingQueue(max_messages=3, max_bytes=100)
    for n in range(3):
        queue.put_nowait(Packet(MESSAGE, f"{n}"))
    assert [queue.get_nowait().data for _ in range(3)] == ["0", "1", "2"]


def test_too_many_messages_overflow_once() -> None:
    queue = OutgoingQueue(max_messages=3, max_bytes=100)
    told: list[int] = []
    queue.on_overflow = lambda: told.append(1)
    for n in range(10):
        queue.put_nowait(Packet(MESSAGE, f"{n}"))
    assert queue.qsize() == 3
    assert told == [1]


def test_too_many_bytes_overflow() -> None:
    queue = OutgoingQueue(max_messages=100, max_bytes=100)
    told: list[int] = []
    queue.on_overflow = lambda: told.append(1)
    queue.put_nowait(Packet(MESSAGE, "x" * 60))
    queue.put_nowait(Packet(MESSAGE, "x" * 60))
    assert queue.qsize() == 1
    assert told == [1]


def test_what_was_read_makes_room() -> None:
    queue = OutgoingQueue(max_messages=100, max_bytes=100)
    queue.on_overflow = lambda: (_ for _ in ()).throw(AssertionError("overflow"))
    for _ in range(50):
        queue.put_nowait(Packet(MESSAGE, "x" * 60))
        queue.get_nowait()


def test_after_an_overflow_nothing_but_the_end_follows() -> None:
    queue = OutgoingQueue(max_messages=1, max_bytes=100)
    queue.put_nowait(Packet(MESSAGE, "0"))
    queue.put_nowait(Packet(MESSAGE, "1"))
    queue.get_nowait()
    queue.put_nowait(Packet(MESSAGE, "2"))
    queue.put_nowait(None)
    assert queue.get_nowait() is None
    assert queue.empty()


async def test_a_waiting_writer_gets_the_end() -> None:
    queue = OutgoingQueue()
    waiter = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(None)
    assert await waiter is None
