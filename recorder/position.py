"""Where something was recorded, as the requester's device reported it (W3C Geolocation, WGS 84)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """One fix. Never invented: where nothing is known there is no `Position`.

    Raises:
        ValueError: a value is not finite or out of its range.
    """

    latitude_deg: float
    """-90 to 90, north positive."""
    longitude_deg: float
    """-180 to 180, east positive."""
    accuracy_m: float | None = None
    """Radius that holds the true position with 95 % probability; 0 or more."""
    altitude_m: float | None = None
    """Above the ellipsoid."""
    heading_deg: float | None = None
    """Direction of travel, clockwise from true north, 0 to 360."""

    def __post_init__(self) -> None:
        _check("latitude_deg", self.latitude_deg, -90, 90)
        _check("longitude_deg", self.longitude_deg, -180, 180)
        _check("accuracy_m", self.accuracy_m, 0, 1e8)
        _check("altitude_m", self.altitude_m, -20_000, 1e7)
        _check("heading_deg", self.heading_deg, 0, 360)

    def iso6709(self) -> str:
        """ISO 6709 point location, 7 decimals (1 cm): `+48.7611333-003.4669605+12.3/`."""
        altitude = "" if self.altitude_m is None else f"{self.altitude_m:+.1f}"
        return f"{self.latitude_deg:+011.7f}{self.longitude_deg:+012.7f}{altitude}/"


def _check(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value}, not within {low} to {high}")
