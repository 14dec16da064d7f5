"""Adapters by name: whose is meant, what is near, and who may do what."""

from __future__ import annotations

from sqlite3 import Connection

import msgspec
import pytest

from bot.adapters import Adapters
from bot.errors import UserError
from bot.pictures import Pictures
from bot.store import adapters as store
from bot.store.records import AdapterPick
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered

ADA, BEN, CLEO = MEMBERS["ada"], MEMBERS["ben"], MEMBERS["cleo"]


@pytest.fixture
def adapters(world: World) -> Adapters:
    return Adapters(world.database, clock=world.clock)


async def trained(world: World, member: str, name: str) -> str:
    """The blob of an adapter that the member has trained."""
    job = await world.train(member, name)
    outcome = await world.commit(job)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    assert outcome.adapter is not None
    return outcome.adapter.file.blob


async def test_ones_own_comes_before_what_is_shared(world: World, adapters: Adapters) -> None:
    for member in ("ada", "ben"):
        await trained(world, member, "thnos")
        await world.share(member, "thnos")
    assert (await adapters.resolve("THNOS", viewer_id=BEN, guild_id=GUILD)).owner_name == "ben"
    assert (await adapters.resolve("ada/thnos", viewer_id=BEN, guild_id=GUILD)).owner_name == "ada"
    with pytest.raises(UserError, match="whose you mean, `ada/thnos`, `ben/thnos`"):
        await adapters.resolve("thnos", viewer_id=CLEO, guild_id=GUILD)


async def test_what_is_not_shared_with_this_guild_is_unknown(world: World, adapters: Adapters) -> None:
    await trained(world, "ada", "thnos")
    found = await adapters.resolve("thnos", viewer_id=ADA, guild_id=None)
    assert (await adapters.by_id(found.id, viewer_id=ADA, guild_id=GUILD)).name == "thnos"
    shared = await world.share("ada", "thnos")
    assert shared.shared_with == (GUILD,)
    assert (await adapters.resolve("thnos", viewer_id=BEN, guild_id=GUILD)).id == found.id
    for guild_id in (999, None):
        with pytest.raises(UserError, match="no adapter `thnos`"):
            await adapters.resolve("thnos", viewer_id=BEN, guild_id=guild_id)
    await world.sharing.not_with_server(found.id, GUILD, owner_id=ADA)
    with pytest.raises(UserError, match="does not share it here"):
        await adapters.by_id(found.id, viewer_id=BEN, guild_id=GUILD)


@pytest.mark.parametrize(
    ("written", "near"),
    [("thons", "Did you mean `thnos`"), ("ada/thno", "`thnos`"), ("bello2", "Did you mean `ben/bello`?")],
)
async def test_an_unknown_name_is_answered_with_the_nearest(
    world: World, adapters: Adapters, written: str, near: str
) -> None:
    await trained(world, "ada", "thnos")
    await trained(world, "ben", "bello")
    await world.share("ben", "bello")
    await trained(world, "ben", "secret")
    with pytest.raises(UserError) as error:
        await adapters.resolve(written, viewer_id=ADA, guild_id=GUILD)
    assert near in error.value.message
    assert "secret" not in error.value.message


async def test_who_has_none_is_told_how_to_get_one(adapters: Adapters) -> None:
    with pytest.raises(UserError, match="Train one with `/train`"):
        await adapters.resolve("thnos", viewer_id=ADA, guild_id=GUILD)
    with pytest.raises(UserError, match="no adapter `@\u200beveryone`"):
        await adapters.resolve("@everyone", viewer_id=ADA, guild_id=GUILD)


async def test_completion_shows_own_first_and_understands_whose(world: World, adapters: Adapters) -> None:
    for member, name in (("ada", "thnos"), ("ben", "throne"), ("ben", "bello")):
        await trained(world, member, name)
        await world.share(member, name)

    async def shown(typed: str, viewer_id: int) -> list[str]:
        found = await adapters.complete(typed, viewer_id=viewer_id, guild_id=GUILD)
        return [adapter.name_for(viewer_id) for adapter in found]

    assert await shown("th", ADA) == ["thnos", "ben/throne"]
    assert await shown("TH", BEN) == ["throne", "ada/thnos"]
    assert await shown("ben/", ADA) == ["ben/bello", "ben/throne"]
    assert await shown("%", ADA) == []


async def test_only_owners_share_and_delete(world: World, adapters: Adapters) -> None:
    await trained(world, "ada", "thnos")
    shared = await world.share("ada", "thnos")
    for step in (world.sharing.with_server, world.sharing.not_with_server):
        with pytest.raises(UserError, match="belongs to ada"):
            await step(shared.id, GUILD, owner_id=BEN)
    with pytest.raises(UserError, match="belongs to ada"):
        await adapters.own_of_name("ada/thnos", owner_id=BEN, guild_id=GUILD)
    with pytest.raises(UserError, match="You have no adapter `thnos`"):
        await adapters.delete("thnos", owner_id=BEN)
    with pytest.raises(UserError, match="in the server that is to have it"):
        await world.share("ada", "thnos", None)


