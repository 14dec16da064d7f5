"""Exports in the books: what is accepted, what is found again, and what an owner is told of the file."""

from __future__ import annotations

import msgspec
import pytest

from bot.errors import UserError
from bot.exporting.exports import ExportOrder, Exports
from bot.exporting.links import Links
from bot.lifecycle import EXPORT_KEPT_S
from bot.store import jobs
from bot.store.records import Adapter, Job
from tests.bot.test_merges import adapter, shared
from tests.bot.worlds import MEMBERS, World
from trainer.contract.events import Delivered, Outcome, OutputFile, Produced, Started
from trainer.contract.events import encode as encode_event
from trainer.contract.merges import ExportFile
from trainer.contract.names import outcome_path


@pytest.fixture
def exports(world: World) -> Exports:
    return Exports(world.database, world.blobs, world.adapters, admission=world.jobs._admission, clock=world.clock)


def order(world: World, name: str = "a", member: str = "ada", **changes: object) -> ExportOrder:
    return msgspec.structs.replace(ExportOrder(origin=world.origin(member), name=name), **changes)


async def make(world: World, job: Job, data: bytes = b"exported") -> Job:
    """A worker writes the file; the bot has heard of it."""
    await world.jobs.attach_card(job.id, 7, private=True)
    await world.beat(merge=1)
    await world.dispatcher.tick()
    job = await world.job(job.id)
    blob = await world.blobs.put(data, ".safetensors")
    file = OutputFile(blob, "a.safetensors", "application/x", len(data))
    outcome = Outcome(job_id=job.id, attempt=1, committed_at=0.0, export=file, report="Rank 8: 3 % off.")
    await world.blobs.create(outcome_path(job.id), encode_event(outcome))
    at = {"job_id": job.id, "attempt": job.attempt, "at": world.clock()}
    await world.hear(Started(**at, worker_id="w1"), Produced(**at), Delivered(**at, channel_id=200, message_id=7))
    return await world.job(job.id)


async def test_an_export_keeps_its_card_and_its_token_until_it_is_shown(world: World, exports: Exports) -> None:
    mine = await adapter(world, "a")
    job = await exports.submit(order(world, rank=4, form="diffusers"))
    assert (job.lane, job.base, job.merge.adapter_id) == ("merge", "emoji-64", "")
    work = job.merge.work
    assert isinstance(work, ExportFile)
    assert (work.adapter.blob, work.form, work.rank, work.precision) == (mine.blob, "diffusers", 4, "float16")
    done = await make(world, job)
    assert (done.state, done.card, done.message_id, done.token) == ("succeeded", "private", 7, "an-interaction-token")
    assert ("delivered", job.id) in await world.tell()
    assert ("ping", job.id) not in await world.tell()
    given = await exports.hand_over(done)
    assert (given.filename, given.data) == ("a.safetensors", b"exported")
    assert given.text == "`a` of rank 4 for diffusers and ComfyUI, float16, 0 kB. Rank 8: 3 % off."


async def test_the_same_again_is_there_for_a_day(world: World, exports: Exports) -> None:
    await adapter(world, "a")
    done = await make(world, await exports.submit(order(world)))
    assert (await exports.submit(order(world))).id == done.id
    assert (await exports.submit(order(world, rank=2))).id != done.id
    world.clock.now += EXPORT_KEPT_S - 1
    assert (await exports.submit(order(world))).id == done.id
    world.clock.now += 1
    assert (await exports.submit(order(world))).id != done.id


async def test_a_file_is_thrown_away_after_a_day(world: World, exports: Exports) -> None:
    await adapter(world, "a")
    done = await make(world, await exports.submit(order(world)))
    assert await world.sweeper.collect_garbage() == []
    world.clock.now += EXPORT_KEPT_S
    gone = await world.sweeper.collect_garbage()
    assert outcome_path(done.id) in gone
    assert len(gone) == 2
    assert "is deleted by now" in (await exports.hand_over(done)).text


async def test_what_is_too_large_comes_by_a_link_or_with_a_way_out(world: World, exports: Exports) -> None:
    await adapter(world, "a")
    asked = order(world)
    asked = msgspec.structs.replace(asked, origin=msgspec.structs.replace(asked.origin, upload_limit_bytes=2**20))
    done = await make(world, await exports.submit(asked), b" " * (2**20 + 1))
    words = "That is above the 1 MiB that can be sent here: choose a lower `rank`, `dtype:float8`, or ask whoever runs"
    assert words in (await exports.hand_over(done)).text
    exports._links = Links("https://darkroom.example", clock=world.clock)
    given = await exports.hand_over(done)
    assert "https://darkroom.example/exports/" in given.text
    assert given.filename is None


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("nobody", {}, "There is no adapter `nobody`"),
        ("ben/b", {}, "`b` belongs to ben: only they can take its file away"),
        ("a", {"rank": 9}, "has rank 8, and more holds no more"),
        ("a", {"form": "diffusers", "precision": "float8_e4m3fn"}, "float8 has a place in kohya's form alone"),
        ("word", {"rank": 2}, "`word` has no rank"),
        ("whole", {"form": "diffusers"}, "is a whole model"),
    ],
)
async def test_what_is_refused(
    world: World, exports: Exports, name: str, changes: dict[str, object], words: str
) -> None:
    await adapter(world, "a")
    await shared(world, "b", "ben")
    await adapter(world, "word", kind="textual_inversion", rank=0)
    await adapter(world, "whole", kind="checkpoint", rank=0)
    with pytest.raises(UserError, match=words):
        await exports.submit(order(world, name, **changes))


async def test_a_file_is_given_to_nobody_once_its_adapter_is_gone(world: World, exports: Exports) -> None:
    await adapter(world, "a")
    done = await make(world, await exports.submit(order(world)))
    assert await exports.is_allowed(done, MEMBERS["ada"])
    assert not await exports.is_allowed(done, MEMBERS["ben"])
    await world.adapters.delete("a", owner_id=MEMBERS["ada"])
    assert not await exports.is_allowed(done, MEMBERS["ada"])


async def test_an_export_that_fails_is_told_by_the_bot(world: World, exports: Exports) -> None:
    await adapter(world, "a")
    job = await exports.submit(order(world))
    await world.jobs.attach_card(job.id, 7, private=True)
    await world.jobs.cancel(job.id, MEMBERS["ada"])
    assert await world.tell() == [("cancelled, card not written", job.id)]


async def test_nobody_reserves_a_name_by_an_export(world: World, exports: Exports) -> None:
    mine: Adapter = await adapter(world, "a")
    job = await exports.submit(order(world))
    assert await world.database.read(lambda tx: jobs.training_of_name(tx, mine.owner_id, "a")) is None
    assert job.makes is None
