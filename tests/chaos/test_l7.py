import asyncio

from tests.chaos.l7 import QUICK_SETTLE, Verdict, run_chaos
from tests.chaos.ledger import Account, StepResult
from tests.chaos.steps import STEPS
from tests.chaos.world import World


def test_no_request_fails_while_backends_die_and_the_proxy_is_replaced(tmp_path):
    world = World(tmp_path)
    told: list[str] = []
    verdict = asyncio.run(run_chaos(world, settle=QUICK_SETTLE, seconds=0, tell=told.append))
    assert {one.step: one.get_failures for one in verdict.steps} == {name: {} for name in STEPS}
    assert verdict.posts.is_whole, verdict.posts
    assert verdict.is_good, verdict.lines()
    assert len(told) == len(STEPS)
    assert min(one.requests for one in verdict.steps) >= QUICK_SETTLE
    assert len(world.proxies) == 2  # the second took the place of the first


def test_a_failed_get_and_a_post_that_ran_twice_are_not_forgiven():
    def step(**failures):
        return StepResult("s", 10, failures, {}, p50_ms=1, p99_ms=1, max_ms=1)

    assert Verdict([step()], Account(answered_once=3, failed_once=1)).is_good
    assert not Verdict([step(closed=1)], Account()).is_good
    assert not Verdict([step()], Account(twice=1)).is_good
    lines = Verdict([step(**{"reset on reuse": 2})], Account()).lines()
    assert lines[0] == "10 requests; idempotent: 2 failed, 2 of them reset on reuse"
    assert lines[-1] == "FAILED"
