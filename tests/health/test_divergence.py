from dataclasses import replace

import pytest

from gslb.health.divergence import Sighting, count_differences, digest_states, tell_divergence
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind

AT = 1_700_000_000.0
UP, DOWN = SiteHealth(up=True), SiteHealth(up=False)
DRAINED = replace(UP, order=Order("a", OrderKind.DRAIN, 1))


def snapshot(**sites):
    return HealthSnapshot(1, sites)


def test_digests_differ_where_answers_do_and_nowhere_else():
    states = (UP, DOWN, DRAINED)
    digests = [digest_states(snapshot(a=state, b=UP)) for state in states]
    assert len(set(digests)) == 3
    assert all(len(digest) == 12 for digest in digests)
    same = HealthSnapshot(9, {"b": replace(UP, reason="x"), "a": replace(DOWN, held=True)}, ("x",))
    assert digest_states(same) == digests[0]


def alerts_of(*sees, every_s=1.0, configuration="c", own="1"):
    """What is told after each publication of ns2; this one sees 1 all the time."""
    counts, told = {}, []
    for index, seen in enumerate(sees):
        at = AT + index * every_s
        other = {"ns2": Sighting(at, configuration, seen)}
        counts = count_differences(counts, Sighting(at, "c", own), other)
        told.append(len(tell_divergence(counts)))
    return told


@pytest.mark.parametrize(
    ("sees", "told"),
    [
        ("1111", [0, 0, 0, 0]),
        ("2222", [0, 0, 1, 1]),
        ("2212", [0, 0, 0, 0]),
        ("22221", [0, 0, 1, 1, 0]),
        ("2345", [0, 0, 1, 1]),
    ],
)
def test_r24_more_than_two_publications_that_differ_raise_an_alert(sees, told):
    assert alerts_of(*sees) == told


def test_r24_another_configuration_is_not_compared():
    assert alerts_of(*"2222", configuration="d") == [0, 0, 0, 0]


def test_r24_a_publication_counts_once_and_a_silent_server_is_dropped():
    own, other = Sighting(AT, "c", "1"), {"ns2": Sighting(AT, "c", "2")}
    counts = {}
    for second in range(10):
        counts = count_differences(counts, replace(own, at=AT + second), other)
    assert counts == {"ns2": (AT, 1)}
    assert count_differences(counts, replace(own, at=AT + 31), other) == {}


def test_r24_the_alert_names_the_server_and_does_not_change():
    assert tell_divergence({"ns2": (AT, 3)}) == tell_divergence({"ns2": (AT + 9, 99)})
    assert "ns2 sees other states of sites" in tell_divergence({"ns2": (AT, 3)})[0]
