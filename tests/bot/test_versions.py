"""Versions of an adapter: training again keeps the older ones, for prompts to name and their owner to use again."""

from __future__ import annotations

import pytest

from bot.errors import UserError
from bot.library import Library, PageText
from bot.prompts import read_prompt
from bot.store.records import Adapter
from bot.sweep import Sweeper
from tests.bot.test_continuing import deliver, own
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]
DAY_S = 24 * 3600


@pytest.fixture
def library(world: World) -> Library:
    return Library(world.database, clock=world.clock)


async def train_twice(world: World, times: int = 2) -> list[Adapter]:
    """As it was after each training of the same name."""
    made = []
    for _ in range(times):
        await deliver(world, await world.train(name="thnos"))
        made.append(await own(world))
    return made


async def test_training_again_makes_the_next_version_of_the_same_adapter(world: World, library: Library) -> None:
    job = await world.train(name="thnos")
    await deliver(world, job)
    first = await own(world)
    await world.share("ada", "thnos")
    text = PageText(description="A monster.", tags="monster, Blue", licence=frozenset({"commercial"}))
    await library.edit(first.id, text, owner_id=ADA, guild_id=GUILD)
    await library.like(first.id, viewer_id=BEN, guild_id=GUILD)
    await deliver(world, await world.train(name="thnos"))
    second = await own(world)
    assert (second.id, second.version, first.version) == (first.id, 2, 1)
    assert second.blob != first.blob
    # what is of the adapter, and not of a version, stays
    assert (second.description, second.likes, second.commercial, second.credit) == ("A monster.", 1, True, False)
    assert second.shared_with == (GUILD,)
    page = await library.page(first.id, viewer_id=BEN, guild_id=GUILD)
    assert (page.tags, [each.version for each in page.others]) == (("blue", "monster"), [1])


async def test_a_prompt_takes_the_newest_or_the_one_that_it_names(world: World) -> None:
    first, second = await train_twice(world)
    await world.share("ada", "thnos")

    async def blob(tag: str, viewer_id: int = ADA) -> tuple[str, str]:
        read = await read_prompt(world.adapters, f"<lora:{tag}:0.8> on a moor", viewer_id=viewer_id, guild_id=GUILD)
        return read.adapters[0].blob, read.adapters[0].written

    assert await blob("thnos") == (second.blob, "thnos")
    assert await blob("thnos@1") == (first.blob, "thnos@1")
    assert await blob("thnos@2") == (second.blob, "thnos@2")
    assert await blob("ada/THNOS@1", BEN) == (first.blob, "ada/THNOS@1")
    with pytest.raises(UserError, match="no version 3 of `thnos`: there is `@1`, `@2`"):
        await blob("thnos@3")
    with pytest.raises(UserError, match="no adapter `nobody`"):
        await blob("nobody@1")


async def test_an_older_version_is_put_in_use_and_the_next_training_counts_on(world: World, library: Library) -> None:
    first, second = await train_twice(world)
    used = await library.use_version(first.id, 1, owner_id=ADA)
    assert (used.blob, used.version, used.job_id) == (first.blob, 1, first.job_id)
    assert await library.use_version(first.id, 1, owner_id=ADA) == used  # a second tap
    assert (await world.adapters.resolve("thnos@2", viewer_id=ADA, guild_id=None)).blob == second.blob
    await deliver(world, await world.train(name="thnos"))
    assert (await own(world)).version == 3
    with pytest.raises(UserError, match="belongs to ada"):
        await library.use_version(first.id, 2, owner_id=BEN)


async def test_a_late_word_of_a_version_that_is_not_in_use_changes_nothing(world: World, library: Library) -> None:
    first, second = await train_twice(world)
    await library.use_version(first.id, 1, owner_id=ADA)
    await world.database.write(
        lambda tx: tx.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (second.job_id,))
    )
    await world.hear(Delivered(job_id=second.job_id, attempt=0, channel_id=200, message_id=2, at=0.0))
    assert (await own(world)).version == 1


async def test_a_deleted_versions_file_goes_a_day_later(world: World, library: Library) -> None:
    first, _ = await train_twice(world)
    with pytest.raises(UserError, match="Version 2 of `thnos` is the one in use"):
        await library.delete_version(first.id, 2, owner_id=ADA)
    await library.delete_version(first.id, 1, owner_id=ADA)
    with pytest.raises(UserError, match="no version 1"):
        await world.adapters.resolve("thnos@1", viewer_id=ADA, guild_id=None)
    world.clock.now += DAY_S
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(first.blob)


async def test_so_many_are_kept_and_all_go_with_the_adapter(world: World) -> None:
    made = await train_twice(world, times=4)
    sweeper = Sweeper(world.database, world.blobs, world.outbox, keep_versions=2, clock=world.clock)
    await sweeper.delete_old_versions()
    world.clock.now += DAY_S
    await sweeper.collect_garbage()
    assert [await world.blobs.exists(each.blob) for each in made] == [False, True, True, True]
    await world.adapters.delete("thnos", owner_id=ADA)
    world.clock.now += DAY_S
    await sweeper.collect_garbage()
    assert [await world.blobs.exists(each.blob) for each in made] == [False] * 4


async def test_renaming_leaves_the_versions_with_it(world: World, library: Library) -> None:
    first, _ = await train_twice(world)
    await library.rename(first.id, "Moss", owner_id=ADA, guild_id=None)
    assert (await world.adapters.resolve("moss@1", viewer_id=ADA, guild_id=None)).name == "moss"
    await deliver(world, await world.train(name="thnos"))
    with pytest.raises(UserError, match="You have an adapter `thnos` already"):
        await library.rename(first.id, "thnos", owner_id=ADA, guild_id=None)


async def test_a_delivered_picture_counts_as_a_use_and_is_an_example_for_those_who_may_see_it(
    world: World, library: Library
) -> None:
    await train_twice(world, times=1)
    await world.share("ada", "thnos")
    adapter = await own(world)
    read = await read_prompt(world.adapters, "<lora:thnos>", viewer_id=ADA, guild_id=GUILD)
    job = await world.imagine(adapters=read.adapters, count=2)
    await world.commit(job, pictures=2)
    for _ in range(2):  # said twice, counted once
        await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=3, at=0.0))
    assert (await own(world)).uses == 1
    page = await library.page(adapter.id, viewer_id=BEN, guild_id=GUILD)
    assert [(each.job_id, each.position) for each in page.examples] == [(job.id, 0), (job.id, 1)]
    assert page.cover == page.examples[0]
    await library.set_cover(adapter.id, job.id, 1, owner_id=ADA)
    await world.sharing.with_everyone(adapter.id, owner_id=ADA)
    elsewhere = await library.page(adapter.id, viewer_id=BEN, guild_id=999)
    assert elsewhere.examples == ()  # drawn on another server
    assert elsewhere.cover is not None  # but this one was chosen by the owner, for all
    assert elsewhere.cover.position == 1
    with pytest.raises(UserError, match="somebody else's"):
        await library.set_cover(adapter.id, job.id, 7, owner_id=ADA)
