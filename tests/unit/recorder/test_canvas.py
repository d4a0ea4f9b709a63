from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from recorder.canvas import Canvas, Picture, Scaler, picture_from_rgb
from recorder.layout import Rect

# The same red and blue in BT.601 and BT.709, limited range, and in BT.601, full range.
RED_601, RED_709, RED_FULL = (81, 90, 240), (63, 102, 240), (76, 85, 255)
BLUE_601, BLUE_709 = (41, 240, 110), (32, 240, 118)


def flat(width: int, height: int, yuv: tuple[int, int, int]) -> av.VideoFrame:
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = yuv[0]
    chroma = planes[height:].reshape(2, -1)
    chroma[0], chroma[1] = yuv[1], yuv[2]
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def assert_flat(picture: Picture, yuv: tuple[int, int, int], tolerance: int = 2) -> None:
    for plane, value in zip(picture, yuv, strict=True):
        assert np.abs(plane.astype(int) - value).max() <= tolerance


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (160, 120), (96, 240)])
@pytest.mark.parametrize(("sent", "shown"), [(RED_601, RED_709), (BLUE_601, BLUE_709)])
def test_colours_are_the_same_in_the_outputs_matrix(
    width: int, height: int, sent: tuple[int, int, int], shown: tuple[int, int, int]
) -> None:
    picture = Scaler().apply(flat(320, 240, sent), width, height)

    assert picture.y.shape == (height, width)
    assert picture.u.shape == picture.v.shape == (height // 2, width // 2)
    assert_flat(picture, shown)


def test_a_stream_that_says_bt_709_is_left_as_it_is() -> None:
    frame = flat(320, 240, RED_709)
    frame.colorspace = Colorspace.ITU709

    assert_flat(Scaler().apply(frame, 320, 240), RED_709, tolerance=0)


@pytest.mark.parametrize("size", [(320, 240), (160, 120)])
def test_full_range_becomes_limited(size: tuple[int, int]) -> None:
    frame = flat(320, 240, RED_FULL)
    frame.color_range = ColorRange.JPEG

    assert_flat(Scaler().apply(frame, *size), RED_709, tolerance=3)


def test_a_scaler_follows_a_source_that_turns_and_shrinks() -> None:
    scaler = Scaler()

    for width, height, into in ((640, 480, (320, 240)), (480, 640, (180, 240)), (63, 47, (320, 238))):
        picture = scaler.apply(flat_any(width, height), *into)
        assert picture.y.shape == (into[1], into[0])
        assert_flat(picture, RED_709)


def test_rgb_is_drawn_as_what_it_is() -> None:
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, :, 0] = 255

    assert_flat(picture_from_rgb(rgb), RED_709)


def test_a_picture_lands_in_its_place_and_nowhere_else() -> None:
    canvas = Canvas(64, 32)

    canvas.draw(Scaler().apply(flat(16, 8, RED_601), 16, 8), Rect(20, 10, 16, 8))

    frame = av.VideoFrame.from_ndarray(canvas.buffer, format="yuv420p")
    luma = frame.to_ndarray()[:32]
    assert (luma[10:18, 20:36] != 16).all()
    assert np.count_nonzero(luma != 16) == 16 * 8
    chroma = frame.to_ndarray()[32:].reshape(2, 16, 32)
    assert np.count_nonzero(chroma[1] != 128) == 8 * 4


def test_clearing_leaves_the_rest_alone() -> None:
    canvas = Canvas(64, 32)
    canvas.draw(Scaler().apply(flat(64, 32, RED_601), 64, 32), Rect(0, 0, 64, 32))

    canvas.clear(Rect(0, 0, 32, 32))

    assert (canvas.buffer[:32, :32] == 16).all()
    assert (canvas.buffer[:32, 32:] != 16).all()


def flat_any(width: int, height: int) -> av.VideoFrame:
    """Like `flat`, for odd sizes too."""
    return flat(width * 2, height * 2, RED_601).reformat(width=width, height=height)
