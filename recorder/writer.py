"""The one thread of a process that writes recordings, and the files it appends to.

`AppendFile.append` is called on the event loop and only copies into memory. The thread takes everything
that waits, of all files in one step, and writes it: a group's first file (the journal) before the others, so
that nothing is on disk whose announcement is not. It syncs once per second.

Bound: `max_pending_bytes` for all files together; an append beyond it is refused, and its caller must note
the loss. Files opened with `reserve` (journals) may exceed it by 1 MiB, so that the note finds a place.
A file that cannot be written fails its whole group, once; other groups go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

RESERVE_BYTES = 1 << 20

_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class AppendFile:
    """One file that grows. Created by `FileGroup.open`."""

    __slots__ = ("_lock", "_pending", "_reserve", "_writer", "appended_bytes", "closing", "fd", "path")

    def __init__(self, writer: CaptureWriter, path: Path, head: bytes, *, reserve: bool) -> None:
        self._writer = writer
        self._lock = writer.lock
        self._reserve = RESERVE_BYTES if reserve else 0
        self._pending = bytearray(head)
        self.path = path
        self.appended_bytes = len(head)
        """Bytes accepted so far, written or not."""
        self.closing = False
        self.fd = -1
        """Belongs to the writer's thread."""

    def append(self, data: bytes) -> bool:
        """Take `data` for writing; false if there is no room for it, and nothing was taken."""
        writer = self._writer
        size = len(data)
        with self._lock:
            if self.closing or writer.pending_bytes + size > writer.max_pending_bytes + self._reserve:
                return False
            self._pending += data
            writer.pending_bytes += size
        self.appended_bytes += size
        return True

    def take(self) -> bytearray:
        """What waits; called by the writer's thread with the lock held."""
        taken = self._pending
        if taken:
            self._pending = bytearray()
        return taken


class FileGroup:
    """The files of one recording. Created by `CaptureWriter.group`."""

    def __init__(
        self, writer: CaptureWriter, directory: Path, on_failure: Callable[[str], None], min_free_bytes: int
    ) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._closed = self._loop.create_future()
        self.directory = directory
        self.min_free_bytes = min_free_bytes
        self.files: list[AppendFile] = []
        """In the order in which they are written; guarded by the writer's lock."""
        self.closing = False
        self.failed = False
        self._reported = False

    def open(self, name: str, head: bytes = b"", *, reserve: bool = False) -> AppendFile:
        """Add a new file, which begins with `head`, however much waits already.

        It appears on disk, with mode 0600, when the thread gets to it.
        """
        file = AppendFile(self._writer, self.directory / name, head, reserve=reserve)
        with self._writer.lock:
            self._writer.pending_bytes += len(head)
            self.files.append(file)
        return file

    def finish(self, file: AppendFile) -> None:
        """Write, sync and close one file in the course of things; it takes no more."""
        with self._writer.lock:
            file.closing = True

    async def aclose(self) -> None:
        """Write, sync and close all files of the group. Returns when that is done; harmless if repeated."""
        with self._writer.lock:
            self.closing = True
            for file in self.files:
                file.closing = True
        self._writer.wake()
        await asyncio.shield(self._closed)

    def report_failure(self, reason: str) -> None:
        """Called by the writer's thread; only the first reason is passed on."""
        if not self._reported:
            self._reported = True
            self._on_loop(lambda: self._on_failure(reason))

    def report_closed(self) -> None:
        """Called by the writer's thread."""
        self._on_loop(lambda: None if self._closed.done() else self._closed.set_result(None))

    def _on_loop(self, callback: Callable[[], None]) -> None:
        # A loop that was closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)


