"""What a client can do to the socket layer: everything ends in a documented code, a closed connection or no
effect, and never in the log's errors or in another client's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from pydantic import JsonValue

from signalling.access.addresses import AddressResolver
from signalling.realtime import server as server_module
from signalling.realtime.server import Ack, Connection, RealtimeServer
from tests.support.raw_socketio import raw_client


class EchoSession:
    """Acknowledges `echo`; sends as much as it is asked to on `flood`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.closed = 0

    def on_event(self, name: str, args: Sequence[JsonValue], ack: Ack) -> None:
        if name == "flood":
            for _ in range(args[0]):
                self.connection.send("noise", {"data": "x" * 10_000})
        elif name == "goodbye":
            ack({"last": True})
            self.connection.close()
        else:
            ack({"name": name, "args": list(args)})

    def on_closed(self) -> None:
        self.closed += 1


class EchoServer:
    def __init__(self, *, connections_per_client: int = 50) -> None:
        self.sessions: list[EchoSession] = []
        self.realtime = RealtimeServer(
            open_session=self._open,
            origins=["http://good.example"],
            addresses=AddressResolver(),
            connections_per_client=connections_per_client,
        )
        self.url = ""

    def _open(self, connection: Connection) -> EchoSession:
        session = EchoSession(connection)
        self.sessions.append(session)
        return session

    async def settled(self, connections: int = 0) -> None:
        """Wait until only so many connections are left."""
        async with asyncio.timeout(10):
            while len(self.realtime) > connections:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(server: EchoServer) -> AsyncIterator[EchoServer]:
    app = web.Application()
    server.realtime.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that who does not read is noticed
    await web.SockSite(runner, listener).start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield server
    finally:
        await server.realtime.aclose()
        await runner.cleanup()


@pytest.fixture
async def server(caplog: pytest.LogCaptureFixture) -> AsyncIterator[EchoServer]:
    caplog.set_level(logging.DEBUG)
    async with running(EchoServer()) as server:
        yield server
        await server.settled()
        assert all(session.closed == 1 for session in server.sessions)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "Traceback" not in caplog.text


async def assert_alive(server: EchoServer) -> None:
    async with raw_client(server.url) as bystander:
        assert await bystander.call("echo", {"n": 1}) == {"name": "echo", "args": [{"n": 1}]}


NOISE = {
    "no engine packet": "x",
    "empty": "",
    "deep JSON below Engine.IO": "4" + "[" * 30_000,
    "deep object below Engine.IO": "4" + '{"a":' * 10_000,
    "deep JSON in an event": "42" + "[" * 30_000,
    "deep JSON in an event's payload": '42["echo",' + "[" * 30_000 + "]" * 30_000 + "]",
    "no event name": "42[]",
    "a name that is no text": "42[{}]",
    "an object for an event": '42{"a":1}',
    "no JSON": "42[echo",
    "huge number": "42[" + "9" * 5000 + "]",
    "huge id": "42" + "1" * 200 + '["echo"]',
    "unknown packet type": "49[]",
    "CONNECT_ERROR": "44{}",
    "acknowledgement of nothing": "4312[]",
    "attachments announced": '451-["echo",{"_placeholder":true,"num":0}]',
    "many attachments announced": '45999999999-["echo"]',
    "too many attachments": '4599999999999-["echo"]',
    "binary acknowledgement": "461-0[]",
    "other namespace": '42/admin,["echo"]',
    "CONNECT to other namespace": "40/admin,",
    "binary": b"\x04\x00\x01",
    "oversized": '42["echo","' + "x" * 70_000 + '"]',
}


@pytest.mark.parametrize("frame", NOISE.values(), ids=NOISE.keys())
async def test_malformed_frames_end_the_connection_and_nothing_else(
    server: EchoServer, frame: str | bytes
) -> None:
    async with raw_client(server.url) as client, raw_client(server.url) as bystander:
        await client.send(frame)
        frames = await client.frames_until_closed()
        for text in frames:
            if text.startswith("42"):
                assert json.loads(text[2:])[1]["code"] == "invalid_message"
        await server.settled(1)
        assert await bystander.call("echo") == {"name": "echo", "args": []}


