"""Opus packets: how much sound one holds, from its table-of-contents byte. RFC 6716 section 3.1, RFC 7587."""

from __future__ import annotations

CLOCK_RATE = 48_000
MAX_PACKET_SAMPLES = 5_760
"""120 ms at 48 kHz: the longest packet that RFC 6716 allows."""

_SILK_SAMPLES = (480, 960, 1920, 2880)
_HYBRID_SAMPLES = (480, 960)
_CELT_SAMPLES = (120, 240, 480, 960)


def packet_samples(payload: bytes) -> int | None:
    """Duration of one Opus packet in samples at 48 kHz, `None` if it is malformed.

    A packet of one byte (DTX, RFC 7587 section 3.1.3) has a duration too: of the frames it leaves silent.
    """
    if not payload:
        return None
    configuration = payload[0] >> 3
    if configuration < 12:
        frame = _SILK_SAMPLES[configuration & 3]
    elif configuration < 16:
        frame = _HYBRID_SAMPLES[configuration & 1]
    else:
        frame = _CELT_SAMPLES[configuration & 3]
    code = payload[0] & 3
    if code == 3:
        if len(payload) < 2:
            return None
        count = payload[1] & 0x3F
    else:
        count = 1 if code == 0 else 2
    samples = frame * count
    return samples if 0 < samples <= MAX_PACKET_SAMPLES else None
