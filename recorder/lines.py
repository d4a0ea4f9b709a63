"""Straight lines through clock readings: least squares with rejection, and the line below all points.

Pure arithmetic. Readings are large (microseconds since 1900), so lines are kept relative to one of their
points and differences are taken before anything becomes a float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Point = tuple[int, int]
"""x and y, both in microseconds."""

MIN_REJECTION_US = 100.0
"""Readings this close to the line are never rejected."""
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Line:
    """y = y0 + (1 + rate) * (x - x0); `rate` is the difference of two clocks' speeds, 1e-6 for 1 ppm."""

    x0: int
    y0: int
    rate: float

    def at(self, x: int) -> int:
        dx = x - self.x0
        return self.y0 + dx + round(self.rate * dx)


@dataclass(frozen=True, slots=True)
class Fit:
    line: Line
    inliers: tuple[bool, ...]
    """For each point, whether it was used."""


def fit_line(points: Sequence[Point], *, min_span_us: int) -> Fit:
    """Least squares; points further than 3 sigma from the line (by median deviation) are rejected.

    Args:
        points: at least one.
        min_span_us: shortest distance in x between the first and the last point from which a rate is
            estimated; below it the rate is 0.
    """
    used = [True] * len(points)
    while True:
        chosen = [point for point, keep in zip(points, used, strict=True) if keep]
        line = _least_squares(chosen, min_span_us)
        residuals = [abs(y - line.at(x)) for x, y in points]
        sigma = _MAD_TO_SIGMA * median(r for r, keep in zip(residuals, used, strict=True) if keep)
        limit = max(3 * sigma, MIN_REJECTION_US)
        remaining = [keep and r <= limit for keep, r in zip(used, residuals, strict=True)]
        # The median's own point is never rejected, so this ends, and with a point left.
        if remaining == used:
            return Fit(line, tuple(used))
        used = remaining


def lower_envelope(points: Sequence[Point], *, min_span_us: int, max_rate: float) -> Line:
    """The line that no point lies below and that is closest to the points in the mean.

    Delays only ever add, so this is the relation of two clocks without them (Moon, Skelly and Towsley,
    "Estimation and removal of clock skew from network delay measurements", 1999).

    Args:
        points: at least one.
        min_span_us: as for `fit_line`.
        max_rate: a rate beyond this is not believed, and 0 is taken instead.
    """
    ordered = sorted(points)
    x0, y0 = ordered[0]
    differences = [(x - x0, (y - y0) - (x - x0)) for x, y in ordered]
    rate = 0.0
    if differences[-1][0] >= min_span_us:
        hull = _lower_hull(differences)
        middle = sum(dx for dx, _ in differences) / len(differences)
        for (x1, d1), (x2, d2) in pairwise(hull):
            if x1 <= middle <= x2 and x2 > x1:
                rate = (d2 - d1) / (x2 - x1)
                break
        if abs(rate) > max_rate:
            rate = 0.0
    lowest = min(d - rate * dx for dx, d in differences)
    return Line(x0, y0 + round(lowest), rate)


def _least_squares(points: Sequence[Point], min_span_us: int) -> Line:
    x0, y0 = points[0]
    dxs = [x - x0 for x, _ in points]
    differences = [(y - y0) - (x - x0) for x, y in points]
    count = len(points)
    mean_x = sum(dxs) / count
    mean_d = sum(differences) / count
    rate = 0.0
    if max(dxs) - min(dxs) >= min_span_us:
        spread = sum((dx - mean_x) ** 2 for dx in dxs)
        rate = sum((dx - mean_x) * (d - mean_d) for dx, d in zip(dxs, differences, strict=True)) / spread
    return Line(x0, y0 + round(mean_d - rate * mean_x), rate)


def _lower_hull(points: Sequence[Point]) -> list[Point]:
    """Andrew's monotone chain over points sorted by x."""
    hull: list[Point] = []
    for x, y in points:
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2], hull[-1]
            if (x2 - x1) * (y - y1) > (y2 - y1) * (x - x1):
                break
            hull.pop()
        hull.append((x, y))
    return hull
