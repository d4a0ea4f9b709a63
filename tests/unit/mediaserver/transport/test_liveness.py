from __future__ import annotations

from mediaserver.transport import TransportLimits
from mediaserver.transport.liveness import Liveness

S = 1_000_000
LIMITS = TransportLimits(interrupted_after_s=3, idle_interrupted_after_s=8, closed_after_s=30)


def test_three_seconds_without_media_are_silence() -> None:
    liveness = Liveness(LIMITS, 0)
    liveness.rtp_us = 10 * S
    assert liveness.check(10 * S) == "alive"
    assert liveness.check(13 * S - 1) == "alive"
    assert liveness.check(13 * S) == "silent"
    liveness.rtp_us = 13 * S
    assert liveness.check(13 * S) == "alive"


def test_a_listener_may_be_silent_for_longer() -> None:
    liveness = Liveness(LIMITS, 0)
    liveness.other_us = 10 * S
    assert liveness.check(18 * S - 1) == "alive"
    assert liveness.check(18 * S) == "silent"


def test_a_publisher_that_muted_itself_counts_as_a_listener() -> None:
    liveness = Liveness(LIMITS, 0)
    liveness.rtp_us = 10 * S
    liveness.other_us = 11 * S + 1
    assert liveness.check(15 * S) == "alive"
    assert liveness.check(20 * S) == "silent"


def test_long_silence_is_final() -> None:
    liveness = Liveness(LIMITS, 0)
    assert liveness.check(30 * S - 1) == "silent"
    assert liveness.check(30 * S) == "gone"
