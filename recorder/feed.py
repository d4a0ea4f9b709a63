"""What one video track shows at an instant: the newest intact picture, or nothing.

A loss is invisible to decoders (they go on from a damaged reference and report nothing), so frames that
assembly marks as not intact are not decoded at all, and the last intact picture stands until the next
keyframe.
"""

from __future__ import annotations

import av

from recorder.decoding import DamagedFrameError, VideoDecoder
from recorder.timeline import AssembledTrack, EncodedFrame
from recorder.visibility import Visibility

HOLD_US = 5_000_000
"""A camera that delivers nothing for so long has no picture any more. A shared screen that does not change
sends nothing, and stays."""


class VideoFeed:
    """Reads one track forwards; never more than one frame ahead."""

    def __init__(self, track: AssembledTrack, visibility: Visibility) -> None:
        self._decoder = VideoDecoder(track.codec.name)
        self._frames = track.frames()
        self._visibility = visibility
        self._holds_forever = track.source == "screen"
        self._next = next(self._frames, None)
        self._picture: av.VideoFrame | None = None
        self._decodable = False
        self.seen_us: int | None = None
        """Instant of the newest frame so far, intact or not."""
        self.held_frames = 0
        """Frames that were sent but could not be shown."""

    def advance(self, until_us: int) -> None:
        """Decode every frame up to and including `until_us`."""
        while self._next is not None and self._next.session_us <= until_us:
            frame = self._next
            self.seen_us = frame.session_us
            if not frame.intact:
                self._decodable = False
            elif frame.keyframe and not self._decodable:
                self._decoder.restart()
                self._decodable = True
            if self._decodable:
                self._decode(frame)
            if not self._decodable:
                self.held_frames += 1
            self._next = next(self._frames, None)

    def _decode(self, frame: EncodedFrame) -> None:
        try:
            for picture in self._decoder.decode(frame.data, frame.session_us):
                self._picture = picture
        except DamagedFrameError:
            self._decodable = False

    def picture(self, at_us: int) -> av.VideoFrame | None:
        """What is shown at `at_us`, which `advance` has reached: the same object as long as it stands."""
        if self._picture is None or self.seen_us is None or not self._visibility.at(at_us):
            return None
        if not self._holds_forever and at_us - self.seen_us > HOLD_US:
            return None
        return self._picture
