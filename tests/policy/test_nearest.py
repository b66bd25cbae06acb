from __future__ import annotations

import pytest
from pydantic import ValidationError

from gslb.model.place import NOWHERE, Location
from gslb.policy.base import Context
from tests.policy.values import NEW_YORK, PARIS, TOKYO, candidate, cname, make, names, world

# On the equator a degree is 111.195 km, so distances from (0, 0) are as the longitudes.
ORIGIN = Location(latitude=0.0, longitude=0.0)
AT_10 = candidate("ten", at=(0.0, 10.0))
AT_10_4 = candidate("ten-point-four", at=(0.0, -10.4))
AT_10_6 = candidate("ten-point-six", at=(0.0, 10.6))
AT_20 = candidate("twenty", at=(0.0, 20.0))


def kept(candidates, location, **options):
    return names(make("nearest", **options).apply(candidates, Context(location=location)))


@pytest.mark.parametrize(
    ("location", "nearest"),
    [(PARIS, "eu-west"), (NEW_YORK, "us-east"), (TOKYO, "ap-south")],
    ids=["Paris", "New York", "Tokyo"],
)
def test_the_nearest_site_stays(location, nearest):
    assert kept(world(), location) == [nearest]


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        (0, ["ten"]),
        (0.03, ["ten"]),
        (0.05, ["ten", "ten-point-four"]),
        (0.07, ["ten", "ten-point-four", "ten-point-six"]),
        (1, ["ten", "ten-point-four", "ten-point-six", "twenty"]),
    ],
)
def test_sites_within_the_band_share_the_nearest_first(band, expected):
    assert kept((AT_20, AT_10_6, AT_10_4, AT_10), ORIGIN, band=band) == expected


def test_the_band_is_5_percent_unless_told():
    assert kept((AT_10_6, AT_10_4, AT_10), ORIGIN) == ["ten", "ten-point-four"]


def test_equally_near_sites_keep_their_order():
    twin = candidate("twin", at=(0.0, -10.0))
    assert kept((twin, AT_10), ORIGIN, band=0) == ["twin", "ten"]
    assert kept((AT_10, twin), ORIGIN, band=0) == ["ten", "twin"]


def test_all_stay_when_the_client_is_nowhere():
    step = make("nearest").apply(world(), Context(location=NOWHERE))
    assert step.kept == world()
    assert step.why == "nearest: all stay, the coordinates of the client are not known"


def test_all_stay_when_no_candidate_has_a_point():
    pointless = (candidate("x"), cname("cdn"))
    step = make("nearest").apply(pointless, Context(location=PARIS))
    assert step.kept == pointless
    assert step.why == "nearest: all stay, the coordinates of the candidates are not known"


def test_a_candidate_without_a_point_goes_when_another_has_one():
    assert kept((cname("cdn"), AT_20), ORIGIN) == ["twenty"]


def test_why_tells_the_distances():
    step = make("nearest").apply((AT_20, AT_10, AT_10_4), Context(location=ORIGIN))
    assert step.why == "nearest: ten 1112 km, ten-point-four 1156 km (band 5%)"


def test_law_6_clients_part_where_the_order_or_the_reach_of_the_band_does():
    nearest, both = make("nearest"), (AT_10, AT_20)

    def at(longitude):
        return nearest.client_class(both, Location(latitude=0.0, longitude=longitude))

    assert at(0.0) == at(1.0) == at(14.0)  # ten alone
    assert at(0.0) != at(14.9)  # ten first, twenty within 5 %
    assert at(14.9) != at(15.1)  # twenty first
    assert at(15.1) != at(16.0)  # twenty alone


def test_law_6_one_candidate_is_one_class():
    assert make("nearest").client_class((AT_10,), ORIGIN) == make("nearest").client_class(
        (AT_10,), NOWHERE
    )


@pytest.mark.parametrize("band", [-0.01, 10.5, float("nan"), "0.05", True])
def test_a_band_out_of_range_is_refused(band):
    with pytest.raises(ValidationError, match="band"):
        make("nearest", band=band)
