"""Distances against arithmetic on the sphere."""

from __future__ import annotations

from math import pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.sphere import EARTH_RADIUS_KM, distance_km

HALF_TURN_KM = pi * EARTH_RADIUS_KM
DEGREE_KM = HALF_TURN_KM / 180

CASES = {
    "same point": ((52.5, 13.4), (52.5, 13.4), 0.0),
    "one degree of the equator": ((0.0, 0.0), (0.0, 1.0), DEGREE_KM),
    "one degree of a meridian": ((50.0, 8.0), (51.0, 8.0), DEGREE_KM),
    "across the antimeridian": ((0.0, 179.5), (0.0, -179.5), DEGREE_KM),
    "the antimeridian written twice": ((-17.0, 180.0), (-17.0, -180.0), 0.0),
    "pole to pole": ((90.0, 0.0), (-90.0, 77.0), HALF_TURN_KM),
    "the pole has any longitude": ((90.0, 10.0), (90.0, -120.0), 0.0),
    "over the pole": ((89.0, 0.0), (89.0, 180.0), 2 * DEGREE_KM),
    "antipodes": ((40.0, -4.0), (-40.0, 176.0), HALF_TURN_KM),
    "longitude beyond a turn": ((0.0, 370.0), (0.0, 10.0), 0.0),
    "a quarter turn": ((0.0, 0.0), (0.0, 90.0), HALF_TURN_KM / 2),
    "equator to a pole": ((0.0, 33.0), (90.0, -33.0), HALF_TURN_KM / 2),
}

POINTS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(("a", "b", "expected"), CASES.values(), ids=CASES.keys())
def test_distance_of_known_points(
    a: tuple[float, float], b: tuple[float, float], expected: float
) -> None:
    assert distance_km(a, b) == pytest.approx(expected, abs=1e-3)


@given(POINTS, POINTS)
def test_distance_is_symmetric_and_never_passes_half_a_turn(
    a: tuple[float, float], b: tuple[float, float]
) -> None:
    assert distance_km(a, b) == pytest.approx(distance_km(b, a), abs=1e-6)
    assert 0 <= distance_km(a, b) <= HALF_TURN_KM + 1e-6


@given(POINTS, POINTS, POINTS)
def test_a_detour_is_never_shorter(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    assert distance_km(a, c) <= distance_km(a, b) + distance_km(b, c) + 1e-3
