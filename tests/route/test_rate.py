from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.proxy import KeyKind, KeySpec, RateLimit
from gslb.route.rate import (
    EPSILON,
    Draw,
    RateTable,
    RateVerdict,
    compose_rate_fields,
    draw_tokens,
    draw_window,
    rate_key,
)
from tests.route.values import CLIENT, ask

BUCKET = RateLimit(10, per_s=2.0, burst=4)
WINDOW = RateLimit(10, per_s=2.0, sliding=True)


def play(rule, steps, *, share=1.0):
    """(allowed, remaining, reset_s, retry_after_s) of each (now, cost)."""
    table = RateTable()
    verdicts = [table.take(rule, b"k", now=now, cost=cost, share=share) for now, cost in steps]
    assert len({one.limit for one in verdicts}) == 1
    return [(one.allowed, one.remaining, one.reset_s, one.retry_after_s) for one in verdicts]


def test_a_bucket_gives_its_burst_then_its_rate():
    """Capacity 4, five tokens a second."""
    assert play(BUCKET, [(100.0, 1.0)] * 5) == [
        (True, 3, 0.2, 0.0),
        (True, 2, 0.4, 0.0),
        (True, 1, 0.6, 0.0),
        (True, 0, 0.8, 0.0),
        (False, 0, 0.8, 0.2),
    ]
    steps = [(100.0, 4.0), (100.125, 1.0), (100.25, 1.0), (100.25, 1.0), (200.0, 1.0)]
    assert play(BUCKET, steps) == [
        (True, 0, 0.8, 0.0),
        (False, 0, 0.675, pytest.approx(0.075)),
        (True, 0, 0.75, 0.0),
        (False, 0, 0.75, 0.15),
        (True, 3, 0.2, 0.0),
    ]


@pytest.mark.parametrize(
    ("rule", "steps", "allowed"),
    [
        pytest.param(RateLimit(3), [(0, 1)] * 4, "yyyn", id="burst is requests by default"),
        pytest.param(BUCKET, [(0, 3), (0, 3), (0, 1)], "yny", id="a refused one weighs nothing"),
        pytest.param(BUCKET, [(0, 99), (0, 1), (0.8, 99)], "yny", id="cost is capacity at most"),
        pytest.param(BUCKET, [(9, 4), (0, 1), (9.2, 1), (9.2, 1)], "ynyn", id="clock goes back"),
        pytest.param(
            RateLimit(1), [(n * 0.1, 1) for n in range(21)], "y" + "nnnnnnnnny" * 2, id="rounding"
        ),
        pytest.param(WINDOW, [(0, 1)] * 11, "y" * 10 + "n", id="window"),
        pytest.param(WINDOW, [(1.9, 10), (2.0, 1), (2.2, 1), (2.2, 1)], "ynyn", id="window slides"),
        pytest.param(WINDOW, [(1.9, 10), (4.0, 10), (4.0, 1)], "yyn", id="window over"),
        pytest.param(WINDOW, [(0, 6), (0, 6), (0, 4)], "yny", id="a refused one, window"),
        pytest.param(WINDOW, [(0, 99), (0, 1), (4, 99)], "yny", id="cost, window"),
        pytest.param(WINDOW, [(4, 10), (0, 1), (4, 1)], "ynn", id="clock goes back, window"),
        pytest.param(
            RateLimit(10, 2.0, 50, sliding=True), [(0, 1)] * 11, "y" * 10 + "n", id="no burst"
        ),
    ],
)
def test_who_is_allowed(rule, steps, allowed):
    assert "".join("y" if one[0] else "n" for one in play(rule, steps)) == allowed


def test_a_window_tells_when_to_come_again():
    assert play(WINDOW, [(0.5, 10.0), (1.0, 1.0), (2.5, 2.0), (2.5, 1.0), (2.5, 2.0)]) == [
        (True, 0, 3.5, 0.0),
        (False, 0, 3.0, 1.0 + 0.1 * 2),  # at 2.2 one of the ten is forgotten
        (True, 0, 3.5, 0.0),  # three quarters of ten still count
        (False, 0, 3.5, pytest.approx(0.1)),
        (False, 0, 3.5, pytest.approx(0.3)),
    ]


@pytest.mark.parametrize(
    ("rule", "share", "allowed"),
    [
        (BUCKET, 0.5, 2),
        (BUCKET, 0.1, 1),
        (WINDOW, 0.5, 5),
        (WINDOW, 0.01, 1),
        (RateLimit(10), 0.25, 2),
    ],
)
def test_law_1_a_share_of_the_rule(rule, share, allowed):
    verdicts = play(rule, [(0, 1.0)] * 12, share=share)
    assert [one[0] for one in verdicts] == [True] * allowed + [False] * (12 - allowed)


def test_law_1_a_share_of_the_rate():
    """A tenth of five a second, and one at once."""
    assert play(BUCKET, [(0, 1.0), (0, 1.0)], share=0.1)[1] == (False, 0, 2.0, 2.0)


def test_law_3_a_state_of_the_other_kind_is_none():
    table = RateTable()
    for rule in (BUCKET, WINDOW, BUCKET):
        assert table.take(rule, b"k", now=0, cost=4).remaining == (6 if rule is WINDOW else 0)


RULES = st.builds(
    RateLimit,
    st.integers(1, 50),
    st.sampled_from([0.5, 1.0, 3.0, 60.0]),
    st.none() | st.integers(1, 80),
    sliding=st.booleans(),
)
STEPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 5)), min_size=1, max_size=40)


