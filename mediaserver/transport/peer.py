"""One participant's encrypted path: ICE-lite, DTLS and SRTP over the shared port.

    new -> connecting -> connected <-> interrupted -> closed

Implements `RtpTransport` for what is sent and calls a `PacketHandler` with what arrives, both plain RTP
and RTCP, both synchronous: from the socket to the handler and back there is no task, queue or await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from mediaserver.clock import now_us
from mediaserver.errors import DtlsError
from mediaserver.sfu.interfaces import ConnectionState
from mediaserver.tasks import TaskOwner
from mediaserver.transport.ice_lite import Address, IceLite
from mediaserver.transport.internals import (
    DatagramPath,
    DtlsAssociation,
    ServerIdentity,
    SrtpInbound,
    SrtpOutbound,
)
from mediaserver.transport.liveness import Liveness, TransportLimits
from mediaserver.transport.parameters import IceCredentials, RemoteParameters
from mediaserver.transport.stun import BindingRequest
from mediaserver.transport.udp import UdpPort

log = structlog.get_logger()

_CLAIM_PROTECTED_US = 3_000_000
"""An address through which a connection was heard so recently cannot be claimed by another one."""


class PacketHandler(Protocol):
    """The RTP layer of the same participant."""

    def on_rtp(self, packet: bytes, arrival_us: int) -> None: ...
    def on_rtcp(self, packet: bytes, arrival_us: int) -> None: ...


@dataclass(frozen=True, slots=True)
class TransportStats:
    """Of one connection, since it was made. Bytes are UDP payload."""

    state: ConnectionState
    srtp_profile: str
    remote_address: str | None
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    packets_dropped: int
    """Not sent: no path, a full socket, or too large."""
    packets_refused: int
    """Received and not authentic, or replayed."""


class MediaTransport:
    """Between `start` and `aclose`. `on_state` is called for every change of state; when the connection
    ends by itself the last state is `closed`, and `aclose` is still to be called."""

    def __init__(
        self,
        port: UdpPort,
        identity: ServerIdentity,
        remote: RemoteParameters,
        limits: TransportLimits,
        *,
        name: str,
    ) -> None:
        self.remote = remote
        self.state: ConnectionState = "new"
        self.writable = False
        self._port = port
        self._limits = limits
        self._ice = IceLite(IceCredentials.generate(), remote.ice.ufrag)
        self._path = DatagramPath(self._send_dtls)
        self._dtls = DtlsAssociation(self._path, identity)
        self._liveness = Liveness(limits, now_us())
        self._tasks = TaskOwner(f"transport:{name}")
        self._inbound: SrtpInbound | None = None
        self._outbound: SrtpOutbound | None = None
        self._handler: PacketHandler | None = None
        self._on_state: Callable[[ConnectionState], None] | None = None
        self._packets_received = self._bytes_received = 0
        self._packets_sent = self._bytes_sent = 0
        self._packets_dropped = self._packets_refused = 0

    @property
    def local_ice(self) -> IceCredentials:
        """Our credentials for the next answer."""
        return self._ice.local

    @property
    def stats(self) -> TransportStats:
        selected = self._ice.selected
        return TransportStats(
            state=self.state,
            srtp_profile=self._dtls.srtp_profile,
            remote_address=None if selected is None else f"{selected[0]} {selected[1]}",
            packets_received=self._packets_received,
            bytes_received=self._bytes_received,
            packets_sent=self._packets_sent,
            bytes_sent=self._bytes_sent,
            packets_dropped=self._packets_dropped,
            packets_refused=self._packets_refused,
        )

    def start(self, handler: PacketHandler, on_state: Callable[[ConnectionState], None]) -> None:
        """Become reachable: from now on the peer's checks are answered."""
        self._handler = handler
        self._on_state = on_state
        self._port.register(self._ice.local.ufrag, self)
        self._set_state("connecting")
        self._tasks.start(self._run(), name="dtls")

    def restart_ice(self, remote: IceCredentials) -> None:
        """The client offered new ICE credentials: `local_ice` are new too, the association stays."""
        overtaken = self._ice.restart(IceCredentials.generate(), remote.ufrag)
        if overtaken is not None:
            self._port.unregister(overtaken)
        self._port.register(self._ice.local.ufrag, self)
        self.remote = RemoteParameters(remote, self.remote.fingerprints)

    def on_timer(self, now_us: int) -> None:
        """Every 20 ms or so: notice silence."""
        if self.state not in ("connected", "interrupted"):
            return
        verdict = self._liveness.check(now_us)
        if verdict == "gone":
            self.end("silent")
        else:
            self._set_state("interrupted" if verdict == "silent" else "connected")

    def end(self, reason: str) -> None:
        """Stop being reachable, at once and for good. What remains, tasks and DTLS state, is for
        `aclose`. `reason` goes to the log."""
        if self.state == "closed":
            return
        self.writable = False
        self._outbound = None
        self._inbound = None
        for ufrag in self._ice.local_ufrags:
            self._port.unregister(ufrag)
        for address in self._ice.addresses:
            self._port.release(address, self)
        log.info("transport_closed", transport=self._tasks.name, reason=reason)
        self._set_state("closed")

    async def aclose(self) -> None:
        """Say goodbye to the peer and release everything. May be called again."""
        self.end("closed_by_server")
        await self._dtls.aclose()
        await self._tasks.aclose()

    # RtpTransport

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        """Protect and send one RTP packet, or drop and count it."""
        if self._outbound is not None:
            self._transmit(self._outbound.protect(packet))
        else:
            self._packets_dropped += 1

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one RTCP packet, or drop and count it."""
        if self._outbound is not None:
            self._transmit(self._outbound.protect_rtcp(packet))
        else:
            self._packets_dropped += 1

    def _transmit(self, protected: memoryview | None) -> None:
        destination = self._ice.selected
        if protected is None or destination is None or not self._port.send(protected, destination):
            self._packets_dropped += 1
            return
        self._packets_sent += 1
        self._bytes_sent += len(protected)

    # udp.Endpoint

    def on_stun(self, request: BindingRequest, source: Address, now_us: int) -> None:
        """Answer a check and learn from it."""
        verdict = self._ice.on_request(request, source, now_us)
        if verdict is None:
            return
        if verdict.verified:
            self._liveness.other_us = now_us
            self._port.claim(source, self, now_us)
        if verdict.forgotten is not None:
            self._port.release(verdict.forgotten, self)
        if verdict.retired_ufrag is not None:
            self._port.unregister(verdict.retired_ufrag)
        self._port.send(verdict.reply, source)

    def on_dtls(self, datagram: bytes) -> None:
        """Queue a handshake or alert record for the association."""
        self._path.feed(datagram)

    def on_srtp(self, datagram: bytes, source: Address, now_us: int) -> None:
        """Verify, decrypt and hand up."""
        if self._inbound is None or self._handler is None or len(datagram) < 2:
            return
        if 191 < datagram[1] < 224:  # RFC 5761 section 4: RTCP packet types
            plain = self._inbound.unprotect_rtcp(datagram)
            if plain is None:
                self._packets_refused += 1
                return
            self._liveness.other_us = now_us
            self._ice.on_media(source, now_us)
            self._handler.on_rtcp(plain, now_us)
        else:
            plain = self._inbound.unprotect(datagram)
            if plain is None:
                self._packets_refused += 1
                return
            self._liveness.rtp_us = now_us
            self._ice.on_media(source, now_us)
            self._handler.on_rtp(plain, now_us)
        self._packets_received += 1
        self._bytes_received += len(datagram)

    def holds(self, source: Address, now_us: int) -> bool:
        """True if the peer was heard through `source` just now."""
        heard_us = self._ice.last_heard_us(source)
        return heard_us is not None and now_us - heard_us < _CLAIM_PROTECTED_US

    # Life

    async def _run(self) -> None:
        try:
            await self._connect()
        except TimeoutError:
            self.end("connect_timeout")
        except DtlsError:
            self.end("dtls_failed")
        except Exception:
            # aiortc met something that it does not expect: this connection is over, nothing else is.
            log.exception("transport_failed", transport=self._tasks.name)
            self.end("internal")
        else:
            await self._dtls.wait_closed()
            self.end("closed_by_peer")

    async def _connect(self) -> None:
        async with asyncio.timeout(self._limits.connect_timeout_s):
            self._inbound, self._outbound = await self._dtls.handshake(self.remote.fingerprints)
        self._ice.settle()
        self._liveness.other_us = now_us()
        self.writable = True
        self._set_state("connected")

    def _send_dtls(self, datagram: bytes) -> None:
        if self._ice.selected is not None:
            self._port.send(datagram, self._ice.selected)

    def _set_state(self, state: ConnectionState) -> None:
        if state == self.state:
            return
        self.state = state
        if self._on_state is not None:
            self._on_state(state)
