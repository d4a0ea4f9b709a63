"""A client made of parts, for what a well-behaved one does not do: forge, migrate, restart, stop answering.

The STUN codec is aioice's and the DTLS client aiortc's, so that ours is not checked against itself.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport

from mediaserver.transport import Fingerprint, IceCredentials

TIE_BREAKER = 1234567890


def binding_request(
    local: IceCredentials,
    remote_ufrag: str,
    *,
    use_candidate: bool = False,
    priority: int = 1 << 24,
    password: str | None = None,
    controlled: bool = False,
) -> bytes:
    """A check as a browser sends it.

    Args:
        local: the server's credentials, as answered.
        remote_ufrag: the client's.
        password: instead of the server's.
    """
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{local.ufrag}:{remote_ufrag}"
    message.attributes["PRIORITY"] = priority
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = TIE_BREAKER
    if use_candidate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or local.password).encode())
    return bytes(message)


class RawClient:
    """One UDP socket on loopback, and a DTLS client on it."""

    def __init__(self, server_port: int, certificate: RTCCertificate | None = None) -> None:
        self.certificate = certificate or RTCCertificate.generateCertificate()
        self.server = ("127.0.0.1", server_port)
        self.stun: asyncio.Queue[bytes] = asyncio.Queue()
        self.srtp: asyncio.Queue[bytes] = asyncio.Queue()
        self._dtls_queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.socket = self._open()
        self.dtls = RTCDtlsTransport(self, [self.certificate])  # type: ignore[arg-type]
        self.dtls._set_role("client")

    @property
    def fingerprints(self) -> frozenset[Fingerprint]:
        return frozenset(Fingerprint(f.algorithm, f.value) for f in self.certificate.getFingerprints())

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def move(self) -> None:
        """Go on from another address, as after a change of network."""
        self.close()
        self.socket = self._open()

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.server)

    async def check(self, local: IceCredentials, remote_ufrag: str, **options: Any) -> stun.Message:
        """Send a check and return the answer."""
        self.send(binding_request(local, remote_ufrag, **options))
        async with asyncio.timeout(2):
            return stun.parse_message(await self.stun.get())

    async def handshake(self, fingerprint: Fingerprint) -> None:
        """DTLS, as the client."""
        remote = RTCDtlsParameters([RTCDtlsFingerprint(fingerprint.algorithm, fingerprint.value)])
        async with asyncio.timeout(5):
            await self.dtls.start(remote)

    def send_rtp(self, packet: bytes) -> None:
        self.send(self.dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        self.send(self.dtls._tx_srtp.protect_rtcp(packet))

    async def receive_rtp(self) -> bytes:
        async with asyncio.timeout(2):
            return bytes(self.dtls._rx_srtp.unprotect(await self.srtp.get()))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket.fileno())
        self.socket.close()

    # What RTCDtlsTransport wants of an ICE transport

    role = "controlling"

    async def _recv(self) -> bytes:
        return await self._dtls_queue.get()

    async def _send(self, data: bytes) -> None:
        self.send(data)

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)
        return sock

    def _read(self) -> None:
        try:
            while True:
                datagram = self.socket.recv(2048)
                first = datagram[0]
                queue = self.stun if first < 4 else self._dtls_queue if first < 64 else self.srtp
                queue.put_nowait(datagram)
        except BlockingIOError:
            pass
