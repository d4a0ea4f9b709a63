from __future__ import annotations

import contextlib

import pytest
from aioice import stun as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.errors import MalformedStunError
from mediaserver.transport import IceCredentials
from mediaserver.transport.stun import (
    parse_binding_request,
    role_conflict_response,
    success_response,
    unknown_attributes_response,
)
from tests.support.raw_client import TIE_BREAKER, binding_request

LOCAL = IceCredentials("ourfrag", "p" * 24)
PASSWORD = LOCAL.password.encode()
TRANSACTION = bytes(range(12))


def test_a_check_is_read_and_its_password_verified() -> None:
    request = parse_binding_request(binding_request(LOCAL, "theirs", use_candidate=True, priority=77))
    assert (request.local_ufrag, request.remote_ufrag) == (b"ourfrag", b"theirs")
    assert request.use_candidate and not request.ice_controlled
    assert request.priority == 77
    assert request.unknown_attributes == ()
    assert request.verify(PASSWORD)
    assert not request.verify(b"q" * 24)
    assert not request.verify(b"")


@pytest.mark.parametrize("address", [("192.0.2.1", 32853), ("2001:db8:1234:5678:11:2233:4455:6677", 1)])
def test_answers_are_read_by_another_implementation(address: tuple[str, int]) -> None:
    message = reference.parse_message(success_response(TRANSACTION, address, PASSWORD))
    assert message.message_class == reference.Class.RESPONSE
    assert message.transaction_id == TRANSACTION
    assert message.attributes["XOR-MAPPED-ADDRESS"] == address
    assert message.check_message_integrity(PASSWORD)
    assert "FINGERPRINT" in message.attributes


def test_error_answers_are_read_by_another_implementation() -> None:
    for answer, code in (
        (role_conflict_response(TRANSACTION, PASSWORD), 487),
        (unknown_attributes_response(TRANSACTION, (0x7777,), PASSWORD), 420),
    ):
        message = reference.parse_message(answer)
        assert message.error_code == code
        assert message.check_message_integrity(PASSWORD)


def test_rfc_5769_sample_request() -> None:
    datagram = bytes.fromhex(
        "000100582112a442b7e7a701bc34d686fa87dfae"
        "802200105354554e207465737420636c69656e74"
        "002400046e0001ff80290008932ff9b151263b36"
        "000600096576746a3a68367659202020"
        "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
        "80280004e57a3bcf"
    )
    request = parse_binding_request(datagram)
    assert (request.local_ufrag, request.remote_ufrag) == (b"evtj", b"h6vY")
    assert request.priority == 0x6E0001FF
    assert request.ice_controlled
    assert request.verify(b"VOkJxbRl1RmTxUk/WvJxBt")


def test_attributes_behind_the_integrity_do_not_count() -> None:
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST)
    message.attributes["USERNAME"] = "a:b"
    message.add_message_integrity(PASSWORD)
    del message.attributes["FINGERPRINT"]
    message.attributes["USE-CANDIDATE"] = None
    datagram = bytes(message)
    assert not parse_binding_request(datagram).use_candidate


def test_unknown_attributes_that_must_be_understood_are_reported() -> None:
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST)
    message.attributes["USERNAME"] = "a:b"
    message.attributes["REALM"] = "x"
    message.add_message_integrity(PASSWORD)
    assert parse_binding_request(bytes(message)).unknown_attributes == (0x0014,)


def test_a_changed_bit_is_noticed() -> None:
    datagram = binding_request(LOCAL, "theirs")
    for position in range(len(datagram) - 8):  # the fingerprint, which is optional, is not covered
        changed = bytearray(datagram)
        changed[position] ^= 1
        try:
            request = parse_binding_request(bytes(changed))
        except MalformedStunError:
            continue
        assert not request.verify(PASSWORD)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00\x01",
        bytes(20),
        binding_request(LOCAL, "x")[:-4],
        binding_request(LOCAL, "x") + b"\0\0\0\0",
        bytes(reference.Message(reference.Method.BINDING, reference.Class.REQUEST)),
        bytes(reference.Message(reference.Method.BINDING, reference.Class.RESPONSE)),
        bytes(reference.Message(reference.Method.ALLOCATE, reference.Class.REQUEST)),
        success_response(TRANSACTION, ("192.0.2.1", 1), PASSWORD),
    ],
)
def test_anything_but_a_complete_request_is_malformed(datagram: bytes) -> None:
    with pytest.raises(MalformedStunError):
        parse_binding_request(datagram)


HEADER = st.binary(min_size=0, max_size=96).map(
    lambda body: b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body
)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), HEADER))
def test_only_the_documented_error_escapes(datagram: bytes) -> None:
    with contextlib.suppress(MalformedStunError):
        request = parse_binding_request(datagram)
        assert not request.verify(PASSWORD)


def test_a_wrong_fingerprint_is_malformed() -> None:
    datagram = binding_request(LOCAL, "theirs")
    with pytest.raises(MalformedStunError, match="fingerprint"):
        parse_binding_request(datagram[:-1] + bytes([datagram[-1] ^ 1]))


def test_the_tie_breaker_of_the_reference_is_an_integer() -> None:
    parsed = reference.parse_message(binding_request(LOCAL, "theirs", controlled=True))
    assert parsed.attributes["ICE-CONTROLLED"] == TIE_BREAKER
    assert parse_binding_request(binding_request(LOCAL, "theirs", controlled=True)).ice_controlled
