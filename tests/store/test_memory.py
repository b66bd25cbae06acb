import asyncio

import pytest

from gslb.errors import StoreError
from gslb.store.memory import MAX_REPORTS, MemoryStore
from tests.store.contract import CONTRACT, name_of


@pytest.mark.parametrize("check", CONTRACT, ids=name_of)
def test_memory_keeps_the_contract(check):
    store = MemoryStore()

    async def make():
        return store

    asyncio.run(check(make))


def test_the_contract_is_not_empty():
    assert len(CONTRACT) >= 25


def test_law_2_one_agent_too_many_is_refused():
    async def run():
        store = MemoryStore()
        for number in range(MAX_REPORTS):
            await store.put_report(f"agent{number}", b"x")
        with pytest.raises(StoreError, match="no room for agent 'one-more': 1000 are held already"):
            await store.put_report("one-more", b"x")
        await store.put_report("agent0", b"y")
        assert (await store.read(["agent0"])).reports == {"agent0": b"y"}

    asyncio.run(run())


def test_describe_says_what_it_is():
    assert MemoryStore().describe() == "memory"
