"""All that we use of aiortc and pylibsrtp below their public interface, in one place.

aiortc's DTLS transport is taken as a toolkit: its handshake, retransmission timer, identity check and
key derivation run unchanged on top of our own datagram path, while SRTP goes around it, without a task,
a queue or a copy that is not needed. None of this is a promise of aiortc, so the versions are pinned and
a contract test walks through `PRIVATE_ATTRIBUTES` and through a real handshake.

RFC 5764 (DTLS-SRTP), RFC 7714 (AES-GCM for SRTP), RFC 8827 (security architecture).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL
from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from mediaserver.errors import DtlsError
from mediaserver.transport.parameters import Fingerprint

log = structlog.get_logger()

PRIVATE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "aiortc.rtcdtlstransport.RTCDtlsTransport": (
        "_set_role",
        "_setup_srtp",
        "_srtp_profiles",
        "_rx_srtp",
        "_tx_srtp",
        "_ssl",
        "_task",
    ),
    "aiortc.rtcdtlstransport.RTCCertificate": ("_create_ssl_context",),
    "aiortc.rtcicetransport.RTCIceTransport": ("_recv", "_send"),  # what `DatagramPath` stands in for
    "pylibsrtp.Session": ("_srtp",),
    "pylibsrtp._binding.lib": (
        "srtp_protect",
        "srtp_protect_rtcp",
        "srtp_unprotect",
        "srtp_unprotect_rtcp",
    ),
}

SRTP_PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80]
"""Preferred first. As the DTLS server we decide; AES-128-GCM costs half of what CM with SHA-1 does."""

_DTLS_1_2 = 0xFEFD
_CIPHERS = b":".join(
    (
        # Our certificate is ECDSA; the client's may be of any kind, RSA too.
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
        b"ECDHE-ECDSA-AES256-GCM-SHA384",
        # RFC 8827 section 6.5 has clients that know no more than this.
        b"ECDHE-ECDSA-AES128-SHA",
    )
)

_PACKET_SIZE = 2048
_PROTECTION_SIZE = 16 + 4 + 128
"""libsrtp may append that much: tag, SRTCP index, MKI."""
_MIN_PACKET = 12
"""Fixed RTP header; the shortest SRTCP packet is longer."""


class _Certificate(RTCCertificate):
    """One OpenSSL context serves every connection: making one takes 0.8 ms, a third of a whole join."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        if self._context is None:
            context = super()._create_ssl_context(srtp_profiles)
            context.set_min_proto_version(_DTLS_1_2)
            context.set_cipher_list(_CIPHERS)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            self._context = context
        return self._context


class ServerIdentity:
    """Our certificate: a fresh ECDSA P-256 key per process, self-signed, known by its fingerprint."""

    def __init__(self) -> None:
        self.certificate = _Certificate.generateCertificate()
        digest = next(f for f in self.certificate.getFingerprints() if f.algorithm == "sha-256")
        self.fingerprint = Fingerprint(digest.algorithm, digest.value)


class DatagramPath:
    """What `RTCDtlsTransport` takes for its ICE transport: datagrams in by `feed`, out by `send`.

    At most 64 datagrams wait; more are dropped, and DTLS sends them again.
    """

    role = "controlled"

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._transmit = send
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)

    def feed(self, datagram: bytes) -> None:
        """A DTLS datagram from the peer."""
        if not self._queue.full():
            self._queue.put_nowait(datagram)

    async def _recv(self) -> bytes:
        datagram = await self._queue.get()
        if not datagram:
            raise ConnectionError("closed")
        return datagram

    async def _send(self, data: bytes) -> None:
        self._transmit(data)


class SrtpInbound:
    """Verifies and decrypts. One instance per connection, used from one thread."""

    __slots__ = ("_buffer", "_data", "_handle", "_length", "_session", "_unprotect", "_unprotect_rtcp")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handle = session._srtp[0]
        self._data = ffi.new("char[]", _PACKET_SIZE)
        self._buffer = ffi.buffer(self._data)
        self._length = ffi.new("int *")
        self._unprotect = lib.srtp_unprotect
        self._unprotect_rtcp = lib.srtp_unprotect_rtcp

    def unprotect(self, packet: bytes) -> bytes | None:
        """The plain RTP packet, or None if it is forged, replayed or malformed."""
        return self._open(packet, self._unprotect)

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """The plain RTCP packet, or None if it is forged, replayed or malformed."""
        return self._open(packet, self._unprotect_rtcp)

    def _open(self, packet: bytes, function: Callable[..., int]) -> bytes | None:
        size = len(packet)
        if not _MIN_PACKET <= size <= _PACKET_SIZE:
            return None
        self._buffer[0:size] = packet
        length = self._length
        length[0] = size
        if function(self._handle, self._data, length):
            return None
        plain: bytes = self._buffer[0 : length[0]]
        return plain


