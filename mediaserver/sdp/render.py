"""Writing the answer: RFC 8866 syntax, RFC 8829 section 5.3 content."""

from __future__ import annotations

from ipaddress import ip_address

from mediaserver.sdp.answer import AnswerSection, Negotiation
from mediaserver.sdp.codecs import ChosenCodec
from mediaserver.transport.parameters import LocalParameters

_HOST_TYPE_PREFERENCE = 126
_RTP_COMPONENT = 1


def render_answer(
    negotiation: Negotiation, local: LocalParameters, *, session_id: int, session_version: int
) -> str:
    """The answer as text.

    Args:
        session_id: constant for one connection, below 2**63.
        session_version: rises with each answer on it.
    """
    lines = [
        "v=0",
        f"o=- {session_id} {session_version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(negotiation.bundle)}",
        "a=msid-semantic: WMS *",
    ]
    for section in negotiation.sections:
        lines += _rejected(section) if section.rejected else _accepted(section, local)
    return "\r\n".join(lines) + "\r\n"


def _rejected(section: AnswerSection) -> list[str]:
    offered = section.offered
    return [
        f"m={offered.kind} 0 {offered.protocol} {' '.join(offered.formats)}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
        f"a=mid:{offered.mid}",
    ]


def _accepted(section: AnswerSection, local: LocalParameters) -> list[str]:
    offered = section.offered
    formats = [str(number) for chosen in section.codecs for number in _payload_types(chosen)]
    address = local.addresses[0]
    lines = [
        f"m={offered.kind} {local.port} {offered.protocol} {' '.join(formats)}",
        f"c=IN IP{ip_address(address).version} {address}",
        f"a=mid:{offered.mid}",
        f"a={section.direction}",
        "a=rtcp-mux",
    ]
    if offered.rtcp_rsize:
        lines.append("a=rtcp-rsize")
    lines += [f"a=extmap:{number} {uri}" for uri, number in section.extensions.items()]
    for chosen in section.codecs:
        lines += _codec(chosen)
    if section.downlink is not None and section.subscription is not None:
        lines += _source(section)
    # Needed in the first section only (RFC 8843 section 7), but aiortc takes candidates from the last one.
    return [
        *lines,
        f"a=ice-ufrag:{local.ice.ufrag}",
        f"a=ice-pwd:{local.ice.password}",
        f"a=fingerprint:{local.fingerprint.algorithm} {local.fingerprint.value}",
        "a=setup:passive",
        *_candidates(local),
    ]


def _payload_types(chosen: ChosenCodec) -> list[int]:
    rtx = [] if chosen.rtx_payload_type is None else [chosen.rtx_payload_type]
    return [chosen.codec.payload_type, *rtx]


def _codec(chosen: ChosenCodec) -> list[str]:
    codec = chosen.codec
    number = codec.payload_type
    channels = f"/{codec.channels}" if codec.channels is not None else ""
    lines = [f"a=rtpmap:{number} {codec.name}/{codec.clock_rate}{channels}"]
    lines += [f"a=rtcp-fb:{number} {kind}" for kind in chosen.feedback]
    if codec.parameters:
        lines.append(f"a=fmtp:{number} " + ";".join(f"{k}={v}" for k, v in codec.parameters.items()))
    rtx = chosen.rtx_payload_type
    if rtx is not None:
        lines += [f"a=rtpmap:{rtx} rtx/{codec.clock_rate}", f"a=fmtp:{rtx} apt={number}"]
    return lines


def _source(section: AnswerSection) -> list[str]:
    downlink, subscription = section.downlink, section.subscription
    assert downlink is not None and subscription is not None
    ssrcs = [downlink.ssrc]
    lines = [f"a=msid:{subscription.participant_id} {subscription.track_id}"]
    if downlink.rtx_payload_type is not None:
        ssrcs.append(downlink.rtx_ssrc)
        lines.append(f"a=ssrc-group:FID {downlink.ssrc} {downlink.rtx_ssrc}")
    return lines + [f"a=ssrc:{ssrc} cname:{downlink.cname}" for ssrc in ssrcs]


def _candidates(local: LocalParameters) -> list[str]:
    lines = []
    for index, address in enumerate(local.addresses):
        priority = _HOST_TYPE_PREFERENCE << 24 | (65535 - index) << 8 | 256 - _RTP_COMPONENT
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {address} {local.port} typ host")
    return [*lines, "a=end-of-candidates"]
