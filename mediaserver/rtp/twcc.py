"""Feedback for transport-wide congestion control: tells a publisher when each of its packets arrived.

draft-holmer-rmcat-transport-wide-cc-extensions-01. Without it Chromium and Firefox stay at their start
bitrate. Pure state: no I/O, times are arguments.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!BBHLLHHL")
_PACKET_TYPE = 205
_FORMAT = 15

_REFERENCE_UNIT_US = 64_000
_DELTA_UNIT_US = 250

_NOT_RECEIVED, _SMALL_DELTA, _LARGE_DELTA = 0, 1, 2

MAX_STATUSES = 400
"""Packets that one feedback covers at most: keeps it below 1100 bytes."""
MAX_PENDING = 4096
"""Arrivals kept between two reports; beyond it arrivals are not reported (the sender takes them as lost)."""
_MAX_GAP = 2000
"""A jump of more than this restarts the numbering: a sender is not told of thousands of losses one by one."""


class TwccReceiver:
    """Collects arrivals of one transport and builds feedback of them."""

    __slots__ = ("_arrivals", "_base", "_count", "_highest")

    def __init__(self) -> None:
        self._arrivals: list[tuple[int, int]] = []
        self._highest = 0
        self._base: int | None = None
        self._count = 0

    def add(self, sequence_number: int, arrival_us: int) -> None:
        """Note the arrival of a packet; `sequence_number` is the transport-wide one, 16 bits."""
        if len(self._arrivals) < MAX_PENDING:
            self._arrivals.append((sequence_number, arrival_us))

    def build(self, sender_ssrc: int, media_ssrc: int) -> list[bytes]:
        """Pack feedback on everything that arrived since the last call.

        Each packet is reported once, as received if it arrived by now. One that arrives after it was
        reported missing is not reported again.

        Returns:
            RTCP packets of at most 1100 bytes, none if nothing arrived.
        """
        arrived: dict[int, int] = {}
        for sequence_number, arrival_us in self._arrivals:
            highest = self._highest
            step = ((sequence_number - highest + 0x8000) & 0xFFFF) - 0x8000
            extended = highest + step
            if abs(step) > _MAX_GAP or self._base is None:
                arrived.clear()
                self._base = self._highest = extended = sequence_number
            elif step > 0:
                self._highest = extended
            if extended >= self._base and extended not in arrived:
                arrived[extended] = arrival_us
        self._arrivals.clear()
        if not arrived or self._base is None:
            return []
        end = max(arrived) + 1
        packets = []
        for first in range(self._base, end, MAX_STATUSES):
            last = min(first + MAX_STATUSES, end)
            times = [arrived.get(extended) for extended in range(first, last)]
            packet = self._pack(sender_ssrc, media_ssrc, first, times)
            if packet is not None:
                packets.append(packet)
        self._base = end
        return packets

    def _pack(self, sender_ssrc: int, media_ssrc: int, first: int, times: list[int | None]) -> bytes | None:
        earliest = next((time for time in times if time is not None), None)
        if earliest is None:
            return None
        reference = earliest // _REFERENCE_UNIT_US
        previous = reference * _REFERENCE_UNIT_US // _DELTA_UNIT_US
        symbols = []
        deltas = bytearray()
        for time in times:
            if time is None:
                symbols.append(_NOT_RECEIVED)
                continue
            delta = time // _DELTA_UNIT_US - previous
            if 0 <= delta <= 0xFF:
                symbols.append(_SMALL_DELTA)
                deltas.append(delta)
            else:
                # Beyond 8 s either way the instant is wrong, but the packet is still known to have arrived.
                delta = max(-0x8000, min(delta, 0x7FFF))
                symbols.append(_LARGE_DELTA)
                deltas += delta.to_bytes(2, "big", signed=True)
            previous += delta
        body = _chunks(symbols) + deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes([padding])
        header = _HEADER.pack(
            0xA0 | _FORMAT if padding else 0x80 | _FORMAT,
            _PACKET_TYPE,
            (16 + len(body)) // 4,
            sender_ssrc,
            media_ssrc,
            first & 0xFFFF,
            len(times),
            ((reference & 0xFFFFFF) << 8) | self._count,
        )
        self._count = (self._count + 1) & 0xFF
        return header + body


def _chunks(symbols: list[int]) -> bytearray:
    """Code one symbol per packet: runs where at least 7 are equal, else 7 two-bit symbols to a chunk."""
    coded = bytearray()
    position = 0
    while position < len(symbols):
        symbol = symbols[position]
        run = position + 1
        while run < len(symbols) and symbols[run] == symbol:
            run += 1
        if run - position >= 7 or run == len(symbols):
            chunk = (symbol << 13) | (run - position)
            position = run
        else:
            chunk = 0xC000
            for index, following in enumerate(symbols[position : position + 7]):
                chunk |= following << (12 - 2 * index)
            position += 7
        coded += chunk.to_bytes(2, "big")
    return coded
