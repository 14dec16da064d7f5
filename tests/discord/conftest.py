"""Houses to test in: ``home`` is shared by a module whose tests do not disturb each other.

A module uses either ``home`` or ``redis_url``: that one empties Redis before each test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from tests.discord.backend import BASE, OTHER_BASE
from tests.discord.house import House, house


@pytest.fixture(scope="module")
def module_redis_url(redis_socket: Path) -> str:
    url = f"unix://{redis_socket}"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(tmp_path_factory: pytest.TempPathFactory, module_redis_url: str) -> AsyncIterator[House]:
    """With a worker that serves two bases, and room for many jobs at a time."""
    folder = tmp_path_factory.mktemp("house")
    many = {"darkroom_max_waiting_train": 20, "darkroom_max_waiting_imagine": 50}
    async with house(folder, module_redis_url, bases=(BASE, OTHER_BASE), **many) as home:
        yield home


@pytest_asyncio.fixture(loop_scope="module")
async def home(module_house: House) -> AsyncIterator[House]:
    """The module's house; after each test it is held to what it did."""
    yield module_house
    module_house.sandbox.faults.clear()
    await module_house.stop_all_jobs()
    module_house.check()
