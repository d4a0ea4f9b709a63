"""One ordered mailbox per participant: its jobs run one after the other, in the order they came.

The socket's reader only validates and posts, so an offer that takes long neither holds up the client's pongs
nor lets a later event overtake it. Overflow rule: a full mailbox refuses the job (the caller answers
`rate_limited`); nothing that was accepted is dropped, except when the mailbox is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mediaserver.tasks import TaskOwner

log = structlog.get_logger()

Job = Callable[[], Awaitable[None]]
"""Handles its own errors: one that escapes is our fault, is logged, and the next job runs."""

CAPACITY = 64


class Mailbox:
    """Runs jobs in order on one task of `tasks`."""

    def __init__(self, tasks: TaskOwner, name: str, capacity: int = CAPACITY) -> None:
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._capacity = capacity
        self._closed = False
        tasks.start(self._run(), name=f"mailbox {name}")

    def post(self, job: Job) -> bool:
        """Queue `job`; False if the mailbox is full or closed."""
        if self._closed or self._jobs.qsize() >= self._capacity:
            return False
        self._jobs.put_nowait(job)
        return True

    def close(self, last: Job) -> None:
        """Run what is queued and then `last`, and end. Called once."""
        self._closed = True
        self._jobs.put_nowait(last)
        self._jobs.put_nowait(None)

    async def _run(self) -> None:
        while (job := await self._jobs.get()) is not None:
            try:
                await job()
            except Exception:
                log.exception("mailbox_job_failed")
