from __future__ import annotations

import asyncio

from mediaserver.tasks import TaskOwner
from signalling.realtime.mailbox import Mailbox


async def nothing() -> None:
    pass


async def test_jobs_run_in_order_one_after_the_other() -> None:
    tasks = TaskOwner("test")
    mailbox = Mailbox(tasks, "m")
    seen: list[str] = []

    async def job(name: str, turns: int) -> None:
        seen.append(f"{name} begins")
        for _ in range(turns):
            await asyncio.sleep(0)
        seen.append(f"{name} ends")

    done = asyncio.Event()

    async def last() -> None:
        done.set()

    assert mailbox.post(lambda: job("slow", 5))
    assert mailbox.post(lambda: job("quick", 0))
    mailbox.close(last)
    await done.wait()
    assert seen == ["slow begins", "slow ends", "quick begins", "quick ends"]
    await asyncio.sleep(0)
    assert len(tasks) == 0
    await tasks.aclose()


async def test_a_full_mailbox_refuses() -> None:
    tasks = TaskOwner("test")
    mailbox = Mailbox(tasks, "m", capacity=2)
    assert [mailbox.post(nothing) for _ in range(3)] == [True, True, False]
    await tasks.aclose()


async def test_a_closed_mailbox_refuses_but_runs_what_it_has_and_the_last_job() -> None:
    tasks = TaskOwner("test")
    mailbox = Mailbox(tasks, "m", capacity=1)
    seen: list[int] = []

    async def job(n: int) -> None:
        seen.append(n)

    mailbox.post(lambda: job(1))
    mailbox.close(lambda: job(2))
    assert not mailbox.post(lambda: job(3))
    while len(tasks):
        await asyncio.sleep(0)
    assert seen == [1, 2]


async def test_a_failing_job_does_not_stop_the_next() -> None:
    tasks = TaskOwner("test")
    mailbox = Mailbox(tasks, "m")
    done = asyncio.Event()

    async def failing() -> None:
        raise RuntimeError("on purpose")

    async def last() -> None:
        done.set()

    mailbox.post(failing)
    mailbox.close(last)
    await asyncio.wait_for(done.wait(), 1)
