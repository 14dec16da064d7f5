"""Going on from an adapter: what is kept for it, what stays as it was, and what takes whose place."""

from __future__ import annotations

import pytest

from bot.errors import UserError
from bot.requests import request_of
from bot.store.records import Adapter, Job
from tests.bot.worlds import MEMBERS, World
from trainer.contract.events import Delivered, Failed, Produced
from trainer.contract.names import checkpoint_prefix, photos_prefix
from trainer.contract.requests import Recipe, TrainRequest

ADA = MEMBERS["ada"]
DAY_S = 24 * 3600


async def deliver(world: World, job: Job, **commit: object) -> None:
    await world.commit(job, **commit)  # type: ignore[arg-type]
    await world.hear(
        Produced(job_id=job.id, attempt=0, at=0.0),
        Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0),
    )
    await world.sweeper.delete_due_photos()


async def trained(world: World, name: str = "thnos", **changes: object) -> Adapter:
    """An adapter of Ada's; its photos are kept unless the test says otherwise."""
    job = await world.train(name=name, **{"keep_photos": True, "class_word": "monster", **changes})
    await deliver(world, job)
    return await own(world, name)


async def own(world: World, name: str = "thnos") -> Adapter:
    return await world.adapters.own_of_name(name, owner_id=ADA, guild_id=None)


async def photos_of(world: World, job_id: str) -> list[str]:
    return await world.blobs.list(photos_prefix(job_id))


async def go_on(world: World, name: str = "thnos", **changes: object) -> Job:
    return await world.train(name=name, **{"continue_from": "thnos", "uploads": (), **changes})


# -- keeping ----------------------------------------------------------------------------------------------------------


async def test_photos_are_kept_for_a_month_where_their_member_wants_it(world: World) -> None:
    adapter = await trained(world)
    assert len(await photos_of(world, adapter.job_id)) == 3
    assert adapter.photos_kept_until == world.clock.now + 30 * DAY_S
    world.clock.now += 30 * DAY_S - 1
    assert await world.sweeper.delete_due_photos() == []
    world.clock.now += 1
    assert await world.sweeper.delete_due_photos() == [adapter.job_id]
    assert await photos_of(world, adapter.job_id) == []
    assert (await own(world)).photos_kept_until is None


async def test_checkpoints_are_not_kept_with_them(world: World) -> None:
    adapter = await trained(world)
    await world.blobs.write(f"{checkpoint_prefix(adapter.job_id)}newest.safetensors", b"weights")
    await world.sweeper.delete_checkpoints()
    assert await world.blobs.list(checkpoint_prefix(adapter.job_id)) == []
    assert len(await photos_of(world, adapter.job_id)) == 3


async def test_deleting_the_adapter_deletes_its_photos_at_once(world: World) -> None:
    adapter = await trained(world)
    await world.adapters.delete("thnos", owner_id=ADA)
    assert await world.sweeper.delete_due_photos() == [adapter.job_id]
    assert await photos_of(world, adapter.job_id) == []


async def test_where_no_photos_are_kept_nobody_is_promised_it(world: World) -> None:
    world.trainings._keep_photos_days = 0
    with pytest.raises(UserError, match="leave `keep_photos` out"):
        await world.train(keep_photos=True)
    assert world.photos.collected == []


async def test_the_worker_is_told_how_long_photos_are_kept_to_say_it_on_the_card(world: World) -> None:
    job = await world.train(keep_photos=True)
    request = request_of(job)
    assert isinstance(request, TrainRequest)
    assert request.keep_photos_days == 30


# -- going on ---------------------------------------------------------------------------------------------------------


async def test_it_goes_on_from_the_photos_that_were_kept(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world)
    spec = job.train
    assert (spec.adapter_id, spec.continue_from, spec.trigger, spec.class_word) == (
        adapter.id, adapter.blob, "thnos", "monster",
    )  # fmt: skip
    assert list(spec.photos) == await photos_of(world, job.id)
    assert len(spec.photos) == len(spec.captions) == len(spec.focuses) == 3
    request = request_of(job)
    assert isinstance(request, TrainRequest)
    assert request.continue_from == adapter.blob


async def test_new_photos_come_before_those_that_were_kept(world: World) -> None:
    await trained(world)
    job = await go_on(world, uploads=world.train_order().uploads[:1], captions=("in the garden",))
    assert len(job.train.photos) == 4
    assert job.train.captions == ("in the garden", None, None, None)
    assert len(await photos_of(world, job.id)) == 4


async def test_the_new_version_takes_the_old_ones_place_which_is_kept(world: World) -> None:
    adapter = await trained(world)
    await world.share("ada", "thnos")
    job = await go_on(world)
    await deliver(world, job)
    after = await own(world)
    assert (after.id, after.name, after.job_id, after.version) == (adapter.id, "thnos", job.id, 2)
    assert after.blob != adapter.blob
    assert after.shared_with == (100,)
    assert await photos_of(world, adapter.job_id) == []  # those that were kept for the old one
    assert await photos_of(world, job.id) == []  # nobody said anew that they be kept
    world.clock.now += 2 * DAY_S
    await world.sweeper.collect_garbage()
    assert await world.blobs.exists(adapter.blob)
    older = await world.adapters.resolve("thnos@1", viewer_id=ADA, guild_id=None)
    assert (older.blob, older.version, older.shared_with) == (adapter.blob, 1, (100,))


