"""Every error that this package raises on purpose.

    MediaError
    ├── NegotiationError          the offer, or what was asked with it, cannot be answered
    │   ├── BadSdpError           bad_sdp
    │   ├── NoCommonCodecError    no_common_codec
    │   ├── UnknownTrackError     unknown_track
    │   └── ConnectionLostError   connection_lost
    ├── ClosedError               closed: used after `aclose`
    ├── DuplicateError            duplicate: the identifier is taken
    └── TransportError            never leaves `mediaserver.transport`
        ├── MalformedStunError    bad_stun
        └── DtlsError             dtls_failed

A failed negotiation changes nothing: the connection goes on as it was.
"""

from __future__ import annotations

from typing import ClassVar


class MediaError(Exception):
    """Base of all errors of this package. `code` is stable; the message is English and may change."""

    code: ClassVar[str] = "internal"


class NegotiationError(MediaError):
    """The peer's fault, or a race with another participant. Nothing was changed."""


class BadSdpError(NegotiationError):
    """The offer cannot be read, or lacks what this server requires (BUNDLE, rtcp-mux, DTLS, ICE)."""

    code = "bad_sdp"


class NoCommonCodecError(NegotiationError):
    """A section that should carry media offers no codec that can be used for it."""

    code = "no_common_codec"


class UnknownTrackError(NegotiationError):
    """A subscription names a track that does not exist, or not any more."""

    code = "unknown_track"


class ConnectionLostError(NegotiationError):
    """The offer continues a connection that the server has given up: a new one is needed."""

    code = "connection_lost"


class ClosedError(MediaError):
    """The server, room or participant was closed."""

    code = "closed"


class DuplicateError(MediaError):
    """The room or participant identifier is in use."""

    code = "duplicate"


class TransportError(MediaError):
    """Base of what can go wrong below the RTP layer; handled inside `mediaserver.transport`."""

    code = "transport"


class MalformedStunError(TransportError):
    """The datagram is not a well-formed STUN Binding request."""

    code = "bad_stun"


class DtlsError(TransportError):
    """The DTLS handshake failed: no shared cipher or SRTP profile, or another certificate than the
    offer announced."""

    code = "dtls_failed"
