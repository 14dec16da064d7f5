"""The two sites on loopback, and the door to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.addresses.door import Addresses, Keys
from tests.bot.addresses.internet import Internet, an_internet


@pytest.fixture
async def internet() -> AsyncIterator[Internet]:
    async with an_internet() as opened:
        yield opened


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def addresses(internet: Internet, keys: Keys) -> AsyncIterator[Addresses]:
    async with Addresses(keys, resolver=internet, may_connect=internet.may_connect, context=internet.context) as door:
        yield door
