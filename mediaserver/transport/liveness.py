"""Whether a participant is still there, judged by what arrives from it.

Pure state. Only authenticated datagrams count. A browser that sends media is heard many times per
second, so three seconds of silence mean something; one that only listens may send no more than its
consent check (RFC 7675) every five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_FLOWING_US = 1_000_000
"""Media counts as flowing if the last packet of it came so shortly before the last sign of life."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Seconds; see `MediaSettings` for what each means."""

    connect_timeout_s: float = 30.0
    interrupted_after_s: float = 3.0
    idle_interrupted_after_s: float = 8.0
    closed_after_s: float = 30.0


class Liveness:
    """`rtp_us` and `other_us` are when RTP, and anything else, last came: the packet path writes them."""

    __slots__ = ("_closed_us", "_idle_us", "_sending_us", "other_us", "rtp_us")

    def __init__(self, limits: TransportLimits, now_us: int) -> None:
        self._sending_us = round(limits.interrupted_after_s * 1e6)
        self._idle_us = round(limits.idle_interrupted_after_s * 1e6)
        self._closed_us = round(limits.closed_after_s * 1e6)
        self.other_us = now_us
        self.rtp_us = now_us - 2 * _FLOWING_US

    def check(self, now_us: int) -> Literal["alive", "silent", "gone"]:
        """`silent`: quiet for longer than it should be; `gone`: for so long that it will not return."""
        heard_us = max(self.rtp_us, self.other_us)
        silence_us = now_us - heard_us
        if silence_us >= self._closed_us:
            return "gone"
        sending = heard_us - self.rtp_us < _FLOWING_US
        return "silent" if silence_us >= (self._sending_us if sending else self._idle_us) else "alive"