async def test_under_another_name_it_becomes_one_of_its_own(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world, "thnos-older")
    await deliver(world, job)
    assert await own(world) == adapter
    other = await own(world, "thnos-older")
    assert other.id != adapter.id
    assert job.train.trigger == "thnos"
    with pytest.raises(UserError, match="You have an adapter `thnos-older` already"):
        await go_on(world, "thnos-older")


async def test_a_word_of_the_old_training_that_comes_late_does_not_undo_the_new_one(world: World) -> None:
    adapter = await trained(world)
    first = await world.job(adapter.job_id)
    job = await go_on(world)
    await deliver(world, job)
    after = await own(world)
    await world.database.write(
        lambda tx: tx.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (first.id,))  # as if not yet delivered
    )
    await world.hear(Delivered(job_id=first.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    assert await own(world) == after
    with pytest.raises(UserError, match="has learned on since"):
        await world.adapters.choose(first.id, 0, owner_id=ADA)


async def test_the_old_file_is_kept_as_long_as_a_training_waits_for_it(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world, "other")
    await world.adapters.delete("thnos", owner_id=ADA)
    await world.sweeper.collect_garbage()
    assert await world.blobs.exists(adapter.blob)
    await world.jobs.cancel(job.id, ADA)
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(adapter.blob)


async def test_an_adapter_that_was_deleted_meanwhile_comes_back_as_a_new_one(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world)
    await world.adapters.delete("thnos", owner_id=ADA)
    await deliver(world, job)
    assert (await own(world)).id == adapter.id


async def test_two_at_once_are_one(world: World) -> None:
    await trained(world)
    await go_on(world)
    with pytest.raises(UserError, match="A training of yours for `thnos` is under way"):
        await go_on(world)


async def test_trying_again_goes_on_from_the_adapter_as_it_is_now(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world)
    await world.hear(Failed(job_id=job.id, attempt=0, at=0.0, message="Too dark."))
    again = await world.trainings.retry(job.id, world.origin())
    assert (again.train.adapter_id, again.train.continue_from) == (adapter.id, adapter.blob)
    await world.jobs.cancel(again.id, ADA)
    await world.adapters.delete("thnos", owner_id=ADA)
    with pytest.raises(UserError, match="went on from was deleted"):
        await world.trainings.retry(again.id, world.origin())


# -- what can't be ----------------------------------------------------------------------------------------------------


async def test_without_photos_it_asks_for_them(world: World) -> None:
    await trained(world, keep_photos=False)
    with pytest.raises(UserError, match="The photos of `thnos` are not kept: attach photos again"):
        await go_on(world)
    with pytest.raises(UserError, match="too few"):
        await go_on(world, uploads=world.train_order().uploads[:1])
    job = await go_on(world, uploads=world.train_order().uploads)
    assert len(job.train.photos) == 3


async def test_photos_that_are_due_are_not_used_though_no_sweep_has_deleted_them(world: World) -> None:
    await trained(world)
    world.clock.now += 30 * DAY_S
    with pytest.raises(UserError, match="are not kept"):
        await go_on(world)


async def test_only_ones_own_goes_on(world: World) -> None:
    adapter = await trained(world)
    await world.share("ada", "thnos")
    for written in ("thnos", "ada/thnos", "nothing"):
        with pytest.raises(UserError, match="You have no adapter"):
            await world.trainings.submit(world.train_order("ben", "mine", continue_from=written))
    assert (await own(world)).job_id == adapter.job_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"consent": False}, "your word that you may use these photos"),
        ({"base": "sketch-64"}, "leave `base` out"),
        ({"recipe": Recipe(method="pivotal")}, "leave `method` out"),
        ({"recipe": Recipe(rank=4)}, "another `rank` than `4`"),
        ({"recipe": Recipe(dora=True)}, "another `dora`"),
    ],
)
async def test_what_an_adapter_is_made_of_stays(world: World, changes: dict[str, object], words: str) -> None:
    await trained(world)
    with pytest.raises(UserError, match=words):
        await go_on(world, **changes)


async def test_how_it_goes_on_may_be_said_anew(world: World) -> None:
    await trained(world, recipe=Recipe(rank=8, preset="detailed"))
    job = await go_on(world, recipe=Recipe(steps=200, learning_rate=1e-5))
    assert job.train.recipe == Recipe(rank=8, preset="detailed", steps=200, learning_rate=1e-5)


async def test_what_a_whole_model_learned_does_not_go_on(world: World) -> None:
    adapter = await trained(world)
    await world.database.write(
        lambda tx: tx.execute("UPDATE adapters SET method = 'dreambooth' WHERE id = ?", (adapter.id,))
    )
    with pytest.raises(UserError, match="was learned by a whole model"):
        await go_on(world)


async def test_a_refusal_leaves_no_photos_behind(world: World) -> None:
    await trained(world)
    before = await world.blobs.list("photos/")
    with pytest.raises(UserError, match="no photo brings one"):
        await go_on(world, recipe=Recipe(captions="photo"))
    assert await world.blobs.list("photos/") == before
    for name in ("one", "two", "three"):
        await world.train(name=name)
    before = await world.blobs.list("photos/")
    with pytest.raises(UserError, match="3 at a time is the most"):
        await go_on(world)
    assert await world.blobs.list("photos/") == before
