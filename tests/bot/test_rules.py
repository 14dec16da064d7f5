"""A guild's rules at every acceptance, and its managers' changes."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

import msgspec
import pytest

from bot import lifecycle
from bot.errors import UserError
from bot.guilds import Guilds, Manager, with_limits
from bot.prompts import read_prompt
from bot.requests import request_of
from bot.store import adapters, jobs, library, pictures
from bot.store.records import GuildSettings, Job
from bot.ui import cards
from tests.bot.test_adapters import trained
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Failed, Started

MANAGER = Manager(guild_id=GUILD, member_id=99)
HERE = 200  # the channel that orders come from
DAY_S = 24 * 3600.0
NEW_YEAR_2016 = 1_451_606_400.0


@pytest.fixture
def guilds(world: World) -> Guilds:
    return Guilds(world.database, world.clock)


async def say(guilds: Guilds, **changes: Any) -> None:
    await guilds.change(MANAGER, lambda settings: msgspec.structs.replace(settings, **changes))


async def draw(world: World, **origin: Any) -> Job:
    order = world.imagine_order("ada")
    return await world.jobs.submit_imagine(
        msgspec.structs.replace(order, origin=msgspec.structs.replace(order.origin, **origin))
    )


async def test_without_settings_everybody_may_everything(world: World, guilds: Guilds) -> None:
    assert await guilds.settings(GUILD) == GuildSettings()
    await draw(world)


async def test_roles_say_who_may_draw_and_who_may_train(world: World, guilds: Guilds) -> None:
    await say(guilds, imagine_roles=(7, 8))
    with pytest.raises(UserError, match="To draw here takes the role <@&7> or <@&8>: ask for it"):
        await draw(world, role_ids=(9,))
    await draw(world, role_ids=(9, 8))
    await world.train("ada")
    await say(guilds, train_roles=(7,))
    with pytest.raises(UserError, match="To train, merge and import here takes the role <@&7>"):
        await world.train("ada", "other")


async def test_channels_are_allowed_or_forbidden_with_their_threads(world: World, guilds: Guilds) -> None:
    await say(guilds, allowed_channels=(5,))
    with pytest.raises(UserError, match="not used in <#200>: use it in <#5>"):
        await draw(world)
    await draw(world, channel_id=5)
    await draw(world, parent_channel_id=5)
    await say(guilds, allowed_channels=(), forbidden_channels=(HERE,))
    with pytest.raises(UserError, match="not used in <#200>: take another channel"):
        await draw(world)
    with pytest.raises(UserError, match="take another channel"):
        await draw(world, channel_id=6, parent_channel_id=HERE)


async def test_accounts_have_to_be_so_old(world: World, guilds: Guilds) -> None:
    await say(guilds, account_days=7)
    world.clock.now = NEW_YEAR_2016 + 3 * DAY_S
    young = int(NEW_YEAR_2016 * 1000 - 1_420_070_400_000) << 22
    with pytest.raises(UserError, match=r"3 days old, and this server asks for 7: come back <t:\d+:R>"):
        await draw(world, member_id=young)
    world.clock.now += 4 * DAY_S
    await draw(world, member_id=young)


async def test_a_member_has_so_many_jobs_and_pictures_a_day(world: World, guilds: Guilds) -> None:
    await say(guilds, most_jobs=2, most_pictures=5)
    await world.imagine(count=3)
    with pytest.raises(UserError, match="You have had 3 pictures in 24 hours, and with 3 more"):
        await world.imagine(count=3)
    await world.imagine(count=2)
    with pytest.raises(UserError, match="You have had 2 jobs in 24 hours, and 2 are the most on this server"):
        await world.imagine()
    await world.imagine("ben")
    world.clock.now += DAY_S + 1
    await world.imagine()


async def test_gpu_time_counts_of_what_came_to_nothing_too(world: World, guilds: Guilds) -> None:
    await say(guilds, most_gpu_minutes=10, most_jobs=1)
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w1", at=world.clock.now))
    world.clock.now += 700
    await world.hear(Failed(job_id=job.id, attempt=1, at=world.clock.now, message="no"))
    with pytest.raises(UserError, match="Your jobs have taken 12 minutes of the GPU in 24 hours, and 10 are the most"):
        await world.imagine()


async def test_storage_counts_adapters_and_pictures(world: World, guilds: Guilds) -> None:
    await trained(world, "ada", "thnos")
    await say(guilds, most_storage_bytes=5)
    with pytest.raises(UserError, match=r"take \d+ kB here, and 0 kB are the most on this server: delete some"):
        await world.imagine()


async def test_a_block_holds_for_every_job_until_it_is_ended(world: World, guilds: Guilds) -> None:
    await guilds.block(MANAGER, MEMBERS["ada"], "spam\n@everyone")
    assert [(each.member_id, each.reason) for each in await guilds.blocked(GUILD)] == [
        (MEMBERS["ada"], "spam @everyone")
    ]
    for start in (world.imagine, world.train):
        with pytest.raises(UserError, match="You are blocked from Darkroom on this server"):
            await start("ada")
    await draw(world, guild_id=GUILD + 1)
    await guilds.unblock(MANAGER, MEMBERS["ada"])
    await world.imagine("ada")
    with pytest.raises(UserError, match="not blocked"):
        await guilds.unblock(MANAGER, MEMBERS["ada"])
    with pytest.raises(UserError, match="can't block yourself"):
        await guilds.block(MANAGER, MANAGER.member_id)


async def test_blocked_words_hold_for_prompts_names_and_captions(world: World, guilds: Guilds) -> None:
    await guilds.forbid(MANAGER, "Spider")
    await guilds.forbid(MANAGER, r"thn[o0]s", regex=True)
    for change in ({"prompt": "a sp1der"}, {"prompt_written": "spider"}, {"negative_prompt": "spider"}):
        with pytest.raises(UserError, match="This holds `spider`, which is not to be said here"):
            await world.imagine(**change)
    for name, changes in (
        ("thnos", {}), ("x", {"class_word": "spider"}), ("y", {"captions": (None, "a spider", None)}),
    ):  # fmt: skip
        with pytest.raises(UserError, match="not to be said here"):
            await world.train("ada", name, **changes)
    assert world.photos.collected == []
    await world.imagine()
    assert await guilds.allow(MANAGER, "SPIDER") == "spider"
    await world.imagine(prompt="a spider")
    assert [word.pattern for word in await guilds.words(GUILD)] == ["thn[o0]s"]
    with pytest.raises(UserError, match="not blocked"):
        await guilds.allow(MANAGER, "spider")
    with pytest.raises(UserError, match="blocked already"):
        await guilds.forbid(MANAGER, "thn[o0]s", regex=True)


async def test_in_direct_messages_there_are_no_rules_of_a_guild(world: World, guilds: Guilds) -> None:
    await guilds.block(MANAGER, MEMBERS["ada"])
    await draw(world, guild_id=None)


def test_a_limit_of_nothing_is_none_and_what_is_left_out_stays() -> None:
    settings = with_limits(GuildSettings(), most_jobs=5, most_pictures=0, account_days=3)
    assert (settings.most_jobs, settings.most_pictures, settings.account_days) == (5, None, 3)
    assert with_limits(settings, most_jobs=0, account_days=0) == GuildSettings()
    assert with_limits(settings, most_jobs=None, account_days=None) == settings


# -- what may be explicit ---------------------------------------------------------------------------------------------


async def test_only_an_age_restricted_channel_of_a_server_that_allows_it_may_show_what_is_explicit(
    world: World, guilds: Guilds
) -> None:
    assert not (await draw(world)).explicit_allowed
    job = await draw(world, age_restricted=True)
    assert job.explicit_allowed
    assert request_of(job).card.explicit_allowed
    assert not (await draw(world, age_restricted=True, guild_id=None)).explicit_allowed
    await say(guilds, explicit=False)
    assert not (await draw(world, age_restricted=True)).explicit_allowed


async def change_adapter(world: World, **changes: Any) -> None:
    """Ada's ``thnos``, which she has then."""
    await trained(world, "ada", "thnos")

    def change(tx: Connection) -> None:
        found = adapters.own(tx, MEMBERS["ada"], "thnos")
        assert found is not None
        adapters.update(tx, msgspec.structs.replace(found, **changes))

    await world.database.write(change)


