"""The down tracks of one published track: those that follow the stream, and those that wait to.

A down track cannot begin anywhere: video must start at a keyframe. Packets are held back meanwhile, so that
one whose start comes last is not lost to those who wait. Synchronous; times are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.sfu.held import HeldPackets

if TYPE_CHECKING:
    from mediaserver.sfu.down_track import DownTrack


class FanOut:
    """Hands packets to down tracks."""

    __slots__ = ("_flowing", "_held", "waiting")

    def __init__(self) -> None:
        # Lists are replaced, never changed in place: they may change while packets are handed on.
        self._flowing: list[DownTrack] = []
        self.waiting: list[DownTrack] = []
        """Those who get nothing until `start`."""
        self._held = HeldPackets()

    def add(self, down: DownTrack, complete_from: int) -> bool:
        """Let a down track wait for the next start.

        Args:
            complete_from: extended sequence number of the first packet that can still come in sequence.

        Returns:
            False if it is here already.
        """
        if down in self._flowing or down in self.waiting:
            return False
        if not self.waiting:
            self._held.restart(complete_from)
        self.waiting = [*self.waiting, down]
        return True

    def remove(self, down: DownTrack, last_arrival_us: int) -> None:
        """Harmless if it is not here. `last_arrival_us`: when the stream's last packet arrived."""
        if down in self._flowing:
            down.suspend(last_arrival_us)
            self._flowing = [other for other in self._flowing if other is not down]
        elif down in self.waiting:
            self.waiting = [other for other in self.waiting if other is not down]

    def forward(self, extended: int, timestamp: int, marker: int, payload: bytes, arrival_us: int) -> None:
        """Hand one packet on, and hold it for those who wait.

        Args:
            extended: sequence number in the source's count.
            timestamp: 32-bit, the source's.
            marker: 0 or 0x80.
            payload: empty for a packet that has nothing for subscribers.
            arrival_us: when it arrived.
        """
        if self._flowing:
            send_time = _abs_send_time(arrival_us)
            for down in self._flowing:
                down.forward(extended, timestamp, marker, payload, send_time)
        if self.waiting:
            self._held.add((extended, timestamp, marker, payload))

    def start(self, ssrc: int, extended: int, arrival_us: int) -> bool:
        """Let those who wait begin with a packet that was just forwarded, and what is held after it.

        Returns:
            False if packets after it passed before they came: they go on waiting.
        """
        if extended < self._held.complete_from:
            return False
        packets = self._held.since(extended)
        _, timestamp, _, payload = packets[0]
        send_time = _abs_send_time(arrival_us)
        for down in self.waiting:
            down.start(ssrc, extended, timestamp, payload, arrival_us)
            for packet in packets:
                down.forward(*packet, send_time)
        self._flowing = self._flowing + self.waiting
        self.waiting = []
        self._held.restart(0)
        return True

    def suspend(self, last_arrival_us: int) -> None:
        """The stream breaks off: everybody waits for the start of what follows."""
        self._held.restart(0)
        for down in self._flowing:
            down.suspend(last_arrival_us)
        self.waiting = self.waiting + self._flowing
        self._flowing = []

    def close(self) -> None:
        """Close every down track."""
        for down in self._flowing + self.waiting:
            down.close()


def _abs_send_time(now_us: int) -> bytes:
    """24 bits: seconds in 6.18 fixed point, as the abs-send-time extension carries them."""
    return (((now_us << 18) // 1_000_000) & 0xFFFFFF).to_bytes(3, "big")
