"""Photos of a running camera, within a second of the click.

The frame that was on the screen is decoded from the running group of pictures, because a keyframe made for
the purpose is 5 to 13 dB worse than the frame before it. Only where that would take too long, or nothing can
be decoded, the publisher is asked for a keyframe, and the photo is taken a few frames after it, when the
encoder has caught up.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import structlog

from recorder import child, darkroom
from recorder.darkroom import Developed
from recorder.errors import RecorderError
from recorder.exif import PhotoTags, write_exif
from recorder.gop import Gop, GopBuffer
from recorder.position import Position

log = structlog.get_logger()

DECODE_BUDGET_US: Final = 600_000
"""Of the second that somebody waits for a photo, what decoding the running group may take."""
STALE_US: Final = 2_000_000
"""A camera that sent nothing for so long shows nothing any more; a shared screen that rests still does."""
_DAMAGED_US = 500_000
"""How much older than the click the last intact picture may be."""
_SETTLE_US = 400_000
"""After a keyframe the encoder needs a few frames to regain its quality."""
_SETTLE_UNTIL_US = 700_000
_KEYFRAME_TIMEOUT_US = 900_000
_KEYFRAME_PATIENCE_US = 3_000_000
"""Where there is nothing else: over a thin uplink a keyframe takes longer than a second."""
_LAST_RESORT_US = 5_000_000
_POLL_US = 20_000
_ASK_AGAIN_US = 300_000
_CHILD_TIMEOUT_S = 8.0
_MAX_WAITING = 16
"""Photos asked for at once; beyond that they are refused."""
_NS_PER_PIXEL = {"VP8": 4.0, "H264": 2.0}
"""Decoding time before anything was measured."""

SnapshotMethod = Literal["running", "keyframe"]


class NoPictureError(RecorderError):
    """Nothing that the camera sent can be shown."""

    code = "no_picture"


class SnapshotBusyError(RecorderError):
    """More photos are being taken than can be."""

    code = "snapshot_busy"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A photo on disk."""

    path: Path
    """Absolute."""
    title: str
    captured_at_ms: int
    """Instant of the frame, milliseconds since the epoch; the title and EXIF say the same."""
    width: int
    height: int
    filesize: int
    method: SnapshotMethod
    """`running`: the frame at the click; `keyframe`: one that was asked for, a little later."""


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class Darkroom:
    """The child process that decodes, started anew whenever it breaks or hangs.

    A plain pipe each way, and not `concurrent.futures`: on Python 3.11.2, Debian 12's, an executor waits
    for ever for a worker that was killed while it was being sent something (CPython issue 94777). What the
    child answers is data of a fixed layout, because it decodes what strangers send.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Start the process; returns when it is ready for a photo.

        Raises:
            EOFError: it ended instead.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", darkroom.__name__, str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child.environment(),
            start_new_session=True,  # Ctrl-C at the terminal is for the server.
        )
        await _answer(self._process)

    async def aclose(self) -> None:
        """End the process and wait for it. It holds nothing: killing also ends one that hangs."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        assert process.stdout is not None
        await process.stdout.read()  # what nobody read would keep the pipe, and so `wait`, open
        await process.wait()

    async def develop(self, group: Gop, budget_us: int) -> Developed | None:
        """One group at a time; None if the process died or hung over it twice."""
        codec = replace(group.codec, parameters=dict(group.codec.parameters))
        request = darkroom.encode_request(codec, group.packets, budget_us)
        async with self._lock:
            for _ in range(2):
                try:
                    if self._process is None:
                        await self.start()
                    assert self._process is not None
                    assert self._process.stdin is not None
                    async with asyncio.timeout(_CHILD_TIMEOUT_S):
                        self._process.stdin.write(request)
                        await self._process.stdin.drain()
                        return darkroom.decode_reply(await _answer(self._process))
                except (EOFError, ConnectionError, TimeoutError) as error:
                    log.warning("darkroom_restarted", cause=type(error).__name__)
                    await self.aclose()
                except asyncio.CancelledError:
                    await self.aclose()  # its answer would be taken for the next one's
                    raise
        return None


