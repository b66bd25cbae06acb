"""Distances on the Earth, taken as a sphere: wrong by at most 0.6 %, which no choice of a site
depends on.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0088
"""The mean radius of the Earth (IUGG)."""


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The great-circle distance of two points in kilometres, by the haversine formula.

    a, b: latitude and longitude in degrees. Any longitude is taken modulo 360, so the antimeridian
    is no edge.
    """
    latitude_a, longitude_a = radians(a[0]), radians(a[1])
    latitude_b, longitude_b = radians(b[0]), radians(b[1])
    half_latitude = sin((latitude_b - latitude_a) / 2) ** 2
    half_longitude = sin((longitude_b - longitude_a) / 2) ** 2
    share = half_latitude + cos(latitude_a) * cos(latitude_b) * half_longitude
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, share)))  # rounding can pass 1 at the antipode
