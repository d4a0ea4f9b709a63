"""What every connection of one server shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from mediaserver.settings import MediaSettings
from mediaserver.transport import ServerIdentity, TransportLimits, UdpPort


class Timed(Protocol):
    """Something that the server's one timer calls."""

    def on_timer(self, now_us: int) -> None:
        """Must not raise."""


@dataclass(slots=True)
class ServerContext:
    """Made by `MediaServer.start`, handed down to rooms, participants and connections."""

    settings: MediaSettings
    port: UdpPort
    identity: ServerIdentity
    addresses: tuple[str, ...]
    """Announced in every answer, best first."""
    timed: set[Timed] = field(default_factory=set)
    """Open connections."""
    wake_timer: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `timed` is no longer empty: without connections the timer sleeps."""

    @property
    def limits(self) -> TransportLimits:
        settings = self.settings
        return TransportLimits(
            connect_timeout_s=settings.connect_timeout_s,
            interrupted_after_s=settings.interrupted_after_s,
            idle_interrupted_after_s=settings.idle_interrupted_after_s,
            closed_after_s=settings.closed_after_s,
        )

    def add_timed(self, timed: Timed) -> None:
        """Call `timed` with the timer until it is removed."""
        self.timed.add(timed)
        self.wake_timer.set()

    def remove_timed(self, timed: Timed) -> None:
        """Harmless if it is not there."""
        self.timed.discard(timed)
