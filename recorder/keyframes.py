"""When a recorded picture needs a keyframe, one SSRC at a time. Pure state: no I/O, no clock.

A recording cannot ask for lost packets; the media server does (NACK). What is still missing after a second
will not come any more, and the picture is damaged from there to the next keyframe, although no decoder
reports it. Keyframes cost quality, so none is asked for without need.
"""

from __future__ import annotations

from typing import Literal

from mediaserver.rtp.sequence import sequence_delta

KeyframeCause = Literal["start", "gap", "overflow"]

HOLE_LIFETIME_US = 1_000_000
"""A sequence number missing for longer than this is lost."""
FIRST_RETRY_US = 500_000
RETRY_US = 1_000_000
MAX_HOLES = 512
"""More missing packets than this at a time are not waited for: no retransmission repairs that."""
_RESTART_DISTANCE = 3_000
"""A sender that jumps further than this began anew."""


class KeyframePolicy:
    """Watches one SSRC's packets and says when to ask for a keyframe."""

    def __init__(self, now_us: int) -> None:
        """The track was just asked for a keyframe, or is about to be: the first retry is 500 ms away."""
        self.cause: KeyframeCause | None = "start"
        """Why a keyframe is awaited, None when none is."""
        self._next_request_us = now_us + FIRST_RETRY_US
        self._holes: dict[int, int] = {}
        self._oldest_hole_us = 0
        self._highest: int | None = None

    def on_packet(self, sequence_number: int, keyframe: bool, now_us: int) -> bool:
        """Note one packet; true if the publisher should be asked for a keyframe now.

        Args:
            sequence_number: 16-bit.
            keyframe: the packet is the first of a keyframe.
        """
        highest = self._highest
        delta = 1 if highest is None else sequence_delta(sequence_number, highest)
        if delta > 0:
            self._highest = sequence_number
            if delta > 1:
                self._note_holes(highest or 0, delta, now_us)
        elif self._holes:
            self._holes.pop(sequence_number, None)
        if keyframe:
            # What is missing before it does not matter any more.
            self._holes = {n: at for n, at in self._holes.items() if sequence_delta(n, sequence_number) > 0}
            self.cause = None
        if self._holes and now_us - self._oldest_hole_us > HOLE_LIFETIME_US:
            self._expire_holes(now_us)
        return self._due(now_us)

    def on_overflow(self, now_us: int) -> bool:
        """A packet was not recorded; true if the publisher should be asked for a keyframe now."""
        self._damage("overflow", now_us)
        return self._due(now_us)

    def _note_holes(self, highest: int, delta: int, now_us: int) -> None:
        if delta > _RESTART_DISTANCE or len(self._holes) + delta > MAX_HOLES:
            self._holes.clear()
            self._damage("gap", now_us)
            return
        if not self._holes:
            self._oldest_hole_us = now_us
        for step in range(1, delta):
            self._holes[(highest + step) & 0xFFFF] = now_us

    def _expire_holes(self, now_us: int) -> None:
        kept = {number: at_us for number, at_us in self._holes.items() if now_us - at_us <= HOLE_LIFETIME_US}
        if len(kept) < len(self._holes):
            self._damage("gap", now_us)
        self._holes = kept
        self._oldest_hole_us = min(kept.values(), default=now_us)

    def _damage(self, cause: KeyframeCause, now_us: int) -> None:
        if self.cause is None:
            self.cause = cause
            self._next_request_us = max(now_us, self._next_request_us)

    def _due(self, now_us: int) -> bool:
        if self.cause is None or now_us < self._next_request_us:
            return False
        self._next_request_us = now_us + RETRY_US
        return True
