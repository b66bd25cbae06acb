"""What became of each request, by what clients saw and backends wrote down.

Laws:
1. A GET that was not answered with 200 has failed.
2. A POST is accounted for when it was answered with 200 and begun exactly once, or was not and was
   begun at most once. Anything else is a fault: executed twice, answered without being executed, or
   executed without ever having been asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.clients import RESET_ON_REUSE, Record


@dataclass(frozen=True, slots=True)
class Account:
    """POSTs by what became of them; the last three must be 0."""

    answered_once: int = 0
    failed_once: int = 0
    failed_never: int = 0
    answered_never: int = 0
    twice: int = 0
    unasked: int = 0

    @property
    def is_whole(self) -> bool:
        """Law 2."""
        return not (self.answered_never or self.twice or self.unasked)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What clients saw during a step. get_failures, post_failures: by outcome."""

    step: str
    requests: int
    get_failures: Mapping[str, int]
    post_failures: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def reset_on_reuse(self) -> int:
        """Of the failed GETs, those that came on a connection that was closed just then."""
        return self.get_failures.get(RESET_ON_REUSE, 0)


def read_executions(ledgers: Iterable[Path]) -> Counter[str]:
    """How often each id was begun, over all backends."""
    begun: Counter[str] = Counter()
    for ledger in ledgers:
        if ledger.exists():
            words = (line.split() for line in ledger.read_text().splitlines())
            begun.update(ident for what, ident in words if what == "begun")
    return begun


def account(records: Sequence[Record], begun: Mapping[str, int]) -> Account:
    """All POSTs, settled (law 2)."""
    posts = [record for record in records if record.method == "POST"]
    kinds = Counter(_kind(record.is_ok, begun.get(record.ident, 0)) for record in posts)
    kinds["unasked"] = len(begun.keys() - {record.ident for record in posts})
    return Account(**kinds)


def _kind(is_ok: bool, times: int) -> str:
    if times > 1:
        return "twice"
    if is_ok:
        return "answered_once" if times else "answered_never"
    return "failed_once" if times else "failed_never"


def summarise_steps(records: Sequence[Record]) -> list[StepResult]:
    """One result for each step, in the order in which they began."""
    steps: dict[str, list[Record]] = {}
    for record in records:
        steps.setdefault(record.step, []).append(record)
    return [_summarise(step, mine) for step, mine in steps.items()]


def _summarise(step: str, records: Sequence[Record]) -> StepResult:
    times = sorted(record.spent_s * 1000 for record in records)
    return StepResult(
        step=step,
        requests=len(records),
        get_failures=_failures(records, "GET"),
        post_failures=_failures(records, "POST"),
        p50_ms=quantile(times, 0.5),
        p99_ms=quantile(times, 0.99),
        max_ms=times[-1],
    )


def _failures(records: Sequence[Record], method: str) -> dict[str, int]:
    mine = (record for record in records if record.method == method)
    return dict(Counter(record.outcome for record in mine if not record.is_ok))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the values, in order, does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
