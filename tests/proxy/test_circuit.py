"""A pool that is left alone while too much fails, and comes back by one request at a time."""

from __future__ import annotations

import asyncio

import pytest

from gslb.model.proxy import CircuitSettings, RetrySettings
from tests.proxy.backends import RawBackend, Talk, always, plain, raw
from tests.proxy.world import World, before, get, on_uvloop, until

HELLO = plain("hello")
FAILED = plain("oh", status=b"500 Internal Server Error")
CIRCUIT = CircuitSettings(error_share=0.5, min_requests=4, window_s=60.0, open_s=0.3)
POOL = {"circuit": CIRCUIT, "retry": RetrySettings(attempts=0)}


def phase(world: World) -> str:
    return str(world.pool.state.summary(0.0)["circuit"])


class Patient:
    """A backend that fails until `answer` is another one; `/trial` waits for `go`."""

    def __init__(self) -> None:
        self.answer = FAILED
        self.go = asyncio.Event()
        self.trials = 0

    async def script(self, talk: Talk) -> None:
        while True:
            if b" /trial " in await talk.request():
                self.trials += 1
                await self.go.wait()
            talk.send(self.answer)


async def _open(world: World, a: RawBackend) -> None:
    for _ in range(4):
        await (await world.ask(get())).reads(FAILED)
    await until(lambda: phase(world) == "open")
    status, fields, _ = await (await world.ask(get())).answer()
    assert status == 503
    assert 1 <= int(fields[b"retry-after"]) <= 5
    record = await world.record(5)
    assert (record["reason"], record["backend"], a.count) == ("circuit_open", None, 4)


@pytest.mark.parametrize("is_well", [True, False], ids=["well", "ill"])
@on_uvloop
async def test_opens_and_lets_one_request_try(is_well: bool) -> None:
    backend = Patient()
    async with raw("a", backend.script) as a, before(a, pool=POOL) as world:
        await _open(world, a)
        await until(lambda: phase(world) == "half_open")
        trial = await world.ask(get(b"/trial"))
        await until(lambda: backend.trials == 1)
        status, _, _ = await (await world.ask(get())).answer()  # one at a time
        assert status == 503
        assert a.count == 5
        if is_well:
            backend.answer = HELLO
        backend.go.set()
        await trial.reads(backend.answer)
        await until(lambda: phase(world) == ("closed" if is_well else "open"))
        status, _, _ = await (await world.ask(get())).answer()
        assert status == (200 if is_well else 503)


@on_uvloop
async def test_client_that_leaves_its_trial_leaves_the_place_to_another() -> None:
    backend = Patient()
    async with raw("a", backend.script) as a, before(a, pool=POOL) as world:
        await _open(world, a)
        await until(lambda: phase(world) == "half_open")
        trial = await world.ask(get(b"/trial"))
        await until(lambda: backend.trials == 1)
        trial.reset()
        await until(lambda: world.tier.in_flight == 0)
        backend.answer = HELLO
        await (await world.ask(get())).reads(HELLO)
        assert phase(world) == "closed"


@on_uvloop
async def test_is_off_unless_it_is_configured() -> None:
    async with raw("a", always(FAILED)) as a, before(a) as world:
        for _ in range(30):
            await (await world.ask(get())).reads(FAILED)
        assert a.count == 30
