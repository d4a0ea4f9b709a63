"""A socket.io client that can misbehave: frames are written and read as they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp


class RawClient:
    """One WebSocket, with Engine.IO and socket.io opened unless told otherwise."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self._next_id = 0

    async def send(self, frame: str | bytes) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            if isinstance(frame, bytes):
                await self.websocket.send_bytes(frame)
            else:
                await self.websocket.send_str(frame)

    async def frame(self, timeout_s: float = 5.0) -> str | None:
        """The next text frame that is no ping, answering pings; None when the server has closed."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.websocket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return None
                text: str = message.data
                if text == "2":
                    await self.send("3")
                    continue
                return text

    async def call(self, event: str, payload: Any = None, timeout_s: float = 5.0) -> Any:
        """Emit and return the acknowledgement; events that come meanwhile are dropped."""
        self._next_id += 1
        arguments = [event] if payload is None else [event, payload]
        await self.send(f"42{self._next_id}{json.dumps(arguments)}")
        prefix = f"43{self._next_id}["
        while True:
            frame = await self.frame(timeout_s)
            assert frame is not None, f"closed instead of an answer to {event}"
            if frame.startswith(prefix):
                return json.loads(frame[len(prefix) - 1 :])[0]

    async def frames_until_closed(self, timeout_s: float = 10.0) -> list[str]:
        frames = []
        async with asyncio.timeout(timeout_s):
            while (frame := await self.frame(timeout_s)) is not None:
                frames.append(frame)
        return frames


@contextlib.asynccontextmanager
async def raw_client(
    url: str, *, connect: bool = True, headers: dict[str, str] | None = None
) -> AsyncIterator[RawClient]:
    """Args:
    url: of the server, `http://…`.
    connect: open the default namespace.
    """
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(address, headers=headers) as websocket:
        client = RawClient(websocket)
        opened = await client.frame()
        assert opened is not None and opened.startswith("0{")
        if connect:
            await client.send("40")
            accepted = await client.frame()
            assert accepted is not None and accepted.startswith("40{"), accepted
        yield client
