from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.access.addresses import UNKNOWN_CLIENT, AddressResolver

PROXIES = (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.1", "not an address", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, rubbish", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8::1", None, "2001:db8::/64"),
        ("::ffff:192.0.2.7", None, "192.0.2.7"),
        ("fe80::1%eth0", None, "fe80::/64"),
        (None, "198.51.100.1", UNKNOWN_CLIENT),
    ],
)
def test_client_behind_proxies(peer: str | None, forwarded: str | None, expected: str) -> None:
    assert AddressResolver(PROXIES).resolve(peer, forwarded) == expected


def test_without_configured_proxies_the_header_is_never_believed() -> None:
    assert AddressResolver().resolve("10.0.0.1", "198.51.100.1") == "10.0.0.1"


@given(st.none() | st.text(), st.none() | st.text())
def test_any_header_gives_some_key(peer: str | None, forwarded: str | None) -> None:
    assert AddressResolver(PROXIES).resolve(peer, forwarded)
