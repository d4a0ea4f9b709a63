"""Which addresses clients are told to send to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aioice.ice import get_host_addresses

IpAddress = IPv4Address | IPv6Address

_LIMIT = 16
"""A client checks every address from each of its own: more only delays it."""


def announced_addresses(listening: IpAddress, configured: Sequence[IpAddress]) -> tuple[str, ...]:
    """Addresses for the host candidates, best first.

    Args:
        listening: the address that the port is bound to.
        configured: what the operator wants announced; if there is anything, it is the answer.
    Returns:
        Without configuration: the bound address, or if that is unspecified the addresses of this
        machine that fit its family (`::` fits both) with loopback last, at most 16.
    """
    if configured:
        return tuple(str(address) for address in configured)
    if not listening.is_unspecified:
        return (str(listening),)
    found = [ip_address(text) for text in get_host_addresses(use_ipv4=True, use_ipv6=listening.version == 6)]
    usable = [a for a in found if not a.is_link_local and not a.is_loopback and not a.is_multicast]
    usable.sort(key=lambda a: a.version)
    return (*dict.fromkeys(str(address) for address in usable[: _LIMIT - 1]), "127.0.0.1")
