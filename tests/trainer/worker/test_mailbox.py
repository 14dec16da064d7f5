"""What the worker says through a real Redis, also one that goes away."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.queue import open_queue
from tests.conftest import OwnRedis
from tests.trainer.worker.light_backend import base_info
from tests.trainer.worker.test_attempts import read_events
from trainer.contract import names
from trainer.contract.events import Heartbeat, Produced, Progress, decode_progress
from trainer.mailbox import UNREACHABLE, Mailbox, open_pool

EVENT = Produced(job_id="7", attempt=1, at=5.0)
HEARTBEAT = Heartbeat(
    worker_id="w1", at=5.0, device="light", lanes=("imagine",), bases=(base_info(),), free={"imagine": 4}, running=()
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def test_an_event_outlives_a_redis_that_is_away(own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.mailbox.CALL_TIMEOUT_S", 0.2)
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            own_redis.start()

    pool = open_pool(own_redis.url)
    mailbox = Mailbox(Redis(connection_pool=pool), wait=wait)
    await mailbox.ping()
    own_redis.stop()
    with pytest.raises(UNREACHABLE):
        await mailbox.ping()
    await mailbox.say(EVENT)
    assert len(waits) >= 2
    assert set(await read_events(Redis(connection_pool=pool))) == {EVENT}
    await pool.disconnect()


async def test_an_event_outlives_a_redis_that_freezes(own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.mailbox.CALL_TIMEOUT_S", 0.2)
    process = own_redis.process
    assert process is not None

    async def wait(seconds: float) -> None:
        process.send_signal(signal.SIGCONT)

    pool = open_pool(own_redis.url)
    mailbox = Mailbox(Redis(connection_pool=pool), wait=wait)
    await mailbox.ping()
    process.send_signal(signal.SIGSTOP)
    await mailbox.say(EVENT)
    assert set(await read_events(Redis(connection_pool=pool))) == {EVENT}  # read twice, it changes nothing
    await pool.disconnect()


async def test_an_attempt_is_current_unless_redis_names_another(redis: Redis) -> None:
    mailbox = Mailbox(redis)
    assert await mailbox.is_current("7", 2)  # Redis was wiped and knows of nothing
    await redis.set(names.attempt_key("7"), 2)
    assert await mailbox.is_current("7", 2)
    assert not await mailbox.is_current("7", 1)


async def test_a_cancel_flag_is_seen(redis: Redis) -> None:
    mailbox = Mailbox(redis)
    assert not await mailbox.is_cancelled("7")
    await redis.set(names.cancel_key("7"), b"1")
    assert await mailbox.is_cancelled("7")


async def test_a_redis_that_is_away_contradicts_and_cancels_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.mailbox.CALL_TIMEOUT_S", 0.1)
    pool = open_pool(f"unix://{tmp_path}/nothing.sock")
    mailbox = Mailbox(Redis(connection_pool=pool))
    assert await mailbox.is_current("7", 1)
    assert not await mailbox.is_cancelled("7")
    await mailbox.beat(HEARTBEAT)
    await mailbox.leave("w1")
    await pool.disconnect()


async def test_heartbeats_expire_and_go_when_the_worker_does(redis: Redis, redis_url: str) -> None:
    mailbox = Mailbox(redis)
    await mailbox.beat(HEARTBEAT)
    assert 0 < await redis.ttl(names.worker_key("w1")) <= names.HEARTBEAT_DEAD_AFTER_S
    async with open_queue(redis_url) as queue:
        assert await queue.heartbeats() == [HEARTBEAT]
        await mailbox.leave("w1")
        assert await queue.heartbeats() == []


async def test_progress_is_kept_for_an_hour(redis: Redis) -> None:
    progress = Progress(job_id="7", attempt=1, step=5, steps=25, seconds_left=2.0)
    await Mailbox(redis).report(progress)
    assert decode_progress(await redis.get(names.progress_key("7"))) == progress
    assert 0 < await redis.ttl(names.progress_key("7")) <= names.PROGRESS_KEPT_S
