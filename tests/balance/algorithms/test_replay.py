"""Law 1 of base.py: every algorithm is a fold that replays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.balance.algorithms.registry import make_algorithm
from gslb.model.proxy import Algorithm as Word
from gslb.model.proxy import BalanceSpec
from tests.balance.algorithms.values import KEYS, crew

REQUESTS = st.tuples(
    st.sampled_from(["pick", "pick", "pick", "end", "down", "up", "warm", "retry"]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(KEYS[:20]),
    st.sampled_from([0.5, 1.0, 3.0]),
)
SPECS = [BalanceSpec(word) for word in Word if word is not Word.MAGLEV] + [
    BalanceSpec(Word.CONSISTENT_HASH, bounded_load=1.25)
]


def play(spec, recorded):
    """What a pool that begins anew picks, request by request."""
    members = crew(a=3, b=2, c=1, d=1, e=0, f=2)
    algorithm = make_algorithm(spec, members)
    usable, on_the_way, picked = members, [], []
    for now, (kind, draw, key, cost) in enumerate(recorded):
        if kind in {"pick", "retry"}:
            offered = usable if kind == "pick" else usable[1:]
            found = algorithm.pick(offered, now=float(now), draw=draw, key=key, cost=cost)
            picked.append(found and found.name)
            if found:
                found.active += cost
                on_the_way.append((found, cost))
        elif kind == "end" and on_the_way:
            member, of = on_the_way.pop(0)
            member.active -= of
            member.observe(0.001 + draw, float(now))
        elif kind in {"down", "up"}:
            index = int(draw * len(members))
            usable = members[:index] + members[index + 1 :] if kind == "down" else members
            algorithm.renew(usable)
        elif kind == "warm":
            members[0].scale = max(0.1, draw)
            algorithm.renew(usable)
        picked.append([round(algorithm.score(one, float(now)), 9) for one in members])
    return picked


@settings(deadline=None, max_examples=25)
@given(recorded=st.lists(REQUESTS, min_size=5, max_size=60))
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.algorithm}-{spec.bounded_load}")
def test_the_same_inputs_give_the_same_choices(spec, recorded):
    assert play(spec, recorded) == play(spec, recorded)


@pytest.mark.parametrize("bound", [None, 1.25])
def test_maglev_replays_too(bound):
    """Once only: a table takes 40 ms."""
    kinds = ["pick", "pick", "warm", "pick", "end", "down", "retry", "pick", "up", "end"]
    recorded = [
        (kind, (n * 7 % 13) / 13, KEYS[n % 20], 1.0 + n % 3) for n, kind in enumerate(kinds * 5)
    ]
    spec = BalanceSpec(Word.MAGLEV, bounded_load=bound)
    assert play(spec, recorded) == play(spec, recorded)
