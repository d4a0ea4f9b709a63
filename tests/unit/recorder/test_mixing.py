from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.mixing import AudioMix, Limiter
from tests.support.rtp_source import audio_source
from tests.support.timelines import track_of

RATE = 48_000


def limit(samples: np.ndarray, ceiling: float, blocks_per_call: int = 4) -> np.ndarray:
    limiter = Limiter(ceiling)
    step = blocks_per_call * Limiter.BLOCK
    pieces = [limiter.process(samples[:, start : start + step]) for start in range(0, samples.shape[1], step)]
    return np.concatenate(pieces, axis=1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 8), min_size=2, max_size=40),
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
)
def test_no_sample_exceeds_the_ceiling(levels: list[float], blocks_per_call: int, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1, 1, (2, len(levels) * Limiter.BLOCK))
    loud = (noise * np.repeat(levels, Limiter.BLOCK)).astype(np.float32)

    limited = limit(loud, 0.5, blocks_per_call)

    assert np.abs(limited).max(initial=0) <= 0.5 + 1e-6


def test_what_is_quiet_passes_untouched() -> None:
    quiet = np.random.default_rng(1).uniform(-0.4, 0.4, (2, 20 * Limiter.BLOCK)).astype(np.float32)

    limited = limit(quiet, 0.5)

    assert np.array_equal(limited, quiet[:, : -Limiter.BLOCK])


def test_the_level_never_steps() -> None:
    tone = np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE)
    envelope = np.where((np.arange(RATE) // 9_600) % 2, 2.0, 0.3)
    limited = limit((np.stack([tone, tone]) * envelope).astype(np.float32), 0.5)

    gain = limited[0] / np.where(np.abs(tone * envelope) > 0.05, tone * envelope, np.nan)[: limited.shape[1]]
    steps = np.abs(np.diff(gain))

    assert np.nanmax(steps) < 0.01


def test_two_speakers_are_as_loud_as_they_were() -> None:
    one = track_of(audio_source(duration_s=2, beep_hz=500))
    two = track_of(audio_source(duration_s=2, beep_hz=1500), participant="agent")

    mixed = AudioMix([one, two]).read(2 * RATE)

    for hz in (500, 1500):
        alone = AudioMix([one if hz == 500 else two]).read(2 * RATE)
        assert level(mixed, hz) == pytest.approx(level(alone, hz), rel=0.02)


def test_one_who_leaves_does_not_change_the_level_of_the_other() -> None:
    stays = track_of(audio_source(duration_s=4, beep_hz=500))
    leaves = track_of(audio_source(duration_s=2, beep_hz=1500), participant="agent")

    mixed = AudioMix([stays, leaves]).read(4 * RATE)

    assert level(mixed[:, RATE : 2 * RATE], 500) == pytest.approx(level(mixed[:, 3 * RATE :], 500), rel=0.02)


def test_after_the_last_sample_there_is_silence() -> None:
    mix = AudioMix([track_of(audio_source(duration_s=1))])

    mix.read(2 * RATE)

    assert np.abs(mix.read(RATE)).max() == 0.0


def test_nobody_is_silence() -> None:
    assert AudioMix([]).read(1920).shape == (2, 1920)


def level(samples: np.ndarray, hz: int) -> float:
    tone = np.exp(-2j * np.pi * hz * np.arange(samples.shape[1]) / RATE)
    return float(np.abs((samples[0] * tone).mean()))
