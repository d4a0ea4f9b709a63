"""The adapter to python-socketio, and the only module that imports it.

socket.io 5 over Engine.IO 4. The library does the transports, the handshake and the pings; this module
stands between it and the frames, because what it does with them is not enough on the open internet:

- Frames are decoded here, and one that is malformed, carries attachments or another namespace ends its
  connection. In the library it would be a traceback in the log and a socket that stays.
- Acknowledgements are sent from here when the result is known, so that the socket's reader never waits for
  an event to be handled; the order is kept by the session's mailbox.
- Every socket's queue is bounded (`outgoing.py`); every frame and every polling request costs a token.
- A connection that is over is closed down to the TCP socket within `LINGER_S`, whether the client agrees or
  not.

Of the library this uses, besides its documented API: `eio` with its `handlers`, `sockets`, `create_queue` and
`start_background_task`, the `queue` and `close` of a socket, and `packet.Packet` of both layers.
`tests/integration/signalling/test_hostile_sockets.py` notices if one of them changes its meaning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import socketio
import structlog
from aiohttp import web
from engineio import packet as engine_packet
from pydantic import JsonValue
from socketio import packet as socket_packet

from mediaserver.tasks import TaskOwner
from signalling.access.addresses import AddressResolver, ClientKey
from signalling.errors import InvalidMessageError, RateLimitedError, RequestError
from signalling.realtime.limits import ConnectionQuota, TokenBucket
from signalling.realtime.outgoing import OutgoingQueue

log = structlog.get_logger()

PATH = "/socket.io/"
MAX_MESSAGE_BYTES = 64 * 1024
PING_INTERVAL_S = 5
PING_TIMEOUT_S = 8
EVENTS_PER_S = 50.0
EVENT_BURST = 100
CONNECT_TIMEOUT_S = 10.0
"""A connection that did not open the namespace is closed."""
DRAIN_S = 2.0
"""How long a closing connection may take to read what it was sent last."""
LINGER_S = 2.0
"""How long after that its TCP socket may stay open."""

_CONNECTION = "sightline.connection"
"""Where the connection stands in the library's `environ`, which it hands to every handler."""

Ack = Callable[[dict[str, Any]], None]


class Session(Protocol):
    """What handles the events of one connection. Called on the event loop; must not block or raise."""

    def on_event(self, name: str, args: Sequence[JsonValue], ack: Ack) -> None: ...

    def on_closed(self) -> None:
        """The connection is gone, whoever closed it. Called once; nothing follows."""


class Connection:
    """One client's connection, as its session sees it."""

    def __init__(
        self, server: RealtimeServer, engine_socket: Any, request: web.Request, client: ClientKey
    ) -> None:
        self.client = client
        self.user_agent = request.headers.get("User-Agent", "")[:512]
        self.websocket: web.Request | None = request if _is_websocket(request) else None
        """The request that became its WebSocket. None while it is long-polling: then its TCP connections are
        not its own, others' requests may come through them too."""
        self.bucket = TokenBucket(EVENTS_PER_S, EVENT_BURST, time.monotonic())
        self.session: Session | None = None
        self.sid: str | None = None
        self.closing = False
        self.engine_socket = engine_socket
        self._server = server

    def send(self, event: str, payload: dict[str, Any]) -> None:
        """Queue a server event. Never blocks; does nothing once the connection is closing."""
        if not self.closing:
            self._enqueue(socket_packet.Packet(socket_packet.EVENT, data=[event, payload]))

    def acknowledge(self, packet_id: int, result: dict[str, Any]) -> None:
        if not self.closing:
            self._enqueue(socket_packet.Packet(socket_packet.ACK, id=packet_id, data=[result]))

    def fail(self, error: RequestError) -> None:
        """Tell the client why, then close."""
        self.send("error", {"code": error.code, "message": error.message})
        self.close()

    def close(self) -> None:
        """End the connection once what was sent has been read, or soon anyway. Idempotent."""
        if not self.closing:
            self.closing = True
            self._server.finish(self)

    def abort(self) -> None:
        """Cut its WebSocket's TCP connection, if there still is one."""
        transport = None if self.websocket is None else self.websocket.transport
        if transport is not None:
            transport.abort()

    def _enqueue(self, packet: Any) -> None:
        message = engine_packet.Packet(engine_packet.MESSAGE, packet.encode())
        self.engine_socket.queue.put_nowait(message)


