"""Who a connection comes from, as limits and lock-outs count it.

`X-Forwarded-For` is believed only when the peer is a proxy that the operator named, and then only as far
back as the chain consists of such proxies. IPv6 clients are counted by their /64, because one subscriber
holds that many addresses; an IPv4 address inside IPv6 counts as the IPv4 address.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NewType

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

ClientKey = NewType("ClientKey", str)
"""An IPv4 address or an IPv6 /64, in text."""

UNKNOWN_CLIENT = ClientKey("unknown")
"""Shared by connections without an address of their own, such as a Unix socket's."""


class AddressResolver:
    """Finds the client behind the configured reverse proxies."""

    def __init__(self, trusted_proxies: Sequence[IPNetwork] = ()) -> None:
        self._trusted = tuple(trusted_proxies)

    def resolve(self, peer: str | None, forwarded_for: str | None) -> ClientKey:
        """The client's key, from the socket's peer address and the `X-Forwarded-For` header.

        The header is read from its end, where our own proxies append. The first address that is no trusted
        proxy is the client; what stands before it was written by the client and proves nothing.
        """
        address = _parse(peer)
        if address is None:
            return UNKNOWN_CLIENT
        hops = [hop.strip() for hop in forwarded_for.split(",")] if forwarded_for else []
        while hops and self._is_trusted(address):
            forwarded = _parse(hops.pop())
            if forwarded is None:
                break
            address = forwarded
        return client_key(address)

    def _is_trusted(self, address: IPAddress) -> bool:
        return any(address in network for network in self._trusted)


def client_key(address: IPAddress) -> ClientKey:
    """What `address` is counted as."""
    if isinstance(address, IPv6Address):
        return ClientKey(str(IPv6Network((address, 64), strict=False)))
    return ClientKey(str(address))


def _parse(text: str | None) -> IPAddress | None:
    if not text:
        return None
    # A link-local peer carries its zone ("fe80::1%eth0"), which is no part of the address.
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
