"""Pausing, going on and ending early, in the books: what the member wants survives whatever happens to the worker."""

from __future__ import annotations

from functools import partial

import pytest

from bot.dispatch import LOST_AFTER_S
from bot.errors import UserError
from bot.store import jobs
from bot.store.records import Job
from tests.bot.worlds import MEMBERS, World
from trainer.contract import names
from trainer.contract.events import Cancelled, Delivered, Event, Failed, HandedBack, Paused, Produced, Started

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]


async def running(world: World, name: str = "thnos") -> Job:
    """A training in a worker's hands."""
    job = await world.train(name=name)
    await world.beat(train=1)
    (job,) = await world.dispatcher.tick()
    await world.beat(names.arq_job_id(job.id, job.attempt))
    await world.hear(Started(job_id=job.id, attempt=job.attempt, worker_id="w1", at=0.0))
    await world.tell()
    return await world.job(job.id)


def paused(job: Job, step: int = 120) -> Paused:
    return Paused(job_id=job.id, attempt=job.attempt, at=0.0, step=step, steps=600)


async def wish_of(world: World, job: Job) -> bytes | None:
    found: bytes | None = await world.redis.get(names.wish_key(job.id))
    return found


async def test_a_running_training_is_paused_by_its_worker_and_goes_on_when_its_member_says_so(world: World) -> None:
    job = await running(world)
    asked = await world.control.pause(job.id, ADA)
    assert (asked.state, asked.wish, asked.held) == ("running", "pause", None)
    await world.dispatcher.tick()
    assert await wish_of(world, job) == b"1:pause"
    await world.hear(paused(job))
    after = await world.job(job.id)
    assert (after.state, after.held, after.wish, after.outstanding) == ("queued", "paused", None, False)
    assert (after.paused_step, after.paused_steps, after.tries) == (120, 600, 0)
    assert await world.tell() == [("paused", job.id)]
    await world.beat(train=1)
    assert await world.dispatcher.tick() == []  # the GPU is free for others
    resumed = await world.control.resume(job.id, ADA)
    assert resumed.held is None
    assert await world.tell() == [("resumed", job.id)]
    (again,) = await world.dispatcher.tick()
    assert (again.id, again.attempt, again.wish) == (job.id, 2, None)
    assert await wish_of(world, job) != names.wish_value(2, "pause").encode()  # the old wish is not for this attempt


async def test_a_waiting_training_is_paused_at_once(world: World) -> None:
    job = await world.train()
    held = await world.control.pause(job.id, ADA)
    assert (held.state, held.held, held.paused_step) == ("queued", "paused", None)
    assert await world.tell() == [("paused", job.id)]
    assert (await world.control.pause(job.id, ADA)).held_at == held.held_at  # twice changes nothing


async def test_ending_early_is_said_until_the_worker_acts_and_to_a_wiped_redis_too(world: World) -> None:
    job = await running(world)
    assert (await world.control.finish(job.id, ADA)).wish == "finish"
    for _ in range(2):
        await world.redis.flushall()
        await world.beat(names.arq_job_id(job.id, job.attempt))
        await world.dispatcher.tick()
        assert await wish_of(world, job) == b"1:finish"
    await world.commit(await world.job(job.id))
    await world.hear(Delivered(job_id=job.id, attempt=1, channel_id=200, message_id=2, at=0.0))
    after = await world.job(job.id)
    assert (after.state, after.wish) == ("succeeded", None)
    assert await wish_of(world, job) is None


async def test_the_last_wish_stands(world: World) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    assert (await world.control.finish(job.id, ADA)).wish == "finish"
    await world.dispatcher.tick()
    assert await wish_of(world, job) == b"1:finish"


@pytest.mark.parametrize("what", ["pause", "resume", "finish"])
async def test_only_its_own_member_controls_a_training(world: World, what: str) -> None:
    job = await running(world)
    if what == "resume":
        await world.hear(paused(job))
    before = await world.job(job.id)
    with pytest.raises(UserError, match="This training belongs to ada: only they can"):
        await getattr(world.control, what)(job.id, BEN)
    assert await world.job(job.id) == before


