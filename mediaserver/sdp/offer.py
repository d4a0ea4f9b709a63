"""Reading an offer: RFC 8866 lines into plain values, as strict as an untrusted peer deserves.

Only what the answer needs is kept. Text that becomes part of the answer (mid, media type, protocol,
formats) is checked character by character, so that no offer can write lines of its own into it.
Candidates are not even looked at: an ICE-lite server learns where its peer is from the peer's checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mediaserver.errors import BadSdpError
from mediaserver.transport.parameters import Fingerprint, IceCredentials, RemoteParameters

MAX_BYTES = 64 * 1024
MAX_SECTIONS = 32
MAX_SSRCS = 64
"""Declared in one section."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_PROTOCOL = re.compile(r"[A-Za-z0-9/]{1,64}")
_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}")
"""RFC 8843 section 15.1; 16 bytes is what a one-byte header extension holds."""
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_HASH_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_PAIRS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*")


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """A payload type with its rtpmap, fmtp and feedback."""

    payload_type: int
    name: str
    """As offered; compare without case."""
    clock_rate: int
    channels: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    feedback: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One m-section."""

    kind: str
    """Media type: `audio`, `video`, `application` or something that we reject."""
    mid: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    direction: Direction
    bundle_only: bool
    rtcp_mux: bool
    rtcp_rsize: bool
    codecs: tuple[OfferedCodec, ...]
    extensions: Mapping[str, int]
    """URI to identifier, 1 to 14."""
    ssrcs: tuple[int, ...]
    """Media SSRCs in the order declared, without those of RTX."""
    rtx_ssrcs: Mapping[int, int]
    cname: str
    transport: RemoteParameters | None

    @property
    def rejected(self) -> bool:
        """The offerer has given this section up, or never meant it."""
        return self.port == 0 and not self.bundle_only

    @property
    def sends(self) -> bool:
        """The client wants to send."""
        return not self.rejected and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """The client wants to receive."""
        return not self.rejected and self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole session description."""

    sections: tuple[Section, ...]
    bundle: tuple[str, ...]
    """Mids of the BUNDLE group."""
    session_id: str
    """From the origin line: browsers keep it for the life of an RTCPeerConnection."""

    @property
    def fingerprints(self) -> frozenset[Fingerprint]:
        """Of every section."""
        return frozenset(
            fingerprint
            for section in self.sections
            if section.transport is not None
            for fingerprint in section.transport.fingerprints
        )

    @property
    def ufrags(self) -> frozenset[str]:
        """ICE user name fragments of every section."""
        return frozenset(s.transport.ice.ufrag for s in self.sections if s.transport is not None)


Attributes = dict[str, list[str]]


