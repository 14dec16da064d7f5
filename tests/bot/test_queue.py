"""What the bot writes into a real Redis and reads from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.errors import QueueDown
from bot.queue import open_queue
from bot.requests import request_of
from tests.bot.worlds import World
from trainer.contract import names
from trainer.contract.events import Progress, encode


async def test_the_same_attempt_is_there_once(world: World) -> None:
    request = request_of(await world.imagine())
    await world.queue.enqueue(request)
    await world.queue.enqueue(request)
    assert await world.queued_in_arq() == [f"{request.job_id}:0"]
    assert await world.queue.is_queued(request.job_id, 0)
    await world.queue.withdraw(request.job_id, 0, "imagine", request.base)
    assert await world.queued_in_arq() == []
    assert not await world.queue.is_queued(request.job_id, 0)


async def test_nothing_is_pickled(world: World) -> None:
    request = request_of(await world.imagine())
    await world.queue.enqueue(request)
    stored = await world.redis.get(f"arq:job:{request.job_id}:0")
    assert not stored.startswith(b"\x80")  # what every pickle of today begins with
    assert b"a fox in a suit" in stored


async def test_an_attempt_is_restored_but_never_lowered(world: World) -> None:
    await world.queue.restore_attempts({"1": 2, "2": 1})
    await world.queue.restore_attempts({"1": 1})
    assert await world.redis.get(names.attempt_key("1")) == b"2"
    await world.queue.request_cancel("1")
    await world.queue.forget("1")
    assert not await world.redis.exists(names.attempt_key("1"), names.cancel_key("1"))


async def test_heartbeats_of_living_workers_are_read_and_strange_ones_left_out(world: World) -> None:
    await world.beat(worker_id="w2", imagine=1)
    await world.beat(worker_id="w1")
    await world.redis.set(names.worker_key("strange"), b"no heartbeat")
    assert [beat.worker_id for beat in await world.queue.heartbeats()] == ["w1", "w2"]


async def test_progress_is_that_of_the_present_attempt(world: World) -> None:
    job = await world.imagine()
    for attempt, expected in ((1, None), (0, 5)):
        progress = Progress(job_id=job.id, attempt=attempt, step=5, steps=25, seconds_left=2.0)
        await world.redis.set(names.progress_key(job.id), encode(progress))
        found = await world.jobs.progress(job)
        assert (found.step if found else None) == expected


async def test_a_redis_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    async with open_queue(f"unix://{tmp_path}/nothing.sock") as queue:
        for call in (queue.ping(), queue.heartbeats(), queue.read_events(pending=False, block_s=0.01)):
            with pytest.raises(QueueDown, match="Redis does not answer"):
                await call


async def test_a_redis_that_freezes_hangs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.queue.CALL_TIMEOUT_S", 0.05)
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: held.append(writer), tmp_path / "frozen.sock")
    try:
        async with open_queue(f"unix://{tmp_path}/frozen.sock") as queue:
            with pytest.raises(QueueDown, match="it took too long"):
                await queue.ping()
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()


async def test_a_cancellation_gets_through_at_every_moment_of_a_call(redis_url: str) -> None:
    for moments in range(1, 40):
        async with open_queue(redis_url) as queue:  # opening anew each time: connecting is part of the call
            going = asyncio.create_task(queue.heartbeats())
            for _ in range(moments):
                await asyncio.sleep(0)
            if going.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await going
