"""Held jobs: kept from the workers, counted all the same, and given up after their time."""

from __future__ import annotations

from functools import partial

import pytest

from bot import entries
from bot.adapters import check_free
from bot.errors import UserError
from bot.photos import StoredPhotos
from bot.store import jobs
from bot.store.records import Hold, Job
from bot.ui import cards
from tests.bot.worlds import MEMBERS, World
from trainer.contract.names import photo_path, photos_prefix

DAY_S = 24 * 3600


async def held(world: World, why: Hold, name: str = "thnos") -> Job:
    """A training that is held."""
    job = await world.train(name=name)
    found = await world.database.write(partial(jobs.hold, job_id=job.id, why=why, now=world.clock.now))
    assert found is not None
    return found


async def test_a_held_training_is_entered_at_once(world: World) -> None:
    order = world.train_order()
    await world.jobs.submit_imagine(world.imagine_order())  # the member is known
    path = photo_path(order.origin.job_id, 0)
    spec = entries.train_spec(order, StoredPhotos((path,), (None,)))
    new = entries.new_job(order.origin, "train", "emoji-64", spec, world.clock.now, held="review")
    job = await world.database.write(lambda tx: jobs.insert(tx, new))
    assert (job.held, job.held_at, job.state) == ("review", world.clock.now, "queued")


@pytest.mark.parametrize("why", ["review", "paused"])
async def test_a_held_training_goes_to_no_worker_and_has_no_place(world: World, why: Hold) -> None:
    job, other = await held(world, why), await world.train(name="other")
    await world.beat(train=2)
    assert [handed.id for handed in await world.dispatcher.tick()] == [other.id]
    assert await world.jobs.position(job) is None
    released = await world.database.write(partial(jobs.release, job_id=job.id))
    assert released is not None
    assert released.held is None
    assert await world.jobs.position(released) == 1
    assert [handed.id for handed in await world.dispatcher.tick()] == [job.id]
    assert await world.database.write(partial(jobs.release, job_id=job.id)) is None  # it is not held
    assert await world.database.write(partial(jobs.hold, job_id=job.id, why=why, now=0.0)) is None  # a worker has it


async def test_a_held_training_counts_and_keeps_its_name(world: World) -> None:
    for name in ("one", "two", "three"):
        await held(world, "review", name)
    with pytest.raises(UserError, match="You have 3 trainings under way"):
        await world.train(name="four")
    with pytest.raises(UserError, match="A training of yours for `one` is under way"):
        await world.database.read(lambda tx: check_free(tx, MEMBERS["ada"], "one"))


async def test_jobs_says_why_a_training_does_not_go_on(world: World) -> None:
    waits, paused = await held(world, "review", "one"), await held(world, "paused", "two")
    text = cards.jobs_list([waits, paused], {}, {}, []).description
    assert text is not None
    assert [line.rpartition(" · ")[2] for line in text.split("\n")] == ["waits for your answer", "paused"]


async def test_a_held_training_is_cancelled_at_once(world: World) -> None:
    job = await held(world, "paused")
    assert (await world.jobs.cancel(job.id, MEMBERS["ada"])).state == "cancelled"
    assert await world.tell() == [("cancelled, card not written", job.id)]


async def test_an_unanswered_training_ends_after_a_day_and_its_photos_go_at_once(world: World) -> None:
    job = await held(world, "review")
    world.clock.now += DAY_S
    assert await world.sweeper.end_expired_holds() == []
    world.clock.now += 1
    assert await world.sweeper.end_expired_holds() == [job.id]
    after = await world.job(job.id)
    assert (after.state, after.held) == ("cancelled", None)
    assert "so they were deleted" in (cards.cancelled(after).description or "")
    assert await world.blobs.list(photos_prefix(job.id)) == []
    assert await world.tell() == [("cancelled, card not written", job.id)]
    assert await world.sweeper.end_expired_holds() == []


async def test_a_paused_training_ends_after_a_week_and_its_photos_like_those_of_any_other(world: World) -> None:
    job = await held(world, "paused")
    world.clock.now += 7 * DAY_S
    assert await world.sweeper.end_expired_holds() == []
    world.clock.now += 1
    assert await world.sweeper.end_expired_holds() == [job.id]
    assert "It was paused for a week" in (cards.cancelled(await world.job(job.id)).description or "")
    assert len(await world.blobs.list(photos_prefix(job.id))) == 3
    world.clock.now += DAY_S + 1
    assert await world.sweeper.delete_due_photos() == [job.id]
