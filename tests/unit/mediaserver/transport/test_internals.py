"""The contract with aiortc and pylibsrtp: what is private there and used here."""

from __future__ import annotations

import ast
import importlib
import pathlib

import pytest
from aiortc import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from pylibsrtp import Policy, Session

import mediaserver
from mediaserver.transport.internals import (
    PRIVATE_ATTRIBUTES,
    SRTP_PROFILES,
    ServerIdentity,
    SrtpInbound,
    SrtpOutbound,
)

ROOT = pathlib.Path(mediaserver.__file__).parent
RTP = bytes.fromhex("8060000100000000deadbeef") + b"payload"
RTCP = bytes.fromhex("80c90001deadbeef")


def instance(path: str) -> object:
    """Attributes that are set in `__init__` are only there on instances."""
    module, _, name = path.rpartition(".")
    ice = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    if name == "RTCIceTransport":
        return ice
    if name == "RTCDtlsTransport":
        return RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    if name == "Session":
        return Session()
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", PRIVATE_ATTRIBUTES)
async def test_private_attributes_exist(path: str) -> None:
    owner = instance(path)
    missing = [name for name in PRIVATE_ATTRIBUTES[path] if not hasattr(owner, name)]
    assert not missing


def test_every_private_attribute_in_use_is_listed() -> None:
    tree = ast.parse((ROOT / "transport" / "internals.py").read_text())
    own: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own.add(node.name)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "__init__":
            inner = node.value
            on_self = isinstance(inner, ast.Name) and inner.id == "self"
            (own if on_self and isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
    listed = {name for names in PRIVATE_ATTRIBUTES.values() for name in names}
    assert used - own <= listed


def test_only_one_module_touches_the_toolkit() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] in ("aiortc", "pylibsrtp", "OpenSSL")
    }
    assert importers == {"transport/internals.py"}


def sessions(profile: int) -> tuple[SrtpOutbound, SrtpInbound]:
    key = bytes(range(30))
    outbound = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
    inbound = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
    return SrtpOutbound(outbound), SrtpInbound(inbound)


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda p: p.openssl_profile.decode())
def test_packets_survive_protection_and_forgeries_do_not(profile: object) -> None:
    outbound, inbound = sessions(profile.libsrtp_profile)  # type: ignore[attr-defined]
    protected = outbound.protect(RTP)
    assert protected is not None
    wire = bytes(protected)
    assert b"payload" not in wire
    forged = wire[:-1] + bytes([wire[-1] ^ 1])
    assert inbound.unprotect(forged) is None
    assert inbound.unprotect(wire) == RTP
    assert inbound.unprotect(wire) is None, "replayed"
    protected_rtcp = outbound.protect_rtcp(RTCP)
    assert protected_rtcp is not None
    wire_rtcp = bytes(protected_rtcp)
    assert inbound.unprotect_rtcp(wire_rtcp) == RTCP
    assert inbound.unprotect_rtcp(wire_rtcp) is None


def test_sizes_out_of_range_are_refused() -> None:
    outbound, inbound = sessions(SRTP_PROFILES[0].libsrtp_profile)
    assert outbound.protect(RTP + bytes(1500)) is not None
    assert outbound.protect(RTP + bytes(2000)) is None
    for size in (0, 1, 11, 12, 13, 2048, 2049, 65000):
        assert inbound.unprotect(b"\x80" * size) is None
        assert inbound.unprotect_rtcp(b"\x80" * size) is None


def test_aes_128_gcm_is_preferred() -> None:
    names = [profile.openssl_profile for profile in SRTP_PROFILES]
    assert names == [b"SRTP_AEAD_AES_128_GCM", b"SRTP_AES128_CM_SHA1_80"]


def test_every_process_has_its_own_certificate() -> None:
    assert ServerIdentity().fingerprint != ServerIdentity().fingerprint