async def _answer(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    size = int.from_bytes(await process.stdout.readexactly(darkroom.SIZE_BYTES))
    return await process.stdout.readexactly(size)


class SnapshotTaker:
    """Takes photos and keeps them under one directory, `<yyyy>/<mm>/<dd>/<random>.jpg`."""

    def __init__(
        self,
        directory: Path,
        *,
        darkroom: Darkroom | None = None,
        clock: Callable[[], int] = monotonic_us,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._directory = directory.absolute()
        self._darkroom = darkroom or Darkroom()
        self._clock = clock
        self._sleep = sleep
        self._waiting = 0
        self._ns_per_pixel = dict(_NS_PER_PIXEL)

    async def start(self) -> None:
        await self._darkroom.start()

    async def aclose(self) -> None:
        await self._darkroom.aclose()

    async def take(
        self,
        gop: GopBuffer,
        *,
        at_us: int,
        at_wall_us: int,
        position: Position | None = None,
        title_prefix: str = "diag_snapshot_",
    ) -> Snapshot:
        """A photo of what the camera showed at `at_us`, or as soon after it as possible.

        Args:
            at_us, at_wall_us: the click, on the server's monotonic clock and in UTC.
            position: of whoever holds the camera, where known.

        Raises:
            NoPictureError: there is nothing to show.
            SnapshotBusyError: too many photos are being taken.
            OSError: it cannot be written.
        """
        if self._waiting >= _MAX_WAITING:
            raise SnapshotBusyError(f"{self._waiting} photos are being taken")
        self._waiting += 1
        try:
            photo, method = await self._shoot(gop, at_us)
        finally:
            self._waiting -= 1
        captured_at_ms = (at_wall_us + photo.arrival_us - at_us) // 1000
        tags = PhotoTags(
            description=f"{title_prefix}{captured_at_ms}",
            captured_at_ms=captured_at_ms,
            width=photo.width,
            height=photo.height,
            unique_id=uuid4().hex,
            position=position,
        )
        path, size = await asyncio.to_thread(self._keep, photo.jpeg, tags)
        log.info(
            "snapshot_taken",
            method=method,
            frames_decoded=photo.frames,
            decode_ms=photo.decode_us // 1000,
            width=photo.width,
            height=photo.height,
        )
        return Snapshot(path, tags.description, captured_at_ms, photo.width, photo.height, size, method)

    async def _shoot(self, gop: GopBuffer, at_us: int) -> tuple[Developed, SnapshotMethod]:
        group = gop.group(at_us)
        if group is not None and not gop.holds_still and at_us - group.newest_us > STALE_US:
            group = None
        if group is not None and self._estimate_us(group) <= DECODE_BUDGET_US:
            photo = await self._develop(group, DECODE_BUDGET_US)
            if photo is not None and group.newest_us - photo.arrival_us <= _DAMAGED_US:
                return photo, "running"
        timeout_us = _KEYFRAME_PATIENCE_US if group is None else _KEYFRAME_TIMEOUT_US
        fresh = await self._after_keyframe(gop, at_us, timeout_us)
        if fresh is not None:
            photo = await self._develop(fresh, DECODE_BUDGET_US)
            if photo is not None:
                return photo, "keyframe"
        if group is not None:
            # Late is better than never.
            photo = await self._develop(group, _LAST_RESORT_US)
            if photo is not None:
                return photo, "running"
        raise NoPictureError(gop.track_id)

    async def _after_keyframe(self, gop: GopBuffer, at_us: int, timeout_us: int) -> Gop | None:
        """Ask for a keyframe and wait for it and some frames more; None if none comes in time."""
        requested_us = asked_us = self._clock()
        gop.request_keyframe(requested_us)
        while True:
            await self._sleep(_POLL_US / 1e6)
            now_us = self._clock()
            began_us = gop.began_us
            if began_us is not None and began_us > requested_us:
                if now_us >= min(began_us + _SETTLE_US, at_us + _SETTLE_UNTIL_US):
                    return gop.group(now_us)
            elif now_us >= at_us + timeout_us:
                return None
            elif now_us - asked_us >= _ASK_AGAIN_US:
                gop.request_keyframe(now_us)
                asked_us = now_us

    async def _develop(self, group: Gop, budget_us: int) -> Developed | None:
        photo = await self._darkroom.develop(group, budget_us)
        if photo is None:
            return None
        if photo.frames:
            measured = photo.decode_us * 1000 / (photo.frames * group.pixels)
            known = self._ns_per_pixel[group.codec.name]
            self._ns_per_pixel[group.codec.name] = known + (measured - known) * 0.3
        return photo if photo.jpeg else None

    def _estimate_us(self, group: Gop) -> float:
        return group.frames * group.pixels * self._ns_per_pixel[group.codec.name] / 1000

    def _keep(self, jpeg: bytes, tags: PhotoTags) -> tuple[Path, int]:
        data = write_exif(jpeg, tags)
        day = datetime.fromtimestamp(tags.captured_at_ms // 1000, UTC)
        directory = self._directory / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / f"{tags.unique_id}.jpg"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path, len(data)
