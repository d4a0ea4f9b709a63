"""Deciding what each m-section carries (RFC 8829 section 5.3, RFC 8843 for BUNDLE).

A section is answered in one of three ways: it carries media in one direction or both; it is kept but
inactive, so that a later offer can bring it to life; or it is rejected with port 0, which is for what we
never serve (data channels, other protocols, codecs that we do not know).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from mediaserver.errors import BadSdpError, NoCommonCodecError
from mediaserver.sdp.codecs import ChosenCodec, choose, match
from mediaserver.sdp.offer import Direction, Offer, Section
from mediaserver.sfu.interfaces import Codec, Downlink, HeaderExtensionIds, TrackKind, TrackSource, Uplink
from mediaserver.transport.parameters import RemoteParameters

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

_RTP_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"})
_TO_PUBLISHER = frozenset({"nack", "nack pli", "ccm fir", "transport-cc"})
_TO_SUBSCRIBER = frozenset({"nack", "nack pli", "ccm fir"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a section is to receive: a published track, and the identity under which we send it."""

    track_id: str
    participant_id: str
    """Of the publisher; becomes the media stream's identifier and the CNAME."""
    codec: Codec
    """What the publisher sends."""
    ssrc: int
    rtx_ssrc: int


@dataclass(frozen=True, slots=True)
class AnswerSection:
    """One section of the answer. Rejected if `codecs` is empty."""

    offered: Section
    codecs: tuple[ChosenCodec, ...] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)
    """URI to identifier, as both sides use it."""
    source: TrackSource | None = None
    """What the client sends here, None if nothing."""
    uplink: Uplink | None = None
    subscription: Subscription | None = None
    downlink: Downlink | None = None

    @property
    def rejected(self) -> bool:
        return not self.codecs

    @property
    def direction(self) -> Direction:
        """Ours."""
        if self.uplink is not None:
            return "recvonly" if self.downlink is None else "sendrecv"
        return "inactive" if self.downlink is None else "sendonly"


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The whole answer, but for our own transport parameters."""

    sections: tuple[AnswerSection, ...]
    remote: RemoteParameters
    """The client's side of the one transport."""

    @property
    def bundle(self) -> tuple[str, ...]:
        """Mids that share the transport, in the answer's order."""
        return tuple(section.offered.mid for section in self.sections if not section.rejected)


def negotiate(
    offer: Offer,
    *,
    publications: Mapping[str, TrackSource],
    subscriptions: Mapping[str, Subscription],
    video_preference: Sequence[str],
) -> Negotiation:
    """Decide about every section of `offer`.

    A section that is inactive or rejected carries nothing, even if it is named in `publications` or
    `subscriptions`: that is how a client unpublishes and unsubscribes.

    Args:
        publications: mid to what the client sends there; a section that is not named is not received.
        subscriptions: mid to what the client is to receive there.
        video_preference: `VP8`, `H264`, preferred first.
    Raises:
        BadSdpError: a mid is not in the offer, or BUNDLE, rtcp-mux or the transport parameters are
            missing.
        NoCommonCodecError: a section that should carry media has no usable codec.
    """
    unknown = (publications.keys() | subscriptions.keys()) - {section.mid for section in offer.sections}
    if unknown:
        raise BadSdpError(f"no section has the mid {min(unknown)!r}")
    sections = tuple(
        _answer(section, publications.get(section.mid), subscriptions.get(section.mid), video_preference)
        for section in offer.sections
    )
    return Negotiation(sections, _check_transport(offer, sections))


def _check_transport(offer: Offer, sections: Sequence[AnswerSection]) -> RemoteParameters:
    accepted = [section.offered for section in sections if not section.rejected]
    if not accepted:
        raise BadSdpError("no audio or video section that could be served")
    for section in accepted:
        if section.mid not in offer.bundle:
            raise BadSdpError("every section must be in the BUNDLE group")
        if not section.rtcp_mux:
            raise BadSdpError("every section must use rtcp-mux")
    # The first accepted section stands for all of them (RFC 8843 section 7.3.1).
    remote = accepted[0].transport
    if remote is None:
        raise BadSdpError("no ICE credentials or no fingerprint")
    return remote


