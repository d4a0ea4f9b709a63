"""The media server of one process: its port, its certificate, its timer and its rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from mediaserver.clock import now_us
from mediaserver.context import ServerContext
from mediaserver.errors import ClosedError, DuplicateError
from mediaserver.gc_policy import GcPolicy
from mediaserver.room import Room
from mediaserver.settings import MediaSettings
from mediaserver.tasks import TaskOwner
from mediaserver.transport import ServerIdentity, UdpPort, UdpPortStats, announced_addresses

log = structlog.get_logger()

TIMER_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class MediaServerStats:
    """A snapshot of the whole process."""

    rooms: int
    participants: int
    connections: int
    tracks: int
    port: UdpPortStats


class MediaServer:
    """Serves between `start` and `aclose`."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._context: ServerContext | None = None
        self._rooms: dict[str, Room] = {}
        self._tasks = TaskOwner("media_server")
        self._gc = GcPolicy()

    @property
    def port(self) -> int:
        """The UDP port in use.

        Raises:
            ClosedError: the server is not running.
        """
        return self._running.port.port

    @property
    def addresses(self) -> tuple[str, ...]:
        """What clients are told to send to, best first.

        Raises:
            ClosedError: the server is not running.
        """
        return self._running.addresses

    @property
    def rooms(self) -> Mapping[str, Room]:
        """Open rooms by identifier; a live view."""
        return MappingProxyType(self._rooms)

    @property
    def _running(self) -> ServerContext:
        if self._context is None:
            raise ClosedError("the media server is not running")
        return self._context

    async def start(self) -> None:
        """Bind the port and serve.

        Raises:
            OSError: the port is taken, or the host address is not ours.
        """
        settings = self._settings
        port = UdpPort(settings.host, settings.port, settings.socket_buffer_bytes)
        addresses = announced_addresses(settings.host, settings.announced_addresses)
        context = ServerContext(settings, port, ServerIdentity(), addresses)
        port.start()
        self._context = context
        self._tasks.start(self._run_timer(context), name="timer")
        if settings.manage_gc:
            self._gc.start()
        log.info("media_server_started", port=port.port, addresses=list(addresses))

    def create_room(self, room_id: str) -> Room:
        """Open a room.

        Raises:
            DuplicateError: there is one with this identifier.
            ClosedError: the server is not running.
        """
        if room_id in self._rooms:
            raise DuplicateError(f"room {room_id} exists already")
        room = Room(self._running, room_id, self._forget)
        self._rooms[room_id] = room
        return room

    def stats(self) -> MediaServerStats:
        """A snapshot.

        Raises:
            ClosedError: the server is not running.
        """
        context = self._running
        rooms = self._rooms.values()
        return MediaServerStats(
            rooms=len(rooms),
            participants=sum(len(room.participants) for room in rooms),
            connections=len(context.timed),
            tracks=sum(len(room.tracks) for room in rooms),
            port=context.port.stats,
        )

    async def aclose(self) -> None:
        """Close every room, then the port. May be called again."""
        await asyncio.gather(*(room.aclose() for room in list(self._rooms.values())))
        await self._tasks.aclose()
        if self._context is not None:
            self._context.port.close()
            self._context = None
            log.info("media_server_stopped")
        self._gc.stop()

    def _forget(self, room: Room) -> None:
        if self._rooms.get(room.room_id) is room:
            del self._rooms[room.room_id]

    async def _run_timer(self, context: ServerContext) -> None:
        """One timer for all connections. It keeps its rhythm, but does not catch up after a pause."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not context.timed:
                self._gc.set_busy(False)
                context.wake_timer.clear()
                await context.wake_timer.wait()
                self._gc.set_busy(True)
                due = loop.time()
            now = now_us()
            for timed in tuple(context.timed):
                timed.on_timer(now)
            self._gc.on_timer()
            due = max(due + TIMER_INTERVAL_S, loop.time())
            await asyncio.sleep(due - loop.time())
