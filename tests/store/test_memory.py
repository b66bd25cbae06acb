import asyncio

import pytest

from gslb.store.memory import MemoryStore
from tests.store.contract import CONTRACT


async def make():
    return MemoryStore()


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__.removeprefix("check_"))
def test_memory_keeps_the_contract(check):
    asyncio.run(check(make))


def test_the_contract_is_not_empty():
    assert len(CONTRACT) >= 15
