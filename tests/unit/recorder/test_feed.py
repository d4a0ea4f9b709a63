from __future__ import annotations

from dataclasses import replace

import av
import pytest

from mediaserver.sfu.interfaces import Codec
from recorder.feed import HOLD_US, VideoFeed
from recorder.timeline import EncodedFrame
from recorder.visibility import Visibility
from tests.support.rtp_source import H264, VP8, read_counter, video_source
from tests.support.timelines import MemoryTrack, track_of

FRAME_US = 40_000


def counter(frame: av.VideoFrame | None) -> int | None:
    """Which source frame a picture is, None without one."""
    return None if frame is None else read_counter(frame.to_ndarray()[: frame.height])


def shown(track: MemoryTrack, at_us: int, visibility: Visibility | None = None) -> int | None:
    feed = VideoFeed(track, visibility or Visibility())
    feed.advance(at_us)
    return counter(feed.picture(at_us))


@pytest.fixture(scope="module", params=[VP8, H264], ids=["VP8", "H264"])
def codec(request: pytest.FixtureRequest) -> Codec:
    assert isinstance(request.param, Codec)
    return request.param


def test_the_newest_frame_up_to_the_instant_is_shown(codec: Codec) -> None:
    track = track_of(video_source(codec, duration_s=1))

    assert [shown(track, index * FRAME_US) for index in (0, 3, 24)] == [0, 3, 24]
    assert shown(track, 3 * FRAME_US + 39_999) == 3


def test_nothing_is_shown_before_the_first_frame(codec: Codec) -> None:
    track = track_of(video_source(codec, duration_s=0.2, start_us=500_000))

    assert shown(track, 499_999) is None
    assert shown(track, 500_000) == 0


def test_damaged_frames_hold_the_last_intact_picture_until_the_next_keyframe(codec: Codec) -> None:
    def damage(index: int, frame: EncodedFrame) -> EncodedFrame | None:
        if index == 8:
            return None
        return replace(frame, intact=False) if 8 < index < 15 else frame

    track = track_of(video_source(codec, duration_s=1, keyframe_every=15), change=damage)
    feed = VideoFeed(track, Visibility())

    seen = []
    for index in range(25):
        feed.advance(index * FRAME_US)
        seen.append(counter(feed.picture(index * FRAME_US)))

    assert seen == [*range(8), *[7] * 7, *range(15, 25)]
    assert feed.held_frames == 6


def test_what_the_decoder_refuses_holds_the_picture_too(codec: Codec) -> None:
    def spoil(index: int, frame: EncodedFrame) -> EncodedFrame:
        return replace(frame, data=b"\x00\x00\x00\x01\x65") if index == 5 else frame

    track = track_of(video_source(codec, duration_s=1, keyframe_every=10), change=spoil)

    assert shown(track, 4 * FRAME_US) == 4
    assert shown(track, 12 * FRAME_US) == 12


def test_a_camera_that_falls_silent_is_not_shown_for_ever() -> None:
    track = track_of(video_source(duration_s=0.4))
    last_us = 9 * FRAME_US

    assert shown(track, last_us + HOLD_US) == 9
    assert shown(track, last_us + HOLD_US + 1) is None


def test_a_screen_that_does_not_change_stays() -> None:
    track = track_of(video_source(duration_s=0.4, source="screen"))

    assert shown(track, 3_600_000_000) == 9


def test_a_muted_camera_is_not_shown_but_goes_on_being_decoded() -> None:
    track = track_of(video_source(duration_s=1))
    visibility = Visibility([(200_000, False), (600_000, True)])

    assert shown(track, 199_999, visibility) == 4
    assert shown(track, 200_000, visibility) is None
    assert shown(track, 600_000, visibility) == 15


def test_the_picture_stays_the_same_object_while_it_stands() -> None:
    feed = VideoFeed(track_of(video_source(duration_s=0.2)), Visibility())

    feed.advance(0)
    first = feed.picture(0)
    feed.advance(FRAME_US - 1)

    assert feed.picture(FRAME_US - 1) is first


def test_the_track_is_read_one_frame_ahead_and_no_further() -> None:
    track = track_of(video_source(duration_s=1))
    feed = VideoFeed(track, Visibility())

    feed.advance(3 * FRAME_US)

    assert track.frames_read == 5


def test_a_change_of_size_is_followed(codec: Codec) -> None:
    wide = video_source(codec, duration_s=0.2, width=320, height=240)
    tall = video_source(codec, duration_s=0.2, start_us=200_000, width=240, height=320, first_counter=5)
    feed = VideoFeed(track_of(wide, tall), Visibility())

    sizes = []
    for at_us in (0, 160_000, 200_000, 360_000):
        feed.advance(at_us)
        picture = feed.picture(at_us)
        assert picture is not None
        sizes.append((picture.width, picture.height))

    assert sizes == [(320, 240), (320, 240), (240, 320), (240, 320)]
