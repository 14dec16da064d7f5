"""A job that waits is refused once its member has lost an adapter of it; one that has made something is delivered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.store import sharing
from bot.store.records import Adapter, AdapterPick, Job
from tests.bot.test_adapters import trained
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered, HandedBack, Produced, Started

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]


async def shared(world: World) -> Adapter:
    """thnos, which ada shares with the server."""
    await trained(world, "ada", "thnos")
    return await world.share("ada", "thnos")


async def bens(world: World, adapter: Adapter) -> Job:
    """ben's picture of it, which waits."""
    pick = AdapterPick(adapter_id=adapter.id, written="ada/thnos", blob=adapter.blob, weight=0.8)
    return await world.imagine("ben", adapters=(pick,))


async def unshare(world: World, adapter: Adapter) -> None:
    await world.sharing.not_with_server(adapter.id, GUILD, owner_id=ADA)


async def bar(world: World, adapter: Adapter) -> None:
    await world.sharing.bar(adapter.id, GUILD, moderator_id=MEMBERS["cleo"])


async def delete(world: World, adapter: Adapter) -> None:
    await world.adapters.delete("thnos", owner_id=ADA)


async def hide(world: World, adapter: Adapter) -> None:
    await world.database.write(
        lambda tx: tx.execute("UPDATE adapters SET hidden_at = 1.0 WHERE id = ?", (adapter.id,)).rowcount
    )


@pytest.mark.parametrize("lose", [unshare, bar, delete, hide])
async def test_what_was_lost_while_it_waited_is_refused(
    world: World, lose: Callable[[World, Adapter], Awaitable[None]]
) -> None:
    adapter = await shared(world)
    job, other = await bens(world, adapter), await world.imagine("ben")
    await world.tell()
    await lose(world, adapter)
    await world.beat(imagine=2)
    assert [handed.id for handed in await world.dispatcher.tick()] == [other.id]
    after = await world.job(job.id)
    assert (after.state, after.attempt) == ("failed", 0)
    assert after.error is not None
    assert "`ada/thnos` was taken back or deleted before this was begun" in after.error
    assert await world.tell() == [("failed, card not written", job.id)]


async def test_who_has_it_another_way_keeps_it(world: World) -> None:
    adapter = await shared(world)
    job = await bens(world, adapter)
    await world.sharing.with_member(adapter.id, BEN, owner_id=ADA)
    await unshare(world, adapter)
    await world.beat(imagine=2)
    assert [handed.id for handed in await world.dispatcher.tick()] == [job.id]


async def test_the_owner_goes_on_with_what_was_reported(world: World) -> None:
    adapter = await shared(world)
    pick = AdapterPick(adapter_id=adapter.id, written="thnos", blob=adapter.blob, weight=0.8)
    job = await world.imagine("ada", adapters=(pick,))
    await hide(world, adapter)
    await world.beat(imagine=2)
    assert [handed.id for handed in await world.dispatcher.tick()] == [job.id]


async def test_what_a_worker_has_begun_is_finished(world: World) -> None:
    adapter = await shared(world)
    job = await bens(world, adapter)
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w1", at=0.0))
    await unshare(world, adapter)
    await world.dispatcher.tick()
    await world.commit(await world.job(job.id))
    await world.hear(Delivered(job_id=job.id, attempt=1, channel_id=200, message_id=1, at=0.0))
    assert (await world.job(job.id)).state == "succeeded"


@pytest.mark.parametrize(("made", "state"), [(True, "queued"), (False, "failed")])
async def test_what_is_given_back_goes_on_only_where_it_is_made(world: World, made: bool, state: str) -> None:
    adapter = await shared(world)
    job = await bens(world, adapter)
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w1", at=0.0))
    if made:
        await world.commit(await world.job(job.id))
        await world.hear(Produced(job_id=job.id, attempt=1, at=0.0))
    await world.hear(HandedBack(job_id=job.id, attempt=1, counts=False, at=0.0))
    await world.database.write(lambda tx: sharing.take_back(tx, adapter.id))
    await world.beat(imagine=1)
    handed = await world.dispatcher.tick()
    assert [each.id for each in handed] == ([job.id] if made else [])
    assert (await world.job(job.id)).state == state
