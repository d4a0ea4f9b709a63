from __future__ import annotations

import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.errors import BadSdpError, NegotiationError, NoCommonCodecError
from mediaserver.sdp import Negotiation, Subscription, negotiate, parse_offer, render_answer
from mediaserver.sfu.interfaces import Codec, TrackSource
from mediaserver.transport.parameters import Fingerprint, IceCredentials, LocalParameters

OFFERS = pathlib.Path(__file__).parent / "offers"
CLIENTS = sorted(path.stem for path in OFFERS.glob("*.sdp"))
BOTH: dict[str, TrackSource] = {"0": "microphone", "1": "camera"}
VP8_FIRST = ("VP8", "H264")
H264_FIRST = ("H264", "VP8")
VP8 = Codec("VP8", 90000, 96)
OPUS = Codec("opus", 48000, 111, 2)
LOCAL = LocalParameters(
    IceCredentials("localfrag", "l" * 24),
    Fingerprint("sha-256", ":".join(["AB"] * 32)),
    ("192.0.2.7", "2001:db8::7"),
    8082,
)


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


def h264(profile_level_id: str) -> Codec:
    return Codec("H264", 90000, 96, None, {"packetization-mode": "1", "profile-level-id": profile_level_id})


def subscription(codec: Codec) -> Subscription:
    return Subscription("track-1", "publisher-1", codec, ssrc=1000, rtx_ssrc=2000)


def published(text: str, preference: tuple[str, ...] = VP8_FIRST) -> Negotiation:
    return negotiate(parse_offer(text), publications=BOTH, subscriptions={}, video_preference=preference)


def subscribed(text: str, **codecs: Codec) -> Negotiation:
    """Sections named `m<mid>` receive the codec."""
    wanted = {name.removeprefix("m"): subscription(codec) for name, codec in codecs.items()}
    return negotiate(parse_offer(text), publications={}, subscriptions=wanted, video_preference=VP8_FIRST)


def rendered(negotiation: Negotiation) -> str:
    return render_answer(negotiation, LOCAL, session_id=1, session_version=1)


def sections(answer: str) -> list[list[str]]:
    return [("m=" + part).splitlines() for part in answer.split("\r\nm=")[1:]]


def test_a_publisher_gets_the_preferred_codec_with_rtx_and_feedback() -> None:
    audio, video = published(offer("chromium_publish")).sections
    assert audio.uplink is not None and video.uplink is not None
    assert (audio.uplink.codec.name, audio.uplink.codec.channels) == ("opus", 2)
    assert (video.uplink.codec.name, video.uplink.codec.payload_type) == ("VP8", 96)
    assert video.uplink.rtx_payload_type == 97
    assert video.codecs[0].feedback == ("nack", "nack pli", "ccm fir", "transport-cc")
    assert len(video.uplink.ssrcs) == 1
    assert set(video.uplink.rtx_ssrcs) == set(video.uplink.ssrcs)
    extensions = video.uplink.extensions
    assert None not in (extensions.mid, extensions.transport_cc, extensions.abs_send_time)
    assert extensions.audio_level is None
    assert audio.uplink.extensions.audio_level is not None


def test_preference_decides_between_vp8_and_h264() -> None:
    (_, video) = published(offer("safari_publish"), H264_FIRST).sections
    assert video.uplink is not None
    assert video.uplink.codec.name == "H264"
    assert video.uplink.codec.parameters["profile-level-id"] == "42e01f"
    (_, video) = published(offer("safari_publish"), VP8_FIRST).sections
    assert video.uplink is not None and video.uplink.codec.name == "VP8"


def test_h264_without_fragmentation_is_never_chosen() -> None:
    text = offer("safari_publish").replace("packetization-mode=1", "packetization-mode=0")
    with pytest.raises(NoCommonCodecError):
        published(text, ("H264",))


