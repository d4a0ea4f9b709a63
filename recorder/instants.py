"""The two clocks that everything recorded is stamped with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Instant(NamedTuple):
    """One reading of both clocks."""

    mono_us: int
    """Server's monotonic clock: what session time is counted on."""
    wall_us: int
    """UTC, microseconds since the epoch; may jump."""


Clock: TypeAlias = Callable[[], Instant]


def read_clocks() -> Instant:
    return Instant(time.monotonic_ns() // 1000, time.time_ns() // 1000)