@pytest.mark.parametrize(
    "frame",
    ["6", "2", "3", "3probe", "5", "0", "40"],
    ids=["noop", "ping", "pong", "probe", "upgrade", "open", "connect"],
)
async def test_frames_out_of_place_have_no_effect(server: EchoServer, frame: str) -> None:
    async with raw_client(server.url) as client:
        await client.send(frame)
        assert await client.call("echo") == {"name": "echo", "args": []}


async def test_events_before_connect_end_the_connection(server: EchoServer) -> None:
    async with raw_client(server.url, connect=False) as client:
        await client.send('421["echo"]')
        await client.frames_until_closed()
    assert server.sessions == []


async def test_a_flood_ends_with_rate_limited_and_leaves_others_alone(server: EchoServer) -> None:
    async with raw_client(server.url) as flooder, raw_client(server.url) as bystander:
        for n in range(2000):
            await flooder.send(f'42{n}["echo"]')
        slowest_s = 0.0
        for _ in range(20):
            started = time.monotonic()
            await bystander.call("echo")
            slowest_s = max(slowest_s, time.monotonic() - started)
        frames = await flooder.frames_until_closed()
        errors = [json.loads(frame[2:]) for frame in frames if frame.startswith("42")]
        assert [error[1]["code"] for error in errors] == ["rate_limited"]
        assert sum(frame.startswith("43") for frame in frames) <= 200
        assert slowest_s < 0.5


async def test_a_burst_within_the_limit_is_answered_in_order(server: EchoServer) -> None:
    async with raw_client(server.url) as client:
        for n in range(80):
            await client.send(f'42{n}["echo",{n}]')
        answers = [await client.frame() for _ in range(80)]
        assert answers == [f'43{n}[{{"name":"echo","args":[{n}]}}]' for n in range(80)]


async def test_the_last_answer_arrives_before_the_connection_closes(server: EchoServer) -> None:
    async with raw_client(server.url) as client:
        assert await client.call("goodbye") == {"last": True}
        assert await client.frames_until_closed(3) == ["41", "1"]


@contextlib.contextmanager
def bare_socket() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        yield sock


