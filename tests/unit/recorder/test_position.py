from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.position import Position


@given(st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(-500, 9000))
def test_iso_6709_reads_back_exact_to_seven_decimals(lat: float, lng: float, altitude: float | None) -> None:
    text = Position(lat, lng, altitude_m=altitude).iso6709()

    match = re.fullmatch(r"([+-]\d\d\.\d{7})([+-]\d{3}\.\d{7})([+-]\d+\.\d)?/", text)
    assert match is not None
    assert abs(float(match[1]) - lat) <= 5.1e-8
    assert abs(float(match[2]) - lng) <= 5.1e-8
    assert (match[3] is None) == (altitude is None)


@pytest.mark.parametrize("value", [90.1, -91.0, math.nan, math.inf])
def test_a_latitude_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="latitude_deg"):
        Position(value, 0.0)


def test_a_negative_accuracy_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy_m"):
        Position(0.0, 0.0, accuracy_m=-1.0)
