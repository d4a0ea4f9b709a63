"""Which track an arriving packet belongs to."""

from mediaserver.sfu.interfaces import HeaderExtensionIds, Uplink
from mediaserver.sfu.routing import MAX_LEARNED, Router
from mediaserver.sfu.track import Track
from tests.support.rtp import H264, OPUS, VP8, FakeTransport, rtp, uplink

NO_EXTENSIONS = HeaderExtensionIds()


def track(link: Uplink) -> Track:
    return Track(
        link,
        track_id=link.mid,
        participant_id="p",
        source="camera",
        transport=FakeTransport(),
        sender_ssrc=1,
    )


def make_router(*links: Uplink) -> tuple[Router, list[Track]]:
    router = Router()
    tracks = [track(link) for link in links]
    for each in tracks:
        router.add(each)
    return router, tracks


def learn(
    router: Router, *, ssrc: int = 1000, payload_type: int = 96, mid: str | None = None
) -> Track | None:
    packet = rtp(b"payload", seq=1, ssrc=ssrc, payload_type=payload_type, mid=mid)
    route = router.learn(packet, payload_type, ssrc)
    assert route is router.routes.get(ssrc)
    return route.track if route is not None else None


def start(media: Track, ssrc: int) -> None:
    header = (0x80, 96, 1, 0, ssrc)
    media.on_media(b"", 0, 0, header, 0)
    assert media.ssrc == ssrc


def test_declared_ssrcs_are_routed_without_a_packet() -> None:
    router, (video,) = make_router(uplink(ssrcs=(10, 11), rtx_ssrcs={10: 20}))
    assert router.routes[10] == (video, False, None)
    assert router.routes[11] == (video, False, None)
    assert router.routes[20] == (video, True, 10)


def test_an_unknown_ssrc_is_routed_by_its_mid() -> None:
    router, (camera, screen) = make_router(uplink(mid="0"), uplink(mid="2"))
    assert learn(router, mid="2", ssrc=5) is screen
    assert learn(router, mid="0", ssrc=6) is camera


def test_an_unknown_mid_is_not_guessed_from_the_payload_type() -> None:
    router, _ = make_router(uplink(mid="0"))
    assert learn(router, mid="9") is None


def test_without_mid_a_payload_type_decides_only_if_one_section_uses_it() -> None:
    router, (camera, audio) = make_router(uplink(mid="0"), uplink(OPUS, mid="1"))
    assert learn(router, payload_type=OPUS.payload_type) is audio
    assert learn(router, payload_type=VP8.payload_type, ssrc=2) is camera
    assert learn(router, payload_type=VP8.payload_type + 20, ssrc=3) is None
    router.add(track(uplink(mid="2")))
    assert learn(router, payload_type=VP8.payload_type, ssrc=4) is None


def test_payload_types_decide_where_no_mid_extension_was_negotiated() -> None:
    router, (camera, _) = make_router(
        uplink(mid="0", extensions=NO_EXTENSIONS), uplink(H264, mid="1", extensions=NO_EXTENSIONS)
    )
    assert learn(router, mid="1") is camera


def test_a_payload_type_that_the_section_did_not_negotiate_teaches_nothing() -> None:
    router, _ = make_router(uplink(mid="0"))
    assert learn(router, mid="0", payload_type=39) is None


def test_an_rtx_stream_belongs_to_the_media_stream_it_appears_with() -> None:
    router, (video,) = make_router(uplink(mid="0"))
    assert learn(router, mid="0", payload_type=97, ssrc=2000) is None
    start(video, 1000)
    assert learn(router, mid="0", payload_type=97, ssrc=2000) is video
    assert router.routes[2000] == (video, True, 1000)


def test_learned_ssrcs_are_bounded_and_the_oldest_goes_first() -> None:
    router, _ = make_router(uplink(mid="0", ssrcs=(1,)))
    for ssrc in range(100, 100 + MAX_LEARNED + 3):
        learn(router, mid="0", ssrc=ssrc)
    assert set(router.routes) == {1, *range(103, 103 + MAX_LEARNED)}


def test_a_removed_track_leaves_nothing_and_its_mid_can_be_used_again() -> None:
    router, (old, audio) = make_router(uplink(mid="0", ssrcs=(10,)), uplink(OPUS, mid="1", ssrcs=(30,)))
    learn(router, mid="0", ssrc=1000)
    router.remove(old)
    router.remove(old)
    assert set(router.routes) == {30}
    assert learn(router, mid="0", ssrc=1000) is None
    new = track(uplink(mid="0"))
    router.add(new)
    router.remove(old)
    assert learn(router, mid="0", ssrc=1000) is new
    assert router.routes[30].track is audio
