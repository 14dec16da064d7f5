"""Pausing, going on and ending early, in the books: what the member wants survives whatever happens to the worker."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from bot.dispatch import LOST_AFTER_S
from bot.errors import UserError
from bot.store import jobs
from bot.store.records import Job
from bot.ui import cards
from tests.bot.worlds import MEMBERS, World
from trainer.contract import names
from trainer.contract.events import (
    Cancelled,
    Delivered,
    Event,
    Failed,
    HandedBack,
    Paused,
    Produced,
    Progress,
    Standing,
    Started,
    encode,
)

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
    assert await wish_of(world, job) == b"1:pause:0"
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
        assert await wish_of(world, job) == b"1:finish:0"
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
    assert await wish_of(world, job) == b"1:finish:0"


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


async def far(world: World, job: Job, step: int) -> None:
    """How far its worker said last that it is."""
    progress = Progress(job_id=job.id, attempt=job.attempt, step=step, steps=600, seconds_left=None)
    await world.redis.set(names.progress_key(job.id), encode(progress))


async def keep(world: World, job: Job, step: int) -> None:
    """A worker's checkpoint."""
    await world.blobs.write(names.standing_path(job.id), msgspec.json.encode(Standing(step, 600)))


async def lose(world: World, job: Job, how: str) -> None:
    """Its worker is told to end, or dies."""
    if how == "ends":
        await world.hear(HandedBack(job_id=job.id, attempt=job.attempt, at=0.0))
    else:
        await world.die()
        await world.lost_for(LOST_AFTER_S)


@pytest.mark.parametrize("how", ["ends", "dies"])
async def test_ending_early_outlives_the_worker(world: World, how: str) -> None:
    job = await running(world)
    await far(world, job, 190)
    await world.control.finish(job.id, ADA)
    await keep(world, job, 100)
    await lose(world, job, how)
    waiting = await world.job(job.id)
    assert (waiting.state, waiting.held, waiting.wish, waiting.wish_step) == ("queued", None, "finish", 190)
    assert "goes on where it was. It ends after step 190, as you wished." in (cards.requeued(waiting).description or "")
    assert (await world.control.finish(job.id, ADA)) == waiting  # once more: it is known
    await world.beat(train=1)
    (again,) = await world.dispatcher.tick()
    assert (again.attempt, again.wish) == (2, "finish")
    assert await wish_of(world, job) == b"2:finish:190"  # before a worker has it, and again after Redis was wiped
    await world.redis.flushall()
    await world.beat(names.arq_job_id(job.id, 2))
    await world.dispatcher.tick()
    assert await wish_of(world, job) == b"2:finish:190"


async def test_a_training_that_is_to_end_early_can_be_paused_and_stopped_while_it_waits(world: World) -> None:
    job = await running(world)
    await world.control.finish(job.id, ADA)
    await lose(world, job, "ends")
    paused_now = await world.control.pause(job.id, ADA)
    assert (paused_now.held, paused_now.wish) == ("paused", None)
    await world.control.resume(job.id, ADA)
    await world.jobs.cancel(job.id, ADA)
    assert (await world.job(job.id)).state == "cancelled"


async def test_a_training_that_paused_before_it_heard_that_it_is_to_end_goes_on_to_end(world: World) -> None:
    job = await running(world)
    await world.control.pause(job.id, ADA)
    await world.control.finish(job.id, ADA)
    await world.hear(paused(job))
    after = await world.job(job.id)
    assert (after.held, after.wish, after.paused_step) == (None, "finish", 120)
    assert await world.tell() == [("requeued", job.id)]


@pytest.mark.parametrize("how", ["ends", "dies"])
@pytest.mark.parametrize(
    ("step", "words"),
    [(100, "It stands at step 100 of 600, and goes on from there."), (None, "before anything of it was kept")],
)
async def test_the_card_of_a_training_that_was_lost_while_it_paused_says_where_it_goes_on(
    world: World, how: str, step: int | None, words: str
) -> None:
    job = await running(world)
    await world.hear(paused(job, step=50))  # of an earlier pause
    await world.control.resume(job.id, ADA)
    await world.beat(train=1)
    (job,) = await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=2, worker_id="w1", at=0.0))
    await world.control.pause(job.id, ADA)
    if step is not None:
        await keep(world, job, step)
    await lose(world, job, how)
    after = await world.job(job.id)
    assert (after.held, after.paused_step) == ("paused", step)
    assert words in (cards.paused(after).description or "")
    resumed = await world.control.resume(job.id, ADA)
    assert cards.resumed(resumed).startswith("It goes on where it was" if step else "It begins anew")


async def test_a_training_that_is_paused_while_it_waits_again_says_where_it_goes_on(world: World) -> None:
    job = await running(world)
    await keep(world, job, 300)
    await lose(world, job, "dies")
    assert "It stands at step 300 of 600" in (cards.paused(await world.control.pause(job.id, ADA)).description or "")
    fresh = await world.control.pause((await world.train(name="fresh")).id, ADA)
    assert cards.paused(fresh).description == "It has not begun yet. Its photos are kept for a week."
    assert cards.resumed(fresh) == "It begins, as soon as there is room."


async def test_a_standing_that_cant_be_read_is_none(world: World) -> None:
    job = await running(world)
    await world.blobs.write(names.standing_path(job.id), b"{}")
    await lose(world, job, "ends")
    assert (await world.job(job.id)).paused_step is None
    assert "it begins anew" in (cards.requeued(await world.job(job.id)).description or "")


async def test_a_second_click_on_resume_is_kept_out_until_the_first_is_done(world: World) -> None:
    with world.control.resuming("7"):
        with pytest.raises(UserError, match="being resumed already"), world.control.resuming("7"):
            pass
        with world.control.resuming("8"):
            pass
    with pytest.raises(ZeroDivisionError), world.control.resuming("7"):
        raise ZeroDivisionError
    with world.control.resuming("7"):
        pass


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
