import asyncio
from typing import get_args

import pytest

from gslb.model.check import Check, CheckKind, CommandCheck, HttpCheck, TcpCheck
from gslb.probe.checks import registry
from gslb.probe.checks.registry import CHECKS, run_check
from gslb.probe.outcome import MAX_REASON, Outcome, failed
from gslb.probe.target import Target
from tests.ports import free_port
from tests.probe.servers import LOOPBACK

PASSED = Outcome(ok=True)


def ask(*kinds, slots=100, **check):
    async def run():
        target = Target("a", LOOPBACK, Check(kinds, **check))
        return await run_check(target, asyncio.Semaphore(slots))

    return asyncio.run(run())


@pytest.fixture
def answers(monkeypatch):
    """What is answered instead of the network: an outcome, or a coroutine function, by the port."""
    by_port = {}

    async def answer(kind, target, timeout_s):
        found = by_port[kind.port]
        return found if isinstance(found, Outcome) else await found()

    monkeypatch.setattr(registry, "CHECKS", {TcpCheck: answer, HttpCheck: answer})
    return by_port


def test_every_kind_of_the_model_has_its_function():
    assert set(CHECKS) == set(get_args(CheckKind))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (TcpCheck(free_port()), "connection refused"),
        (HttpCheck(free_port()), "connection refused"),
        (CommandCheck(("false",)), "exit status 1"),
    ],
)
def test_run_check_asks_the_function_of_the_kind(kind, reason):
    assert ask(kind).reason == reason


def test_an_unforeseen_error_is_a_failure_and_is_logged(answers, caplog):
    async def broken():
        raise RuntimeError("odd\nerror")

    answers[1] = broken
    outcome = ask(TcpCheck(1))
    assert not outcome.ok
    assert outcome.reason == "the check itself failed: RuntimeError('odd\\nerror')"
    assert "check of a failed" in caplog.text


# ---------------------------------------------------------------- several kinds


@pytest.mark.parametrize(
    ("need", "passes", "is_ok"),
    [
        (1, (True, False, False), True),
        (1, (False, False, False), False),
        (2, (True, False, True), True),
        (2, (False, False, True), False),
        (3, (True, True, True), True),
        (3, (True, True, False), False),
    ],
)
def test_a_round_passes_when_as_many_as_needed_pass(answers, need, passes, is_ok):
    for port, passed in enumerate(passes, 1):
        answers[port] = PASSED if passed else failed("dead")
    assert ask(TcpCheck(1), TcpCheck(2), TcpCheck(3), need=need).ok is is_ok


def test_a_failed_round_tells_which_kinds_failed(answers):
    answers.update({1: failed("HTTP status 503, expected 200"), 2: PASSED, 3: failed("refused")})
    outcome = ask(HttpCheck(1), TcpCheck(2), TcpCheck(3), need=2)
    assert outcome.reason == "2 of 3 must pass: http: HTTP status 503, expected 200; tcp: refused"


def test_each_failure_has_its_share_of_the_reason(answers):
    for port in range(1, 5):
        answers[port] = failed("x" * 200)
    reason = ask(*(TcpCheck(port) for port in range(1, 5)), need=4).reason
    assert len(reason) <= MAX_REASON
    assert reason.count("tcp: xxxxxxx") == 4


def test_kinds_are_asked_at_once_and_the_rest_given_up_when_enough_have_passed(answers):
    given_up = []

    async def hang():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(1)
            raise

    answers.update({1: hang, 2: PASSED, 3: PASSED})
    assert ask(TcpCheck(1), TcpCheck(2), TcpCheck(3), need=2).ok
    assert given_up == [1]


def test_a_round_that_is_given_up_gives_up_its_kinds(answers):
    on_the_way = []
    both_hang = asyncio.Event()

    async def hang():
        on_the_way.append(1)
        if len(on_the_way) == 2:
            both_hang.set()
        try:
            await asyncio.Event().wait()
        finally:
            on_the_way.pop()

    async def run():
        check = Check((TcpCheck(1), TcpCheck(1)), need=2)
        task = asyncio.create_task(run_check(Target("a", LOOPBACK, check), asyncio.Semaphore(9)))
        await both_hang.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    answers[1] = hang
    asyncio.run(run())
    assert on_the_way == []


def test_times_are_those_of_the_first_kind_that_has_them(answers):
    answers.update(
        {
            1: failed("dead"),
            2: Outcome(ok=True, rtt_ms=2.0),
            3: Outcome(ok=True, rtt_ms=3.0, first_byte_ms=30.0, certificate_until_at=300.0),
            4: Outcome(ok=True, rtt_ms=4.0, first_byte_ms=40.0, certificate_until_at=400.0),
        }
    )
    assert ask(*(TcpCheck(port) for port in (1, 2, 3, 4)), need=3) == Outcome(
        ok=True, rtt_ms=2.0, first_byte_ms=30.0, certificate_until_at=300.0
    )


def test_each_kind_takes_a_slot_and_one_slot_is_enough_for_all(answers):
    on_the_way = most = 0

    async def count():
        nonlocal on_the_way, most
        on_the_way += 1
        most = max(most, on_the_way)
        await asyncio.sleep(0)
        on_the_way -= 1
        return PASSED

    answers[1] = count
    for slots in (1, 2):
        most = 0
        assert ask(*(TcpCheck(1),) * 5, need=5, slots=slots).ok
        assert most == slots
