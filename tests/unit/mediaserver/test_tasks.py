from __future__ import annotations

import asyncio

import pytest
import structlog

from mediaserver.tasks import TaskOwner


async def test_tasks_are_named_counted_and_forgotten() -> None:
    owner = TaskOwner("owner")
    task = owner.start(asyncio.sleep(0), name="nap")
    assert task.get_name() == "owner:nap"
    assert len(owner) == 1
    await task
    await asyncio.sleep(0)
    assert len(owner) == 0


async def test_aclose_cancels_and_waits() -> None:
    owner = TaskOwner("owner")
    steps = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    owner.start(work(), name="work")
    await asyncio.sleep(0)
    await owner.aclose()
    assert steps == ["cleaned up"]
    await owner.aclose()


async def test_failures_are_logged_and_not_raised() -> None:
    async def work() -> None:
        raise RuntimeError("boom")

    owner = TaskOwner("owner")
    with structlog.testing.capture_logs() as logs:
        owner.start(work(), name="work")
        await asyncio.sleep(0.01)
        await owner.aclose()
    assert [(entry["event"], entry["task"]) for entry in logs] == [("task_failed", "owner:work")]


async def test_a_closed_owner_starts_nothing() -> None:
    owner = TaskOwner("owner")
    await owner.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        owner.start(asyncio.sleep(0), name="late")


async def test_a_task_may_close_its_own_owner() -> None:
    owner = TaskOwner("owner")
    task = owner.start(owner.aclose(), name="suicide")
    async with asyncio.timeout(1):
        await task
    assert not task.cancelled()