async def test_what_can_not_be_done_is_a_sentence(world: World) -> None:
    job, picture = await world.train(), await world.imagine()
    with pytest.raises(UserError, match="wait until it has begun, or stop it with `/cancel`"):
        await world.control.finish(job.id, ADA)
    with pytest.raises(UserError, match="`thnos` is not paused"):
        await world.control.resume(job.id, ADA)
    await world.control.pause(job.id, ADA)
    with pytest.raises(UserError, match="resume it first, or stop it with `/cancel`"):
        await world.control.finish(job.id, ADA)
    await world.jobs.cancel(job.id, ADA)
    for call in (world.control.pause, world.control.resume, world.control.finish):
        with pytest.raises(UserError, match="This training was stopped"):
            await call(job.id, ADA)
        for unknown in (picture.id, "1"):
            with pytest.raises(UserError, match="no such training"):
                await call(unknown, ADA)


async def test_a_training_that_waits_for_an_answer_is_not_paused(world: World) -> None:
    job = await world.train()
    await world.database.write(partial(jobs.hold, job_id=job.id, why="review", now=world.clock.now))
    with pytest.raises(UserError, match="waits for your answer"):
        await world.control.pause(job.id, ADA)


async def test_a_training_that_is_being_stopped_is_not_paused(world: World) -> None:
    job = await running(world)
    await world.jobs.cancel(job.id, ADA)
    with pytest.raises(UserError, match="is being stopped already"):
        await world.control.pause(job.id, ADA)


async def test_cancelling_overrules_a_pause(world: World) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    await world.jobs.cancel(job.id, ADA)
    await world.dispatcher.tick()
    assert await wish_of(world, job) is None
    await world.hear(paused(job))  # it paused before it heard
    assert (await world.job(job.id)).state == "cancelled"
    assert await world.tell() == [("cancelled, card not written", job.id)]


async def test_a_worker_that_is_lost_while_it_pauses_leaves_a_paused_training(world: World) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    await world.die()  # after it has stored the checkpoint, before it could say so
    await world.lost_for(LOST_AFTER_S)
    after = await world.job(job.id)
    assert (after.state, after.held, after.wish) == ("queued", "paused", None)
    assert await world.tell() == [("paused", job.id)]
    await world.hear(paused(job))  # it was said after all: of an attempt that is over, though not yet followed
    assert (await world.job(job.id)).held == "paused"


async def test_a_training_that_is_lost_while_it_ends_early_goes_on_as_if_nobody_had_said_so(world: World) -> None:
    job = await running(world)
    await world.control.finish(job.id, ADA)
    await world.hear(HandedBack(job_id=job.id, attempt=1, at=0.0))
    after = await world.job(job.id)
    assert (after.state, after.held, after.wish) == ("queued", None, None)


async def test_what_is_committed_is_not_paused(world: World) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    await world.commit(job)
    await world.hear(Produced(job_id=job.id, attempt=1, at=0.0), HandedBack(job_id=job.id, attempt=1, at=0.0))
    after = await world.job(job.id)
    assert (after.state, after.held) == ("queued", None)


async def test_a_pause_that_is_read_twice_or_late_changes_nothing(world: World) -> None:
    job = await running(world)
    await world.hear(paused(job), paused(job, step=130))
    assert (await world.job(job.id)).paused_step == 120
    await world.control.resume(job.id, ADA)
    await world.hear(paused(job, step=140))
    assert (await world.job(job.id)).held is None


@pytest.mark.parametrize("last", [Cancelled, Failed])
async def test_a_wish_is_forgotten_with_its_training(world: World, last: type[Event]) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    await world.dispatcher.tick()
    said = {"message": "Too dark."} if last is Failed else {}
    await world.hear(last(job_id=job.id, attempt=1, at=0.0, **said))  # type: ignore[arg-type]
    assert (await world.job(job.id)).wish is None
    assert await wish_of(world, job) is None


async def test_a_bot_that_was_away_tells_of_the_pause_when_it_is_back(world: World) -> None:
    job = await running(world)
    await world.hear(paused(job))
    world.listener.fault = ConnectionError("Discord is away")
    assert await world.tell() == []
    world.listener.fault = None
    world.clock.now += 10
    assert await world.tell() == [("paused", job.id)]
    assert await world.tell() == []


async def test_a_training_that_went_on_meanwhile_is_not_told_to_be_paused(world: World) -> None:
    job = await running(world)
    await world.hear(paused(job))
    await world.control.resume(job.id, ADA)
    assert await world.tell() == [("resumed", job.id)]
