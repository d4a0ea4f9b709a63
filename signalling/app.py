"""The composition root: builds the parts, starts them in order, and stops them in the other.

What is captured must reach the disk, so recordings end before media closes, and the store closes last; what
lets people in starts last and stops first, so that nobody meets a half-built server. A stop keeps rooms open
and seats held: whoever is in a session comes back to it when the server does.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from mediaserver.server import MediaServer
from mediaserver.tasks import TaskOwner
from recorder.service import Recorder
from signalling.access.addresses import AddressResolver
from signalling.access.passwords import PasswordLockout
from signalling.access.tokens import AgentTokens, MediaLinks, ResumeTokens
from signalling.errors import PortUnavailableError
from signalling.internal_api.app import create_internal_app
from signalling.links import Links
from signalling.metrics import live_gauges
from signalling.public.access_log import AccessLogger
from signalling.public.app import make_public_app
from signalling.public.media import MediaFiles
from signalling.public.pages import WebClient
from signalling.realtime.server import Connection, RealtimeServer
from signalling.realtime.session import Session
from signalling.rooms.context import RoomContext
from signalling.rooms.devices import parse_user_agent
from signalling.rooms.door import Door
from signalling.rooms.library import Library
from signalling.rooms.results import RecordingResults
from signalling.rooms.service import RoomService
from signalling.secrets import Secrets
from signalling.settings import Settings
from signalling.store import Store

log = structlog.get_logger()

SHUTDOWN_TIMEOUT_S = 3.0
"""How long open requests may take once the server stops."""
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


async def serve(
    settings: Settings,
    secrets: Secrets,
    *,
    tls: ssl.SSLContext | None = None,
    on_ready: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run the server until SIGTERM or SIGINT.

    Args:
        tls: of the public listener; None if it is plain.
        on_ready: awaited once both listeners accept connections.
    Raises:
        OperatorError: something cannot be opened, such as a port that is taken; nothing keeps running.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings, secrets, tls=tls):
        if on_ready is not None:
            await on_ready()
        await stopped.wait()
        log.info("server_stopping")
    log.info("server_stopped")


@asynccontextmanager
async def running(
    settings: Settings, secrets: Secrets, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """The server, for as long as the block lasts. Arguments and errors as of `serve`."""
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database)
        stack.push_async_callback(store.aclose)
        tasks = TaskOwner("signalling")
        library = Library.of(settings.recorder)
        results = RecordingResults(store, library)
        stack.push_async_callback(tasks.aclose)
        recorder = Recorder(settings.recorder, results)
        stack.push_async_callback(recorder.aclose)
        media_server = MediaServer(settings.media)
        stack.push_async_callback(media_server.aclose)

        agent_tokens = AgentTokens(secrets.agent_token_key, settings.session.agent_token_s)
        resume_tokens = ResumeTokens(secrets.resume_token_key)
        media_links = MediaLinks(
            secrets.media_url_key, settings.public.base_url, settings.session.media_url_s
        )
        links = Links(settings.public.base_url, agent_tokens, media_links)
        rooms = RoomService(
            RoomContext(
                store=store,
                media_server=media_server,
                recorder=recorder,
                library=library,
                links=links,
                resume_tokens=resume_tokens,
                seat_hold_s=settings.session.seat_hold_s,
                tasks=tasks,
            )
        )
        stack.push_async_callback(rooms.aclose)
        door = Door(
            find=rooms.find,
            find_meeting=rooms.find_meeting,
            store=store,
            lockout=PasswordLockout(),
            agent_tokens=agent_tokens,
            resume_tokens=resume_tokens,
        )

        def open_session(connection: Connection) -> Session:
            return Session(connection, door=door, links=links, tasks=tasks)

        realtime = RealtimeServer(
            open_session=open_session,
            origins=page_origins(settings.public.base_url),
            addresses=AddressResolver(settings.public.trusted_proxies),
            connections_per_client=settings.session.connections_per_address,
        )
        public_app = make_public_app(
            realtime=realtime,
            media=MediaFiles(
                store=store,
                links=media_links,
                library=library,
                api_key=secrets.api_key,
            ),
            web_client=WebClient(),
            public_url=settings.public.base_url,
            frame_ancestors=settings.public.frame_ancestors,
        )

        async def check_media() -> None:
            media_server.stats()

        registry = CollectorRegistry()
        live_gauges(registry, realtime, media_server)
        internal_app = create_internal_app(
            store=store,
            live=rooms,
            links=links,
            api_key=secrets.api_key,
            enterprise=settings.enterprise,
            max_body_bytes=settings.internal.max_body_bytes,
            checks={"media server": check_media},
            registry=registry,
        )

        parse_user_agent("warm up")  # the first one reads a large table
        await recorder.start()
        with _naming("SIGHTLINE_MEDIA_PORT"):
            await media_server.start()
        await rooms.start()
        tasks.start(results.run(recorder, rooms.recording_moved_on), name="recording results")
        with _naming("SIGHTLINE_PUBLIC_PORT"):
            await _listen(stack, public_app, settings.public.host, settings.public.port, tls)
        stack.push_async_callback(realtime.aclose)
        with _naming("SIGHTLINE_INTERNAL_PORT"):
            await _listen(stack, internal_app, settings.internal.host, settings.internal.port)
        log.info(
            "server_started",
            public=settings.public.base_url,
            internal=f"http://{settings.internal.host}:{settings.internal.port}",
            media_port=media_server.port,
        )
        yield


async def _listen(
    stack: AsyncExitStack, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> None:
    runner = web.AppRunner(
        app, access_log_class=AccessLogger, shutdown_timeout=SHUTDOWN_TIMEOUT_S, handle_signals=False
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, ssl_context=tls).start()


@contextmanager
def _naming(variable: str) -> Iterator[None]:
    """Says which setting to change where a port cannot be opened."""
    try:
        yield
    except OSError as error:
        raise PortUnavailableError(f"{variable}: {error.strerror or error}") from error


def page_origins(public_url: str) -> list[str]:
    """Origins of our own pages: the public one; on one machine, by each of its names."""
    parts = urlsplit(public_url)
    host = parts.netloc.removesuffix(f":{parts.port}")
    if host not in LOOPBACK_HOSTS:
        return [public_url]
    port = "" if parts.port is None else f":{parts.port}"
    return [f"{parts.scheme}://{name}{port}" for name in LOOPBACK_HOSTS]