class CaptureWriter:
    """Owns the thread. Make one per process, on the event loop; `aclose` ends it after the last write."""

    def __init__(self, *, max_pending_bytes: int, flush_interval_s: float, sync_interval_s: float) -> None:
        self.max_pending_bytes = max_pending_bytes
        self.pending_bytes = 0
        """Bytes accepted and not yet written; guarded by `lock`."""
        self.lock = threading.Lock()
        self._flush_interval_s = flush_interval_s
        self._sync_interval_s = sync_interval_s
        self._groups: list[FileGroup] = []
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="capture-writer", daemon=True)
        self._thread.start()

    def group(
        self, directory: Path, *, on_failure: Callable[[str], None], min_free_bytes: int = 0
    ) -> FileGroup:
        """Start writing files into an existing directory.

        Args:
            on_failure: called at most once, on the event loop, with `disk_full`, `disk_low` or
                `disk_error`; from then on nothing more of the group is written.
            min_free_bytes: free space that must remain; checked at every sync.
        """
        group = FileGroup(self, directory, on_failure, min_free_bytes)
        with self.lock:
            self._groups.append(group)
        return group

    def wake(self) -> None:
        """Write now instead of at the next interval."""
        self._wake.set()

    async def aclose(self) -> None:
        """Write what waits, close all files and end the thread."""
        self._ending = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        next_sync_s = time.monotonic() + self._sync_interval_s
        unsynced: set[AppendFile] = set()
        while True:
            self._wake.wait(self._flush_interval_s)
            self._wake.clear()
            ending = self._ending
            sync = ending or time.monotonic() >= next_sync_s
            try:
                self._cycle(unsynced, sync=sync, ending=ending)
            except Exception:
                # Nothing is expected here; the thread serves all recordings and outlives what befalls one.
                log.exception("capture_writer_failed")
            if sync:
                next_sync_s = time.monotonic() + self._sync_interval_s
            if ending:
                return

    def _cycle(self, unsynced: set[AppendFile], *, sync: bool, ending: bool) -> None:
        with self.lock:
            # One step for all files: a packet never overtakes a journal line that was appended before it.
            work = [
                (group, [(file, file.take(), file.closing or ending) for file in group.files])
                for group in self._groups
            ]
            closed = [group for group in self._groups if ending or group.closing]
            self._groups = [group for group in self._groups if group not in closed]
        for group, files in work:
            for file, data, closing in files:
                self._write(group, file, data, unsynced)
                if closing:
                    self._close(group, file, unsynced)
            if sync and not group.failed:
                self._check_space(group)
        if sync:
            for file in unsynced:
                self._sync(file)
            unsynced.clear()
        for group in closed:
            group.report_closed()

    def _write(self, group: FileGroup, file: AppendFile, data: bytearray, unsynced: set[AppendFile]) -> None:
        try:
            if file.fd < 0 and not group.failed:
                file.fd = os.open(file.path, _OPEN_FLAGS, 0o600)
                _sync_directory(file.path.parent)
            if data and not group.failed:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file.fd, rest) :]
                unsynced.add(file)
        except OSError as error:
            self._fail(group, error)
        finally:
            with self.lock:
                self.pending_bytes -= len(data)

    def _close(self, group: FileGroup, file: AppendFile, unsynced: set[AppendFile]) -> None:
        unsynced.discard(file)
        with self.lock:
            group.files.remove(file)
        if file.fd >= 0:
            self._sync(file)
            os.close(file.fd)
            file.fd = -1

    def _sync(self, file: AppendFile) -> None:
        try:
            os.fdatasync(file.fd)
        except OSError as error:
            # The kernel has dropped the pages and reports it once: nothing can be repeated. What is missing
            # shows when the file is read; capture goes on, because the rest may well be good.
            log.error("capture_sync_failed", file=file.path.name, error=_name(error))

    def _check_space(self, group: FileGroup) -> None:
        try:
            status = os.statvfs(group.directory)
        except OSError as error:
            self._fail(group, error)
            return
        if status.f_bavail * status.f_frsize < group.min_free_bytes:
            group.report_failure("disk_low")

    def _fail(self, group: FileGroup, error: OSError) -> None:
        if group.failed:
            return
        group.failed = True
        reason = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "disk_error"
        log.error("capture_write_failed", reason=reason, error=_name(error), recording=group.directory.name)
        group.report_failure(reason)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown")


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
