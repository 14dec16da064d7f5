"""What is left when photos are left out, and who may say so; the buttons are tested in tests/discord."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from bot.errors import UserError
from bot.findings import Scale, report_on
from bot.reviews import Reviews
from bot.store import jobs
from bot.store.records import Job
from tests.bot.test_findings import photo
from tests.bot.worlds import MEMBERS, World
from trainer.contract.names import photo_path, photos_prefix, report_path, sheet_path

ADA = MEMBERS["ada"]


@pytest.fixture
def reviews(world: World) -> Reviews:
    return Reviews(world.database, world.blobs, world.photos, world.outbox)


async def held(world: World, *, sent: int = 3, kept: int = 0) -> Job:
    """A training of ``sent`` photos, the second of them blurred, and of ``kept`` ones of an earlier training."""
    job = await world.train()
    paths = tuple(photo_path(job.id, index) for index in range(sent + kept))
    for path in paths:
        await world.blobs.write(path, b"pixels")
    spec = msgspec.structs.replace(
        job.train, photos=paths, captions=tuple(f"caption {index}" for index in range(sent + kept)),
        focuses=tuple((index / 10, 0.5) for index in range(sent + kept)),
    )  # fmt: skip
    report = report_on([photo(index, blur_px=9.0 if index == 1 else 1.0) for index in range(sent)], Scale())
    await world.blobs.write(report_path(job.id), msgspec.json.encode(report))
    await world.blobs.write(sheet_path(job.id), b"sheet")
    await world.database.write(partial(jobs.set_spec, job_id=job.id, spec=spec))
    await world.database.write(partial(jobs.hold, job_id=job.id, why="review", now=world.clock.now))
    return await world.job(job.id)


async def test_photos_kept_of_an_earlier_training_are_never_left_out(world: World, reviews: Reviews) -> None:
    job = await held(world, sent=2, kept=3)
    after = await reviews.drop(job.id, ADA)
    assert after.held is None
    assert after.train.captions == ("caption 0", "caption 2", "caption 3", "caption 4")
    assert after.train.focuses == tuple((index / 10, 0.5) for index in (0, 2, 3, 4))
    assert await world.blobs.list(photos_prefix(job.id)) == list(after.train.photos)
    await world.beat(train=1)
    (handed,) = await world.dispatcher.tick()
    assert handed.id == job.id


async def test_too_few_can_not_be_left(world: World, reviews: Reviews) -> None:
    job = await held(world, sent=3)
    with pytest.raises(UserError, match="Without them 2 would be left, and 3 photos are the fewest"):
        await reviews.drop(job.id, ADA)
    assert (await world.job(job.id)).held == "review"
    assert len(await world.blobs.list(photos_prefix(job.id))) == 3 + 2
    after = await reviews.train(job.id, ADA)
    assert len(after.train.photos) == 3
    assert await world.blobs.list(photos_prefix(job.id)) == list(after.train.photos)  # the report and sheet are gone


async def test_nobody_else_may_answer_or_look(world: World, reviews: Reviews) -> None:
    job = await held(world)
    for door in (reviews.train, reviews.drop):
        with pytest.raises(UserError, match="belongs to ada: only they can"):
            await door(job.id, MEMBERS["ben"])
        with pytest.raises(UserError, match="no such training"):
            await door("404", ADA)


async def test_what_is_over_or_not_held_waits_for_no_answer(world: World, reviews: Reviews) -> None:
    job = await world.train(name="other")
    for door in (reviews.train, reviews.drop):
        with pytest.raises(UserError, match="waits for no answer any more"):
            await door(job.id, ADA)
    job = await held(world)
    await world.jobs.cancel(job.id, ADA)
    with pytest.raises(UserError, match="was stopped"):
        await reviews.train(job.id, ADA)


async def test_one_check_at_a_time(world: World, reviews: Reviews) -> None:
    uploads = world.train_order().uploads

    async def check(uploads: object, scale: Scale) -> object:
        with pytest.raises(UserError, match="Other photos of yours are being looked through"):
            await reviews.check(ADA, (), scale)
        return report_on([], scale), b""

    world.photos.check = check  # type: ignore[method-assign]
    await reviews.check(ADA, uploads, Scale())
    await reviews.check(ADA, uploads, Scale())  # the first is done
