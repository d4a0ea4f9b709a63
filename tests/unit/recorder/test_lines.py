from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.lines import Line, fit_line, lower_envelope

NTP_US = 3_900_000_000_000_000

rates = st.floats(-1e-3, 1e-3)
offsets = st.integers(-(2**52), 2**52)


@given(x0=offsets, y0=offsets, rate=rates, count=st.integers(3, 50))
def test_exact_readings_give_the_exact_line(x0: int, y0: int, rate: float, count: int) -> None:
    truth = Line(x0, y0, rate)
    points = [(x, truth.at(x)) for x in range(x0, x0 + count * 5_000_000, 5_000_000)]
    for line in (
        fit_line(points, min_span_us=10_000_000).line,
        lower_envelope(points, min_span_us=10_000_000, max_rate=2e-3),
    ):
        assert all(abs(line.at(x) - y) <= 3 for x, y in points)


@given(seed=st.integers(0, 1000), wild=st.integers(1, 6))
def test_wild_readings_are_rejected(seed: int, wild: int) -> None:
    rng = random.Random(seed)
    truth = Line(1_000, NTP_US, 50e-6)
    points = [(x, truth.at(x) + rng.randint(-300, 300)) for x in range(0, 300_000_000, 5_000_000)]
    bad = rng.sample(range(len(points)), wild)
    for index in bad:
        x, y = points[index]
        points[index] = (x, y + rng.choice([-1, 1]) * rng.randint(50_000, 400_000))
    fit = fit_line(points, min_span_us=10_000_000)
    assert not any(fit.inliers[index] for index in bad)
    assert all(abs(fit.line.at(x) - truth.at(x)) < 500 for x, _ in points)


def test_short_span_gives_no_rate() -> None:
    points = [(0, 0), (1_000_000, 1_000_500), (2_000_000, 2_001_000)]
    assert fit_line(points, min_span_us=10_000_000).line.rate == 0
    assert lower_envelope(points, min_span_us=10_000_000, max_rate=1e-2).rate == 0


@given(seed=st.integers(0, 1000))
def test_envelope_lies_below_all_readings_and_near_the_undelayed_ones(seed: int) -> None:
    rng = random.Random(seed)
    truth = Line(0, NTP_US, -40e-6)
    points = []
    for x in range(0, 600_000_000, 1_000_000):
        delay = round(rng.expovariate(1 / 20_000)) + (200_000 if 100_000_000 < x < 160_000_000 else 0)
        points.append((x, truth.at(x) + delay))
    line = lower_envelope(points, min_span_us=60_000_000, max_rate=1e-3)
    assert all(y - line.at(x) >= -2 for x, y in points)
    assert all(abs(line.at(x) - truth.at(x)) < 3_000 for x, _ in points)


def test_rate_beyond_belief_is_not_taken() -> None:
    points = [(x, x + x // 10) for x in range(0, 100_000_000, 1_000_000)]
    line = lower_envelope(points, min_span_us=60_000_000, max_rate=1e-3)
    assert line.rate == 0
    assert line.at(0) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_few_readings_suffice(count: int) -> None:
    points = [(5, 105)] * count
    assert fit_line(points, min_span_us=1).line.at(5) == 105
    assert lower_envelope(points, min_span_us=1, max_rate=1e-3).at(6) == 106
