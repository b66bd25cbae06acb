"""Name servers that tell each other what they see."""

import json

import pytest

from gslb.app.peers import FORGET_S, Peers
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind

WELL = HealthSnapshot(1, {"eu": SiteHealth(up=True)})
ILL = HealthSnapshot(5, {"eu": SiteHealth(up=False)})
ORDER = Order("eu", OrderKind.DRAIN, 7)


def word(node, health, at, configuration="c"):
    return Peers(node).compose(health, [ORDER], at, configuration)


def word_at(at):
    return word("ns2", WELL, 1000).replace(b'"at":1000', b'"at":' + at)


def test_what_a_name_server_says_of_itself():
    told = json.loads(word("ns1", WELL, 1000.1234))
    assert told | {"sees": "?"} == {
        "at": 1000.123,
        "configuration": "c",
        "generation": 1,
        "orders_version": 7,
        "sees": "?",
    }


def test_one_that_sees_something_else_for_more_than_two_words_raises_an_alert_r24():
    peers = Peers("ns1")
    alerts = []
    for at in range(1000, 1004):
        nodes = {"ns1": word("ns1", WELL, at), "ns2": word("ns2", ILL, at)}
        peers.take(nodes, WELL, float(at), "c")
        alerts.append(bool(peers.alerts))
    assert alerts == [False, False, True, True]
    assert "ns2" in peers.alerts[0]
    peers.take({"ns2": word("ns2", WELL, 1005)}, WELL, 1005.0, "c")
    assert peers.alerts == ()


def test_one_word_is_counted_once_and_another_configuration_is_not_compared():
    peers = Peers("ns1")
    for _ in range(9):
        nodes = {"ns2": word("ns2", ILL, 1000), "ns3": word("ns3", ILL, 1000, "another")}
        peers.take(nodes, WELL, 1000.0, "c")
    assert peers.alerts == ()
    assert set(peers.known) == {"ns2", "ns3"}


def test_one_that_has_been_silent_for_long_is_not_shown():
    peers = Peers("ns1")
    peers.take({"ns2": word("ns2", WELL, 1000)}, WELL, 1001.0 + FORGET_S, "c")
    assert peers.known == {}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"at": "x"}',
        word_at(b"1" + 400 * b"0"),
        word_at(b"Infinity"),
        word_at(b"NaN"),
        word_at(b"-1"),
    ],
    ids=["empty", "no text", "list", "nothing", "deep", "type", "huge", "infinite", "nan", "past"],
)
def test_what_is_no_word_is_passed_over(octets):
    peers = Peers("ns1")
    peers.take({"ns2": octets}, WELL, 1000.0, "c")
    assert (peers.known, peers.alerts) == ({}, ())
