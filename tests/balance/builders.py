"""Pools, and a hand to play them with: a clock that is moved, and attempts that begin and end."""

from gslb.balance.pool_state import PoolState, Refusal, Result
from gslb.model.check import Check, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Algorithm, Backend, BalanceSpec, Pool

CHECK = Check((TcpCheck(80),))
ROUND_ROBIN = BalanceSpec(Algorithm.ROUND_ROBIN)


def backend(name, **settings):
    return Backend(name, Endpoint("192.0.2.1", 8000 + ord(name[0])), **settings)


def make_pool(*backends, **settings):
    """backends: Backends, or names of plain ones."""
    made = tuple(backend(one) if isinstance(one, str) else one for one in backends)
    return Pool("web", made, **{"balance": ROUND_ROBIN, **settings})


class Play:
    """A pool state with a clock of its own."""

    def __init__(self, *backends, share=1.0, now=0.0, **settings):
        self.now = now
        self.state = PoolState(make_pool(*backends, **settings), now=now, share=share)

    def pick(self, **arguments):
        """The name of who is picked, or the refusal. Nothing begins."""
        picked = self.state.pick(now=self.now, draw=0.0, **arguments)
        return picked if isinstance(picked, Refusal) else picked.name

    def begin(self, name, cost=1.0):
        member = self.state.members[name]
        self.state.begin(member, now=self.now, cost=cost)
        return member

    def end(self, member, result=Result.OK, response_s=None, cost=1.0):
        if isinstance(member, str):
            member = self.state.members[member]
        self.state.end(member, now=self.now, cost=cost, result=result, response_s=response_s)

    def run(self, name, *results, response_s=None):
        """Attempts at a backend, one after the other."""
        for result in results:
            self.end(self.begin(name), result, response_s)

    def wait(self, seconds, step_s=0.25):
        """Time passes, with ticks as in real life."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step_s)
            self.state.tick(self.now)

    def check(self, **results):
        for name, up in results.items():
            self.state.take_check(name, up=up, now=self.now)

    def order(self, name, mode, until=None):
        self.state.take_mode(name, mode, now=self.now, until=until)

    def change(self, *backends, **settings):
        self.state.reconfigure(make_pool(*backends, **settings), now=self.now)

    def why(self, **arguments):
        """Why each backend is not picked, None for those that may be."""
        return {one.name: one.excluded for one in self.state.explain(self.now, **arguments)}

    def usable(self):
        """The names of who may be picked, in order; picks of a round robin tell."""
        names = []
        while not isinstance(name := self.pick(tried=names), Refusal):
            names.append(name)
        return sorted(names)
