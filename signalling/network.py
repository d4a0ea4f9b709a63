"""Where this machine stands on its network."""

from __future__ import annotations

import socket


def lan_address() -> str:
    """This machine's IPv4 address as others on its network would reach it; loopback if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing: it asks the routing table. The address is one that is
            # reserved for documentation (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
    return address
