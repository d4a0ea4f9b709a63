"""The encrypted path against a client that misbehaves on purpose, on loopback."""

from __future__ import annotations

import asyncio
import datetime
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from mediaserver.clock import now_us
from mediaserver.sfu.interfaces import ConnectionState
from mediaserver.transport import (
    Fingerprint,
    IceCredentials,
    MediaTransport,
    RemoteParameters,
    ServerIdentity,
    TransportLimits,
    UdpPort,
)
from tests.support.media_app import until
from tests.support.raw_client import RawClient, binding_request

REMOTE = IceCredentials("theirs", "t" * 24)
RTP = bytes.fromhex("8060000100000000deadbeef") + b"payload"
RTCP = bytes.fromhex("80c90001deadbeef")
S = 1_000_000


@dataclass
class Handler:
    rtp: list[bytes] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)
    states: list[ConnectionState] = field(default_factory=list)

    def on_rtp(self, packet: bytes, arrival_us: int) -> None:
        self.rtp.append(packet)

    def on_rtcp(self, packet: bytes, arrival_us: int) -> None:
        self.rtcp.append(packet)


@dataclass
class Call:
    """A transport and its client."""

    port: UdpPort
    client: RawClient
    identity: ServerIdentity = field(default_factory=ServerIdentity)
    handler: Handler = field(default_factory=Handler)
    limits: TransportLimits = field(default_factory=TransportLimits)
    fingerprints: frozenset[Fingerprint] | None = None
    transport: MediaTransport = field(init=False)

    def start(self) -> None:
        remote = RemoteParameters(REMOTE, self.fingerprints or self.client.fingerprints)
        self.transport = MediaTransport(self.port, self.identity, remote, self.limits, name="test")
        self.transport.start(self.handler, self.handler.states.append)

    async def check(self, **options: Any) -> stun.Message:
        return await self.client.check(self.transport.local_ice, REMOTE.ufrag, **options)

    async def connect(self) -> None:
        await self.check(use_candidate=True)
        await self.client.handshake(self.identity.fingerprint)
        await until(lambda: self.transport.state == "connected")


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    port = UdpPort(ip_address("127.0.0.1"), 0, 1 << 20)
    port.start()
    call = Call(port, RawClient(port.port))
    yield call
    await call.client.dtls.stop()
    await call.transport.aclose()
    call.client.close()
    assert port.table_sizes == (0, 0)
    assert port.stats.failures == 0
    port.close()


async def test_plain_packets_travel_encrypted_both_ways(call: Call) -> None:
    call.start()
    await call.connect()
    assert call.transport.writable
    assert call.transport.stats.srtp_profile == "SRTP_AEAD_AES_128_GCM"
    call.client.send_rtp(RTP)
    call.client.send_rtcp(RTCP)
    await until(lambda: call.handler.rtp and call.handler.rtcp)
    assert (call.handler.rtp, call.handler.rtcp) == ([RTP], [RTCP])
    call.transport.send_rtp(RTP)
    assert await call.client.receive_rtp() == RTP
    assert call.handler.states == ["connecting", "connected"]


async def test_packets_before_the_handshake_are_dropped(call: Call) -> None:
    call.start()
    call.transport.send_rtp(RTP)
    call.transport.send_rtcp(RTCP)
    assert call.transport.stats.packets_dropped == 2
    assert not call.transport.writable


