"""Counters that wrap: 16-bit sequence numbers, 32-bit timestamps, 15-bit picture ids. RFC 3550 A.1.

Pure state: no I/O, no clock.
"""

from __future__ import annotations


def sequence_delta(newer: int, older: int) -> int:
    """Signed distance between two 16-bit sequence numbers, -32768..32767; positive if `newer` is newer."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """Signed distance between two 32-bit timestamps, -2**31..2**31 - 1; positive if `newer` is newer."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class Unwrapper:
    """Extends a counter of `bits` bits to one that does not wrap.

    Each value is taken to be the one nearest to the highest seen, so that reordering across a wrap is
    harmless as long as it is less than half the range.
    """

    __slots__ = ("_half", "_mask", "highest")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self.highest: int | None = None
        """The highest extended value so far, `None` before the first."""

    def unwrap(self, value: int) -> int:
        """Extend one value.

        Args:
            value: as on the wire, 0 .. 2**bits - 1.

        Returns:
            Equal to the first value given for the first call; may be negative for values that precede it.
        """
        highest = self.highest
        if highest is None:
            self.highest = value
            return value
        extended = highest + ((value - highest + self._half) & self._mask) - self._half
        if extended > highest:
            self.highest = extended
        return extended


def sequence_unwrapper() -> Unwrapper:
    """For RTP sequence numbers."""
    return Unwrapper(16)


def timestamp_unwrapper() -> Unwrapper:
    """For RTP timestamps."""
    return Unwrapper(32)
