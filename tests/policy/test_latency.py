from __future__ import annotations

import pytest
from pydantic import ValidationError

from gslb.model.place import NOWHERE, Location
from gslb.policy.base import Context, NoMeasurements
from tests.policy.values import PARIS, candidate, cname, make, names, world

# On the equator a degree is 111.195 km: 1.11 ms there and back in fibre.
ORIGIN = Location(asn=64500, latitude=0.0, longitude=0.0)
AT_9 = candidate("nine", at=(0.0, 9.0))  # 10.0 ms by distance
AT_18 = candidate("eighteen", at=(0.0, 18.0))  # 20.0 ms
AT_27 = candidate("twenty-seven", at=(0.0, 27.0))  # 30.0 ms
ALL = (AT_27, AT_18, AT_9)


class Measured:
    """Times that a test says were measured, by site; those of agents by one named fra."""

    generation = 1

    def __init__(self, *, client=None, agents=None):
        self.client, self.agents = client or {}, agents or {}

    def client_rtt_ms(self, location, site):
        return self.client.get(site) if location.asn == 64500 else None

    def agent_rtt_ms(self, location, site):
        return self.agents.get(site)

    def agent_names(self, location, site):
        return ("fra",) if site in self.agents else ()


def step(candidates, measured=None, location=ORIGIN, **options):
    context = Context(location=location, measurements=measured or NoMeasurements())
    return make("latency", **options).apply(candidates, context)


def test_law_5_distance_when_nobody_measured_and_it_says_so():
    done = step(ALL, tolerance_ms=5)
    assert names(done) == ["nine"]
    assert done.why == "latency: nine 10 ms guessed from distance (tolerance 5 ms)"


def test_law_5_the_agents_before_distance():
    done = step(ALL, Measured(agents={"nine": 90.0, "eighteen": 50.0, "twenty-seven": 31.0}))
    assert names(done) == ["twenty-seven"]
    assert done.why == "latency: twenty-seven 31 ms measured by agent fra (tolerance 10 ms)"


def test_law_5_the_clients_own_before_the_agents():
    agents = {"nine": 90.0, "eighteen": 50.0, "twenty-seven": 31.0}
    client = {"nine": 60.0, "eighteen": 22.0, "twenty-seven": 80.0}
    done = step(ALL, Measured(client=client, agents=agents))
    assert names(done) == ["eighteen"]
    assert done.why == "latency: eighteen 22 ms measured by client (tolerance 10 ms)"


def test_law_5_each_candidate_has_its_best_source_and_each_is_told():
    done = step(ALL, Measured(client={"nine": 28.0}, agents={"nine": 1.0, "eighteen": 25.0}))
    assert names(done) == ["eighteen", "nine", "twenty-seven"]
    assert done.why == (
        "latency: eighteen 25 ms measured by agent fra, nine 28 ms measured by client, "
        "twenty-seven 30 ms guessed from distance (tolerance 10 ms)"
    )


def test_losing_a_site_never_changes_the_source_of_another():
    """The times of the others stay what they are, so only the clients of the lost site move."""
    measured = Measured(client={"nine": 100.0}, agents={"eighteen": 45.0})
    assert names(step(ALL, measured)) == ["twenty-seven"]
    assert names(step((AT_18, AT_9), measured)) == ["eighteen"]
    assert names(step((AT_27, AT_18), measured)) == ["twenty-seven"]


def test_an_unmeasured_site_is_tried_where_it_could_be_the_fastest():
    assert names(step((AT_9, AT_18), Measured(client={"eighteen": 25.0}))) == ["nine"]


@pytest.mark.parametrize(
    ("tolerance_ms", "expected"),
    [
        (0, ["nine"]),
        (9.9, ["nine"]),
        (10.1, ["nine", "eighteen"]),
        (20.1, ["nine", "eighteen", "twenty-seven"]),
    ],
)
def test_sites_within_the_tolerance_share_the_fastest_first(tolerance_ms, expected):
    assert names(step(ALL, tolerance_ms=tolerance_ms)) == expected


def test_the_tolerance_counts_its_own_bound():
    measured = Measured(client={"nine": 20.0, "eighteen": 30.0, "twenty-seven": 30.1})
    assert names(step(ALL, measured)) == ["nine", "eighteen"]


def test_a_candidate_without_a_time_goes_when_another_has_one():
    assert names(step((cname("cdn"), candidate("x"), AT_27))) == ["twenty-seven"]
    assert names(step((cname("cdn"), candidate("x")), Measured(agents={"x": 5.0}))) == ["x"]


def test_all_stay_when_no_time_is_known():
    done = step(world(), location=NOWHERE)
    assert done.kept == world()
    assert done.why == "latency: all stay, nothing is measured and no distance is known"
    assert names(step((cname("cdn"), candidate("x")), location=PARIS)) == ["cdn", "x"]


def test_law_6_measurements_part_clients_of_one_place():
    """Two networks of one city: only the first has measurements of its own."""
    latency, measured = make("latency"), Measured(client={"twenty-seven": 1.0})
    other = Location(asn=64501, latitude=0.0, longitude=0.0)
    assert latency.client_class(ALL, ORIGIN) == latency.client_class(ALL, other)
    assert latency.client_class(ALL, ORIGIN, measured) != latency.client_class(ALL, other, measured)


@pytest.mark.parametrize("tolerance_ms", [-1, 10_001, float("inf"), "10"])
def test_a_tolerance_out_of_range_is_refused(tolerance_ms):
    with pytest.raises(ValidationError, match="tolerance_ms"):
        make("latency", tolerance_ms=tolerance_ms)
