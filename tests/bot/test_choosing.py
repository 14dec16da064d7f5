"""The versions of an adapter, in the books: kept exactly as long as they can be chosen."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import UserError
from bot.store.records import Adapter, AdapterPick, Job
from bot.ui.choosing import describe
from tests.bot.worlds import MEMBERS, World
from trainer.contract.events import Candidate, Delivered, OutputFile, Produced

ADA = MEMBERS["ada"]
VERSIONS = (b"of step 800", b"of step 900", b"of step 1000")
DAY_S = 24 * 3600


async def trained(world: World, name: str = "thnos", versions: tuple[bytes, ...] = VERSIONS) -> tuple[Job, Adapter]:
    """A training that was delivered, and its adapter."""
    job = await world.train(name=name)
    await world.commit(job, versions=versions)
    await world.hear(
        Produced(job_id=job.id, attempt=0, at=0.0),
        Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0),
    )
    return job, await world.adapters.resolve(name, viewer_id=ADA, guild_id=None)


async def there(world: World, adapter: Adapter) -> list[bool]:
    """Which of its versions' files are there, after a sweep."""
    await world.sweeper.collect_garbage()
    return [await world.blobs.exists(candidate.file.blob) for candidate in adapter.candidates]


async def test_all_versions_are_kept_for_a_day_and_the_chosen_one_for_good(world: World) -> None:
    job, adapter = await trained(world)
    assert await there(world, adapter) == [True, True, True]
    chosen = await world.adapters.choose(job.id, 2, owner_id=ADA)
    assert (chosen.steps, chosen.size_bytes, chosen.chosen, chosen.weight_best) == (1000, 12, 2, 1.0)
    world.clock.now += DAY_S - 1
    assert await there(world, adapter) == [True, True, True]
    world.clock.now += 1
    with pytest.raises(UserError, match="for they are kept a day"):
        await world.adapters.choose(job.id, 0, owner_id=ADA)
    assert await there(world, adapter) == [False, False, True]


async def test_choosing_the_same_again_changes_nothing(world: World) -> None:
    job, adapter = await trained(world)
    assert await world.adapters.choose(job.id, 0, owner_id=ADA) == adapter
    assert await world.adapters.choose(job.id, 1, owner_id=ADA) == await world.adapters.choose(job.id, 1, owner_id=ADA)


async def test_a_delivery_that_is_told_again_does_not_undo_the_choice(world: World) -> None:
    job, _ = await trained(world)
    chosen = await world.adapters.choose(job.id, 1, owner_id=ADA)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    assert await world.adapters.own(chosen.id, owner_id=ADA) == chosen


async def test_many_choices_at_once_leave_one_version_and_the_files_of_all(world: World) -> None:
    job, adapter = await trained(world)
    await asyncio.gather(*(world.adapters.choose(job.id, place % 3, owner_id=ADA) for place in range(20)))
    now = await world.adapters.own(adapter.id, owner_id=ADA)
    assert now.blob == adapter.candidates[now.chosen].file.blob
    assert await there(world, adapter) == [True, True, True]


async def test_the_same_bytes_in_another_adapter_are_not_taken_from_it(world: World) -> None:
    job, adapter = await trained(world, "one")
    _, twin = await trained(world, "two")
    assert twin.candidates == adapter.candidates
    await world.adapters.delete("two", owner_id=ADA)
    assert await there(world, adapter) == [True, True, True]
    await world.adapters.choose(job.id, 1, owner_id=ADA)
    world.clock.now += DAY_S
    assert await there(world, adapter) == [False, True, False]


async def test_pictures_that_wait_are_drawn_with_the_version_they_were_accepted_with(world: World) -> None:
    job, adapter = await trained(world)
    pick = AdapterPick(adapter_id=adapter.id, written=adapter.name, blob=adapter.blob, weight=0.8)
    waiting = await world.imagine(adapters=(pick,))
    await world.adapters.choose(job.id, 1, owner_id=ADA)
    world.clock.now += DAY_S
    assert await there(world, adapter) == [True, True, False]
    await world.jobs.cancel(waiting.id, ADA)
    assert await there(world, adapter) == [False, True, False]


@pytest.mark.parametrize("place", [-1, 3])
async def test_a_version_that_is_none_is_a_sentence(world: World, place: int) -> None:
    job, _ = await trained(world)
    with pytest.raises(UserError, match="The other versions"):
        await world.adapters.choose(job.id, place, owner_id=ADA)


async def test_one_version_alone_is_nothing_to_choose_from(world: World) -> None:
    job, adapter = await trained(world, versions=())
    assert adapter.choose_until is None
    with pytest.raises(UserError, match="The other versions"):
        await world.adapters.choose(job.id, 0, owner_id=ADA)


def test_a_version_that_nobody_measured_is_shown_without_scores() -> None:
    file = OutputFile(blob="b", filename="thnos.safetensors", content_type="application/octet-stream", size_bytes=1)
    assert describe(Candidate(step=1_000, file=file, weight=0.8)) == "step 1,000 · weight 0.8"
    assert describe(Candidate(step=100, file=file, weight=1.0, identity=0.0, obedience=0.955)) == (
        "step 100 · likeness 0 % · obedience 96 % · weight 1"
    )
