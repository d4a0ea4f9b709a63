"""The one clock of the media server: microseconds, monotonic, arbitrary origin.

Only the outermost shells read it (socket, timer); everything below gets the time as an argument.
"""

from __future__ import annotations

import time


def now_us() -> int:
    """Microseconds on the monotonic clock."""
    return time.monotonic_ns() // 1000