class RealtimeServer:
    """Accepts connections and gives each a session."""

    def __init__(
        self,
        *,
        open_session: Callable[[Connection], Session],
        origins: Iterable[str],
        addresses: AddressResolver,
        connections_per_client: int,
    ) -> None:
        """`origins`: of the pages that may connect; clients that are no browsers send none and may."""
        self._open_session = open_session
        self._addresses = addresses
        self._quota = ConnectionQuota(connections_per_client)
        self._tasks = TaskOwner("realtime")
        self._connections: dict[str, Connection] = {}
        # The library logs what peers send, and every malformed frame as an error with a traceback. Faults of
        # ours never get there: the handlers below log them.
        silent = logging.Logger("socketio.silent", logging.CRITICAL + 1)
        self._sio = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            cors_allowed_origins=list(origins),
            cors_credentials=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            http_compression=False,
            logger=silent,
            engineio_logger=silent,
        )
        self._engine = self._sio.eio
        self._library = dict(self._engine.handlers)
        self._engine.create_queue = OutgoingQueue
        self._engine.start_background_task = self._start_library_task
        self._engine.on("connect", self._on_engine_connect)
        self._engine.on("message", self._on_frame)
        self._engine.on("disconnect", self._on_engine_disconnect)
        self._sio.on("connect", self._on_connect)

    def attach(self, app: web.Application) -> None:
        app.router.add_route("*", PATH, self._handle_request)

    def __len__(self) -> int:
        """Open connections."""
        return len(self._connections)

    async def aclose(self) -> None:
        """Close every connection without telling its client that it is over, so that it comes back."""
        for connection in list(self._connections.values()):
            connection.closing = True
            await self._abort(connection)
        await self._sio.shutdown()
        await self._tasks.aclose()

    def _start_library_task(self, target: Callable[..., Any], *args: Any) -> asyncio.Task[Any]:
        return self._tasks.start(target(*args), name=target.__name__.strip("_"))

    # --- HTTP and Engine.IO -------------------------------------------------------------------------------

    async def _handle_request(self, request: web.Request) -> web.StreamResponse:
        connection = self._connections.get(request.query.get("sid", ""))
        if connection is not None:
            if _is_websocket(request):
                connection.websocket = request
            elif not connection.bucket.take(time.monotonic()):
                connection.fail(RateLimitedError())
                return web.Response(status=429)
        try:
            response: web.StreamResponse = await self._sio.handle_request(request)
        except Exception as error:
            # A frame that Engine.IO itself cannot read comes out here, and leaves its connection unusable.
            log.info("engine_frame_malformed", error=type(error).__name__)
            for connection in list(self._connections.values()):
                if connection.websocket is request:
                    await self._abort(connection)
            return web.Response(status=400)
        return response

    async def _on_engine_connect(self, engine_sid: str, environ: dict[str, Any]) -> str | None:
        request: web.Request = environ["aiohttp.request"]
        client = self._addresses.resolve(
            request.remote, ",".join(request.headers.getall("X-Forwarded-For", []))
        )
        if not self._quota.acquire(client):
            return "too many connections"
        engine_socket = self._engine.sockets[engine_sid]
        connection = Connection(self, engine_socket, request, client)
        engine_socket.queue.on_overflow = lambda: self._on_overflow(connection)
        self._connections[engine_sid] = connection
        environ[_CONNECTION] = connection
        await self._library["connect"](engine_sid, environ)
        asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, self._expect_session, connection)
        return None

    def _expect_session(self, connection: Connection) -> None:
        if connection.session is None:
            connection.close()

    async def _on_engine_disconnect(self, engine_sid: str, reason: str) -> None:
        connection = self._connections.pop(engine_sid, None)
        if connection is None:
            return
        connection.closing = True
        self._quota.release(connection.client)
        await self._library["disconnect"](engine_sid, reason)
        if connection.session is not None:
            connection.session.on_closed()
        # A client that went silent or does not read leaves a socket that would stay open for minutes.
        asyncio.get_running_loop().call_later(LINGER_S, connection.abort)

    def _on_overflow(self, connection: Connection) -> None:
        if not connection.closing:
            log.info("slow_consumer", client=connection.client)
            connection.closing = True
            self._tasks.start(self._abort(connection), name="abort slow consumer")

    # --- socket.io ----------------------------------------------------------------------------------------

    async def _on_frame(self, engine_sid: str, data: object) -> None:
        connection = self._connections.get(engine_sid)
        if connection is None or connection.closing:
            return
        if not connection.bucket.take(time.monotonic()):
            connection.fail(RateLimitedError())
            return
        try:
            packet = _decode(data)
        except InvalidMessageError as error:
            connection.fail(error)
            return
        if packet.packet_type == socket_packet.EVENT:
            self._on_event(connection, packet)
            return
        await self._library["message"](engine_sid, data)
        if packet.packet_type == socket_packet.DISCONNECT:
            connection.close()

    def _on_event(self, connection: Connection, packet: Any) -> None:
        if connection.session is None:
            connection.fail(InvalidMessageError("An event before the connection was opened."))
            return
        name, *args = packet.data
        packet_id = packet.id
        ack: Ack = _ignore if packet_id is None else lambda result: connection.acknowledge(packet_id, result)
        connection.session.on_event(name, args, ack)

    async def _on_connect(self, sid: str, environ: dict[str, Any], _auth: object) -> None:
        connection: Connection = environ[_CONNECTION]
        connection.sid = sid
        connection.session = self._open_session(connection)

    # --- closing ------------------------------------------------------------------------------------------

    def finish(self, connection: Connection) -> None:
        """Close `connection` in order: last messages, goodbye, socket."""
        self._tasks.start(self._finish(connection), name="close connection")

    async def _finish(self, connection: Connection) -> None:
        if connection.sid is not None:
            # Tells the client that this was on purpose: it does not connect again by itself.
            await self._sio.disconnect(connection.sid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await connection.engine_socket.queue.join()
        await connection.engine_socket.close(wait=False)
        connection.engine_socket.queue.put_nowait(None)

    async def _abort(self, connection: Connection) -> None:
        await connection.engine_socket.close(wait=False, abort=True)
        connection.engine_socket.queue.put_nowait(None)
        connection.abort()


def _is_websocket(request: web.Request) -> bool:
    return request.query.get("transport") == "websocket"


def _decode(data: object) -> Any:
    """A socket.io packet that a client may send.

    Raises:
        InvalidMessageError
    """
    if not isinstance(data, str):
        raise InvalidMessageError("Binary messages are not part of this protocol.")
    try:
        packet = socket_packet.Packet(encoded_packet=data)
    except Exception:  # the decoder's errors are those of int(), json and indexing, and RecursionError
        raise InvalidMessageError("The message cannot be read.") from None
    if packet.packet_type not in (socket_packet.CONNECT, socket_packet.DISCONNECT, socket_packet.EVENT):
        raise InvalidMessageError("This kind of packet is not part of this protocol.")
    if packet.namespace not in (None, "/"):
        raise InvalidMessageError("There is no such namespace.")
    is_event = isinstance(packet.data, list) and packet.data and isinstance(packet.data[0], str)
    if packet.packet_type == socket_packet.EVENT and not is_event:
        raise InvalidMessageError("An event is a name and a payload.")
    return packet


def _ignore(_result: dict[str, Any]) -> None:
    """The acknowledgement of an event that asked for none."""