def test_gstreamer_shaped_offers_are_served() -> None:
    negotiation = negotiate(
        parse_offer(offer("gstreamer_publish")),
        publications={"video0": "camera", "audio1": "microphone"},
        subscriptions={},
        video_preference=VP8_FIRST,
    )
    video, audio = (section.uplink for section in negotiation.sections)
    assert video is not None and audio is not None
    assert video.codec.parameters["profile-level-id"] == "42c01f"
    assert video.rtx_payload_type is None
    assert audio.codec.name == "opus"
    assert "m=audio 8082 " in rendered(negotiation)


@pytest.mark.parametrize(
    ("profile", "payload_type_profile"),
    [("42e01f", "42e0"), ("42E034", "42e0"), ("42001f", "4200"), ("4d0033", "4d00"), ("42c01f", "42")],
)
def test_a_subscriber_gets_the_publishers_h264_profile(profile: str, payload_type_profile: str) -> None:
    text = offer("chromium_subscribe")
    mid = next(s.mid for s in parse_offer(text).sections if s.kind == "video" and s.receives)
    negotiation = subscribed(text, **{f"m{mid}": h264(profile)})
    downlink = next(s.downlink for s in negotiation.sections if s.downlink is not None)
    assert downlink.codec.parameters["profile-level-id"].startswith(payload_type_profile)
    assert downlink.codec.parameters["packetization-mode"] == "1"
    assert downlink.rtx_payload_type is not None
    assert (downlink.ssrc, downlink.rtx_ssrc) == (1000, 2000)


def test_a_subscriber_that_cannot_play_the_published_codec_is_told() -> None:
    text = offer("firefox_subscribe")
    mid = next(s.mid for s in parse_offer(text).sections if s.kind == "video" and s.receives)
    with pytest.raises(NoCommonCodecError):
        subscribed(text, **{f"m{mid}": h264("640c1f")})
    with pytest.raises(NoCommonCodecError):
        subscribed(text, **{f"m{mid}": OPUS})


def test_the_payload_type_is_the_subscribers() -> None:
    text = offer("firefox_subscribe")
    mid = next(s.mid for s in parse_offer(text).sections if s.kind == "video" and s.receives)
    negotiation = subscribed(text, **{f"m{mid}": VP8})
    downlink = next(s.downlink for s in negotiation.sections if s.downlink is not None)
    assert (downlink.codec.payload_type, downlink.rtx_payload_type) == (120, 124)
    assert downlink.extensions.transport_cc is None
    lines = next(lines for lines in sections(rendered(negotiation)) if f"a=mid:{mid}" in lines)
    assert "a=sendonly" in lines
    assert "a=msid:publisher-1 track-1" in lines
    assert "a=ssrc-group:FID 1000 2000" in lines
    assert "a=ssrc:1000 cname:publisher-1" in lines
    assert "a=rtcp-fb:120 transport-cc" not in lines
    assert not any("goog-remb" in line for line in lines)


def test_a_section_can_carry_media_both_ways() -> None:
    negotiation = negotiate(
        parse_offer(offer("safari_publish")),
        publications={"1": "camera"},
        subscriptions={"1": subscription(h264("42e01f"))},
        video_preference=VP8_FIRST,
    )
    lines = sections(rendered(negotiation))[1]
    assert lines[0] == "m=video 8082 UDP/TLS/RTP/SAVPF 98 99 102 103"
    assert "a=sendrecv" in lines


