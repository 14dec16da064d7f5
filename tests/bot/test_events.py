"""What workers report reaches the books once, and only from the current attempt."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog.testing

from bot.errors import QueueDown
from bot.outbox import LONGEST_WAIT_S
from bot.store import adapters, pictures
from tests.bot.worlds import MEMBERS, World
from trainer.contract import names
from trainer.contract.blobs import Blobs
from trainer.contract.events import Cancelled, Delivered, Failed, HandedBack, Produced, Started


async def handed_out(world: World, lane: names.Lane = "imagine") -> str:
    job = await (world.imagine() if lane == "imagine" else world.train())
    await world.beat(imagine=1, train=1)
    await world.dispatcher.tick()
    return job.id


def delivered(job_id: str, attempt: int = 1) -> Delivered:
    return Delivered(job_id=job_id, attempt=attempt, channel_id=201, message_id=77, at=0.0)


async def test_a_delivered_picture_is_entered_with_its_settings(world: World) -> None:
    job_id = await handed_out(world)
    await world.commit(await world.job(job_id), pictures=2)
    await world.hear(
        Started(job_id=job_id, attempt=1, worker_id="w1", at=0.0),
        Produced(job_id=job_id, attempt=1, at=0.0),
        delivered(job_id),
    )
    job = await world.job(job_id)
    assert (job.state, job.channel_id, job.message_id, job.outstanding) == ("succeeded", 201, 77, False)
    entered = await world.database.read(lambda tx: pictures.of_job(tx, job_id))
    assert [(picture.seed, picture.settings) for picture in entered] == [(0, {"steps": 25}), (1, {"steps": 25})]
    assert await world.tell() == [("started", job_id), ("delivered", job_id)]
    assert await world.tell() == []


async def test_a_delivered_training_is_an_adapter_and_pings(world: World) -> None:
    job_id = await handed_out(world, "train")
    await world.commit(await world.job(job_id))
    await world.hear(delivered(job_id))  # its produced was lost
    adapter = await world.database.read(lambda tx: adapters.own(tx, MEMBERS["ada"], "THNOS"))
    assert adapter is not None
    assert (adapter.trigger, adapter.owner_name, adapter.job_id) == ("thnos", "ada", job_id)
    assert await world.tell() == [("delivered", job_id), ("ping", job_id)]


async def test_only_who_waited_over_two_minutes_for_a_picture_is_pinged(world: World) -> None:
    job_id = await handed_out(world)
    world.clock.now += 121
    await world.hear(delivered(job_id))
    assert ("ping", job_id) in await world.tell()


async def test_events_that_come_twice_change_nothing(world: World) -> None:
    job_id = await handed_out(world)
    await world.commit(await world.job(job_id))
    said = [Produced(job_id=job_id, attempt=1, at=0.0), delivered(job_id)]
    await world.hear(*said)
    await world.jobs.get(job_id)
    await world.tell()
    await world.database.write(lambda tx: pictures.delete_of_job(tx, job_id))  # the member deleted them since
    await world.hear(*said)
    assert await world.database.read(lambda tx: pictures.of_job(tx, job_id)) == []
    assert await world.tell() == []


async def test_what_an_older_attempt_says_is_refused(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(HandedBack(job_id=job_id, attempt=1, at=0.0))
    await world.dispatcher.tick()
    await world.hear(
        Started(job_id=job_id, attempt=1, worker_id="w1", at=0.0),
        Failed(job_id=job_id, attempt=1, at=0.0, message="too late"),
        Cancelled(job_id=job_id, attempt=1, at=0.0),
        HandedBack(job_id=job_id, attempt=1, at=0.0, counts=True),
        delivered(job_id),
    )
    job = await world.job(job_id)
    assert (job.state, job.attempt, job.tries) == ("queued", 2, 0)


async def test_a_failure_keeps_its_words_and_who_has_told_them(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(
        Failed(
            job_id=job_id, attempt=1, at=0.0, message="Too dark: send another.", reference="AB12", card_written=False
        )
    )
    job = await world.job(job_id)
    assert (job.state, job.error, job.reference) == ("failed", "Too dark: send another.", "AB12")
    assert await world.tell() == [("failed, card not written", job_id)]


async def test_a_delivery_overrules_a_cancellation_that_came_too_late(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(Cancelled(job_id=job_id, attempt=1, at=0.0), delivered(job_id))
    assert (await world.job(job_id)).state == "succeeded"
    assert await world.tell() == [("delivered", job_id)]


async def test_what_cant_be_read_is_logged_and_does_not_hold_up_the_rest(world: World) -> None:
    job_id = await handed_out(world)
    await world.redis.xadd(names.EVENTS_STREAM, {"event": b"\xff no msgpack"})
    await world.redis.xadd(names.EVENTS_STREAM, {"other": b"field"})
    await world.hear(
        Produced(job_id="unknown", attempt=1, at=0.0),
        Produced(job_id=job_id, attempt=1, at=0.0),  # without an outcome
        delivered(job_id),
    )
    assert (await world.job(job_id)).state == "succeeded"
    assert await world.redis.xlen(names.EVENTS_STREAM) == 0


async def test_an_adapter_that_was_not_asked_for_is_refused(world: World) -> None:
    first, second = await handed_out(world, "train"), (await world.train("ben", "other")).id
    await world.commit(await world.job(first))
    forged = await world.blobs.read(names.outcome_path(first))
    await world.blobs.create(names.outcome_path(second), forged)
    await world.beat(train=1, worker_id="w2")
    await world.dispatcher.tick()
    await world.hear(Produced(job_id=second, attempt=1, at=0.0))
    assert await world.database.read(lambda tx: adapters.own(tx, MEMBERS["ben"], "other")) is None
    assert (await world.job(second)).state == "failed"


@pytest.mark.parametrize("lane", ["imagine", "train"])
async def test_what_can_never_be_entered_ends_its_job_and_holds_up_nothing(world: World, lane: names.Lane) -> None:
    job_id, other = await handed_out(world, lane), await handed_out(world, "imagine" if lane == "train" else "train")
    await world.commit(await world.job(job_id))
    table = "pictures" if lane == "imagine" else "adapters"
    await world.database.write(
        lambda tx: tx.execute(
            f"CREATE TRIGGER refuses BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    )
    with structlog.testing.capture_logs() as logged:
        await world.hear(delivered(job_id), delivered(other))
    assert await world.redis.xlen(names.EVENTS_STREAM) == 0
    assert (await world.job(other)).state == "succeeded"
    job = await world.job(job_id)
    assert (job.state, job.outstanding) == ("failed", False)
    (refused,) = [entry for entry in logged if entry["event"] == "event.refused"]
    assert refused["reference"] == job.reference
    assert f"in the log under {job.reference}" in (job.error or "")
    assert ("failed, card not written", job_id) in await world.tell()


async def test_a_number_that_the_database_cant_hold_ends_its_job(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(msgspec.structs.replace(delivered(job_id), message_id=2**63))
    assert (await world.job(job_id)).state == "failed"


async def test_what_is_refused_of_an_older_attempt_ends_nothing(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(HandedBack(job_id=job_id, attempt=1, at=0.0))
    await world.dispatcher.tick()
    await world.hear(msgspec.structs.replace(delivered(job_id), message_id=2**63))
    assert (await world.job(job_id)).state == "queued"


def _lock(path: Path) -> Callable[[], object]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


@pytest.mark.parametrize("trouble", ["locked", "full"])
async def test_what_may_pass_is_tried_again(world: World, tmp_path: Path, trouble: str) -> None:
    job_id = await handed_out(world)
    await world.commit(await world.job(job_id), pictures=50)
    await world.database._run(lambda connection: connection.execute("PRAGMA busy_timeout = 0"))
    end = _lock(tmp_path / "darkroom.sqlite3") if trouble == "locked" else None
    if trouble == "full":
        await world.database._run(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
    await world.say(delivered(job_id))
    with pytest.raises(sqlite3.OperationalError, match=trouble):
        await world.events.read_once(block_s=0.01)
    assert await world.redis.xlen(names.EVENTS_STREAM) == 1
    if end is not None:
        end()
    await world.database._run(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    assert await world.events.read_once(pending=True) == 1
    assert (await world.job(job_id)).state == "succeeded"
    assert await world.redis.xlen(names.EVENTS_STREAM) == 0


async def test_events_read_before_a_crash_are_read_again(world: World) -> None:
    job_id = await handed_out(world)
    await world.say(delivered(job_id))
    await world.queue.read_events(pending=False, block_s=0.01)  # a bot that died right after reading
    assert await world.events.read_once(block_s=0.01) == 0
    assert await world.events.read_once(pending=True) == 1
    assert (await world.job(job_id)).state == "succeeded"


class BrokenBlobs(Blobs):
    """A blob store that is away a few times."""

    def __init__(self, blobs: Blobs, faults: int) -> None:
        self._blobs, self.faults = blobs, faults

    async def read(self, path: str) -> bytes:
        if self.faults:
            self.faults -= 1
            raise OSError("the bucket is away")
        return await self._blobs.read(path)


async def test_faults_of_blobs_and_redis_lose_no_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.events.RETRY_S", 0.0)
    job_id = await handed_out(world)
    await world.commit(await world.job(job_id))
    world.events._blobs = BrokenBlobs(world.blobs, faults=2)
    read_events, downs = world.queue.read_events, iter(range(2))

    async def read(**options: object) -> object:
        if next(downs, None) is not None:
            raise QueueDown("Redis does not answer: away")
        return await read_events(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(world.queue, "read_events", read)
    entered = asyncio.Event()
    world.events.on_change = entered.set
    running = asyncio.create_task(world.events.run())
    await world.say(delivered(job_id))
    async with asyncio.timeout(20):
        await entered.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await world.database.read(lambda tx: pictures.of_job(tx, job_id))) == 1
    assert (await world.job(job_id)).state == "succeeded"


async def test_the_stream_is_made_again_after_redis_was_wiped(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear()
    await world.redis.flushall()
    await world.hear(delivered(job_id))
    assert (await world.job(job_id)).state == "succeeded"


async def test_what_the_listener_could_not_tell_is_told_later(world: World) -> None:
    job_id = await handed_out(world)
    await world.hear(delivered(job_id))
    world.listener.fault = RuntimeError("Discord is away")
    assert await world.tell() == []
    world.listener.fault = None
    assert await world.tell() == []  # not due yet
    world.clock.now += 3
    assert await world.tell() == [("delivered", job_id)]


async def test_telling_is_given_up_after_some_tries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.outbox.MOST_TRIES", 5)
    job_id = await handed_out(world)
    await world.hear(delivered(job_id))
    world.listener.fault = RuntimeError("never")
    for _ in range(5):
        await world.tell()
        world.clock.now += LONGEST_WAIT_S
    world.listener.fault = None
    assert await world.tell() == []


async def test_it_has_caught_up_also_where_there_is_always_something_to_read(world: World) -> None:
    job_id = await handed_out(world)
    await world.say(Started(job_id=job_id, attempt=1, worker_id="w1", at=0.0))
    assert await world.events.read_once(block_s=0.01) == 1
    assert world.events.caught_up()


async def test_examples_of_a_training_stay_until_they_are_delivered(world: World) -> None:
    job_id = await handed_out(world, "train")
    outcome = await world.commit(await world.job(job_id))
    await world.hear(Produced(job_id=job_id, attempt=1, at=0.0))
    await world.sweeper.collect_garbage()
    assert await world.blobs.exists(outcome.pictures[0].blob)  # the worker has still to send them
    await world.hear(delivered(job_id))
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(outcome.pictures[0].blob)


async def test_examples_that_could_not_be_delivered_are_not_kept(world: World) -> None:
    job_id = await handed_out(world, "train")
    outcome = await world.commit(await world.job(job_id))
    await world.hear(Produced(job_id=job_id, attempt=1, at=0.0))
    await world.hear(Failed(job_id=job_id, attempt=1, at=0.0, message="The channel is gone."))
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(outcome.pictures[0].blob)
    assert await world.database.read(lambda tx: adapters.own(tx, MEMBERS["ada"], "thnos")) is not None
