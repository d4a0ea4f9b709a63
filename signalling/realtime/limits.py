"""What one client may ask of the server: events per second and open connections.

Pure state: no I/O, no clock; `now_s` is any monotonic time in seconds.
"""

from __future__ import annotations

from collections import Counter

from signalling.access.addresses import ClientKey


class TokenBucket:
    """Allows `rate_per_s` on average and `burst` at once."""

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._updated_s = now_s

    def take(self, now_s: float) -> bool:
        """Use one token; False if there is none."""
        elapsed_s = max(0.0, now_s - self._updated_s)
        self._updated_s = now_s
        self._tokens = min(self._burst, self._tokens + elapsed_s * self._rate_per_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class ConnectionQuota:
    """Counts open connections per client, so that one cannot take every socket."""

    def __init__(self, per_client: int) -> None:
        self._per_client = per_client
        self._open: Counter[ClientKey] = Counter()

    def acquire(self, client: ClientKey) -> bool:
        """Count one more connection; False, and nothing counted, if the client has its share."""
        if self._open[client] >= self._per_client:
            return False
        self._open[client] += 1
        return True

    def release(self, client: ClientKey) -> None:
        self._open[client] -= 1
        if self._open[client] <= 0:
            del self._open[client]
