from __future__ import annotations

import contextlib
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.errors import BadSdpError
from mediaserver.sdp import parse_offer
from mediaserver.transport.parameters import Fingerprint

OFFERS = pathlib.Path(__file__).parent / "offers"
CLIENTS = sorted(path.stem for path in OFFERS.glob("*.sdp"))


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


@pytest.mark.parametrize("client", CLIENTS)
def test_offers_of_known_clients_are_read(client: str) -> None:
    parsed = parse_offer(offer(client))
    for section in parsed.sections:
        assert section.mid in parsed.bundle
        assert section.transport is not None
        if section.kind != "application":
            assert section.rtcp_mux
            assert any(codec.name.upper() in ("OPUS", "VP8", "H264") for codec in section.codecs)


def test_chromium_sections_are_read_in_full() -> None:
    audio, video = parse_offer(offer("chromium_publish")).sections
    assert (audio.kind, audio.mid, audio.direction, audio.rtcp_rsize) == ("audio", "0", "sendonly", True)
    opus = audio.codecs[0]
    assert (opus.name, opus.clock_rate, opus.channels) == ("opus", 48000, 2)
    assert opus.parameters == {"minptime": "10", "useinbandfec": "1"}
    vp8 = video.codecs[0]
    assert vp8.feedback == {"goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"}
    assert video.sends and not video.receives
    assert len(video.ssrcs) == 1
    assert video.rtx_ssrcs.keys() == set(video.ssrcs)
    assert video.cname == audio.cname != ""


def test_session_level_attributes_apply_to_sections() -> None:
    parsed = parse_offer(offer("firefox_publish"))
    assert parsed.session_id == "6707163095529659074"
    transports = {section.transport for section in parsed.sections}
    assert len(transports) == 1
    (fingerprint,) = parsed.fingerprints
    assert fingerprint.algorithm == "sha-256"
    assert fingerprint.value.startswith("A1:A1:C7:22")


def test_a_bundle_only_section_is_not_rejected_and_a_port_of_zero_otherwise_is() -> None:
    _, audio = parse_offer(offer("gstreamer_publish")).sections
    assert audio.port == 0 and not audio.rejected and audio.sends
    text = offer("gstreamer_publish").replace("a=bundle-only\n", "")
    assert parse_offer(text).sections[1].rejected


def test_simulcast_ssrcs_without_declaration_are_left_to_mid() -> None:
    text = offer("chromium_publish")
    lines = [line for line in text.splitlines() if not line.startswith("a=ssrc")]
    assert parse_offer("\r\n".join(lines)).sections[1].ssrcs == ()


def test_fingerprints_are_normalised_and_unknown_hashes_skipped() -> None:
    text = offer("safari_publish").replace("a=setup", "a=fingerprint:md5 AA:BB\na=setup")
    text = text.replace("3B:5A", "3b:5a")
    (fingerprint,) = parse_offer(text).fingerprints
    assert fingerprint == Fingerprint("sha-256", fingerprint.value.upper())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=0", "v=1"),
        ("a=mid:1", "a=mid:0"),
        ("a=mid:1", "a=mid:has space"),
        ("a=mid:1", ""),
        ("a=mid:1", "no equals sign"),
        ("BUNDLE 0 1", "BUNDLE 0 7"),
        ("a=group", "a=ice-lite\na=group"),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=ice-ufrag:oT5n", "a=ice-ufrag:o"),
        ("a=ice-pwd:9qV9mJw0cB7T2Jv1y7bQ1d2R", "a=ice-pwd:short"),
        ("fingerprint:sha-256 3B:5A", "fingerprint:sha-256 3B"),
        ("fingerprint:sha-256 3B:5A", "fingerprint:md5 3B:5A"),
        ("a=rtpmap:96 H264/90000", "a=rtpmap:96 H264"),
        ("a=rtpmap:96 H264/90000", "a=rtpmap:196 H264/90000"),
        ("a=rtpmap:96 H264/90000", "a=rtpmap:x H264/90000"),
        ("a=fmtp:96 ", "a=fmtp:²⁵ "),
        ("a=extmap:14 ", "a=extmap:0 "),
        ("a=ssrc:913220047 ", "a=ssrc:4294967296 "),
        ("m=video 60014", "m=video 70000"),
        ("m=video 60014", "m=video -1"),
        ("m=video 60014 UDP/TLS/RTP/SAVPF", "m=video 60014 UDP;TLS"),
        ("m=video 60014 UDP/TLS/RTP/SAVPF 96", "m=video 60014 UDP/TLS/RTP/SAVPF \x07"),
        ("a=sendrecv", "a=sendrecv\na=inactive"),
    ],
)
def test_what_contradicts_the_grammar_is_refused(old: str, new: str) -> None:
    text = offer("safari_publish")
    assert old in text
    with pytest.raises(BadSdpError):
        parse_offer(text.replace(old, new))


def test_size_and_section_count_are_bounded() -> None:
    text = offer("safari_publish")
    with pytest.raises(BadSdpError, match="65536"):
        parse_offer(text + "a=x:" + "y" * 65536)
    section = text[text.index("m=audio") : text.index("m=video")]
    many = "".join(section.replace("a=mid:0", f"a=mid:{n}") for n in range(33))
    with pytest.raises(BadSdpError, match="32"):
        parse_offer("v=0\n" + "\n".join(line for line in many.splitlines() if "rtpmap" not in line))


def test_header_extension_identifiers_beyond_one_byte_headers_are_not_used() -> None:
    text = offer("safari_publish").replace("extmap:4 urn", "extmap:15 urn")
    assert all("sdes:mid" not in uri for uri in parse_offer(text).sections[0].extensions)


LINES = st.sampled_from(sorted({line for client in CLIENTS for line in offer(client).splitlines()}))


@settings(deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=60))
def test_only_bad_sdp_escapes_for_shuffled_lines(lines: list[str]) -> None:
    with contextlib.suppress(BadSdpError):
        parse_offer("\r\n".join(["v=0", *lines]))


@settings(deadline=None)
@given(st.sampled_from(CLIENTS), st.data())
def test_only_bad_sdp_escapes_for_mutated_offers(client: str, data: st.DataObject) -> None:
    text = offer(client)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 20)))
        text = text[:start] + data.draw(st.text(max_size=8)) + text[end:]
    with contextlib.suppress(BadSdpError):
        parse_offer(text)
