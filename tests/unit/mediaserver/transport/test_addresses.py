from __future__ import annotations

from ipaddress import ip_address

import pytest

from mediaserver.transport import addresses, announced_addresses

OWN = ["fe80::1", "10.0.0.5", "2001:db8::5", "127.0.0.1", "192.0.2.5", "10.0.0.5"]


@pytest.fixture(autouse=True)
def own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [a for a in OWN if use_ipv6 or ":" not in a]

    monkeypatch.setattr(addresses, "get_host_addresses", get_host_addresses)


def test_the_configuration_wins() -> None:
    assert announced_addresses(ip_address("::"), [ip_address("203.0.113.1")]) == ("203.0.113.1",)


def test_a_server_on_one_address_announces_that() -> None:
    assert announced_addresses(ip_address("10.0.0.5"), ()) == ("10.0.0.5",)


def test_otherwise_own_addresses_are_announced_with_loopback_last() -> None:
    assert announced_addresses(ip_address("::"), ()) == ("10.0.0.5", "192.0.2.5", "2001:db8::5", "127.0.0.1")
    assert announced_addresses(ip_address("0.0.0.0"), ()) == ("10.0.0.5", "192.0.2.5", "127.0.0.1")
