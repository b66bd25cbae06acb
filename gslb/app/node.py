"""One process that answers: its sockets, its engine, and the health that the engine reads.

Laws:
1. The engine is swapped whole, by one assignment for each socket; a query sees the old one or the
   new one.
2. Health and measured times are handed in; what hands them in may fail or fall silent, and answers
   go on from the last ones.
3. What a reload cannot change (addresses, workers, node, store, log) is said, not ignored.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address

from gslb.app.assemble import Assembled
from gslb.app.decisions import Answer, log_decisions
from gslb.engine.engine import Engine
from gslb.engine.fast import FastPath
from gslb.errors import ConfigError, Problem
from gslb.health.snapshot import HealthSnapshot
from gslb.model.endpoint import Endpoint
from gslb.policy.measured import AgentTimes, MeasuredTimes
from gslb.server.sockets import Pair, open_both
from gslb.server.tcp import TcpServer
from gslb.server.udp import UdpServer
from gslb.telemetry.decisions import DecisionLog
from gslb.telemetry.logs import get_logger

# Fields of `System` that are read once, and what the operator calls them (law 3).
_FIXED = {
    "node": "node",
    "dns": "listen.dns",
    "admin": "listen.admin",
    "workers": "workers",
    "store": "store",
    "redis": "redis",
    "state_dir": "state_dir",
    "events": "events",
    "log": "log",
}

log = get_logger(__name__)


class Node:
    """Answers from what was assembled and from health that is handed in.

    endpoints: where to listen. share: other processes listen there too. pairs: sockets that listen
    already, instead; they are closed with it. Raises ListenError, and ConfigError for a decision
    log that cannot be written.
    """

    def __init__(
        self,
        assembled: Assembled,
        health: HealthSnapshot,
        *,
        endpoints: Sequence[Endpoint] = (),
        share: bool = False,
        pairs: Sequence[Pair] = (),
    ) -> None:
        self.assembled = assembled
        self.health = health
        self.fast = FastPath(Engine(assembled.ground, self.health))
        self.decisions = _open_decisions(assembled)
        self._past_answers: Counter[tuple[str, str]] = Counter()
        self._sockets = list(pairs) or open_both(endpoints, share=share)
        self.udp = [UdpServer(udp, self.fast.answer) for udp, _ in self._sockets]
        self.tcp = TcpServer(self._answer_tcp, assembled.system.limits)
        self._install()

    async def start(self) -> None:
        """Begins to answer."""
        await self.tcp.start([tcp for _, tcp in self._sockets])
        for server in self.udp:
            server.start()

    async def close(self) -> None:
        """Answers what has come, then stops listening."""
        for server in self.udp:
            server.close()
        await self.tcp.close()
        for _, tcp in self._sockets:  # those that never began to listen
            tcp.close()
        if self.decisions is not None:
            self.decisions.close()

    def take_health(self, health: HealthSnapshot) -> None:
        """Answers from another snapshot from now on."""
        self.health = health
        self._swap(self.fast.with_health(health))

    async def take_times(self, times: AgentTimes) -> None:
        """Answers by other measured times from now on. Clients are divided anew in a thread, while
        queries are answered by the times before.
        """
        ground = None
        while ground is None or self.assembled.ground.zones is not ground.zones:  # a reload came
            base = self.assembled.ground
            ground = await asyncio.to_thread(base.with_measurements, MeasuredTimes(agents=times))
        self._swap(self.fast.with_measured(ground))

    def apply(self, assembled: Assembled, health: HealthSnapshot) -> None:
        """Swaps in another configuration and the health of its sites; what cannot change without a
        restart is said (law 3).
        """
        old, new = self.assembled.system, assembled.system
        for name, key in _FIXED.items():
            if getattr(old, name) != getattr(new, name):
                log.warning("needs a restart to take effect", key=key)
        if self.decisions is not None:
            self.decisions.reopen()  # after SIGHUP, as log rotation expects it
        self.assembled = assembled
        self.health = health
        turns = self.fast.engine.plans.turns()
        engine = Engine(assembled.ground, self.health, turns=turns)
        self._swap(FastPath(engine, counts=self.fast.counts))

    def count_answers(self) -> Counter[tuple[str, str]]:
        """How many answers each (service, first candidate) has had since the start."""
        return self._past_answers + self.fast.engine.plans.count_answers()

    def _swap(self, fast: FastPath) -> None:
        self._past_answers = self.count_answers()
        self.fast = fast
        self._install()

    def _install(self) -> None:
        engine = self.fast.engine
        answer: Answer = self.fast.answer
        self._answer_whole: Answer = partial(engine.answer, is_tcp=True)
        if self.decisions is not None:
            answer = log_decisions(engine, answer, self.decisions)
            self._answer_whole = log_decisions(engine, self._answer_whole, self.decisions)
        for server in self.udp:
            server.answer = answer
        self.tcp.limits = self.assembled.system.limits

    def _answer_tcp(self, octets: bytes, host: str) -> bytes | None:
        return self._answer_whole(octets, ip_address(host.partition("%")[0]).packed)


def _open_decisions(assembled: Assembled) -> DecisionLog | None:
    settings = assembled.system.log
    if settings.decisions is None or settings.decision_share <= 0:
        return None
    try:
        return DecisionLog(settings.decisions, settings.decision_share)
    except OSError as error:
        why = f"{settings.decisions}: cannot be opened: {error.strerror or error}"
        raise ConfigError([Problem(str(assembled.path), 0, 0, "log.decisions", why)]) from error
