"""Which packets of a received stream are missing, and when to ask for them again. RFC 4585 6.2.1.

Pure state: no I/O; times are arguments.
"""

from __future__ import annotations

MAX_MISSING = 500
"""Packets waited for at most; the oldest are given up beyond it."""
MAX_REQUESTS = 8
"""Requests for one packet, after which it is given up."""
_INITIAL_RTT_US = 65_000
_MIN_RETRY_US = 40_000
_MAX_RETRY_US = 250_000


class MissingPackets:
    """Gaps of one stream, by extended sequence number.

    A packet is asked for at the first call of `due` after the gap showed, then once per round trip. The
    round-trip time is measured by the requests themselves.
    """

    __slots__ = ("_abandoned", "_missing", "_rtt_us")

    def __init__(self) -> None:
        # Extended sequence number -> [requests made, instant of the next one, instant of the last one].
        self._missing: dict[int, list[int]] = {}
        self._rtt_us = _INITIAL_RTT_US
        self._abandoned = False

    def __len__(self) -> int:
        return len(self._missing)

    def add(self, first: int, end: int, now_us: int) -> None:
        """Wait for the packets `first` .. `end` - 1."""
        for extended in range(first, end):
            self._missing[extended] = [0, now_us, now_us]
        while len(self._missing) > MAX_MISSING:
            del self._missing[next(iter(self._missing))]
            self._abandoned = True

    def arrived(self, extended: int, now_us: int) -> bool:
        """Stop waiting for a packet; tells whether it was waited for (if not, it is a duplicate)."""
        entry = self._missing.pop(extended, None)
        if entry is None:
            return False
        if entry[0] == 1:
            self._rtt_us += (now_us - entry[2] - self._rtt_us) // 8
        return True

    def due(self, now_us: int) -> list[int]:
        """The packets to ask for now, in ascending order; each call counts as a request for them."""
        asked = []
        retry_us = min(max(self._rtt_us * 3 // 2, _MIN_RETRY_US), _MAX_RETRY_US)
        given_up = []
        for extended, entry in self._missing.items():
            if now_us < entry[1]:
                continue
            if entry[0] == MAX_REQUESTS:
                given_up.append(extended)
                continue
            entry[0] += 1
            entry[1] = now_us + retry_us
            entry[2] = now_us
            asked.append(extended)
        for extended in given_up:
            del self._missing[extended]
            self._abandoned = True
        return sorted(asked)

    def take_abandoned(self) -> bool:
        """True once after packets were given up: what depends on them cannot be decoded."""
        abandoned, self._abandoned = self._abandoned, False
        return abandoned

    def clear(self) -> None:
        self._missing.clear()