async def open_by_hand(server: EchoServer, sock: socket.socket) -> None:
    """A session on a WebSocket for which nothing reads or answers."""
    host, port = server.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, int(port)))
    await loop.sock_sendall(
        sock,
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    await loop.sock_sendall(sock, masked(b"40"))
    while not server.sessions:
        await asyncio.sleep(0.01)


async def assert_tcp_ends(sock: socket.socket, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        with contextlib.suppress(ConnectionError):
            while await loop.sock_recv(sock, 65536):
                pass


async def test_a_client_that_never_reads_is_cut_off(server: EchoServer) -> None:
    with bare_socket() as sock:
        await open_by_hand(server, sock)
        await asyncio.get_running_loop().sock_sendall(sock, masked(b'42["flood",1000]'))
        await server.settled()
        assert server.sessions[0].closed == 1
        await assert_tcp_ends(sock, 3)
    await assert_alive(server)


async def test_a_client_that_went_silent_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more to read than its window takes, so that a farewell would wait behind it for ever."""
    monkeypatch.setattr(server_module, "PING_INTERVAL_S", 0.2)
    monkeypatch.setattr(server_module, "PING_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server_module, "LINGER_S", 0.2)
    async with running(EchoServer()) as server:
        with bare_socket() as sock:
            await open_by_hand(server, sock)
            await asyncio.get_running_loop().sock_sendall(sock, masked(b'42["flood",50]'))
            await server.settled()
            assert server.sessions[0].closed == 1
            await asyncio.sleep(0.5)
            assert len(asyncio.all_tasks()) <= 3, "nothing waits for it any more"


async def test_a_client_that_ignores_the_end_is_cut_off(server: EchoServer) -> None:
    with bare_socket() as sock:
        await open_by_hand(server, sock)
        await asyncio.get_running_loop().sock_sendall(sock, masked(b'421["goodbye"]'))
        await assert_tcp_ends(sock, 6)
    await server.settled()


def masked(payload: bytes) -> bytes:
    """A WebSocket text frame of a client (RFC 6455, 5.2), with a mask of zeros."""
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def test_connections_of_one_client_are_bounded_and_given_back() -> None:
    async with running(EchoServer(connections_per_client=3)) as server:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(raw_client(server.url))
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await stack.enter_async_context(raw_client(server.url))
            assert refused.value.status == 401
        await server.settled()
        await assert_alive(server)


async def test_pages_of_other_origins_are_refused(server: EchoServer) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with raw_client(server.url, headers={"Origin": "http://evil.example"}):
            pass
    assert refused.value.status == 400
    async with raw_client(server.url, headers={"Origin": "http://good.example"}) as client:
        assert await client.call("echo") == {"name": "echo", "args": []}


class Polling:
    """A long-polling client by hand."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"

    async def open(self) -> None:
        async with self._http.get(self._url) as response:
            self._url += "&sid=" + json.loads((await response.text())[1:])["sid"]
        await self.post("40")
        assert (await self.poll())[1].startswith("40{")

    async def post(self, body: str) -> int:
        async with self._http.post(self._url, data=body) as response:
            return response.status

    async def poll(self) -> tuple[int, str]:
        async with self._http.get(self._url) as response:
            return response.status, await response.text()


async def test_long_polling_works_and_its_garbage_does_no_harm(server: EchoServer) -> None:
    async with aiohttp.ClientSession() as http:
        client = Polling(http, server.url)
        await client.open()
        for garbage in ("", "x", "\x1e" * 50, "4" + "[" * 30_000, "42[]", "b!!!"):
            await client.post(garbage)
            other = Polling(http, server.url)
            await other.open()
            await other.post('421["echo"]')
            assert (await other.poll())[1] == '431[{"name":"echo","args":[]}]'
            await other.post("1")


async def test_the_end_of_a_polling_session_cuts_no_shared_tcp_connection(
    server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy sends many users' requests through the connections it keeps."""
    monkeypatch.setattr(server_module, "LINGER_S", 0.05)
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as http:
        leaving, staying = Polling(http, server.url), Polling(http, server.url)
        await leaving.open()
        await staying.open()
        await leaving.post("1")
        pending = asyncio.ensure_future(staying.poll())
        await asyncio.sleep(0.2)
        assert not pending.done()
        server.sessions[1].connection.send("hello", {})
        assert await pending == (200, '42["hello",{}]')
        await staying.post("1")


async def test_a_connection_that_opens_nothing_is_closed(
    server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "CONNECT_TIMEOUT_S", 0.1)
    async with raw_client(server.url, connect=False) as idle, raw_client(server.url) as opened:
        await idle.frames_until_closed(5)
        assert await opened.call("echo") == {"name": "echo", "args": []}


async def test_polling_requests_are_limited_too(server: EchoServer) -> None:
    async with aiohttp.ClientSession() as http:
        client = Polling(http, server.url)
        await client.open()
        statuses = [await client.post("x") for _ in range(300)]
        assert statuses[:50] == [200] * 50
        assert statuses[-1] in (400, 429)
    await assert_alive(server)


async def test_fuzzed_frames_harm_nobody(server: EchoServer) -> None:
    chance = random.Random(1)
    alphabet = '0123456789-/,[]{}":abc\\_\x1e\x00é'
    seeds = [
        '42["echo",{"a":1}]',
        '421["echo"]',
        "40",
        '451-["echo",{"_placeholder":true,"num":0}]',
        "41",
        "2probe",
    ]

    async def one() -> None:
        async with raw_client(server.url) as client:
            for _ in range(5):
                text = list(chance.choice(seeds))
                for _ in range(chance.randrange(1, 4)):
                    text[chance.randrange(len(text))] = chance.choice(alphabet)
                await client.send("".join(text))

    for _ in range(60):
        await one()
    await assert_alive(server)
