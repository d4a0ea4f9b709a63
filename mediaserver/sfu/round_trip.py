"""Round-trip time of one sent stream, from the reports that answer ours. RFC 3550 section 6.4.1.

Pure state: no I/O; times are arguments.
"""

from __future__ import annotations

from collections import deque

from mediaserver.rtp.rtcp import ReceptionReport

_REMEMBERED = 8


class RoundTrip:
    """Matches report blocks with the sender reports they refer to."""

    __slots__ = ("_sent", "report", "rtt_us")

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self.report: ReceptionReport | None = None
        """The last report block received."""
        self.rtt_us: int | None = None
        """By the last block that answered one of the last 8 sender reports."""

    def on_sent(self, ntp: int, now_us: int) -> None:
        """A sender report with this NTP time leaves now."""
        self._sent.append(((ntp >> 16) & 0xFFFFFFFF, now_us))

    def on_report(self, report: ReceptionReport, now_us: int) -> None:
        self.report = report
        for last_sr, sent_us in self._sent:
            if last_sr == report.last_sr:
                held_us = report.delay_since_last_sr * 1_000_000 >> 16
                self.rtt_us = max(0, now_us - sent_us - held_us)
