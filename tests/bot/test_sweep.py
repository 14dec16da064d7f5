"""Photos of members are kept exactly as long as they are needed."""

from __future__ import annotations

import pytest

from bot.errors import UserError
from bot.findings import Scale
from tests.bot.worlds import MEMBERS, World
from trainer.contract.events import Delivered, Failed
from trainer.contract.names import checkpoint_prefix, photos_prefix


async def photos_of(world: World, job_id: str) -> list[str]:
    return await world.blobs.list(photos_prefix(job_id))


async def test_after_a_successful_training_photos_and_checkpoints_go_at_once(world: World) -> None:
    job = await world.train()
    await world.blobs.write(f"{checkpoint_prefix(job.id)}000100", b"weights")
    await world.sweeper.delete_due_photos()
    assert len(await photos_of(world, job.id)) == 3
    await world.commit(job)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    assert await world.sweeper.delete_due_photos() == [job.id]
    assert await photos_of(world, job.id) == []
    assert await world.blobs.list(checkpoint_prefix(job.id)) == []
    assert await world.sweeper.delete_due_photos() == []


async def test_after_a_failed_or_cancelled_one_they_go_a_day_later(world: World) -> None:
    failed, cancelled = await world.train(name="one"), await world.train(name="two")
    await world.hear(Failed(job_id=failed.id, attempt=0, at=0.0, message="Too dark."))
    await world.jobs.cancel(cancelled.id, MEMBERS["ada"])
    world.clock.now += 24 * 3600 - 1
    assert await world.sweeper.delete_due_photos() == []
    world.clock.now += 2
    assert sorted(await world.sweeper.delete_due_photos()) == sorted([failed.id, cancelled.id])
    assert await photos_of(world, failed.id) == []


async def test_photos_of_a_submission_that_died_half_way_go_after_an_hour(world: World) -> None:
    kept = await world.train(name="kept")
    collect = world.photos.collect

    async def dies(job_id: str, uploads: object, scale: Scale, **options: object) -> None:
        await collect(job_id, world.train_order().uploads, scale)
        raise UserError("the bot died here")

    world.photos.collect = dies  # type: ignore[assignment]
    order = world.train_order(name="half-done")
    with pytest.raises(UserError):
        await world.trainings.submit(order)
    assert await world.sweeper.delete_orphaned_photos() == []
    world.clock.now += 3601
    assert await world.sweeper.delete_orphaned_photos() == [order.origin.job_id]
    assert len(await photos_of(world, kept.id)) == 3
