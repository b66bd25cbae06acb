from __future__ import annotations

from collections import Counter

from gslb.model.proxy import Fault
from gslb.route.faults import UNHARMED, FaultPlan, decide

DRILL = Fault(delay_ms=200, delay_share=0.1, abort_status=503, abort_share=0.01)


def test_the_shares_are_those_of_the_draws():
    draws = [(delay / 100, abort / 100) for delay in range(100) for abort in range(100)]
    plans = Counter(decide(DRILL, draw_delay=one, draw_abort=other) for one, other in draws)
    assert plans == {
        UNHARMED: 90 * 99,
        FaultPlan(0.2, None): 10 * 99,
        FaultPlan(0.0, 503): 90,
        FaultPlan(0.2, 503): 10,
    }


def test_share_0_is_nobody_and_share_1_everybody():
    nobody, everybody = Fault(100, 0.0, 500, 0.0), Fault(100, 1.0, 500, 1.0)
    for draw in (0.0, 0.5, 1 - 2**-53):
        assert decide(nobody, draw_delay=draw, draw_abort=draw) == UNHARMED
        assert decide(everybody, draw_delay=draw, draw_abort=draw) == FaultPlan(0.1, 500)
