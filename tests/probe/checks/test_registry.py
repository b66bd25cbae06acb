import asyncio
from typing import get_args, get_type_hints

from gslb.model.check import Check, TcpCheck
from gslb.probe.checks import registry
from gslb.probe.checks.registry import CHECKS, run_check
from tests.probe.servers import LOOPBACK, free_port


def test_every_kind_of_the_model_has_its_function():
    assert set(CHECKS) == set(get_args(get_type_hints(Check)["kind"]))


def test_run_check_asks_the_function_of_the_kind():
    outcome = asyncio.run(run_check(Check(TcpCheck(free_port())), LOOPBACK))
    assert outcome.reason == "connection refused"


def test_an_unforeseen_error_is_a_failure_and_is_logged(monkeypatch, caplog):
    async def broken(kind, address, timeout_s):
        raise RuntimeError("odd\nerror")

    monkeypatch.setattr(registry, "CHECKS", {TcpCheck: broken})
    outcome = asyncio.run(run_check(Check(TcpCheck(1)), LOOPBACK))
    assert not outcome.ok
    assert outcome.reason == "the check itself failed: RuntimeError('odd\\nerror')"
    assert "127.0.0.1" in caplog.text
