"""The bot's machine room in tests: a real database, a real Redis, blobs in a folder, a clock that is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.queue import Queue, open_queue
from bot.store.database import Database, open_database
from tests.bot.worlds import Clock, World
from trainer.contract.blobs import Blobs, open_blobs


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "darkroom.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[Queue]:
    async with open_queue(redis_url) as opened:
        yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(str(tmp_path / "blobs"))


@pytest.fixture
def world(database: Database, queue: Queue, blobs: Blobs, clock: Clock) -> World:
    return World(database, queue, blobs, clock)
