"""Pictures as I420 planes in numpy, and the canvas that a composite frame is put together on.

A plane is a uint8 array of shape (height, width); the chroma planes have half the height and width.
Everything on a canvas is BT.709, limited range.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from recorder.layout import Rect

Plane = npt.NDArray[np.uint8]

_BLACK = 16
_NO_CHROMA = 128


class Picture(NamedTuple):
    """Y, U and V planes of one picture; width and height are even."""

    y: Plane
    u: Plane
    v: Plane


class Canvas:
    """One output frame, kept from tick to tick: only what changes is drawn again."""

    def __init__(self, width: int, height: int) -> None:
        self.buffer: Plane = np.empty((height * 3 // 2, width), np.uint8)
        """I420 as one array of 1.5 x height rows."""
        chroma = self.buffer[height:].reshape(2, height // 2, width // 2)
        self._planes = Picture(self.buffer[:height], chroma[0], chroma[1])
        self.clear(Rect(0, 0, width, height))

    def clear(self, rect: Rect) -> None:
        """Paint `rect` black."""
        for plane, value in zip(_cut(self._planes, rect), (_BLACK, _NO_CHROMA, _NO_CHROMA), strict=True):
            plane[:] = value

    def draw(self, picture: Picture, rect: Rect) -> None:
        """Copy a picture of exactly the size of `rect` to its place."""
        for plane, source in zip(_cut(self._planes, rect), picture, strict=True):
            plane[:] = source


def _cut(planes: Picture, rect: Rect) -> Picture:
    rows = slice(rect.y, rect.y + rect.height)
    columns = slice(rect.x, rect.x + rect.width)
    half_rows = slice(rect.y // 2, (rect.y + rect.height) // 2)
    half_columns = slice(rect.x // 2, (rect.x + rect.width) // 2)
    return Picture(
        planes.y[rows, columns], planes.u[half_rows, half_columns], planes.v[half_rows, half_columns]
    )


class Scaler:
    """Brings decoded frames of one source to a size, and to BT.709 limited range.

    Keeps FFmpeg's scaling context and filter between frames of equal size.
    """

    def __init__(self) -> None:
        self._scale = VideoReformatter()
        self._convert: _ToBt709 | None = None

    def apply(self, frame: av.VideoFrame, width: int, height: int) -> Picture:
        """Scale `frame` to `width` x `height` (even).

        Colours are BT.601 unless the stream says BT.709: what VP8 means (RFC 6386 section 9.2) and what
        browsers send as H.264.
        """
        is_bt709 = frame.colorspace == Colorspace.ITU709
        full_range = _is_full_range(frame)
        same_size = (frame.width, frame.height) == (width, height)
        if full_range or not same_size or frame.format.name != "yuv420p":
            smaller = width < frame.width
            frame = self._scale.reformat(
                frame,
                width=width,
                height=height,
                format="yuv420p",
                interpolation="AREA" if smaller else "BICUBIC",
                src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
                dst_color_range=ColorRange.MPEG,
            )
        if is_bt709:
            return planes_of(frame)
        if self._convert is None or self._convert.size != (width, height):
            self._convert = _ToBt709(width, height)
        return planes_of(self._convert.apply(frame))


class _ToBt709:
    """Converts BT.601 to BT.709, yuv420p limited range, at one size.

    FFmpeg's colorspace filter goes directly from matrix to matrix, at an eighth of the cost of its
    scaler, which goes through RGB.
    """

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._graph = Graph()
        self._input = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 1000)
        )
        same = ":".join(f"{name}=bt709" for name in ("space", "primaries", "trc", "iprimaries", "itrc"))
        convert = self._graph.add("colorspace", f"{same}:ispace=bt470bg:irange=tv:range=tv:fast=1")
        self._output = self._graph.add("buffersink")
        self._input.link_to(convert)
        convert.link_to(self._output)
        self._graph.configure()

    def apply(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._input.push(frame)
        converted = self._output.pull()
        assert isinstance(converted, av.VideoFrame)
        return converted


def planes_of(frame: av.VideoFrame) -> Picture:
    """The planes of a yuv420p frame, not copied: they live as long as the frame."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return Picture(y, u, v)


def picture_from_rgb(rgb: npt.NDArray[np.uint8]) -> Picture:
    """Convert RGB (height x width x 3, even) for the canvas."""
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    converted = frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    y, u, v = (plane.copy() for plane in planes_of(converted))
    return Picture(y, u, v)


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
