"""Packets held back while down tracks wait for a point to start at.

Packets overtake each other, and the first packet of a keyframe may come last, by retransmission: then what
follows it in sequence must not have been thrown away. Pure state: no I/O, no clock.
"""

from __future__ import annotations

HeldPacket = tuple[int, int, int, bytes]
"""Extended sequence number, timestamp, marker bit (0 or 0x80), payload."""

MAX_HELD = 512
"""Packets; the oldest are let go beyond it."""


class HeldPackets:
    """What arrived since a certain packet, complete but for what is lost."""

    __slots__ = ("_packets", "complete_from")

    def __init__(self) -> None:
        self._packets: dict[int, HeldPacket] = {}
        self.complete_from = 0
        """Extended sequence number from which on everything that arrived is held."""

    def restart(self, complete_from: int) -> None:
        """Forget everything; what is held from now on begins with this sequence number."""
        self._packets.clear()
        self.complete_from = complete_from

    def add(self, packet: HeldPacket) -> None:
        self._packets[packet[0]] = packet
        if len(self._packets) > MAX_HELD:
            oldest = min(self._packets)
            del self._packets[oldest]
            self.complete_from = max(self.complete_from, oldest + 1)

    def since(self, extended: int) -> list[HeldPacket]:
        """The packets from this sequence number on, in sequence."""
        return [self._packets[number] for number in sorted(self._packets) if number >= extended]