@given(RULES, STEPS, st.sampled_from([1.0, 0.5, 0.125]))
def test_no_more_is_allowed_than_the_rule_says(rule, steps, share):
    """Any stretch from one request to another: a bucket allows its capacity and what flows in."""
    table, now, taken = RateTable(), 1000.0, []
    for wait, cost in steps:
        now += wait
        verdict = table.take(rule, b"k", now=now, cost=cost, share=share)
        capacity = max(
            1.0, (rule.requests if rule.sliding else rule.burst or rule.requests) * share
        )
        assert verdict.limit == int(capacity)
        assert 0 <= verdict.remaining <= verdict.limit
        assert verdict.reset_s >= 0
        assert (verdict.retry_after_s > 0) is (not verdict.allowed)
        if verdict.allowed:
            taken.append((now, min(cost, capacity)))
    rate = rule.requests * share / rule.per_s
    for first in range(len(taken)):
        total = sum(cost for _, cost in taken[first:])
        stretch = taken[-1][0] - taken[first][0]
        if not rule.sliding:
            assert total <= capacity + rate * stretch + 1e-6
        elif stretch < rule.per_s:  # two windows touch it; nobody gets more than one and the other
            assert total <= 2 * capacity + 1e-6


@given(RULES, STEPS)
def test_who_comes_again_when_told_is_allowed(rule, steps):
    draw, state, now = (draw_window if rule.sliding else draw_tokens), None, 1000.0
    for wait, cost in steps:
        now += wait / 10
        verdict, state = draw(rule, state, Draw(now, cost))
        if not verdict.allowed:
            again, _ = draw(rule, state, Draw(now + verdict.retry_after_s + 1e-6, cost))
            assert again.allowed
        reset, _ = draw(rule, state, Draw(now + verdict.reset_s + 1e-6, 0.0))
        assert reset.remaining == reset.limit


@given(RULES, STEPS)
def test_who_comes_a_little_before_is_not(rule, steps):
    draw, state, now = (draw_window if rule.sliding else draw_tokens), None, 1000.0
    for wait, cost in steps:
        now += wait / 10
        verdict, state = draw(rule, state, Draw(now, cost))
        if verdict.retry_after_s > 1e-3:
            again, _ = draw(rule, state, Draw(now + verdict.retry_after_s - 1e-4, cost))
            assert not again.allowed


def test_the_table_forgets_the_longest_unseen():
    table = RateTable(keys=2)
    for key in (b"a", b"b", b"a", b"c"):
        table.take(RateLimit(1, burst=2), key, now=0, cost=1)
    assert len(table) == 2
    left = [table.take(RateLimit(1, burst=2), key, now=0, cost=0).remaining for key in (b"a", b"c")]
    assert left == [0, 1]
    assert table.take(RateLimit(1, burst=2), b"b", now=0, cost=0).remaining == 2


USER = KeySpec(KeyKind.HEADER, "X-User")


@pytest.mark.parametrize(
    ("spec", "fields", "client", "key"),
    [
        (KeySpec(KeyKind.CLIENT_IP), (), "203.0.113.7", b"eu/api@203.0.113.7"),
        (KeySpec(KeyKind.CLIENT_IP), (), "::ffff:203.0.113.7", b"eu/api@203.0.113.7"),
        (KeySpec(KeyKind.CLIENT_IP), (), "2001:db8:1:2:3::4", b"eu/api@2001:db8:1:2::/64"),
        (USER, ("X-User: ada",), "203.0.113.7", b"eu/api=ada"),
        (USER, ("X-User: 203.0.113.7",), "203.0.113.8", b"eu/api=203.0.113.7"),
        (USER, (), "203.0.113.7", b"eu/api@203.0.113.7"),
        (USER, ("X-User: " + "x" * 64,), "203.0.113.7", b"eu/api=" + b"x" * 64),
        (
            USER,
            ("X-User: " + "x" * 65,),
            "203.0.113.7",
            b"eu/api#e7d347aafb04b4783db0f88621284c94",
        ),
    ],
)
def test_what_is_counted_together(spec, fields, client, key):
    assert rate_key("eu/api", spec, ask("/", *fields), ip_address(client)) == key


def test_the_fields_of_an_answer():
    assert compose_rate_fields(RateVerdict(True, 200, 12, 0.2)) == (
        b"RateLimit-Limit: 200\r\nRateLimit-Remaining: 12\r\nRateLimit-Reset: 1\r\n"
    )
    assert compose_rate_fields(RateVerdict(False, 200, 0, 2.0, 1.01)) == (
        b"RateLimit-Limit: 200\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 2\r\n"
        b"Retry-After: 2\r\n"
    )
    refused = compose_rate_fields(RateVerdict(False, 1, 0, EPSILON, EPSILON))
    assert refused.endswith(b"Retry-After: 1\r\n")


def test_the_contract_limit():
    """100 a second, 200 at once: in the first second at most 300."""
    table, rule = RateTable(), RateLimit(100, 1.0, 200)
    key = rate_key("eu-west/api", rule.key, ask("/api/"), CLIENT)
    asked = [table.take(rule, key, now=n / 512, cost=1.0).allowed for n in range(512)]
    assert asked[:200] == [True] * 200
    assert sum(asked) == 200 + 511 * 100 // 512