async def draw_with_thnos(world: World, *, age_restricted: bool) -> Job:
    read = await read_prompt(world.adapters, "<lora:thnos:1> x", viewer_id=MEMBERS["ada"], guild_id=GUILD)
    order = world.imagine_order("ada", prompt=read.prompt, prompt_written=read.written, adapters=read.adapters)
    origin = msgspec.structs.replace(order.origin, age_restricted=age_restricted)
    return await world.jobs.submit_imagine(msgspec.structs.replace(order, origin=origin))


@pytest.mark.parametrize("changes", [{"subject_kind": "face"}, {"likeness": "self"}])
async def test_nothing_explicit_is_drawn_with_a_likeness(world: World, changes: dict[str, Any]) -> None:
    await change_adapter(world, **changes)
    assert not (await draw_with_thnos(world, age_restricted=True)).explicit_allowed


async def test_an_age_restricted_adapter_draws_in_such_channels_alone(world: World) -> None:
    await change_adapter(world, age_restricted=True)
    with pytest.raises(UserError, match="`thnos` is for age-restricted channels alone"):
        await draw_with_thnos(world, age_restricted=False)
    assert (await draw_with_thnos(world, age_restricted=True)).explicit_allowed


async def test_a_training_may_have_explicit_examples_unless_it_is_of_a_person(world: World) -> None:
    for name, changes, allowed in (
        ("a", {}, True), ("b", {"kind": "face", "likeness": "self"}, False), ("c", {"likeness": "self"}, False),
    ):  # fmt: skip
        order = world.train_order("ada", name, **changes)
        origin = msgspec.structs.replace(order.origin, age_restricted=True)
        job = await world.trainings.submit(msgspec.structs.replace(order, origin=origin))
        assert job.explicit_allowed is allowed
        assert world.photos.explicit_allowed is allowed


