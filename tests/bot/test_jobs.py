"""Accepting, stopping and looking up jobs."""

from __future__ import annotations

import math

import msgspec
import pytest

from bot.errors import UserError
from bot.findings import Scale
from bot.orders import CONSENT_STATEMENT
from bot.store import bases, consents
from bot.store.records import AdapterPick
from tests.bot.worlds import MEMBERS, World, base_info
from trainer.contract.drawings import HighRes
from trainer.contract.events import Delivered
from trainer.contract.names import photos_prefix


async def test_an_order_that_comes_twice_is_one_job(world: World) -> None:
    order = world.imagine_order()
    first = await world.jobs.submit_imagine(order)
    assert await world.jobs.submit_imagine(order) == first
    training = world.train_order()
    accepted = await world.trainings.submit(training)
    assert await world.trainings.submit(training) == accepted
    assert world.photos.collected == [accepted.id]


async def test_consent_is_stored_with_its_words_before_anything_is_fetched(world: World) -> None:
    async def collect(job_id: str, uploads: object, scale: object, **_: object) -> None:
        stored = await world.database.read(lambda tx: consents.get(tx, job_id))
        assert stored is not None
        assert (stored.member_id, stored.statement) == (MEMBERS["ada"], f"{CONSENT_STATEMENT} They show nobody real.")
        raise UserError("stop here")

    world.photos.collect = collect  # type: ignore[assignment]
    with pytest.raises(UserError, match="stop here"):
        await world.trainings.submit(world.train_order())
    assert await world.jobs.of_member(MEMBERS["ada"]) == []


async def test_without_consent_nothing_is_fetched(world: World) -> None:
    with pytest.raises(UserError, match="choose it in `consent`"):
        await world.trainings.submit(world.train_order(consent=False))
    assert world.photos.collected == []


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("my/dog", "`my-dog`"),
        ("🐶 Bello!", "`bello`"),
        ("🐶", "`my-subject`"),
        ("Müller", "`muller`"),
        ("x" * 200, f"`{'x' * 32}`"),
        ("", "`my-subject`"),
        ("../../etc", "`etc`"),
        ("@everyone", "`everyone`"),
    ],
)
async def test_a_bad_name_is_answered_with_one_that_would_do(world: World, name: str, proposal: str) -> None:
    with pytest.raises(UserError, match="can't be a name") as error:
        await world.trainings.submit(world.train_order(name=name))
    assert error.value.message.endswith(f"for example {proposal}.")
    assert "@everyone" not in error.value.message
    assert len(error.value.message) < 250


async def test_a_name_in_training_is_taken_and_free_again_after_cancelling(world: World) -> None:
    job = await world.train(name="thnos")
    with pytest.raises(UserError, match=r"under way: take another name, for example `thnos-2`"):
        await world.trainings.submit(world.train_order(name="THNOS"))
    await world.trainings.submit(world.train_order("ben", name="thnos"))
    await world.jobs.cancel(job.id, MEMBERS["ada"])
    await world.trainings.submit(world.train_order(name="thnos"))


async def test_photos_of_a_training_that_lost_the_race_for_its_name_are_deleted(world: World) -> None:
    late = world.train_order(name="thnos")
    collect = world.photos.collect

    async def slow(job_id: str, uploads: object, scale: Scale, **_: object) -> object:
        world.photos.collect = collect  # type: ignore[method-assign]
        await world.train(name="thnos")
        return await collect(job_id, late.uploads, scale)

    world.photos.collect = slow  # type: ignore[assignment]
    with pytest.raises(UserError, match="under way"):
        await world.trainings.submit(late)
    assert await world.blobs.list(photos_prefix(late.origin.job_id)) == []


async def test_a_member_can_have_only_so_many_trainings_at_a_time(world: World) -> None:
    for number in range(3):
        await world.train(name=f"thnos{number}")
    with pytest.raises(UserError, match="You have 3 trainings under way, and 3 at a time is the most"):
        await world.train(name="another")
    await world.train("ben", name="another")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": "  ", "prompt_written": "  "}, "The prompt is empty"),
        ({"prompt_written": "x" * 3000}, "The prompt has 3,000 characters, and 2,000 are the most"),
        ({"negative_prompt": "x" * 3000}, "The negative_prompt has 3,000 characters"),
        ({"num_inference_steps": 0}, "steps must be between 1 and 150, got 0"),
        ({"num_inference_steps": 10_000}, "steps must be between 1 and 150, got 10,000"),
        ({"guidance_scale": math.nan}, "guidance must be between 1 and 30, got nan"),
        ({"count": 99}, "count must be between 1 and 8, got 99"),
        ({"seed": -1}, "seed must be between 0 and"),
        ({"width": 65}, "width must be a multiple of 8, got 65: take 64"),
        ({"height": 1024}, "height must be between 64 and 128, got 1,024"),
        ({"base": "emoji-65"}, "no model `emoji-65`: choose one of `emoji-64`"),
    ],
)
async def test_a_bad_setting_is_named_with_its_value_and_the_way_out(
    world: World, changes: dict[str, object], words: str
) -> None:
    await world.beat()
    await world.dispatcher.tick()  # learns the base and its limits
    with pytest.raises(UserError) as error:
        await world.jobs.submit_imagine(world.imagine_order(**changes))
    assert words in error.value.message
    assert await world.jobs.of_member(MEMBERS["ada"]) == []


