"""When to ask a publisher for a keyframe, whatever the number of those who want one. RFC 4585 6.3.1.

Pure state: no I/O; times are arguments.
"""

from __future__ import annotations

MIN_INTERVAL_US = 200_000
"""Between two requests for the same track."""
_FIRST_RETRY_US = 500_000
MAX_UNANSWERED = 8
"""Requests without a keyframe in answer, after which it takes a new `request` to go on."""


class KeyframeRequests:
    """Throttles and repeats the requests for one track's keyframe.

    A wish is kept until a keyframe begins: repeated after 0.5 s, 1 s, 2 s ..., since a PLI may be lost.
    """

    __slots__ = ("_next_us", "_sent_us", "_unanswered", "pending")

    def __init__(self) -> None:
        self.pending = False
        """A keyframe is wanted and has not begun."""
        self._unanswered = 0
        self._next_us = 0
        self._sent_us = -MIN_INTERVAL_US

    def request(self) -> None:
        """Somebody wants a keyframe: a request is due as soon as the throttle allows."""
        self.pending = True
        self._unanswered = 0
        self._next_us = self._sent_us + MIN_INTERVAL_US

    def answered(self) -> None:
        """A keyframe began."""
        self.pending = False

    def take_due(self, now_us: int) -> bool:
        """True if a request is to be sent now; the caller sends it."""
        if not self.pending or now_us < self._next_us:
            return False
        self._sent_us = now_us
        self._next_us = now_us + (_FIRST_RETRY_US << min(self._unanswered, 3))
        self._unanswered += 1
        if self._unanswered >= MAX_UNANSWERED:
            self.pending = False
        return True
