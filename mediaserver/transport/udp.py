"""The one UDP port: reads datagrams, tells them apart (RFC 7983), hands each to its connection.

STUN requests find their connection by our user name fragment. Everything else finds it by source
address, and only by one that ICE has verified: whoever else sends to the port has no effect. Empty
datagrams, which end a stock aiortc connection, are dropped here.

The socket is read in bounded bursts from a reader callback, which costs a tenth of asyncio's own
datagram transport. Sends never block: what the kernel cannot take now is dropped and counted, since a
real-time packet that waits is worth nothing.

`::` is served by two sockets, one per family, on the same port number: IPv4 through a dual-stack socket
costs 0.3 us more for each packet, both ways, for the longer addresses.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

import structlog

from mediaserver.clock import now_us
from mediaserver.errors import MalformedStunError
from mediaserver.transport.ice_lite import Address
from mediaserver.transport.stun import BindingRequest, parse_binding_request

log = structlog.get_logger()

MAX_DATAGRAM = 2048
BURST = 128
"""Datagrams read per wake-up, after which timers and signalling have their turn."""
_PORT_ATTEMPTS = 16
_SCARCE_BUFFER_BYTES = 1 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
"""Linux: beyond the system's limit, for a process that has CAP_NET_ADMIN. Not in Python's socket module."""


class Endpoint(Protocol):
    """One connection, as the port sees it. Nothing here may block; what it raises is counted."""

    def on_stun(self, request: BindingRequest, source: Address, now_us: int) -> None:
        """A request for one of its user name fragments, not authenticated yet."""

    def on_dtls(self, datagram: bytes) -> None:
        """From a verified address."""

    def on_srtp(self, datagram: bytes, source: Address, now_us: int) -> None:
        """From a verified address."""

    def holds(self, source: Address, now_us: int) -> bool:
        """True while the connection is in use through `source`: another may not claim it."""


@dataclass(frozen=True, slots=True)
class UdpPortStats:
    """Counters since start, in datagrams."""

    received: int
    sent: int
    stray: int
    """Received from nobody we know, or not recognised."""
    send_drops: int
    failures: int
    """Handlers that raised."""


class UdpPort:
    """Binds on construction; serves between `start` and `close`."""

    def __init__(self, host: IPv4Address | IPv6Address, port: int, buffer_bytes: int) -> None:
        """
        Args:
            port: 0 lets the system choose.
            buffer_bytes: receive and send buffer to ask the kernel for.
        Raises:
            OSError: the port is taken, or the address is not ours.
        """
        self._sockets = _bind(host, port)
        self.port: int = self._sockets[0].getsockname()[1]
        self._senders: dict[int, Callable[[bytes | memoryview, Address], int]] = {}
        for sock in self._sockets:
            sock.setblocking(False)
            granted = _set_buffers(sock, buffer_bytes)
            if granted < min(buffer_bytes, _SCARCE_BUFFER_BYTES):
                log.warning(
                    "udp_buffer_small", granted_bytes=granted, hint="raise net.core.rmem_max and wmem_max"
                )
            self._senders[2 if sock.family == socket.AF_INET else 4] = sock.sendto
        self._by_ufrag: dict[bytes, Endpoint] = {}
        self._by_address: dict[Address, Endpoint] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._received = self._sent = self._stray = self._send_drops = self._failures = 0

    def start(self) -> None:
        """Serve on the running event loop."""
        self._loop = asyncio.get_running_loop()
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._drain, sock)

    def close(self) -> None:
        """Stop serving and close the sockets. May be called again."""
        for sock in self._sockets:
            if self._loop is not None and sock.fileno() >= 0:
                self._loop.remove_reader(sock.fileno())
            sock.close()
        self._by_ufrag.clear()
        self._by_address.clear()

    @property
    def stats(self) -> UdpPortStats:
        return UdpPortStats(self._received, self._sent, self._stray, self._send_drops, self._failures)

    @property
    def table_sizes(self) -> tuple[int, int]:
        """Registered user name fragments and addresses."""
        return len(self._by_ufrag), len(self._by_address)

    def register(self, ufrag: str, endpoint: Endpoint) -> None:
        """Requests with the local user name fragment `ufrag` go to `endpoint`."""
        self._by_ufrag[ufrag.encode()] = endpoint

    def unregister(self, ufrag: str) -> None:
        """Harmless if unknown."""
        self._by_ufrag.pop(ufrag.encode(), None)

    def claim(self, source: Address, endpoint: Endpoint, now_us: int) -> bool:
        """Datagrams from `source` go to `endpoint`, unless another connection is in use through it."""
        owner = self._by_address.get(source)
        if owner is endpoint:
            return True
        if owner is not None and owner.holds(source, now_us):
            return False
        self._by_address[source] = endpoint
        return True

    def release(self, source: Address, endpoint: Endpoint) -> None:
        """Undo `claim`; harmless if somebody else has the address by now."""
        if self._by_address.get(source) is endpoint:
            del self._by_address[source]

    def send(self, datagram: bytes | memoryview, destination: Address) -> bool:
        """Send now or never. False if the datagram was dropped."""
        sender = self._senders.get(len(destination))
        if sender is None:
            self._send_drops += 1
            return False
        try:
            sender(datagram, destination)
        except OSError:
            # Full buffer, no route, a firewall, a port closed behind us: all the same to a packet.
            self._send_drops += 1
            return False
        self._sent += 1
        return True

    def _drain(self, sock: socket.socket) -> None:
        receive = sock.recvfrom
        by_address = self._by_address
        for _ in range(BURST):
            try:
                datagram, source = receive(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                # The delayed report of an earlier send; the socket is fine.
                if error.errno == errno.EBADF:
                    return
                continue
            self._received += 1
            if not datagram:
                self._stray += 1
                continue
            first = datagram[0]
            try:
                if 127 < first < 192:
                    endpoint = by_address.get(source)
                    if endpoint is not None:
                        endpoint.on_srtp(datagram, source, now_us())
                        continue
                elif 19 < first < 64:
                    endpoint = by_address.get(source)
                    if endpoint is not None:
                        endpoint.on_dtls(datagram)
                        continue
                elif first < 4 and self._on_stun(datagram, source):
                    continue
            except Exception:
                self._report_failure()
                continue
            self._stray += 1

    def _on_stun(self, datagram: bytes, source: Address) -> bool:
        try:
            request = parse_binding_request(datagram)
        except MalformedStunError:
            return False
        endpoint = self._by_ufrag.get(request.local_ufrag)
        if endpoint is None:
            return False
        endpoint.on_stun(request, source, now_us())
        return True

    def _report_failure(self) -> None:
        """One datagram never ends a connection, whatever our handlers do with it. Logged with ever
        fewer repetitions, so that a hostile sender cannot fill the disk."""
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:
            log.exception("datagram_failed", failures=self._failures)


def _bind(host: IPv4Address | IPv6Address, port: int) -> list[socket.socket]:
    if host.version == 4:
        return [_open(socket.AF_INET, str(host), port)]
    if not host.is_unspecified:
        return [_open(socket.AF_INET6, str(host), port)]
    for attempt in range(_PORT_ATTEMPTS):
        v4 = _open(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - what `::` asks for
        try:
            return [v4, _open(socket.AF_INET6, "::", v4.getsockname()[1])]
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                log.info("ipv6_unavailable")
                return [v4]
            v4.close()
            if port or attempt == _PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _open(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _set_buffers(sock: socket.socket, size: int) -> int:
    """Ask for `size` bytes each way; the receive buffer granted, in bytes."""
    for option, forced in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE), (socket.SO_SNDBUF, _SO_SNDBUFFORCE)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, size)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, option, size)
    # Linux reports twice what was granted, to account for its own bookkeeping.
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