async def test_a_name_is_free_again_after_deleting(world: World, adapters: Adapters) -> None:
    await trained(world, "ada", "thnos")
    await adapters.delete("thnos", owner_id=ADA)
    await trained(world, "ada", "Thnos")
    assert (await adapters.own_of_name("thnos", owner_id=ADA, guild_id=None)).version == 1


async def test_a_deleted_adapters_file_stays_until_accepted_jobs_are_done(world: World, adapters: Adapters) -> None:
    blob = await trained(world, "ada", "thnos")
    adapter = await adapters.resolve("thnos", viewer_id=ADA, guild_id=GUILD)
    pick = AdapterPick(adapter_id=adapter.id, written="thnos", blob="", weight=0.8)
    job = await world.imagine(adapters=(pick,))
    await adapters.delete("thnos", owner_id=ADA)
    await world.sweeper.collect_garbage()
    assert await world.blobs.exists(blob)
    await world.jobs.cancel(job.id, ADA)
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(blob)
    assert not await world.blobs.exists(f"outcomes/{adapter.job_id}")


async def test_pictures_are_deleted_by_their_member_or_a_moderator(world: World) -> None:
    pictures = Pictures(world.database, clock=world.clock)
    job = await world.imagine()
    outcome = await world.commit(job, pictures=2)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    with pytest.raises(UserError, match="belong to ada"):
        await pictures.delete(job.id, BEN, guild_id=GUILD)
    assert (await pictures.delete(job.id, ADA)).message_id == 2
    assert await pictures.of_job(job.id) == []
    assert (
        await pictures.delete(job.id, BEN, guild_id=GUILD, moderator=True)
    ).id == job.id  # the message may still be there
    await world.sweeper.collect_garbage()
    assert [await world.blobs.exists(file.blob) for file in outcome.pictures] == [False, False]
    with pytest.raises(UserError, match="knows of no picture"):
        await pictures.delete("12", ADA)


async def test_the_same_bytes_stay_while_another_picture_needs_them(world: World) -> None:
    pictures = Pictures(world.database, clock=world.clock)
    first, second = await world.imagine(), await world.imagine()
    outcome = await world.commit(first)
    data = await world.blobs.read(f"outcomes/{first.id}")
    await world.blobs.create(f"outcomes/{second.id}", data)
    for job in (first, second):
        await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    await pictures.delete(first.id, ADA)
    await world.sweeper.collect_garbage()
    assert await world.blobs.exists(outcome.pictures[0].blob)
    await pictures.delete(second.id, ADA)
    await world.sweeper.collect_garbage()
    assert not await world.blobs.exists(outcome.pictures[0].blob)


async def inverted(world: World, member: str, name: str) -> None:
    """A textual inversion that the member has trained."""
    await trained(world, member, name)

    def change(tx: Connection) -> None:
        adapter = store.own(tx, MEMBERS[member], name)
        assert adapter is not None
        store.update(tx, msgspec.structs.replace(adapter, kind="textual_inversion"))

    await world.database.write(change)


async def test_a_bare_word_means_ones_own_inversion_or_the_one_that_was_shared_last(
    world: World, adapters: Adapters
) -> None:
    for member in ("ada", "ben"):
        await inverted(world, member, "glow")
    await trained(world, "ada", "thnos")
    await world.share("ada", "thnos")

    async def meant(viewer_id: int, guild_id: int | None = GUILD) -> list[str]:
        found = await adapters.of_triggers(["glow", "thnos", "fox"], viewer_id=viewer_id, guild_id=guild_id)
        return [adapter.owner_name for adapter in found]

    assert await meant(CLEO) == []
    for owner in ("ben", "ada"):
        world.clock.now += 1
        await world.share(owner, "glow")
    assert await meant(ADA) == ["ada"]
    assert await meant(BEN) == ["ben"]
    assert await meant(CLEO) == ["ada"]
    assert await meant(CLEO, 999) == await meant(CLEO, None) == []


async def test_a_bare_word_is_looked_up_in_an_index(world: World, adapters: Adapters) -> None:
    """Every prompt asks, and a guild may have thousands of adapters."""
    statements: list[str] = []

    def ask(tx: Connection) -> list[str]:
        tx.set_trace_callback(statements.append)
        store.of_triggers(tx, ["glow"], ADA, GUILD)
        tx.set_trace_callback(None)
        return [row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]

    plan = await world.database.read(ask)
    assert any("adapters_by_trigger" in step for step in plan)
    assert not any(step.startswith("SCAN") and "json_each" not in step for step in plan)
