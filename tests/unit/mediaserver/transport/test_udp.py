from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import pytest

from mediaserver.transport import IceCredentials, UdpPort
from mediaserver.transport.ice_lite import Address
from mediaserver.transport.stun import BindingRequest
from tests.support.raw_client import binding_request

LOCAL = IceCredentials("ourfrag", "p" * 24)
STUN = binding_request(LOCAL, "theirs")


class FakeEndpoint:
    def __init__(self, *, in_use: bool = True) -> None:
        self.in_use = in_use
        self.seen: list[tuple[str, Any]] = []
        self.error: Exception | None = None

    def on_stun(self, request: BindingRequest, source: Address, now_us: int) -> None:
        self.seen.append(("stun", source))

    def on_dtls(self, datagram: bytes) -> None:
        self.seen.append(("dtls", datagram))

    def on_srtp(self, datagram: bytes, source: Address, now_us: int) -> None:
        self.seen.append(("srtp", datagram))
        if self.error is not None:
            raise self.error

    def holds(self, source: Address, now_us: int) -> bool:
        return self.in_use


@pytest.fixture
async def port() -> AsyncIterator[UdpPort]:
    port = UdpPort(ip_address("127.0.0.1"), 0, 1 << 20)
    port.start()
    yield port
    port.close()


@pytest.fixture
def client() -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(2)
        yield sock


async def deliver(port: UdpPort, client: socket.socket, *datagrams: bytes) -> None:
    expected = port.stats.received + len(datagrams)
    for datagram in datagrams:
        client.sendto(datagram, ("127.0.0.1", port.port))
    async with asyncio.timeout(2):
        while port.stats.received < expected:
            await asyncio.sleep(0)


async def test_requests_are_routed_by_user_name_and_the_rest_by_address(
    port: UdpPort, client: socket.socket
) -> None:
    endpoint = FakeEndpoint()
    port.register("ourfrag", endpoint)
    await deliver(port, client, STUN, b"\x80srtp before the address is known")
    assert endpoint.seen == [("stun", client.getsockname())]

    assert port.claim(client.getsockname(), endpoint, 0)
    await deliver(port, client, b"\x16dtls", b"\x80rtp", b"\xbfrtp")
    assert endpoint.seen[1:] == [("dtls", b"\x16dtls"), ("srtp", b"\x80rtp"), ("srtp", b"\xbfrtp")]
    assert port.stats.stray == 1


@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"\x04x", b"\x13x", b"\x40turn channel", b"\xc0x", b"\xff" * 2000, STUN[:-1]]
)
async def test_junk_has_no_effect(port: UdpPort, client: socket.socket, junk: bytes) -> None:
    endpoint = FakeEndpoint()
    port.register("ourfrag", endpoint)
    port.claim(client.getsockname(), endpoint, 0)
    await deliver(port, client, junk, b"\x80rtp")
    assert endpoint.seen == [("srtp", b"\x80rtp")]
    assert port.stats.stray == 1


async def test_strangers_reach_nobody(port: UdpPort, client: socket.socket) -> None:
    endpoint = FakeEndpoint()
    port.claim(("127.0.0.1", 1), endpoint, 0)
    await deliver(port, client, b"\x16\xfe\xfd", b"\x80rtp", b"\x15alert", STUN)
    assert endpoint.seen == []
    assert port.stats.stray == 4
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(2048)


async def test_a_failing_handler_does_not_stop_the_port(port: UdpPort, client: socket.socket) -> None:
    endpoint = FakeEndpoint()
    endpoint.error = RuntimeError("boom")
    port.claim(client.getsockname(), endpoint, 0)
    await deliver(port, client, b"\x80one", b"\x80two")
    assert len(endpoint.seen) == 2
    assert port.stats.failures == 2


async def test_a_burst_larger_than_one_wake_up_arrives_whole(port: UdpPort, client: socket.socket) -> None:
    endpoint = FakeEndpoint()
    port.claim(client.getsockname(), endpoint, 0)
    await deliver(port, client, *[b"\x80x"] * 300)
    assert len(endpoint.seen) == 300


async def test_an_address_in_use_cannot_be_claimed_by_another(port: UdpPort) -> None:
    first, second, source = FakeEndpoint(), FakeEndpoint(), ("127.0.0.1", 1)
    assert port.claim(source, first, 0)
    assert port.claim(source, first, 0)
    assert not port.claim(source, second, 0)
    first.in_use = False
    assert port.claim(source, second, 0)
    port.release(source, first)
    assert port.table_sizes == (0, 1)
    port.release(source, second)
    assert port.table_sizes == (0, 0)


async def test_sends_that_fail_are_dropped_and_counted(port: UdpPort, client: socket.socket) -> None:
    assert port.send(b"hello", client.getsockname())
    assert client.recv(100) == b"hello"
    assert not port.send(b"x" * 70_000, client.getsockname())
    assert not port.send(b"x", ("192.0.2.1", 1)) or port.stats.sent == 2
    assert not port.send(b"x", ("::1", 1, 0, 0))
    assert port.stats.send_drops >= 2


async def test_ipv6_and_ipv4_are_served_on_one_number() -> None:
    port = UdpPort(ip_address("::"), 0, 1 << 16)
    port.start()
    try:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.bind((host, 0))
                client.settimeout(2)
                endpoint = FakeEndpoint()
                port.claim(client.getsockname(), endpoint, 0)
                client.sendto(b"\x80x", (host, port.port))
                async with asyncio.timeout(2):
                    while not endpoint.seen:
                        await asyncio.sleep(0)
                assert port.send(b"back", client.getsockname())
                assert client.recv(100) == b"back"
    finally:
        port.close()


async def test_a_taken_port_is_reported_and_close_frees_it(port: UdpPort) -> None:
    with pytest.raises(OSError):
        UdpPort(ip_address("127.0.0.1"), port.port, 1 << 16)
    port.close()
    port.close()
    again = UdpPort(ip_address("127.0.0.1"), port.port, 1 << 16)
    again.close()
