"""Ownership of asyncio tasks: each task has a name and somebody who awaits its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class TaskOwner:
    """Starts tasks and sees to it that none outlives its owner.

    A task that ends with an exception is logged when it ends, not when it is collected.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Number of tasks that have not ended."""
        return len(self._tasks)

    def start(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `coroutine` as a task called `<owner>:<name>`.

        Raises:
            RuntimeError: the owner was closed; the coroutine is closed without having run.
        """
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"{self.name} is closed and starts no task {name}")
        task = asyncio.create_task(coroutine, name=f"{self.name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Cancel every task and wait until all have ended. May be called again, and by one of the
        tasks itself, which then is neither cancelled nor waited for."""
        self._closed = True
        pending = self._tasks - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)