async def test_a_client_with_an_rsa_certificate_is_served(call: Call) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "encoder")])
    now = datetime.datetime.now(tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    call.client.close()
    call.client = RawClient(call.port.port, RTCCertificate(key, certificate))  # type: ignore[arg-type]
    call.start()
    await call.connect()
    call.client.send_rtp(RTP)
    await until(lambda: call.handler.rtp)


async def test_another_certificate_than_announced_is_refused(call: Call) -> None:
    call.fingerprints = frozenset({Fingerprint("sha-256", ":".join(["00"] * 32))})
    call.start()
    await call.check(use_candidate=True)
    await call.client.handshake(call.identity.fingerprint)
    await until(lambda: call.transport.state == "closed")
    assert call.handler.states == ["connecting", "closed"]
    assert call.handler.rtp == []


async def test_a_client_that_never_comes_is_given_up(call: Call) -> None:
    call.limits = TransportLimits(connect_timeout_s=0.05)
    call.start()
    await call.check()
    await until(lambda: call.transport.state == "closed", 2)


async def test_goodbye_is_heard_on_both_sides(call: Call) -> None:
    call.start()
    await call.connect()
    await call.client.dtls.stop()
    await until(lambda: call.transport.state == "closed", 2)


async def test_closing_tells_the_client(call: Call) -> None:
    call.start()
    await call.connect()
    await call.transport.aclose()
    await until(lambda: call.client.dtls.state == "closed", 2)
    await call.transport.aclose()


async def test_strangers_cannot_disturb_a_handshake_or_a_call(call: Call) -> None:
    call.start()
    hello = bytes.fromhex("16fefd0000000000000000003a01000012000000000000012efefd") + bytes(40)
    alert = bytes.fromhex("15fefd00000000000000000002022f")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

        def attack() -> None:
            forged = binding_request(
                call.transport.local_ice, REMOTE.ufrag, use_candidate=True, password="guess" * 5
            )
            junk = (b"", b"\x00", b"\x16", hello, alert, b"\x80" * 100, b"\xff" * 1400, forged, forged[:-3])
            for datagram in junk:
                stranger.sendto(datagram, call.client.server)

        for _ in range(20):
            attack()
        await call.check(use_candidate=True)
        attack()
        handshake = asyncio.create_task(call.client.handshake(call.identity.fingerprint))
        while not handshake.done():
            attack()
            await asyncio.sleep(0)
        await handshake
        await until(lambda: call.transport.state == "connected")
        for number in range(50):
            attack()
            call.client.send_rtp(RTP[:2] + number.to_bytes(2, "big") + RTP[4:])
            await asyncio.sleep(0)
        await until(lambda: len(call.handler.rtp) == 50, what=f"{len(call.handler.rtp)} of 50")
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    assert call.transport.stats.remote_address == f"127.0.0.1 {call.client.address[1]}"
    assert call.handler.states == ["connecting", "connected"]


async def test_junk_from_the_clients_own_address_is_refused(call: Call) -> None:
    call.start()
    await call.connect()
    for junk in (b"", b"\x80", b"\x80\x60", b"\x80" * 11, b"\x80" * 200, b"\x80\xc9" * 8, b"\xbf" * 2047):
        call.client.send(junk)
    call.client.send_rtp(RTP)
    await until(lambda: call.handler.rtp)
    assert call.handler.rtp == [RTP]
    assert call.transport.stats.packets_refused >= 4


async def test_media_follows_a_client_to_its_new_address(call: Call) -> None:
    call.start()
    await call.connect()
    call.client.move()
    call.client.send_rtp(RTP)
    await asyncio.sleep(0.02)
    assert call.handler.rtp == [], "the new address is not verified yet"
    answer = await call.check(use_candidate=True)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == call.client.address
    call.transport.send_rtp(RTP)
    assert await call.client.receive_rtp() == RTP


async def test_media_from_a_worse_nominated_address_takes_over_from_a_silent_one(call: Call) -> None:
    call.start()
    await call.connect()
    call.client.move()
    await call.check(use_candidate=True, priority=1)
    assert call.transport.stats.remote_address != f"127.0.0.1 {call.client.address[1]}"
    await asyncio.sleep(0.55)
    call.client.send_rtp(RTP)
    await until(lambda: call.handler.rtp)
    assert call.transport.stats.remote_address == f"127.0.0.1 {call.client.address[1]}"


async def test_an_ice_restart_keeps_association_and_media(call: Call) -> None:
    call.start()
    await call.connect()
    old = call.transport.local_ice
    call.transport.restart_ice(IceCredentials("theirs2", "u" * 24))
    fresh = call.transport.local_ice
    assert fresh != old

    call.transport.send_rtp(RTP)
    assert await call.client.receive_rtp() == RTP, "the old pair goes on"
    await call.client.check(old, REMOTE.ufrag)

    call.client.move()
    await call.client.check(fresh, "theirs2", use_candidate=True)
    call.transport.send_rtp(RTP[:3] + b"\x02" + RTP[4:])
    assert (await call.client.receive_rtp())[3] == 2
    assert call.port.table_sizes[0] == 1, "the old credentials are out of use"
    assert call.handler.states == ["connecting", "connected"]


async def test_silence_is_noticed_and_ends_the_connection(call: Call) -> None:
    call.start()
    await call.connect()
    call.client.send_rtp(RTP)
    await until(lambda: call.handler.rtp)
    now = now_us()
    call.transport.on_timer(now + 2 * S)
    assert call.transport.state == "connected"
    call.transport.on_timer(now + 4 * S)
    assert call.transport.state == "interrupted"
    call.client.send_rtp(RTP[:3] + b"\x02" + RTP[4:])
    await until(lambda: len(call.handler.rtp) == 2)
    call.transport.on_timer(now_us())
    assert call.transport.state == "connected"
    call.transport.on_timer(now_us() + 31 * S)
    assert call.transport.state == "closed"
    assert call.port.table_sizes == (0, 0)


async def test_an_address_in_use_stays_with_its_connection(call: Call) -> None:
    """A participant who knows another one's address cannot take it over, even if it could spoof it."""
    call.start()
    await call.connect()
    thief = MediaTransport(
        call.port,
        call.identity,
        RemoteParameters(REMOTE, call.client.fingerprints),
        TransportLimits(),
        name="thief",
    )
    thief.start(Handler(), lambda state: None)
    await call.client.check(thief.local_ice, REMOTE.ufrag, use_candidate=True)
    call.client.send_rtp(RTP)
    await until(lambda: call.handler.rtp)
    await thief.aclose()


async def test_nothing_is_left_behind(call: Call) -> None:
    before = asyncio.all_tasks()
    call.start()
    await call.connect()
    await call.client.dtls.stop()
    await call.transport.aclose()
    await asyncio.sleep(0)
    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
