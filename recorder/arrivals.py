"""When the packets of one stream arrived, against their RTP timestamps. Pure state, memory of one small
entry per second of media.

The transit of a packet is its arrival minus its RTP time. It wanders with the network's queues, but never
falls below what the empty path takes. Where it steps up and stays up, the sender's RTP clock stood still (a
paused sender); where it steps down, the RTP clock jumped ahead. Either ends a run: within one run the RTP
clock went evenly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STEP_US = 500_000
"""A transit that changes by more than this between two packets may be a step of the RTP clock."""
PERSISTENCE_US = 2_000_000
"""A step up that lasts this long is no queue of the network."""
WINDOW_US = 1_000_000
FLOOR_WINDOWS = 30


@dataclass(slots=True)
class Run:
    """Packets between two steps of the RTP clock."""

    start_sequence: int
    """Unwrapped sequence number of the first packet."""
    start_us: int
    """Arrival of the first packet."""
    minima: list[tuple[int, int]] = field(default_factory=list)
    """The packet with the lowest transit of each second, as (RTP time, arrival), both in microseconds."""
    floor_us: int = 0
    """The lowest transit of the last seconds; those, because clocks drift."""
    _window: int = -1

    def add(self, rtp_us: int, arrival_us: int) -> None:
        window = (arrival_us - self.start_us) // WINDOW_US
        transit_us = arrival_us - rtp_us
        if window != self._window:
            self._window = window
            self.minima.append((rtp_us, arrival_us))
            self.floor_us = min(arrival - rtp for rtp, arrival in self.minima[-FLOOR_WINDOWS:])
        elif transit_us < self.minima[-1][1] - self.minima[-1][0]:
            self.minima[-1] = (rtp_us, arrival_us)
            self.floor_us = min(self.floor_us, transit_us)


class ArrivalObserver:
    """Takes the packets of one stream in order of arrival; `runs` is complete after `finish`."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._candidate: Run | None = None
        """Packets since a step up that may yet be taken back."""
        self._sequence = 0
        self._transit_us = 0

    def on_packet(self, sequence: int, rtp_us: int, arrival_us: int) -> None:
        """Note a packet.

        Args:
            sequence: unwrapped sequence number; a packet older than the newest is ignored.
            rtp_us: unwrapped RTP timestamp in microseconds of the nominal clock rate.
        """
        transit_us = arrival_us - rtp_us
        if not self.runs:
            self.runs.append(Run(sequence, arrival_us))
        elif sequence <= self._sequence:
            return
        else:
            self._settle(transit_us, arrival_us)
            self._look_for_step(sequence, transit_us, arrival_us)
        (self._candidate or self.runs[-1]).add(rtp_us, arrival_us)
        self._sequence = sequence
        self._transit_us = transit_us

    def finish(self) -> None:
        """The stream has ended: a step that was not taken back stays."""
        if self._candidate is not None:
            self.runs.append(self._candidate)
            self._candidate = None

    def _settle(self, transit_us: int, arrival_us: int) -> None:
        candidate = self._candidate
        if candidate is None:
            return
        if transit_us <= self.runs[-1].floor_us + STEP_US:
            # A queue of the network: the transit came back. Its packets tell nothing that others do not.
            self._candidate = None
        elif arrival_us - candidate.start_us > PERSISTENCE_US:
            self.runs.append(candidate)
            self._candidate = None

    def _look_for_step(self, sequence: int, transit_us: int, arrival_us: int) -> None:
        step_us = transit_us - self._transit_us
        if self._candidate is not None or abs(step_us) <= STEP_US:
            return
        floor_us = self.runs[-1].floor_us
        if transit_us > floor_us + STEP_US:
            self._candidate = Run(sequence, arrival_us)
        elif transit_us < floor_us - STEP_US and sequence == self._sequence + 1:
            # With packets missing between, it may be the first that came through after a congested start.
            self.runs.append(Run(sequence, arrival_us))
