"""A pool under any sequence of calls: what must hold whatever happens, and that it replays."""

import math
from random import Random

import pytest

from gslb.balance.hedge import BURST
from gslb.balance.passive import ejections_allowed
from gslb.balance.pool_state import Mode, PoolState, Refusal, Result
from gslb.model.proxy import (
    Algorithm,
    BalanceSpec,
    CircuitSettings,
    HedgeSettings,
    PassiveSettings,
    RetrySettings,
)
from tests.balance.builders import CHECK, backend, make_pool

NAMES = "abcde"
CEILING = 3
BUDGET, MIN_RETRIES, MAX_EXTRA = 0.3, 2, 0.25


def pool_of(names, algorithm, panic_below):
    backends = [
        backend(
            name,
            weight=1 + NAMES.index(name) % 3,
            backup=name == "e",
            check=CHECK if name in "bd" else None,
            max_connections=CEILING if name in "abe" else None,
        )
        for name in names
    ]
    return make_pool(
        *backends,
        balance=BalanceSpec(algorithm),
        passive=PassiveSettings(
            window_s=5.0, min_requests=3, connect_failures=2, eject_s=2.0, max_ejected=0.4
        ),
        circuit=CircuitSettings(min_requests=8, error_share=0.8, window_s=5.0, open_s=1.0),
        retry=RetrySettings(budget=BUDGET, min_retries=MIN_RETRIES),
        hedge=HedgeSettings(max_extra=MAX_EXTRA, min_samples=5),
        slow_start_s=3.0,
        panic_below=panic_below,
    )


RESULTS = [*[Result.OK] * 5, *Result]
TRIED = [[], [], [], ["a"], ["b", "c"]]


def draw_steps(chance, count):
    """Steps of a pool's life: mostly requests and their ends; results come in spells, since what is
    evenly mixed ejects nobody.
    """
    spell = Result.OK
    for _ in range(count):
        if chance.random() < 0.1:
            spell = chance.choice(RESULTS)
        name = chance.choice(NAMES)
        result = chance.choice([spell, spell, Result.OK])
        yield chance.choices(
            [
                ("request", chance.random(), chance.choice([1, 1, 0.5, 2]), chance.choice(TRIED)),
                ("end", chance.random(), result, chance.choice([None, chance.random()])),
                ("burst", name, result),
                ("wait", chance.choice([0.1, 1.0, 2.0])),
                ("check", chance.choice("bd"), chance.random() < 0.8),
                ("mode", name, chance.choice([Mode.READY, *Mode])),
                ("names", sorted({name, *chance.choices(NAMES, k=5)})),
                ("retry", chance.random() < 0.6),
                ("hedge",),
            ],
            [30, 25, 8, 12, 4, 2, 1, 6, 6],
        )[0]


class Machine:
    """Takes steps and keeps a log of what the pool said, checking the laws after each."""

    def __init__(self, algorithm, panic_below, share):
        self.algorithm, self.panic_below, self.share = algorithm, panic_below, share
        self.now, self.log = 0.0, []
        self.state = PoolState(pool_of("abcd", algorithm, panic_below), now=0.0, share=share)
        self.on_the_way = []
        self.retries = self.begun = self.hedges = 0

    def take(self, step):
        getattr(self, f"do_{step[0]}")(*step[1:])
        self.check_laws()

    def do_request(self, draw, cost, tried, sticky=None):
        picked = self.state.pick(
            now=self.now, draw=draw, key=int(draw * 2**64), cost=cost, sticky=sticky, tried=tried
        )
        self.log.append(str(picked))
        if isinstance(picked, Refusal):
            return
        assert picked.name not in tried
        standing = picked.standing
        assert not standing.is_ordered_out
        assert standing.mode is not Mode.DRAIN or sticky == picked.name
        most = picked.backend.max_connections
        if most is not None and picked.count:
            assert picked.active + cost <= max(1, math.floor(most * self.share))
        if standing.is_in_trial and not standing.is_well and not self.state._tiers.is_freely:
            assert not standing.passive.trial.is_on_the_way
        self.state.begin(picked, now=self.now, cost=cost)
        self.begun += 1
        self.on_the_way.append((picked, cost))

    def do_end(self, which, result, response_s):
        if self.on_the_way:
            member, cost = self.on_the_way.pop(int(which * len(self.on_the_way)))
            self.state.end(member, now=self.now, cost=cost, result=result, response_s=response_s)

    def do_burst(self, name, result):
        """Three attempts of a client that belongs to a backend, one after the other."""
        for _ in range(3):
            before = len(self.on_the_way)
            self.do_request(0.5, 1.0, [], name)
            if len(self.on_the_way) > before:
                self.do_end((before + 0.5) / (before + 1), result, None)

    def do_wait(self, seconds):
        self.now += seconds
        self.state.tick(self.now)
        self.log.append(str(self.state.load(self.now)))

    def do_check(self, name, up):
        self.state.take_check(name, up=up, now=self.now)

    def do_mode(self, name, mode):
        self.state.take_mode(name, mode, now=self.now, until=self.now + 4.0)

    def do_names(self, names):
        pool = pool_of(names, self.algorithm, self.panic_below)
        self.state.reconfigure(pool, now=self.now)

    def do_retry(self, begins):
        if begins:
            granted = self.state.begin_retry()
            self.retries += granted
            limit = max(math.ceil(MIN_RETRIES * self.share), BUDGET * len(self.on_the_way))
            assert not granted or self.retries <= limit
        elif self.retries:
            self.state.end_retry()
            self.retries -= 1

    def do_hedge(self):
        self.hedges += self.state.take_hedge()
        assert self.hedges <= MAX_EXTRA * self.begun + BURST

    def check_laws(self):
        state = self.state
        members = [*state.members.values(), *state.leaving]
        assert state.in_flight == len(self.on_the_way)
        assert sum(member.count for member in members) == state.in_flight
        for member in members:
            costs = [cost for other, cost in self.on_the_way if other is member]
            assert (member.count, member.active) == (len(costs), sum(costs))
        out = sum(member.standing.is_out for member in state.members.values())
        assert out <= ejections_allowed(state.pool.passive, len(state.members))
        assert state._able == state._choose((), 1.0)  # what is kept is what would be found
        excluded = {one.name: one.excluded for one in state.explain(self.now)}
        if not isinstance(state._able, Refusal):
            assert {member.name for member in state._able} == {
                name for name, why in excluded.items() if why is None
            }


def play(algorithm, panic_below, share, steps):
    machine = Machine(algorithm, panic_below, share)
    for step in steps:
        machine.take(step)
    machine.log.append(str(machine.state.summary(machine.now)))
    return machine.log


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("panic_below", [0.0, 0.4])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_laws_hold_and_the_same_calls_give_the_same_answers(algorithm, panic_below, share):
    steps = list(draw_steps(Random(f"{algorithm} {panic_below} {share}"), 400))
    logs = [play(algorithm, panic_below, share, steps) for _ in range(2)]
    assert logs[0] == logs[1]
