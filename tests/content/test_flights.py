"""Who leads, who waits, who goes alone."""

from gslb.content import flights as module
from gslb.content.flights import ALONE_S, Flights, Seat

LEADS, WAITS, ALONE = Seat.LEADS, Seat.WAITS, Seat.ALONE


def test_law_1_the_first_leads_and_the_others_wait():
    flights = Flights()
    assert [flights.join("k", name, now=0.0) for name in "abc"] == [LEADS, WAITS, WAITS]
    assert flights.join("other", "d", now=0.0) is LEADS
    assert (flights.land("k"), flights.land("k"), len(flights)) == (["b", "c"], [], 1)
    assert flights.join("k", "e", now=0.0) is LEADS


def test_who_leaves_is_not_landed():
    flights = Flights()
    for name in "abc":
        flights.join("k", name, now=0.0)
    flights.leave("k", "b")
    flights.leave("k", "b")
    flights.leave("none", "b")
    assert flights.land("k") == ["c"]


def test_law_3_what_cannot_be_shared_lets_all_go_alone_for_a_while():
    flights = Flights()
    for name in "ab":
        flights.join("k", name, now=0.0)
    assert flights.land_alone("k", now=1.0) == ["b"]
    assert flights.join("k", "c", now=1.0 + ALONE_S - 0.01) is ALONE
    assert flights.join("other", "c", now=1.0) is LEADS
    assert [flights.join("k", name, now=1.0 + ALONE_S) for name in "de"] == [LEADS, WAITS]


def test_law_4_so_many_wait_and_no_more():
    flights = Flights(max_waiting=2)
    seats = [flights.join("k", name, now=0.0) for name in "abcd"]
    assert seats == [LEADS, WAITS, WAITS, ALONE]
    assert flights.land("k") == ["b", "c"]


def test_law_4_so_many_flights_and_no_more(monkeypatch):
    monkeypatch.setattr(module, "MAX_FLIGHTS", 2)
    flights = Flights()
    assert [flights.join(key, "a", now=0.0) for key in "xyz"] == [LEADS, LEADS, ALONE]


def test_so_many_keys_are_remembered_and_no_more(monkeypatch):
    monkeypatch.setattr(module, "MAX_ALONE", 2)
    flights = Flights()
    for key in "xyz":
        flights.land_alone(key, now=0.0)
    assert [flights.join(key, "a", now=0.0) for key in "xyz"] == [LEADS, ALONE, ALONE]
