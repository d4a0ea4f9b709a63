"""Which track an arriving packet belongs to. RFC 8843 section 9.2 (BUNDLE), RFC 8852, RFC 4588.

An SSRC is known from the offer, or learned from the first packet that carries the MID of its m-section, or
at last by a payload type that only one m-section uses. Once known, it stays with its track: the MID is
not read again. Pure state: no I/O, no clock.
"""

from __future__ import annotations

from typing import NamedTuple

from mediaserver.rtp.packet import find_extension
from mediaserver.sfu.track import Track

MAX_LEARNED = 16
"""SSRCs learned per track at most; the oldest is forgotten beyond it."""


class Route(NamedTuple):
    """Where packets of one SSRC go."""

    track: Track
    repair: bool
    """It is an RTX stream."""
    repaired_ssrc: int | None
    """Of an RTX stream: the media SSRC that it repeats packets of."""


class Router:
    """The SSRCs of one connection."""

    def __init__(self) -> None:
        self.routes: dict[int, Route] = {}
        self._by_mid: dict[str, Track] = {}
        self._learned: dict[str, list[int]] = {}
        self._mid_extension: int | None = None

    def add(self, track: Track) -> None:
        """Route to a track from now on; the SSRCs that the offer declares for it at once."""
        uplink = track.uplink
        self._by_mid[uplink.mid] = track
        self._learned[uplink.mid] = []
        if uplink.extensions.mid is not None:
            self._mid_extension = uplink.extensions.mid
        for ssrc in uplink.ssrcs:
            self.routes[ssrc] = Route(track, False, None)
        for ssrc, rtx_ssrc in uplink.rtx_ssrcs.items():
            self.routes[rtx_ssrc] = Route(track, True, ssrc)

    def remove(self, track: Track) -> None:
        """Forget a track and its SSRCs; harmless if it is not there."""
        if self._by_mid.get(track.uplink.mid) is track:
            del self._by_mid[track.uplink.mid]
            del self._learned[track.uplink.mid]
        self.routes = {ssrc: route for ssrc, route in self.routes.items() if route.track is not track}

    def learn(self, packet: bytes, payload_type: int, ssrc: int) -> Route | None:
        """Find the track of a packet with an unknown SSRC; `None` if it belongs to none."""
        track = self._by_packet_mid(packet, payload_type)
        if track is None:
            return None
        if payload_type == track.uplink.codec.payload_type:
            route = Route(track, False, None)
        elif payload_type == track.uplink.rtx_payload_type and track.ssrc is not None:
            # It appeared while this SSRC was being sent: it does not outlive it.
            route = Route(track, True, track.ssrc)
        else:
            return None
        learned = self._learned[track.uplink.mid]
        learned.append(ssrc)
        if len(learned) > MAX_LEARNED:
            self.routes.pop(learned.pop(0), None)
        self.routes[ssrc] = route
        return route

    def _by_packet_mid(self, packet: bytes, payload_type: int) -> Track | None:
        mid = find_extension(packet, self._mid_extension) if self._mid_extension is not None else None
        if mid is not None:
            return self._by_mid.get(mid.decode(errors="replace"))
        candidates = [
            track
            for track in self._by_mid.values()
            if payload_type in (track.uplink.codec.payload_type, track.uplink.rtx_payload_type)
        ]
        return candidates[0] if len(candidates) == 1 else None
