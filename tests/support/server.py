"""The real server as a child process: `sightline serve` on free ports and a data directory of its own.

Nothing is reached past its front doors: rooms are made through the internal API, and what it logs is kept in
a file. It can be killed hard and started again on the same data and the same ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

API_KEY = "test-key-of-the-internal-api-0123456789"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
ROOT = Path(__file__).resolve().parents[2]

_TROUBLE = re.compile(
    r"Traceback \(most recent call last\)|\"level\": ?\"(?:error|critical)\"|was never awaited"
)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is free on loopback right now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class SightlineServer:
    """One server, its data, and a client of its internal API."""

    def __init__(self, directory: Path, *, scheme: str = "http", **settings: str) -> None:
        """`scheme`: of the public address; `settings`: further `SIGHTLINE_*` variables."""
        self._directory = directory
        self.data = directory / "data"
        self.log_path = directory / "server.log"
        self._public_port = free_port()
        self._internal_port = free_port()
        self.media_port = free_port(socket.SOCK_DGRAM)
        self.public_url = f"{scheme}://127.0.0.1:{self._public_port}"
        self.internal_url = f"http://127.0.0.1:{self._internal_port}"
        self._environment = {
            key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")
        } | {
            "SIGHTLINE_PUBLIC_URL": self.public_url,
            "SIGHTLINE_PUBLIC_HOST": "127.0.0.1",
            "SIGHTLINE_PUBLIC_PORT": str(self._public_port),
            "SIGHTLINE_INTERNAL_HOST": "127.0.0.1",
            "SIGHTLINE_INTERNAL_PORT": str(self._internal_port),
            "SIGHTLINE_MEDIA_PORT": str(self.media_port),
            "SIGHTLINE_DATA_DIR": str(self.data),
            "SIGHTLINE_API_KEY": API_KEY,
            "SIGHTLINE_LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the server and waits until it says that it is ready.

        Raises:
            RuntimeError: it ended or was not ready in time; the message holds the end of its log.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "signalling",
                "serve",
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self._directory,
                env=self._environment,
            )
        self._http = self._http or aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"})
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._ready():
                    if self._process.returncode is not None:
                        raise RuntimeError(
                            f"the server ended ({self._process.returncode}):\n{self.log()[-4000:]}"
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RuntimeError(f"the server is not ready:\n{self.log()[-4000:]}") from None

    async def _ready(self) -> bool:
        assert self._http is not None
        try:
            async with self._http.get(f"{self.internal_url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self) -> int:
        """Asks the server to end (SIGTERM) and returns its exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise RuntimeError(f"the server did not end:\n{self.log()[-4000:]}") from None

    async def kill(self) -> None:
        """`kill -9`: no chance to write or say anything."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def aclose(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(RuntimeError):
                await self.stop()
        if self._http is not None:
            await self._http.close()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def trouble(self) -> list[str]:
        """Lines of the log that tell of a fault of the server: tracebacks, errors, forgotten coroutines."""
        return [line[:2000] for line in self.log().splitlines() if _TROUBLE.search(line)]

    async def call(self, method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
        """One call of the internal API below `/internal/v1`, answered with `expect`; returns the JSON."""
        assert self._http is not None
        async with self._http.request(
            method, f"{self.internal_url}/internal/v1{path}", **options
        ) as response:
            text = await response.text()
            assert response.status == expect, f"{method} {path}: {response.status} {text}"
            return await response.json(content_type=None) if text else None

    async def create_room(self, **fields: Any) -> dict[str, Any]:
        room: dict[str, Any] = await self.call("POST", "/rooms", expect=201, json=fields)
        return room

    async def room_is(self, conv_id: str, state: str) -> bool:
        room = await self.call("GET", f"/rooms/{conv_id}")
        return bool(room["state"] == state)

    async def medias(self, conv_id: str) -> list[dict[str, Any]]:
        """The room's media list in its ticket shape."""
        envelope = await self.call("GET", f"/rooms/{conv_id}/medias")
        medias: list[dict[str, Any]] = envelope["medias"]
        return medias

    async def conference_media(self, conv_id: str) -> list[dict[str, Any]]:
        """The room's media list in its conference shape, which has the status."""
        envelope = await self.call("GET", f"/rooms/{conv_id}/media")
        data: list[dict[str, Any]] = envelope["data"]
        return data

    async def completed_recording(self, conv_id: str, *, timeout_s: float = 90.0) -> dict[str, Any]:
        """The first recording of the room, once it is completed."""
        entries: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    entries = [m for m in await self.conference_media(conv_id) if m["media_type"] == "video"]
                    if any(entry["status"] == "completed" for entry in entries):
                        return next(entry for entry in entries if entry["status"] == "completed")
                    assert not any(e["status"] in ("partial", "failed", "aborted") for e in entries), entries
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"no completed recording within {timeout_s} s, only {entries}") from None

    async def download(self, url: str, path: Path) -> Path:
        """Fetches a media URL as a stranger would: no key, only the link."""
        async with aiohttp.ClientSession() as stranger, stranger.get(url) as response:
            assert response.status == 200, f"{response.status} for {url.partition('?')[0]}"
            path.write_bytes(await response.read())
        return path


@contextlib.asynccontextmanager
async def running_server(
    directory: Path, *, scheme: str = "http", **settings: str
) -> AsyncIterator[SightlineServer]:
    """A started server, stopped at the end; fails if it logged a fault or did not end cleanly."""
    server = SightlineServer(directory, scheme=scheme, **settings)
    try:
        await server.start()
        yield server
        if server.running:
            status = await server.stop()
            assert status == 0, f"exit status {status}:\n{server.log()[-4000:]}"
        assert not server.trouble(), "\n".join(server.trouble())
    finally:
        await server.aclose()
