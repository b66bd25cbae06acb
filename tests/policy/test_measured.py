"""Agents near a client, what they measured, and when the table changes."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.health.evidence import Heard
from gslb.health.snapshot import AgentHealth, HealthSnapshot
from gslb.model.agent import Agent
from gslb.model.place import NOWHERE, Location
from gslb.model.report import Report, SiteReport
from gslb.model.sphere import distance_km
from gslb.policy.measured import (
    FORGET_S,
    MAX_KNOWN_PLACES,
    NEAR_KM,
    AgentRow,
    AgentTimes,
    MeasuredTimes,
    has_moved,
    revise_times,
)

# On the equator a degree is 111.195 km: eight are near, nine (1,000.8 km) are not.
FRA = Location(asn=64500, city="Frankfurt", country="DE", latitude=0.0, longitude=0.0)
BER = Location(asn=64501, city="Berlin", country="DE", latitude=0.0, longitude=4.0)
PAR = Location(asn=64502, city="Paris", country="FR", latitude=0.0, longitude=-4.0)
STALE_S = 30.0


def row(name, location, **rtt_ms):
    return AgentRow(name, location, rtt_ms)


TABLE = AgentTimes(
    3,
    (
        row("ber", BER, site=20.0, lone=7.0),
        row("fra", FRA, site=10.0),
        row("par", PAR, site=30.0),
    ),
)


def here(longitude=None, **more):
    point = {} if longitude is None else {"latitude": 0.0, "longitude": longitude}
    return Location(**point, **more)


# --- laws 1 and 2: who is near -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "agents"),
    [
        (here(1.0, asn=64502, country="DE", city="x"), ("par",)),  # the network before all
        (here(3.0, asn=1, country="DE", city="x"), ("ber",)),  # the nearer one of the country
        (here(1.0, asn=1, country="DE", city="x"), ("fra",)),
        (here(3.0, asn=1, country="FR", city="x"), ("par",)),  # the country before distance
        (here(3.0, asn=1, country="PL", city="x"), ("ber",)),  # the nearest
        (here(-12.9, country="PL"), ("par",)),  # 990 km
        (here(-13.1, country="PL"), ()),  # 1,012 km
        (here(2.0, country="PL"), ("ber", "fra")),  # equally far
        (here(country="FR"), ("par",)),
        (here(country="DE"), ("ber", "fra")),  # no place: all of the country
        (here(asn=64501), ("ber",)),
        (here(country="PL"), ()),
        (NOWHERE, ()),
        # A country-wide place says little of distance, so the country counts as far as it goes.
        (here(40.0, country="DE"), ("ber",)),
        (here(40.0, asn=64500), ("fra",)),
        # A place that is known to the city says that these are not near.
        (here(40.0, country="DE", city="x"), ()),
        (here(40.0, asn=64500, subdivision="DE-BE"), ()),
    ],
)
def test_law_1_the_agents_near_a_client(location, agents):
    assert TABLE.agent_names(location, "site") == agents
    times = {"fra": 10.0, "ber": 20.0, "par": 30.0}
    expected = median(times[name] for name in agents) if agents else None
    assert TABLE.agent_rtt_ms(location, "site") == expected


def test_law_2_the_nearest_one_that_knows_the_site():
    location = here(0.5, asn=64500, country="DE", city="x")
    assert TABLE.agent_names(location, "site") == ("fra",)
    assert TABLE.agent_names(location, "lone") == ("ber",)
    assert TABLE.agent_rtt_ms(location, "lone") == 7.0
    assert (TABLE.agent_rtt_ms(location, "none"), TABLE.agent_names(location, "none")) == (None, ())


def test_law_2_the_median_of_equally_near_agents():
    table = AgentTimes(1, tuple(row(n, FRA, a=t) for n, t in (("x", 9.0), ("y", 1.0), ("z", 2.0))))
    assert table.agent_rtt_ms(FRA, "a") == 2.0
    assert table.agent_names(FRA, "a") == ("x", "y", "z")


places_ = st.builds(
    Location,
    asn=st.sampled_from((None, 1, 2)),
    city=st.sampled_from((None, "Bern")),
    country=st.sampled_from((None, "DE", "US")),
    latitude=st.sampled_from((None, 0.0, 1.0)),
    longitude=st.sampled_from((None, 0.0, 5.0, 8.0, 30.0)),
)
rows_ = st.lists(
    st.tuples(places_, st.dictionaries(st.sampled_from("ab"), st.sampled_from((1.0, 5.0, 9.0)))),
    max_size=5,
).map(lambda found: tuple(AgentRow(f"agent{n}", *one) for n, one in enumerate(found)))


def judge(agents, location, site):
    """The names of the agents that count, by the letter of the laws, without ranks."""

    def km(one):
        known = location.point is not None and one.location.point is not None
        return round(distance_km(location.point, one.location.point), 3) if known else inf

    pool = [one for one in agents if site in one.rtt_ms]
    if location.city is not None:
        pool = [one for one in pool if km(one) <= NEAR_KM or km(one) == inf]
    same_network = [one for one in pool if None is not one.location.asn == location.asn]
    same_country = [one for one in pool if None is not one.location.country == location.country]
    within = [one for one in pool if km(one) <= NEAR_KM]
    group = same_network or same_country or within
    return tuple(one.name for one in group if km(one) == min(map(km, group)))


@given(agents=rows_, location=places_, site=st.sampled_from("ab"))
def test_laws_1_and_2_by_the_letter_for_any_table(agents, location, site):
    table = AgentTimes(1, agents)
    expected = judge(agents, location, site)
    for _ in range(2):  # the second time it is remembered
        assert table.agent_names(location, site) == expected
    times = [one.rtt_ms[site] for one in agents if one.name in expected]
    assert table.agent_rtt_ms(location, site) == (median(times) if times else None)


def test_what_is_remembered_of_places_is_bounded(monkeypatch):
    monkeypatch.setattr("gslb.policy.measured.MAX_KNOWN_PLACES", 3)
    table = AgentTimes(1, TABLE.agents)
    for number in range(20):
        assert table.agent_names(here(asn=64500, map=f"m{number}"), "site") == ("fra",)
        assert len(table._ranks) <= 3
    assert MAX_KNOWN_PLACES > 3


# --- laws 3 to 5: revising -----------------------------------------------------------------------


def view(rtt_ms, samples=5, **more):
    return SiteReport(up=True, rtt_ms=rtt_ms, samples=samples, **more)


def heard(name="fra", *, location=FRA, age_s=1.0, fault="", sites=None, **times):
    agent = Agent(name, "domain", location=location, sites=sites)
    views = {site: one if isinstance(one, SiteReport) else view(one) for site, one in times.items()}
    return Heard(agent, Report(name, "boot", 1, 1000.0, views), age_s, fault)


def votes(*without, names=("fra", "ber", "par")):
    """A snapshot in which all have their vote, but for some."""
    return HealthSnapshot(agents={one: AgentHealth(one not in without) for one in names})


def revise(previous, *found, health=None):
    return revise_times(previous, found, health or votes(), stale_after_s=STALE_S)


def times_of(table):
    return {one.name: dict(one.rtt_ms) for one in table.agents}


def test_the_first_times_make_the_first_table():
    table = revise(AgentTimes(), heard(a=10.0, b=20.04), heard("ber", location=BER, a=5.0))
    assert times_of(table) == {"fra": {"a": 10.0, "b": 20.04}, "ber": {"a": 5.0}}
    assert table.generation == 1
    assert [one.location for one in table.agents] == [BER, FRA]


@pytest.mark.parametrize(
    "found",
    [
        heard(a=view(10.0, samples=4)),
        heard(a=view(None)),
        heard(a=view(nan)),
        heard(a=view(inf)),
        heard(a=view(-1.0)),
        heard(a=10.0, fault="another agent has its name"),
        heard("nobody", a=10.0),  # not among those that have a vote
        heard(a=10.0, sites=frozenset({"b"})),
        heard(a=10.0, location=NOWHERE),
        heard(a=10.0, age_s=STALE_S + 1),
    ],
    ids=[
        "four samples",
        "no time",
        "nan",
        "inf",
        "negative",
        "fault",
        "undeclared",
        "not its site",
        "nowhere",
        "silent",
    ],
)
def test_law_3_what_does_not_count_makes_no_table(found):
    empty = AgentTimes()
    assert revise(empty, found) is empty


def test_law_3_without_a_vote_nothing_counts():
    empty = AgentTimes()
    assert revise(empty, heard(a=10.0), health=votes("fra")) is empty


KNOWN = revise(AgentTimes(), heard(a=10.0), heard("ber", location=BER, a=50.0))
BERLIN = heard("ber", location=BER, a=50.0)


@pytest.mark.parametrize("age_s", [STALE_S + 1, FORGET_S])
def test_law_4_a_silent_agent_keeps_its_times_for_a_while(age_s):
    assert revise(KNOWN, heard(a=99.0, age_s=age_s), BERLIN, health=votes("fra")) is KNOWN


def test_law_4_an_agent_that_was_silent_for_long_is_forgotten():
    table = revise(KNOWN, heard(a=10.0, age_s=FORGET_S + 1), BERLIN, health=votes("fra"))
    assert times_of(table) == {"ber": {"a": 50.0}}
    assert table.generation == KNOWN.generation + 1


def test_law_4_r3_nothing_is_forgotten_while_nobody_is_heard():
    """A store that is away for a day changes no answer."""
    silent = (heard(a=10.0, age_s=86_400.0), heard("ber", location=BER, age_s=86_400.0, a=50.0))
    assert revise(KNOWN, *silent, health=votes("fra", "ber")) is KNOWN
    own = Heard(Agent("node", "node"), Report("node", "boot", 9, 1000.0, {"a": view(1.0)}), 0.0)
    alone = HealthSnapshot(agents={"node": AgentHealth(has_vote=True)})
    assert revise(KNOWN, *silent, own, health=alone) is KNOWN  # its own probes have no place


@pytest.mark.parametrize("again", [view(None, samples=0), view(3.0, samples=4)])
def test_law_4_an_agent_that_counts_anew_keeps_its_times(again):
    assert revise(KNOWN, heard(a=again), BERLIN) is KNOWN


def test_law_4_a_lost_vote_takes_the_times_at_once_and_so_does_a_fault():
    for table in (
        revise(KNOWN, heard(a=10.0), BERLIN, health=votes("fra")),
        revise(KNOWN, heard(a=10.0, fault="its clock is off by 3600 s"), BERLIN),
    ):
        assert times_of(table) == {"ber": {"a": 50.0}}


@pytest.mark.parametrize(
    "found",
    [
        (BERLIN,),  # no longer declared
        (heard(), BERLIN),  # no longer reports the site
        (heard(a=10.0, sites=frozenset()), BERLIN),
        (heard(a=view(None)), BERLIN),  # has asked often and has no time: another kind of check
    ],
)
def test_what_an_agent_no_longer_measures_goes(found):
    assert times_of(revise(KNOWN, *found)) == {"ber": {"a": 50.0}}


def test_the_last_agent_that_is_taken_away_leaves_an_empty_table():
    table = revise(KNOWN)
    assert (table.agents, table.generation) == ((), KNOWN.generation + 1)
    assert revise(table) is table


@pytest.mark.parametrize(
    ("old_ms", "new_ms", "moved"),
    [
        (10.0, 12.0, False),  # 20 %, but only 2 ms
        (10.0, 12.1, True),
        (10.0, 8.0, False),
        (10.0, 7.9, True),
        (100.0, 110.0, False),  # 10 ms, but only 10 %
        (100.0, 110.1, True),
        (100.0, 89.9, True),
        (0.2, 2.2, False),
        (0.2, 2.3, True),
    ],
)
def test_law_5_a_time_moves_by_more_than_a_tenth_and_two_milliseconds(old_ms, new_ms, moved):
    assert has_moved(old_ms, new_ms) is moved
    before = revise(AgentTimes(), heard(a=old_ms, b=5.0))
    after = revise(before, heard(a=new_ms, b=5.1))
    assert (after is not before) is moved
    if moved:
        assert times_of(after) == {"fra": {"a": new_ms, "b": 5.1}}
        assert after.generation == before.generation + 1


def test_law_5_a_slow_drift_is_seen_because_it_is_compared_with_the_table():
    table, changes = revise(AgentTimes(), heard(a=50.0)), 0
    for step in range(1, 41):
        revised = revise(table, heard(a=50.0 + step / 2))
        changes += revised is not table
        table = revised
    assert changes == 3  # at 55.5, 61.5 and 68 ms
    assert table.agent_rtt_ms(FRA, "a") == 68.0


def test_law_5_an_agent_that_moves_house_makes_a_new_table():
    table = revise(KNOWN, heard(a=10.0, location=PAR), BERLIN)
    assert table is not KNOWN
    assert times_of(table) == times_of(KNOWN)


def test_the_order_in_which_agents_are_heard_makes_no_difference():
    found = (heard(a=10.0), BERLIN, heard("par", location=PAR, a=3.0))
    assert revise(AgentTimes(), *found) == revise(AgentTimes(), *found[::-1])


# --- both sources --------------------------------------------------------------------------------


class Networks:
    generation = 4

    def client_rtt_ms(self, location, site):
        return 3.0 if location.asn == 64500 else None


def test_both_sources_make_measurements():
    measured = MeasuredTimes(Networks(), TABLE)
    assert measured.generation == 4 + 3
    assert measured.client_rtt_ms(FRA, "site") == 3.0
    assert measured.agent_rtt_ms(FRA, "site") == 10.0
    assert measured.agent_names(FRA, "site") == ("fra",)


def test_without_any_there_is_no_generation():
    measured = MeasuredTimes()
    assert measured.generation == 0
    assert (measured.client_rtt_ms(FRA, "site"), measured.agent_rtt_ms(FRA, "site")) == (None, None)


def test_a_table_says_what_it_is_by_its_rows_not_by_what_it_remembers():
    other = replace(TABLE, _ranks={})
    other.agent_rtt_ms(FRA, "site")
    assert other == AgentTimes(3, TABLE.agents)