@pytest.mark.parametrize("weight", [math.nan, math.inf, 1e9, -5.5])
async def test_a_weight_out_of_range_is_named(world: World, weight: float) -> None:
    adapter = await trained(world)
    pick = AdapterPick(adapter_id=adapter, written="thnos", blob="", weight=weight)
    with pytest.raises(UserError, match=r"weight of `thnos` must be between -5 and 5, got .*: 0\.8 is a good start"):
        await world.jobs.submit_imagine(world.imagine_order(adapters=(pick,)))


async def trained(world: World, member: str = "ada", name: str = "thnos", base: str | None = None) -> str:
    """The id of an adapter that a member has trained."""
    job = await world.trainings.submit(world.train_order(member, name, base=base))
    await world.jobs.attach_card(job.id, 1)
    await world.commit(job)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    return job.train.adapter_id


async def test_the_file_of_an_adapter_is_looked_up_and_never_taken_from_the_order(world: World) -> None:
    adapter_id = await trained(world)
    pick = AdapterPick(adapter_id=adapter_id, written="thnos", blob="photos/of/somebody/else.png", weight=0.8)
    job = await world.imagine(adapters=(pick,))
    assert job.imagine.adapters[0].blob.startswith("blobs/")
    with pytest.raises(UserError, match="does not share it here"):
        await world.imagine("ben", adapters=(pick,))


async def test_adapters_of_two_bases_cant_draw_together(world: World) -> None:
    await world.beat(bases=("emoji-64", "sd15"))
    await world.dispatcher.tick()
    ids = [await trained(world, name="one", base="sd15"), await trained(world, name="two", base="emoji-64")]
    picks = tuple(
        AdapterPick(adapter_id=i, written=n, blob="", weight=1.0) for i, n in zip(ids, ("one", "two"), strict=True)
    )
    with pytest.raises(UserError, match="they can't draw together"):
        await world.imagine(adapters=picks)
    with pytest.raises(UserError, match="choose the model `sd15`"):
        await world.imagine(adapters=picks[:1], base="emoji-64")
    assert (await world.imagine(adapters=picks[:1])).base == "sd15"


async def test_one_whole_model_draws_and_two_are_a_sentence(world: World) -> None:
    ids = [await trained(world, name=name) for name in ("one", "two")]
    await world.database.write(lambda tx: tx.execute("UPDATE adapters SET kind = 'checkpoint'"))
    picks = tuple(
        AdapterPick(adapter_id=i, written=n, blob="", weight=1.0) for i, n in zip(ids, ("one", "two"), strict=True)
    )
    job = await world.imagine(adapters=picks[:1])
    assert [use.kind for use in job.imagine.adapters] == ["checkpoint"]
    with pytest.raises(UserError, match="`one` and `two` are whole models, and one alone can draw"):
        await world.imagine(adapters=picks)


async def test_the_communitys_own_base_is_the_default(world: World) -> None:
    assert (await world.imagine()).base == "emoji-64"
    await world.beat(bases=("emoji-64", "sd15"))
    await world.dispatcher.tick()
    assert [base.name for base in await world.jobs.bases()] == ["sd15", "emoji-64"]
    assert (await world.jobs.bases())[1] == base_info()
    assert (await world.imagine()).base == "sd15"


async def test_the_interaction_token_is_kept_only_until_the_card_is_there(world: World) -> None:
    job = await world.jobs.submit_imagine(world.imagine_order())
    assert job.token == "an-interaction-token"
    assert [waiting.id for waiting in await world.jobs.without_card()] == [job.id]
    assert (await world.jobs.attach_card(job.id, 7)).token is None
    assert await world.jobs.without_card() == []


async def test_places_in_the_queue_follow_fair_shares(world: World) -> None:
    of_ada = [await world.imagine("ada") for _ in range(3)]
    of_ben = await world.imagine("ben")
    assert [await world.jobs.position(job) for job in [*of_ada, of_ben]] == [1, 3, 4, 2]


async def test_a_waiting_job_is_cancelled_at_once_and_only_by_its_member_or_a_moderator(world: World) -> None:
    first, second = await world.imagine(), await world.imagine()
    with pytest.raises(UserError, match="belongs to ada"):
        await world.jobs.cancel(first.id, MEMBERS["ben"])
    assert (await world.jobs.cancel(first.id, MEMBERS["ada"])).state == "cancelled"
    assert (await world.jobs.cancel(second.id, MEMBERS["ben"], moderator=True)).state == "cancelled"
    with pytest.raises(UserError, match="stopped already"):
        await world.jobs.cancel(first.id, MEMBERS["ada"])
    with pytest.raises(UserError, match="no such job"):
        await world.jobs.cancel("12", MEMBERS["ada"])
    assert await world.tell() == [("cancelled, card not written", job.id) for job in (first, second)]


async def test_a_running_job_is_stopped_by_its_worker(world: World) -> None:
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    stopped = await world.jobs.cancel(job.id, MEMBERS["ada"])
    assert (stopped.state, stopped.cancel_requested_at) == ("queued", world.clock.now)
    await world.dispatcher.tick()
    assert await world.redis.exists(f"darkroom:cancel:{job.id}")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"high_res": HighRes(scale=3.1)}, "would have 198 × 198 pixels, and 192 a side are the most of `emoji-64`"),
        ({"high_res": HighRes(scale=2.0), "height": 128}, "take a high_res of 1.5."),
    ],
)
async def test_a_second_pass_that_the_base_can_not_draw_is_told_before_it_waits(
    world: World, settings: dict[str, object], words: str
) -> None:
    info = msgspec.structs.replace(base_info(), max_high_res_side=192)
    await world.database.write(lambda tx: bases.remember(tx, [info], world.clock.now))
    with pytest.raises(UserError, match=words):
        await world.imagine(**settings)
    await world.imagine(high_res=HighRes(scale=3.0))
