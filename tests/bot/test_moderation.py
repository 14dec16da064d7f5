"""What moderators take down does not come back by what was under way."""

from __future__ import annotations

import pytest

from bot.moderation import Moderation
from bot.store.records import Decision
from tests.bot.test_continuing import ADA, go_on, trained
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered, Produced

BEN, CLEO = MEMBERS["ben"], MEMBERS["cleo"]


async def take_down(world: World, adapter_id: str) -> None:
    moderation = Moderation(world.database, clock=world.clock)
    await world.sharing.with_server(adapter_id, GUILD, owner_id=ADA)
    case = await moderation.report_adapter(adapter_id, BEN, GUILD, "this is my face")
    await moderation.decide(case.report.id, CLEO, GUILD, "taken_down", moderator=True)


async def test_a_training_that_waits_to_go_on_from_it_is_refused(world: World) -> None:
    adapter = await trained(world)
    job = await go_on(world, "other")
    await take_down(world, adapter.id)
    await world.beat(train=1)
    assert await world.dispatcher.tick() == []
    assert (await world.job(job.id)).error == (
        "What this was to go on from was taken down by moderators: train anew with `/train`."
    )


@pytest.mark.parametrize("name", ["thnos", "other"])
async def test_a_training_that_goes_on_from_it_is_stopped_and_brings_nothing_back(world: World, name: str) -> None:
    adapter = await trained(world)
    job = await go_on(world, name)
    await world.beat(train=1)
    assert [handed.id for handed in await world.dispatcher.tick()] == [job.id]
    await take_down(world, adapter.id)
    running = await world.job(job.id)
    assert running.cancel_requested_at is not None
    await world.commit(running)  # it was done at that moment
    await world.hear(
        Produced(job_id=job.id, attempt=1, at=0.0),
        Delivered(job_id=job.id, attempt=1, channel_id=200, message_id=2, at=0.0),
    )
    assert await world.adapters.visible(viewer_id=ADA, guild_id=GUILD) == []


@pytest.mark.parametrize("decision", ["kept", "taken_down"])
async def test_what_moderators_had_taken_back_stays_so_whatever_becomes_of_a_later_report(
    world: World, decision: Decision
) -> None:
    adapter = await trained(world)
    moderation, elsewhere = Moderation(world.database, clock=world.clock), GUILD + 1
    await world.sharing.with_everyone(adapter.id, owner_id=ADA)
    await world.sharing.with_member(adapter.id, BEN, owner_id=ADA)
    if decision == "kept":
        await world.sharing.bar(adapter.id, elsewhere, moderator_id=CLEO)
    for each in (decision, "kept"):
        case = await moderation.report_adapter(adapter.id, BEN, elsewhere, "this is my face")
        await moderation.decide(case.report.id, CLEO, elsewhere, each, moderator=True)
    assert await world.adapters.visible(viewer_id=CLEO, guild_id=elsewhere) == []
    assert await world.adapters.visible(viewer_id=CLEO, guild_id=None) != []


async def test_what_was_kept_is_shown_again_where_it_was_brought_to(world: World) -> None:
    adapter = await trained(world)
    moderation, elsewhere = Moderation(world.database, clock=world.clock), GUILD + 1
    await world.sharing.with_everyone(adapter.id, owner_id=ADA)
    case = await moderation.report_adapter(adapter.id, BEN, elsewhere, "this is my face")
    assert await world.adapters.visible(viewer_id=CLEO, guild_id=elsewhere) == []
    await moderation.decide(case.report.id, CLEO, elsewhere, "kept", moderator=True)
    assert await world.adapters.visible(viewer_id=CLEO, guild_id=elsewhere) != []
