"""Which codec a section is answered with.

A publisher gets the first codec of our preference that it offers; a subscriber must be able to take what
the publisher sends, since nothing is transcoded. H.264 is compared as RFC 6184 section 8.2.2 asks:
packetization mode and profile, not level, which is asymmetric in practice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mediaserver.sdp.offer import OfferedCodec, Section
from mediaserver.sfu.interfaces import Codec

_OPUS_CLOCK_HZ = 48_000
_VIDEO_CLOCK_HZ = 90_000
_DEFAULT_PROFILE = "42000a"
"""RFC 6184 section 8.1: baseline, level 1."""

_PROFILE_PREFERENCE = ("42e0", "42c0", "4200", "4d00", "640c", "6400")
"""profile_idc and constraint flags. Constrained baseline first: every browser decodes it, while Safari
refuses to be offered plain baseline."""
_BASELINES = frozenset({"42e0", "42c0", "4200"})
"""Browsers call the same bit stream by any of these."""

_FEEDBACK = ("nack", "nack pli", "ccm fir", "transport-cc")


@dataclass(frozen=True, slots=True)
class ChosenCodec:
    """A codec of an offer, ready for the answer."""

    codec: Codec
    rtx_payload_type: int | None
    feedback: tuple[str, ...]
    """What both sides know of `nack`, `nack pli`, `ccm fir`, `transport-cc`."""


def choose(section: Section, video_preference: Sequence[str]) -> ChosenCodec | None:
    """The codec that a client should publish with, None if it offers nothing that we take.

    Args:
        video_preference: `VP8`, `H264`, preferred first.
    """
    names: Sequence[str] = ("opus",) if section.kind == "audio" else video_preference
    for name in names:
        candidates = [offered for offered in section.codecs if _usable_as(offered, name)]
        if candidates:
            return _chosen(section, min(candidates, key=_profile_rank), name)
    return None


def match(section: Section, published: Codec) -> ChosenCodec | None:
    """The subscriber's payload type for what a publisher sends, None if the subscriber cannot take it."""
    candidates = [offered for offered in section.codecs if _usable_as(offered, published.name)]
    if published.name != "H264":
        return _chosen(section, candidates[0], published.name) if candidates else None
    wanted = _profile(published.parameters.get("profile-level-id"))
    exact = [offered for offered in candidates if _offered_profile(offered) == wanted]
    family = [
        offered for offered in candidates if wanted in _BASELINES and _offered_profile(offered) in _BASELINES
    ]
    best = next(iter(exact + family), None)
    return _chosen(section, best, "H264") if best is not None else None


def _usable_as(offered: OfferedCodec, name: str) -> bool:
    if offered.name.upper() != name.upper():
        return False
    if name == "opus":
        return offered.clock_rate == _OPUS_CLOCK_HZ and offered.channels == 2
    if offered.clock_rate != _VIDEO_CLOCK_HZ:
        return False
    # Mode 0 has no fragmentation, so pictures larger than a packet could not be sent.
    return name != "H264" or offered.parameters.get("packetization-mode") == "1"


def _profile_rank(offered: OfferedCodec) -> int:
    if offered.name.upper() != "H264":
        return 0
    profile = _offered_profile(offered)
    return _PROFILE_PREFERENCE.index(profile) if profile in _PROFILE_PREFERENCE else len(_PROFILE_PREFERENCE)


def _offered_profile(offered: OfferedCodec) -> str:
    return _profile(offered.parameters.get("profile-level-id"))


def _profile(profile_level_id: str | None) -> str:
    return (profile_level_id or _DEFAULT_PROFILE).lower()[:4]


def _chosen(section: Section, offered: OfferedCodec, name: str) -> ChosenCodec:
    return ChosenCodec(
        codec=Codec(
            name=name,
            clock_rate=offered.clock_rate,
            payload_type=offered.payload_type,
            channels=offered.channels if section.kind == "audio" else None,
            parameters=_answer_parameters(offered, name),
        ),
        rtx_payload_type=_rtx(section.codecs, offered),
        feedback=tuple(kind for kind in _FEEDBACK if kind in offered.feedback),
    )


def _rtx(codecs: Iterable[OfferedCodec], protected: OfferedCodec) -> int | None:
    for offered in codecs:
        if (
            offered.name.lower() == "rtx"
            and offered.clock_rate == protected.clock_rate
            and offered.parameters.get("apt") == str(protected.payload_type)
        ):
            return offered.payload_type
    return None


def _answer_parameters(offered: OfferedCodec, name: str) -> dict[str, str]:
    """What our answer's fmtp says: nothing of the offer is echoed but a checked H.264 profile."""
    if name == "opus":
        return {"minptime": "10", "useinbandfec": "1"}
    if name != "H264":
        return {}
    level_id = offered.parameters.get("profile-level-id", _DEFAULT_PROFILE).lower()
    well_formed = len(level_id) == 6 and all(c in "0123456789abcdef" for c in level_id)
    return {
        "level-asymmetry-allowed": "1",
        "packetization-mode": "1",
        "profile-level-id": level_id if well_formed else _DEFAULT_PROFILE,
    }
