"""What every running room works with: made once, by the composition root."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mediaserver.server import MediaServer
from mediaserver.tasks import TaskOwner
from recorder.service import Recorder
from signalling.access.tokens import ResumeTokens
from signalling.links import Links
from signalling.rooms.library import Library
from signalling.store import Store, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomContext:
    store: Store
    media_server: MediaServer
    recorder: Recorder
    library: Library
    links: Links
    resume_tokens: ResumeTokens
    seat_hold_s: float
    tasks: TaskOwner
    wall_clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
