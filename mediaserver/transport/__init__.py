"""From the socket to plain RTP: one UDP port, ICE-lite, DTLS, SRTP.

`UdpPort` owns the socket and tells datagrams apart, `MediaTransport` is one participant's encrypted path
through it. What lies above sees `MediaTransport` only, and plain packets: a native implementation of
this package would offer the same two classes.
"""

from mediaserver.transport.addresses import announced_addresses
from mediaserver.transport.internals import ServerIdentity
from mediaserver.transport.liveness import TransportLimits
from mediaserver.transport.parameters import Fingerprint, IceCredentials, LocalParameters, RemoteParameters
from mediaserver.transport.peer import MediaTransport, PacketHandler, TransportStats
from mediaserver.transport.udp import UdpPort, UdpPortStats

__all__ = [
    "Fingerprint",
    "IceCredentials",
    "LocalParameters",
    "MediaTransport",
    "PacketHandler",
    "RemoteParameters",
    "ServerIdentity",
    "TransportLimits",
    "TransportStats",
    "UdpPort",
    "UdpPortStats",
    "announced_addresses",
]