def test_every_section_is_answered_in_order() -> None:
    text = offer("chromium_datachannel")
    answer = rendered(
        negotiate(parse_offer(text), publications={}, subscriptions={}, video_preference=VP8_FIRST)
    )
    offered = [section.mid for section in parse_offer(text).sections]
    answered = sections(answer)
    assert [next(line[6:] for line in s if line.startswith("a=mid:")) for s in answered] == offered
    kinds = {s[0].split()[0]: s for s in answered}
    assert kinds["m=application"][0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert "a=inactive" in kinds["m=video"]
    (video_mid,) = (s.mid for s in parse_offer(text).sections if s.kind == "video")
    assert f"a=group:BUNDLE {video_mid}\r\n" in answer


def test_the_answer_carries_the_transport_of_an_ice_lite_dtls_server() -> None:
    answer = rendered(published(offer("chromium_publish")))
    assert answer.endswith("\r\n")
    assert "a=ice-lite\r\n" in answer
    for lines in sections(answer):
        assert "a=recvonly" in lines
        assert "a=setup:passive" in lines
        assert "a=ice-ufrag:localfrag" in lines
        assert "a=rtcp-mux" in lines
        assert "a=candidate:1 1 udp 2130706431 192.0.2.7 8082 typ host" in lines
        assert any("2001:db8::7 8082 typ host" in line for line in lines)
        assert "a=end-of-candidates" in lines
        assert not any("video-orientation" in line for line in lines)


def test_a_section_going_inactive_carries_nothing_any_more() -> None:
    text = offer("chromium_publish").replace("a=sendonly", "a=inactive")
    assert all(section.uplink is None for section in published(text).sections)


def test_a_sending_section_that_nobody_named_is_not_received() -> None:
    negotiation = negotiate(
        parse_offer(offer("chromium_publish")),
        publications={"1": "camera"},
        subscriptions={},
        video_preference=VP8_FIRST,
    )
    audio, video = negotiation.sections
    assert audio.direction == "inactive" and not audio.rejected
    assert video.direction == "recvonly"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=group:BUNDLE", "a=group:LS"),
        ("BUNDLE 0 1", "BUNDLE 0"),
        ("a=rtcp-mux\n", ""),
        ("a=ice-pwd:", "a=x-pwd:"),
        ("a=fingerprint:", "a=x-fingerprint:"),
    ],
)
def test_bundle_mux_and_transport_parameters_are_required(old: str, new: str) -> None:
    text = offer("safari_publish")
    assert old in text
    with pytest.raises(BadSdpError):
        published(text.replace(old, new))


def test_an_unknown_mid_is_refused() -> None:
    with pytest.raises(BadSdpError, match="nowhere"):
        negotiate(
            parse_offer(offer("chromium_publish")),
            publications={"nowhere": "camera"},
            subscriptions={},
            video_preference=VP8_FIRST,
        )


def test_no_usable_section_is_refused() -> None:
    with pytest.raises(BadSdpError):
        negotiate(
            parse_offer("v=0\r\ns=-\r\n"), publications={}, subscriptions={}, video_preference=VP8_FIRST
        )


def test_parameters_of_the_offer_are_not_echoed() -> None:
    text = offer("safari_publish").replace("profile-level-id=42e01f", "profile-level-id=42e0~~;x=y")
    answer = rendered(published(text, ("H264",)))
    assert "~~" not in answer and "x=y" not in answer


@settings(deadline=None)
@given(st.sampled_from(CLIENTS), st.data())
def test_only_documented_errors_escape_and_answers_stay_well_formed(client: str, data: st.DataObject) -> None:
    text = offer(client)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 20)))
        insert = data.draw(st.one_of(st.text(max_size=8), st.sampled_from(["\r\n", "0", "a=inactive\r\n"])))
        text = text[:start] + insert + text[end:]
    try:
        parsed = parse_offer(text)
        mids = [section.mid for section in parsed.sections]
        named = data.draw(st.lists(st.sampled_from(mids), unique=True)) if mids else []
        codec = data.draw(st.sampled_from([VP8, OPUS, h264("42e01f")]))
        negotiation = negotiate(
            parsed,
            publications=dict.fromkeys(named[::2], "camera"),
            subscriptions={mid: subscription(codec) for mid in named[1::2]},
            video_preference=VP8_FIRST,
        )
    except NegotiationError:
        return
    answer = rendered(negotiation)
    lines = answer.split("\r\n")
    assert all(len(line) >= 2 and line[1] == "=" and line.isprintable() for line in lines[:-1])
    assert len(sections(answer)) == len(mids)
