from __future__ import annotations

from typing import Any

import pytest
from aioice import stun as reference

from mediaserver.transport import IceCredentials
from mediaserver.transport.ice_lite import MAX_ADDRESSES, MAX_TRANSACTIONS, IceLite, Verdict
from mediaserver.transport.stun import BindingRequest, parse_binding_request
from tests.support.raw_client import binding_request

LOCAL = IceCredentials("ourfrag", "p" * 24)
REMOTE = "theirs"
WIFI = ("192.0.2.1", 5000)
MOBILE = ("198.51.100.1", 6000)
MS = 1000
HIGH, LOW = 2_000_000, 1_000_000


def check(local: IceCredentials = LOCAL, remote: str = REMOTE, **options: Any) -> BindingRequest:
    return parse_binding_request(binding_request(local, remote, **options))


@pytest.fixture
def ice() -> IceLite:
    return IceLite(LOCAL, REMOTE)


def connected() -> IceLite:
    ice = IceLite(LOCAL, REMOTE)
    ice.on_request(check(use_candidate=True, priority=HIGH), WIFI, 0)
    ice.settle()
    return ice


def code(verdict: Verdict | None) -> int | None:
    assert verdict is not None
    return reference.parse_message(verdict.reply).error_code


def test_a_good_check_is_answered_and_its_address_believed(ice: IceLite) -> None:
    verdict = ice.on_request(check(), WIFI, 0)
    assert verdict is not None and verdict.verified
    answer = reference.parse_message(verdict.reply)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == WIFI
    assert answer.check_message_integrity(LOCAL.password.encode())
    assert ice.addresses == (WIFI,)


def test_the_first_verified_address_is_used_until_one_is_nominated(ice: IceLite) -> None:
    assert ice.selected is None
    ice.on_request(check(priority=HIGH), WIFI, 0)
    assert ice.selected == WIFI
    ice.on_request(check(priority=HIGH), MOBILE, 0)
    assert ice.selected == WIFI
    ice.on_request(check(use_candidate=True, priority=LOW), MOBILE, 0)
    assert ice.selected == MOBILE


@pytest.mark.parametrize(
    "request_",
    [
        check(password="wrong" * 5),
        check(remote="stranger"),
        check(local=IceCredentials("other", LOCAL.password)),
    ],
)
def test_unauthenticated_checks_get_no_answer_and_change_nothing(
    ice: IceLite, request_: BindingRequest
) -> None:
    assert ice.on_request(request_, WIFI, 0) is None
    assert ice.addresses == () and ice.selected is None


def test_a_copied_check_from_elsewhere_is_not_believed() -> None:
    ice = connected()
    captured = check(use_candidate=True, priority=HIGH)
    assert ice.on_request(captured, WIFI, 10 * MS) is not None
    assert ice.on_request(captured, MOBILE, 20_000 * MS) is None
    assert ice.selected == WIFI
    assert ice.on_request(captured, WIFI, 20_000 * MS) is not None  # a retransmission


def test_remembered_transactions_are_bounded() -> None:
    ice = connected()
    for number in range(2 * MAX_TRANSACTIONS):
        ice.on_request(check(), WIFI, number)
    assert len(ice._transactions) == MAX_TRANSACTIONS


def test_the_controlling_role_is_the_peers() -> None:
    ice = connected()
    assert code(ice.on_request(check(controlled=True), MOBILE, 0)) == 487
    assert ice.addresses == (WIFI,)


def test_during_setup_the_best_nominated_address_wins(ice: IceLite) -> None:
    ice.on_request(check(use_candidate=True, priority=LOW), MOBILE, 0)
    ice.on_request(check(use_candidate=True, priority=HIGH), WIFI, 20 * MS)
    assert ice.selected == WIFI
    ice.on_request(check(use_candidate=True, priority=LOW), MOBILE, 2_000 * MS)
    assert ice.selected == WIFI


def test_a_later_nomination_of_no_lower_priority_moves_at_once() -> None:
    ice = connected()
    rebound = ("192.0.2.1", 5001)
    ice.on_request(check(use_candidate=True, priority=HIGH), rebound, 1 * MS)
    assert ice.selected == rebound


def test_a_worse_address_takes_over_when_the_old_one_is_silent() -> None:
    ice = connected()
    ice.on_media(WIFI, 900 * MS)
    ice.on_request(check(use_candidate=True, priority=LOW), MOBILE, 1_000 * MS)
    assert ice.selected == WIFI
    ice.on_media(MOBILE, 1_300 * MS)
    assert ice.selected == WIFI
    ice.on_media(MOBILE, 1_500 * MS)
    assert ice.selected == MOBILE


def test_media_from_an_address_that_is_not_nominated_moves_nothing() -> None:
    ice = connected()
    ice.on_request(check(), MOBILE, 0)
    ice.on_media(MOBILE, 10_000 * MS)
    ice.on_media(("203.0.113.9", 1), 10_000 * MS)
    assert ice.selected == WIFI


def test_a_restart_keeps_the_old_pair_until_the_new_one_is_nominated() -> None:
    ice = connected()
    fresh = IceCredentials("freshfrag", "n" * 24)
    assert ice.restart(fresh, "their2") is None
    assert ice.local == fresh and ice.remote_ufrag == "their2"
    assert ice.local_ufrags == ("ourfrag", "freshfrag")

    # Consent checks of the old generation are still answered, the new address is not used yet.
    assert ice.on_request(check(), WIFI, 1 * MS) is not None
    assert ice.on_request(check(fresh, "their2", priority=LOW), MOBILE, 2 * MS) is not None
    assert ice.selected == WIFI

    verdict = ice.on_request(check(fresh, "their2", use_candidate=True, priority=LOW), MOBILE, 3 * MS)
    assert verdict is not None and verdict.retired_ufrag == "ourfrag"
    assert ice.selected == MOBILE
    assert ice.local_ufrags == ("freshfrag",)
    assert ice.on_request(check(), WIFI, 4 * MS) is None


def test_addresses_nominated_before_a_restart_do_not_pull_media_back() -> None:
    ice = connected()
    fresh = IceCredentials("freshfrag", "n" * 24)
    ice.restart(fresh, "their2")
    ice.on_request(check(fresh, "their2", use_candidate=True, priority=LOW), MOBILE, 0)
    ice.on_media(WIFI, 5_000 * MS)
    assert ice.selected == MOBILE


def test_a_second_restart_overtakes_the_first() -> None:
    ice = connected()
    ice.restart(IceCredentials("second", "2" * 24), "b")
    assert ice.restart(IceCredentials("third", "3" * 24), "c") == "second"
    assert ice.local_ufrags == ("ourfrag", "third")


def test_addresses_are_bounded_and_the_selected_one_is_kept() -> None:
    ice = connected()
    forgotten = []
    for port in range(1, 2 * MAX_ADDRESSES):
        verdict = ice.on_request(check(), ("203.0.113.1", port), port)
        assert verdict is not None
        if verdict.forgotten is not None:
            forgotten.append(verdict.forgotten)
    assert len(ice.addresses) == MAX_ADDRESSES
    assert ice.selected == WIFI and WIFI in ice.addresses
    assert forgotten == [("203.0.113.1", port) for port in range(1, len(forgotten) + 1)]


def test_credentials_do_not_show_the_password() -> None:
    assert LOCAL.password not in repr(LOCAL)
    assert IceCredentials.generate() != IceCredentials.generate()