async def test_why_something_is_not_shown_is_told_to_its_member_and_is_not_on_the_card(world: World) -> None:
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    why = "What came of it is explicit."
    await world.hear(Failed(job_id=job.id, attempt=1, at=world.clock.now, message=why, refused=True))
    ended = await world.job(job.id)
    assert (ended.state, ended.refused) == ("failed", True)
    assert why not in str(cards.failed(ended).to_dict())
    assert why in str(cards.refused(ended).to_dict())
    assert why in str(cards.jobs_list([], {}, {}, [ended]).to_dict())


async def test_an_explicit_picture_is_recorded_as_one_and_is_on_no_page(world: World) -> None:
    await change_adapter(world, age_restricted=True)
    job = await draw_with_thnos(world, age_restricted=True)
    await world.jobs.attach_card(job.id, 5)
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    outcome = await world.commit(await world.job(job.id), pictures=2)
    nude, plain = outcome.pictures
    marked = (msgspec.structs.replace(nude, explicit=True), plain)

    def record(tx: Connection) -> tuple[list[bool], list[int]]:
        lifecycle.record_outcome(tx, jobs.require(tx, job.id), msgspec.structs.replace(outcome, pictures=marked), 1.0)
        adapter_id = job.imagine.adapters[0].adapter_id
        library.add_pictures(tx, [(adapter_id, job.id, place) for place in (0, 1)])
        shown = library.examples(tx, adapter_id, MEMBERS["ada"], GUILD, 10)
        assert library.picture(tx, job.id, 0) is None
        return [each.explicit for each in pictures.of_job(tx, job.id)], [each.position for each in shown]

    assert await world.database.write(record) == ([True, False], [1])


async def test_a_server_can_keep_explicit_words_to_age_restricted_channels(world: World, guilds: Guilds) -> None:
    await world.imagine(prompt="a nude statue")
    await say(guilds, explicit_words=False)
    with pytest.raises(UserError, match="`nude` is said in age-restricted channels alone on this server"):
        await world.imagine(prompt="a nude statue")
    with pytest.raises(UserError, match="age-restricted channels alone"):
        await world.train("ada", class_word="nude statue")
    await world.imagine(negative_prompt="nude")
    order = world.imagine_order("ada", prompt="a nude statue")
    origin = msgspec.structs.replace(order.origin, age_restricted=True)
    await world.jobs.submit_imagine(msgspec.structs.replace(order, origin=origin))