def parse_offer(text: str) -> Offer:
    """Read an offer.

    Raises:
        BadSdpError: it is too large, not SDP, or contradicts itself.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadSdpError(f"the offer is larger than {MAX_BYTES} bytes")
    origin, session, media = _split(text)
    if "ice-lite" in session:
        raise BadSdpError("both sides are ICE-lite")
    sections = tuple(_section(line, attributes, session) for line, attributes in media)
    mids = [section.mid for section in sections]
    if len(set(mids)) != len(mids):
        raise BadSdpError("a mid is used twice")
    return Offer(sections, _bundle(session, mids), origin)


def _split(text: str) -> tuple[str, Attributes, list[tuple[str, Attributes]]]:
    """Session identifier, session attributes, and per section the rest of the m-line and its attributes."""
    origin = ""
    session: Attributes = {}
    media: list[tuple[str, Attributes]] = []
    current = session
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    if lines[0] != "v=0":
        raise BadSdpError("the first line is not v=0")
    for line in lines:
        if len(line) < 2 or line[1] != "=" or not line.isprintable():
            raise BadSdpError("a line is not of the form <type>=<value>")
        if line[0] == "m":
            if len(media) == MAX_SECTIONS:
                raise BadSdpError(f"more than {MAX_SECTIONS} sections")
            current = {}
            media.append((line[2:], current))
        elif line[0] == "a":
            name, _, value = line[2:].partition(":")
            current.setdefault(name, []).append(value)
        elif line[0] == "o":
            origin = " ".join(line[2:].split()[1:2])
    return origin, session, media


def _bundle(session: Attributes, mids: list[str]) -> tuple[str, ...]:
    for value in session.get("group", ()):
        semantics, *members = value.split() or [""]
        if semantics.upper() == "BUNDLE":
            if not set(members) <= set(mids) or len(set(members)) != len(members):
                raise BadSdpError("the BUNDLE group names a section that does not exist, or one twice")
            return tuple(members)
    return ()


def _section(media_line: str, attributes: Attributes, session: Attributes) -> Section:
    kind, port, protocol, formats = _media_line(media_line)
    mid = _first(attributes, "mid")
    if mid is None or not _MID.fullmatch(mid):
        raise BadSdpError("a section has no usable mid")
    ssrcs, rtx_ssrcs, cname = _sources(attributes)
    return Section(
        kind=kind,
        mid=mid,
        port=port,
        protocol=protocol,
        formats=formats,
        direction=_direction(attributes) or _direction(session) or "sendrecv",
        bundle_only="bundle-only" in attributes,
        rtcp_mux="rtcp-mux" in attributes or "rtcp-mux-only" in attributes,
        rtcp_rsize="rtcp-rsize" in attributes,
        codecs=_codecs(formats, attributes) if kind in ("audio", "video") else (),
        extensions=_extensions([*session.get("extmap", ()), *attributes.get("extmap", ())]),
        ssrcs=ssrcs,
        rtx_ssrcs=rtx_ssrcs,
        cname=cname,
        transport=_transport(attributes, session),
    )


def _media_line(line: str) -> tuple[str, int, str, tuple[str, ...]]:
    parts = line.split()
    if len(parts) < 4:
        raise BadSdpError("an m-line is too short")
    kind, port, protocol, *formats = parts
    if not _TOKEN.fullmatch(kind) or not _PROTOCOL.fullmatch(protocol):
        raise BadSdpError("an m-line has a strange media type or protocol")
    if len(formats) > 256 or not all(_TOKEN.fullmatch(name) for name in formats):
        raise BadSdpError("an m-line has strange formats")
    return kind, _integer(port, 0, 65535, "port"), protocol, tuple(formats)


def _direction(attributes: Attributes) -> Direction | None:
    found = [direction for name, direction in _DIRECTIONS.items() if name in attributes]
    if len(found) > 1:
        raise BadSdpError("a section has two directions")
    return found[0] if found else None


def _codecs(formats: tuple[str, ...], attributes: Attributes) -> tuple[OfferedCodec, ...]:
    maps: dict[int, tuple[str, int, int]] = {}
    for value in attributes.get("rtpmap", ()):
        payload_type, rest = _payload_type_and_rest(value)
        name, *numbers = rest.split("/")
        if not _TOKEN.fullmatch(name) or len(numbers) not in (1, 2):
            raise BadSdpError("an rtpmap cannot be read")
        clock_rate = _integer(numbers[0], 1, 1_000_000, "clock rate")
        channels = _integer(numbers[1], 1, 255, "channel count") if len(numbers) == 2 else 1
        maps[payload_type] = (name, clock_rate, channels)

    parameters: dict[int, dict[str, str]] = {}
    for value in attributes.get("fmtp", ()):
        payload_type, rest = _payload_type_and_rest(value)
        pairs = (pair.partition("=") for pair in rest.split(";") if pair.strip())
        parameters[payload_type] = {key.strip().lower(): text.strip() for key, _, text in pairs}

    feedback: dict[str, set[str]] = {}
    for value in attributes.get("rtcp-fb", ()):
        target, _, kind = value.partition(" ")
        feedback.setdefault(target, set()).add(kind.strip())
    for_all = feedback.get("*", set())

    offered = []
    for name in formats:
        if not (name.isascii() and name.isdigit() and int(name) in maps):
            continue  # a static payload type, none of which we speak
        payload_type = int(name)
        offered.append(
            OfferedCodec(
                payload_type,
                *maps[payload_type],
                parameters=parameters.get(payload_type, {}),
                feedback=frozenset(feedback.get(str(payload_type), set()) | for_all),
            )
        )
    return tuple(offered)


def _payload_type_and_rest(value: str) -> tuple[int, str]:
    payload_type, _, rest = value.partition(" ")
    return _integer(payload_type, 0, 127, "payload type"), rest.strip()


def _extensions(values: Iterable[str]) -> dict[str, int]:
    extensions: dict[str, int] = {}
    for value in values:
        parts = value.split()
        if len(parts) < 2:
            raise BadSdpError("an extmap cannot be read")
        identifier = _integer(parts[0].partition("/")[0], 1, 4351, "extension identifier")
        if identifier <= 14:  # what a one-byte header holds (RFC 8285 section 4.2)
            extensions.setdefault(parts[1], identifier)
    return extensions


def _sources(attributes: Attributes) -> tuple[tuple[int, ...], dict[int, int], str]:
    """Media SSRCs, media SSRC to RTX SSRC, and the first CNAME."""
    declared: dict[int, None] = {}
    cname = ""
    for value in attributes.get("ssrc", ()):
        ssrc, _, attribute = value.partition(" ")
        declared[_ssrc(ssrc)] = None
        name, _, text = attribute.partition(":")
        if name == "cname" and not cname:
            cname = text[:255]
    if len(declared) > MAX_SSRCS:
        raise BadSdpError(f"a section declares more than {MAX_SSRCS} SSRCs")
    rtx: dict[int, int] = {}
    for value in attributes.get("ssrc-group", ()):
        semantics, *members = value.split() or [""]
        if semantics == "FID" and len(members) == 2:
            rtx[_ssrc(members[0])] = _ssrc(members[1])
    repairs = set(rtx.values())
    return tuple(ssrc for ssrc in declared if ssrc not in repairs), rtx, cname


def _ssrc(text: str) -> int:
    return _integer(text, 0, 0xFFFFFFFF, "SSRC")


def _transport(attributes: Attributes, session: Attributes) -> RemoteParameters | None:
    """ICE credentials and fingerprints, from the section or the session; None if there are none, as in
    a section that is bundled into another's transport."""
    ufrag = _first(attributes, "ice-ufrag", session)
    password = _first(attributes, "ice-pwd", session)
    values = attributes.get("fingerprint") or session.get("fingerprint")
    if ufrag is None or password is None or not values:
        return None
    if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
        raise BadSdpError("the ICE credentials are malformed")
    setup = _first(attributes, "setup", session) or "actpass"
    if setup not in ("actpass", "active"):
        raise BadSdpError("the client must be able to take the active DTLS role")
    return RemoteParameters(IceCredentials(ufrag, password), _fingerprints(values))


def _fingerprints(values: list[str]) -> frozenset[Fingerprint]:
    found = set()
    for value in values:
        algorithm, _, digest = value.partition(" ")
        algorithm, digest = algorithm.lower(), digest.strip().upper()
        size = _HASH_BYTES.get(algorithm)
        if size is None:
            continue
        if len(digest) != 3 * size - 1 or not _HEX_PAIRS.fullmatch(digest):
            raise BadSdpError("a fingerprint is malformed")
        found.add(Fingerprint(algorithm, digest))
    if not found:
        raise BadSdpError("no fingerprint of a supported hash function")
    return frozenset(found)


def _first(attributes: Attributes, name: str, fallback: Attributes | None = None) -> str | None:
    values = attributes.get(name) or (fallback.get(name) if fallback is not None else None)
    return values[0].strip() if values else None


def _integer(text: str, low: int, high: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not low <= int(text) <= high:
        raise BadSdpError(f"a {what} is not a number from {low} to {high}")
    return int(text)
