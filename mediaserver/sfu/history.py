"""The packets one down track sent lately, to repeat them when they are asked for. RFC 4585, RFC 4588.

Pure state: no I/O; times are arguments. Payloads are shared between all subscribers of a track.
"""

from __future__ import annotations

from typing import Final

SentPacket = tuple[int, int, int, bytes, bytes]
"""Sequence number, marker bit (0 or 0x80), timestamp, abs-send-time as sent, payload."""

_MAX_BURST = 200
_REFILL_US = 500
_MIN_INTERVAL_US = 10_000
_MAX_INTERVAL_US = 100_000


class PacketHistory:
    """A ring of the last `size` packets by sequence number.

    What a subscriber can make the server repeat is bounded twice: a packet at most once per round trip,
    and all packets together at 2000 per second with bursts of 200.
    """

    __slots__ = ("_budget", "_budget_us", "_resent", "mask", "ring")

    def __init__(self, size: int) -> None:
        """
        Args:
            size: packets, a power of two.
        """
        self.mask: Final = size - 1
        self.ring: Final[list[SentPacket | None]] = [None] * size
        """Slot `sequence_number & mask`; the sender stores into it directly, once per packet."""
        self._resent: dict[int, tuple[int, int]] = {}
        self._budget = _MAX_BURST
        self._budget_us = 0

    def find(self, sequence_number: int) -> SentPacket | None:
        """The packet sent with this number, if it is still there."""
        sent = self.ring[sequence_number & self.mask]
        return sent if sent is not None and sent[0] == sequence_number else None

    def take(self, sequence_number: int, now_us: int, rtt_us: int) -> SentPacket | None:
        """A packet to be sent again now, `None` if it is gone or was repeated a moment ago."""
        sent = self.find(sequence_number)
        if sent is None:
            return None
        slot = sequence_number & self.mask
        resent = self._resent.get(slot)
        interval_us = min(max(rtt_us, _MIN_INTERVAL_US), _MAX_INTERVAL_US)
        if resent is not None and resent[0] == sequence_number and now_us - resent[1] < interval_us:
            return None
        refill = (now_us - self._budget_us) // _REFILL_US
        if refill > 0:
            self._budget = min(_MAX_BURST, self._budget + refill)
            self._budget_us = now_us
        if self._budget == 0:
            return None
        self._budget -= 1
        self._resent[slot] = (sequence_number, now_us)
        return sent