def _answer(
    section: Section,
    source: TrackSource | None,
    subscription: Subscription | None,
    video_preference: Sequence[str],
) -> AnswerSection:
    if section.rejected or section.kind not in ("audio", "video") or section.protocol not in _RTP_PROTOCOLS:
        return AnswerSection(section)
    up = choose(section, video_preference)
    down = match(section, subscription.codec) if subscription is not None else None
    if not section.sends:
        source = None
    if not section.receives:
        subscription = None
    if source is not None and up is None:
        raise NoCommonCodecError(f"section {section.mid} offers no codec that can be published")
    if subscription is not None and down is None:
        raise NoCommonCodecError(f"section {section.mid} cannot receive {subscription.codec.name}")

    used = [chosen for chosen in (up if source else None, down if subscription else None) if chosen]
    codecs = dict.fromkeys(chosen.codec.payload_type for chosen in used)
    by_type = {chosen.codec.payload_type: chosen for chosen in reversed(used)}
    kept = tuple(by_type[payload_type] for payload_type in codecs) or ((up,) if up is not None else ())
    wanted = _wanted_extensions(section.kind, sends=source is not None)
    extensions = {uri: section.extensions[uri] for uri in wanted if uri in section.extensions}
    return AnswerSection(
        offered=section,
        codecs=tuple(_limit_feedback(c, _TO_PUBLISHER if source else _TO_SUBSCRIBER) for c in kept),
        extensions=extensions,
        source=source,
        uplink=_uplink(section, up, extensions) if source is not None and up is not None else None,
        subscription=subscription,
        downlink=(
            _downlink(section, down, extensions, subscription)
            if subscription is not None and down is not None
            else None
        ),
    )


def _wanted_extensions(kind: str, *, sends: bool) -> tuple[str, ...]:
    """Video orientation is not among them on purpose: without it the sender rotates the picture itself,
    which is right for every receiver and for the recording."""
    wanted: tuple[str, ...] = (MID_URI, ABS_SEND_TIME_URI)
    if sends:
        wanted += (TRANSPORT_CC_URI,)
    if kind == "audio":
        wanted += (AUDIO_LEVEL_URI,)
    return wanted


def _limit_feedback(chosen: ChosenCodec, allowed: frozenset[str]) -> ChosenCodec:
    feedback = tuple(kind for kind in chosen.feedback if kind in allowed)
    return ChosenCodec(chosen.codec, chosen.rtx_payload_type, feedback)


def _identifiers(extensions: Mapping[str, int], *, uplink: bool) -> HeaderExtensionIds:
    return HeaderExtensionIds(
        mid=extensions.get(MID_URI),
        transport_cc=extensions.get(TRANSPORT_CC_URI) if uplink else None,
        abs_send_time=extensions.get(ABS_SEND_TIME_URI),
        audio_level=extensions.get(AUDIO_LEVEL_URI),
    )


def _uplink(section: Section, chosen: ChosenCodec, extensions: Mapping[str, int]) -> Uplink:
    return Uplink(
        mid=section.mid,
        kind=cast(TrackKind, section.kind),
        codec=chosen.codec,
        rtx_payload_type=chosen.rtx_payload_type,
        extensions=_identifiers(extensions, uplink=True),
        ssrcs=section.ssrcs,
        rtx_ssrcs=section.rtx_ssrcs,
        cname=section.cname,
    )


def _downlink(
    section: Section, chosen: ChosenCodec, extensions: Mapping[str, int], subscription: Subscription
) -> Downlink:
    return Downlink(
        mid=section.mid,
        kind=cast(TrackKind, section.kind),
        codec=chosen.codec,
        rtx_payload_type=chosen.rtx_payload_type,
        extensions=_identifiers(extensions, uplink=False),
        ssrc=subscription.ssrc,
        rtx_ssrc=subscription.rtx_ssrc,
        cname=subscription.participant_id,
    )