class SrtpOutbound:
    """Encrypts and signs. One instance per connection, used from one thread."""

    __slots__ = ("_buffer", "_data", "_handle", "_length", "_protect", "_protect_rtcp", "_session", "_view")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handle = session._srtp[0]
        self._data = ffi.new("char[]", _PACKET_SIZE)
        self._buffer = ffi.buffer(self._data)
        self._view = memoryview(self._buffer)
        self._length = ffi.new("int *")
        self._protect = lib.srtp_protect
        self._protect_rtcp = lib.srtp_protect_rtcp

    def protect(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """The protected RTP packet, valid until the next call; None if libsrtp refuses it."""
        return self._seal(packet, self._protect)

    def protect_rtcp(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """The protected RTCP packet, valid until the next call; None if libsrtp refuses it."""
        return self._seal(packet, self._protect_rtcp)

    def _seal(
        self, packet: bytes | bytearray | memoryview, function: Callable[..., int]
    ) -> memoryview | None:
        size = len(packet)
        if size > _PACKET_SIZE - _PROTECTION_SIZE:
            return None
        self._buffer[0:size] = packet
        length = self._length
        length[0] = size
        if function(self._handle, self._data, length):
            return None
        return self._view[: length[0]]


class _ServerDtls(RTCDtlsTransport):
    """Hands the SRTP sessions out instead of using them; data channels are not served."""

    inbound: SrtpInbound | None = None
    outbound: SrtpOutbound | None = None

    def __init__(self, path: DatagramPath, identity: ServerIdentity) -> None:
        super().__init__(cast(RTCIceTransport, path), [identity.certificate])
        self._srtp_profiles = SRTP_PROFILES
        self._set_role("server")

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        if self._rx_srtp is not None and self._tx_srtp is not None:
            self.inbound = SrtpInbound(self._rx_srtp)
            self.outbound = SrtpOutbound(self._tx_srtp)


class DtlsAssociation:
    """One DTLS association, we being the server."""

    def __init__(self, path: DatagramPath, identity: ServerIdentity) -> None:
        self._dtls = _ServerDtls(path, identity)

    async def handshake(self, fingerprints: frozenset[Fingerprint]) -> tuple[SrtpInbound, SrtpOutbound]:
        """Wait for the client's hello, complete the handshake and check the client's certificate.

        Raises:
            DtlsError: no agreement, or the certificate is not one of `fingerprints`.
        """
        remote = [RTCDtlsFingerprint(f.algorithm, f.value) for f in fingerprints]
        await self._dtls.start(RTCDtlsParameters(fingerprints=remote))
        if self._dtls.state != "connected" or self._dtls.inbound is None or self._dtls.outbound is None:
            raise DtlsError("the DTLS handshake failed")
        if isinstance(self._dtls._task, asyncio.Task):
            self._dtls._task.set_name("dtls_pump")
        return self._dtls.inbound, self._dtls.outbound

    @property
    def srtp_profile(self) -> str:
        """Name of the negotiated protection profile; empty before the handshake is done."""
        if self._dtls.inbound is None or self._dtls._ssl is None:
            return ""
        return self._dtls._ssl.get_selected_srtp_profile().decode()

    async def wait_closed(self) -> None:
        """Until the peer closes the association. Only after `handshake`."""
        pump = self._dtls._task
        if pump is not None:
            await asyncio.wait([pump])
            if not pump.cancelled() and (error := pump.exception()) is not None:
                log.error("dtls_pump_failed", exc_info=error)

    async def aclose(self) -> None:
        """Tell the peer and end the task that aiortc reads with. May be called again."""
        pump = self._dtls._task
        await self._dtls.stop()
        if pump is not None:
            await asyncio.wait([pump])
        self._dtls.remove_all_listeners()
