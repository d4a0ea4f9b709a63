"""The internal API on a real socket in a thread of its own, for testers that are synchronous."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from signalling.internal_api import create_internal_app
from signalling.links import Links
from signalling.store import Store
from tests.support.live_rooms import FakeLiveRooms

API_KEY = "k" * 48


class FakeAgentTokens:
    def mint(self, conv_id: str) -> str:
        return f"token-of-{conv_id}"


class FakeMediaUrls:
    def url(self, enterprise_id: int | str, media_hash: str) -> str:
        return f"https://sight.example/media/showVideo/{enterprise_id}/hash/{media_hash}?exp=1&sig=s"


def fake_links() -> Links:
    return Links("https://sight.example", FakeAgentTokens(), FakeMediaUrls())


@contextmanager
def internal_server(directory: Path) -> Iterator[str]:
    """Yields the base URL. The store is a new one in `directory`; the live rooms are fakes."""
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def run() -> None:
        store = await Store.open(f"sqlite:///{directory}/api.db")
        app = create_internal_app(
            store=store, live=FakeLiveRooms(store), links=fake_links(), api_key=API_KEY, enterprise=1
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        started.set()
        await stopped.wait()
        await runner.cleanup()
        await store.aclose()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="internal-api")
    thread.start()
    if not started.wait(20):
        raise RuntimeError("the internal API did not start")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(20)
        loop.close()
