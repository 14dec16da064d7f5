"""Merges in the books: what is accepted, whose rules count, who sees what comes of it, and what a deletion ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import versions
from bot.adapters import require_visible
from bot.errors import UserError
from bot.merging.inheriting import inherit
from bot.merging.merges import Merges, read_networks
from bot.merging.orders import ExtractOrder, MergeOrder, ModelsOrder
from bot.merging.parents import MOST_PARENTS
from bot.sharing import Sharing
from bot.store import adapters, bases, jobs, lineage, members, sharing
from bot.store.records import Adapter, Job
from tests.bot.worlds import GUILD, MEMBERS, World, base_info
from trainer.contract.events import AdapterResult, Outcome, OutputFile, Produced, Started
from trainer.contract.events import Delivered as DeliveredEvent
from trainer.contract.events import encode as encode_event
from trainer.contract.merges import BakeAdapters, ExtractAdapter, MergeAdapters, MergeModels
from trainer.contract.names import outcome_path

NEXT = 900_000


@pytest.fixture
def merges(world: World) -> Merges:
    return Merges(world.database, world.adapters, admission=world.jobs._admission, clock=world.clock)


async def adapter(world: World, name: str, owner: str = "ada", **changes: object) -> Adapter:
    """One that is there, whoever made it."""
    blob = await world.blobs.put(f"{owner}'s {name}".encode(), ".safetensors")
    new = Adapter(
        id=f"{owner}-{name}", job_id=f"{MEMBERS[owner]}{len(name)}{abs(hash(name)) % 10**6}", owner_id=MEMBERS[owner],
        owner_name=owner, guild_id=GUILD, name=name, kind="lora", subject_kind="subject", trigger=name,
        class_word="dog", base="emoji-64", base_hash="00", blob=blob, size_bytes=8, rank=8, steps=4, photos=3,
        seconds=1.0, final_loss=0.1, trainer_version="0.1.0", created_at=world.clock(),
    )  # fmt: skip
    new = msgspec.structs.replace(new, **changes)

    def enter(tx: object) -> None:
        members.remember(tx, new.owner_id, owner, world.clock())  # type: ignore[arg-type]
        adapters.insert(tx, new)  # type: ignore[arg-type]
        bases.remember(tx, [base_info(), base_info("other-64")], world.clock())  # type: ignore[arg-type]

    await world.database.write(enter)
    return new


async def shared(world: World, name: str, owner: str, **changes: object) -> Adapter:
    """One that everybody in the guild may use."""
    new = await adapter(world, name, owner, **changes)
    await world.database.write(lambda tx: sharing.share(tx, new.id, GUILD, world.clock()))
    return new


def order(world: World, prompt: str, name: str = "ab", member: str = "ada", **changes: object) -> MergeOrder:
    return MergeOrder(origin=world.origin(member), prompt=prompt, name=name, **changes)  # type: ignore[arg-type]


async def make(world: World, job: Job) -> Adapter | None:
    """A worker carries it out and delivers it; the adapter as it is then."""
    await world.jobs.attach_card(job.id, NEXT)
    await world.beat(merge=1)
    await world.dispatcher.tick()
    job = await world.job(job.id)
    made = AdapterResult(
        adapter_id=job.merge.adapter_id, kind="lora",
        file=OutputFile(await world.blobs.put(b"merged", ".safetensors"), "ab.safetensors", "application/x", 6),
        base=job.base, base_hash="00", trigger=job.merge.trigger, class_word=job.merge.class_word, rank=16, steps=0,
        photos=0, seconds=1.0, final_loss=0.0, trainer_version="0.1.0", weights=(1.0, 1.0, 1.0), fidelity=0.99,
    )  # fmt: skip
    outcome = Outcome(job_id=job.id, attempt=job.attempt, committed_at=0.0, adapter=made, report="Nothing is lost.")
    await world.blobs.create(outcome_path(job.id), encode_event(outcome))
    at = {"job_id": job.id, "attempt": job.attempt, "at": world.clock()}
    await world.hear(
        Started(**at, worker_id="w1"), Produced(**at), DeliveredEvent(**at, channel_id=200, message_id=NEXT)
    )
    return await world.database.read(lambda tx: adapters.get(tx, job.merge.adapter_id))


async def sees(world: World, found: Adapter, member: str, guild_id: int | None = GUILD) -> bool:
    return await world.database.read(lambda tx: adapters.is_visible(tx, found.id, MEMBERS[member], guild_id))


# -- what is accepted -------------------------------------------------------------------------------------------------


async def test_adapters_are_merged_with_the_weights_of_their_tags(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "b", trigger="bee", class_word="insect")
    job = await merges.merge_adapters(order(world, "<lora:a:0.4> <lora:b:0.6:0.5>", method="ties", rank=8, density=0.3))
    assert (job.lane, job.base) == ("merge", "emoji-64")
    work = job.merge.work
    assert isinstance(work, MergeAdapters)
    assert [(use.name, use.weight, use.te_weight) for use in work.adapters] == [("a", 0.4, None), ("b", 0.6, 0.5)]
    assert (work.method, work.rank, work.density) == ("ties", 8, 0.3)
    # it answers to what weighs most, and offers the other words
    assert (job.merge.trigger, job.merge.class_word, job.merge.trigger_words) == ("bee", "insect", ("a",))
    made = await make(world, job)
    assert made is not None
    assert (made.name, made.origin, made.rank, made.fidelity, made.report) == (
        "ab",
        "merged",
        16,
        0.99,
        "Nothing is lost.",
    )
    parents = await world.database.read(lambda tx: lineage.parents_of(tx, made.id))
    assert [(parent.name, parent.weight) for parent in parents] == [("ada/b@1", 0.6), ("ada/a@1", 0.4)]


async def test_a_repeated_order_returns_the_same_job(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "b")
    asked = order(world, "<lora:a><lora:b>")
    assert await merges.merge_adapters(asked) == await merges.merge_adapters(asked)


async def test_adapters_are_put_into_a_base_and_what_is_learned_taken_out_again(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    baked = await merges.merge_adapters(order(world, "<lora:a:0.8>", into="emoji-64"))
    assert isinstance(baked.merge.work, BakeAdapters)
    assert baked.merge.work.model.blob is None
    assert baked.merge.method == "dreambooth"
    mine = await adapter(world, "whole", kind="checkpoint", method="dreambooth", rank=0)
    taken = await merges.extract(ExtractOrder(origin=world.origin(), name="out", tuned="whole"))
    assert isinstance(taken.merge.work, ExtractAdapter)
    assert (taken.merge.work.original.base, taken.merge.work.tuned.blob) == ("emoji-64", mine.blob)
    made = await make(world, taken)
    assert made is not None
    rows = await world.database.read(lambda tx: list(map(tuple, tx.execute("SELECT relation FROM lineage"))))
    assert rows == [("extracted",)]


async def test_whole_models_are_merged_as_a1111_does(world: World, merges: Merges) -> None:
    await adapter(world, "whole", kind="checkpoint")
    job = await merges.merge_models(
        ModelsOrder(origin=world.origin(), name="x", a="emoji-64", b="whole", blocks="grad_v", vae="emoji-64")
    )
    work = job.merge.work
    assert isinstance(work, MergeModels)
    assert (work.alpha, work.blocks) == (0.5, "GRAD_V")
    assert work.vae is not None
    assert [model.name for model in work.models] == ["emoji-64", "whole"]
    assert [parent.name for parent in job.merge.parents] == ["ada/whole@1"]


@pytest.mark.parametrize(
    ("prompt", "changes", "words"),
    [
        ("<lora:a>", {}, "two adapters at least"),
        ("", {}, "There is nothing to merge"),
        ("<lora:a:0><lora:b:0>", {}, "At weights of 0 nothing is left of them"),
        ("<lora:a><lora:b> in a suit", {}, "acts on nothing in a merge"),
        ("<lora:a><lora:nobody>", {}, "There is no adapter `nobody`"),
        ("<lora:a:9e9><lora:b>", {}, "weight"),
        ("<lora:a><lora:other>", {}, "they can't be put together"),
        ("<lora:a><lora:whole>", {}, "is a whole model: name it in `into`"),
        ("<lora:a><lora:b>", {"name": "a"}, "You have an adapter `a` already"),
        ("<lora:a><lora:wide>", {"method": "linear"}, "`linear` takes adapters of one rank, and `a` has 8, `wide` 16"),
        ("<lora:a><lora:b>", {"density": 0.5}, "density does nothing"),
        ("<lora:a><lora:b>", {"seed": 5}, "seed does nothing"),
        ("<lora:a><lora:b>", {"rank": 9999}, "rank must be between"),
        ("<lora:a><lora:b>", {"into": "a"}, "is no whole model"),
        ("<lora:a><lora:b>", {"into": "emoji-64", "method": "ties"}, "put there exactly"),
        ("".join(f"<lora:n{number}>" for number in range(17)), {}, "16"),
    ],
)
async def test_what_is_refused_before_it_waits(
    world: World, merges: Merges, prompt: str, changes: dict[str, object], words: str
) -> None:
    for name in ("a", "b"):
        await adapter(world, name)
    await adapter(world, "other", base="other-64")
    await adapter(world, "wide", rank=16)
    await adapter(world, "whole", kind="checkpoint")
    with pytest.raises(UserError, match=words):
        await merges.merge_adapters(order(world, prompt, **changes))
    assert await world.jobs.of_member(MEMBERS["ada"]) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "add_difference"}, "say in `c`"),
        ({"c": "emoji-64"}, "leave `c` out"),
        ({"b": "nobody"}, "There is no adapter `nobody`"),
        ({"b": "other-64"}, "they can't be put together"),
        ({"blocks": "1, 2, spam"}, "spam"),
        ({"vae": "none"}, "There is no VAE `none`"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
    ],
)
async def test_models_that_are_refused(world: World, merges: Merges, changes: dict[str, object], words: str) -> None:
    await adapter(world, "whole", kind="checkpoint")
    asked = ModelsOrder(origin=world.origin(), name="x", a="emoji-64", b="whole")
    with pytest.raises(UserError, match=words):
        await merges.merge_models(msgspec.structs.replace(asked, **changes))


# -- whose rules count ------------------------------------------------------------------------------------------------


async def test_what_others_do_not_allow_or_share_is_refused(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "secret", "ben")
    await shared(world, "kept", "ben", derivatives=False)
    with pytest.raises(UserError, match="There is no adapter `ben/secret`"):
        await merges.merge_adapters(order(world, "<lora:a><lora:ben/secret>"))
    with pytest.raises(UserError, match="ben does not allow it"):
        await merges.merge_adapters(order(world, "<lora:a><lora:ben/kept>"))
    await adapter(world, "brought", origin="imported", derivatives=False)
    with pytest.raises(UserError, match="by the licence that it came with"):
        await merges.merge_adapters(order(world, "<lora:a><lora:brought>"))
    await adapter(world, "mine", derivatives=False)  # what others may not, one may oneself
    assert (await merges.merge_adapters(order(world, "<lora:a><lora:mine>"))).state == "queued"


@pytest.mark.parametrize("strict", [0, 1])
async def test_the_strictest_rule_of_the_parents_counts(world: World, strict: int) -> None:
    free = await adapter(world, "free", commercial=True, credit=False)
    kept = await adapter(world, "kept", "ben", age_restricted=True, derivatives=False, likeness="self")
    rules = inherit([kept, free] if strict == 0 else [free, kept], MEMBERS["ada"])
    assert rules.age_restricted
    assert rules.credit
    assert not rules.commercial
    assert not rules.derivatives
    assert rules.likeness == "other"  # ben's own face is somebody else's to ada
    assert inherit([free], MEMBERS["ada"]).commercial


async def test_a_merge_is_shown_no_further_than_what_is_in_it_of_others(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    theirs = await shared(world, "b", "ben")
    made = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:ben/b>")))
    assert made is not None
    assert not await sees(world, made, "cleo")  # at first it is its owner's alone
    await world.database.write(lambda tx: sharing.share(tx, made.id, GUILD, world.clock()))
    await world.database.write(lambda tx: sharing.share(tx, made.id, GUILD + 1, world.clock()))
    assert await sees(world, made, "cleo")
    assert not await sees(world, made, "cleo", GUILD + 1)  # where its parent is not
    again = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:ab>", name="abc")))
    assert again is not None
    await world.database.write(lambda tx: sharing.publish(tx, again.id, world.clock()))
    assert await sees(world, again, "cleo")
    assert not await sees(world, again, "cleo", None)
    await world.database.write(lambda tx: sharing.unshare(tx, theirs.id, GUILD))
    for merged in (made, again):
        assert not await sees(world, merged, "cleo")
        assert await sees(world, merged, "ada")


async def test_a_likeness_that_is_taken_back_is_taken_back_in_what_was_made_of_it(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    theirs = await shared(world, "b", "ben", likeness="self")
    made = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:ben/b>")))
    assert made is not None
    assert made.likeness == "other"
    assert await sees(world, made, "ada")
    assert await sees(world, made, "ada", None)  # it was made on the server that has it still
    await world.database.write(lambda tx: sharing.unshare(tx, theirs.id, GUILD))
    assert not await sees(world, made, "ada")
    with pytest.raises(UserError, match="somebody's likeness in it that was taken back"):
        await world.adapters.resolve("ab", viewer_id=MEMBERS["ada"], guild_id=GUILD)
    with pytest.raises(UserError, match="somebody's likeness in it that was taken back"):
        await merges.merge_adapters(order(world, "<lora:a><lora:ab>", name="abc"))
    await world.database.write(lambda tx: sharing.name_member(tx, theirs.id, MEMBERS["ada"], world.clock()))
    assert await sees(world, made, "ada", None)
    await world.adapters.delete("b", owner_id=MEMBERS["ben"])
    assert not await sees(world, made, "ada")
    await world.adapters.delete("ab", owner_id=MEMBERS["ada"])  # that is hers to do


async def test_a_merge_is_shared_no_further_than_what_is_in_it_of_others(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    theirs = await shared(world, "b", "ben")
    made = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:ben/b>")))
    assert made is not None
    steps = Sharing(world.database, clock=world.clock)
    await steps.with_server(made.id, GUILD, owner_id=MEMBERS["ada"])
    with pytest.raises(UserError, match="`ab` is made of ben/b, which is not shared with this server"):
        await steps.with_server(made.id, GUILD + 1, owner_id=MEMBERS["ada"])
    with pytest.raises(UserError, match="which is not shared with everybody"):
        await steps.with_everyone(made.id, owner_id=MEMBERS["ada"])
    await steps.with_everyone(theirs.id, owner_id=MEMBERS["ben"])
    await steps.with_everyone(made.id, owner_id=MEMBERS["ada"])
    assert await sees(world, made, "cleo", None)


async def test_what_an_owner_deletes_is_shown_to_nobody_else_in_a_merge(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await shared(world, "b", "ben")
    made = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:ben/b>")))
    assert made is not None
    await world.database.write(lambda tx: sharing.share(tx, made.id, GUILD, world.clock()))
    await world.adapters.delete("b", owner_id=MEMBERS["ben"])
    assert not await sees(world, made, "cleo")
    assert await sees(world, made, "ada")


async def test_what_was_reported_is_hidden_in_merges_and_not_merged(world: World, merges: Merges) -> None:
    a = await adapter(world, "a")
    await adapter(world, "b")
    made = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:b>")))
    assert made is not None
    await world.database.write(lambda tx: sharing.share(tx, made.id, GUILD, world.clock()))
    assert await sees(world, made, "cleo")
    await world.database.write(lambda tx: adapters.update(tx, msgspec.structs.replace(a, hidden_at=world.clock())))
    assert not await sees(world, made, "cleo")
    assert await sees(world, made, "ada")
    with pytest.raises(UserError, match="was reported, and nothing is made of it"):
        await merges.merge_adapters(order(world, "<lora:a><lora:b>", name="again"))


async def test_an_older_version_is_merged_where_it_is_asked_for(world: World, merges: Merges) -> None:
    first = await adapter(world, "a")
    await adapter(world, "b")
    blob = await world.blobs.put(b"ada's second a", ".safetensors")
    second = msgspec.structs.replace(first, blob=blob, job_id="1777")
    await world.database.write(lambda tx: versions.add(tx, first, second, world.clock()))
    older = await merges.merge_adapters(order(world, "<lora:a@1><lora:b>", name="old"))
    newest = await merges.merge_adapters(order(world, "<lora:a><lora:b>", name="new"))
    assert (_first(older), _first(newest)) == (first.blob, blob)
    assert [job.merge.parents[0].name for job in (older, newest)] == ["ada/a@1", "ada/a@2"]


def _first(job: Job) -> str:
    assert isinstance(job.merge.work, MergeAdapters)
    return job.merge.work.adapters[0].blob


async def test_all_that_was_made_of_an_adapter_is_found(world: World, merges: Merges) -> None:
    a = await adapter(world, "a")
    b = await adapter(world, "b")
    await adapter(world, "c")
    ab = await make(world, await merges.merge_adapters(order(world, "<lora:a><lora:b>")))
    abc = await make(world, await merges.merge_adapters(order(world, "<lora:ab><lora:c>", name="abc")))
    assert ab is not None
    assert abc is not None

    async def of(found: Adapter) -> set[str]:
        return set(await world.database.read(lambda tx: lineage.descendants(tx, found.id)))

    assert await of(a) == await of(b) == {ab.id, abc.id}
    assert await of(ab) == {abc.id}
    await world.adapters.delete("ab", owner_id=MEMBERS["ada"])  # what was made of it is not forgotten
    assert await of(a) == {abc.id}


# -- what a deletion ends ---------------------------------------------------------------------------------------------


async def test_a_merge_that_waits_for_what_was_deleted_is_refused_in_its_turn(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "b")
    job = await merges.merge_adapters(order(world, "<lora:a><lora:b>"))
    await world.jobs.attach_card(job.id, NEXT)
    await world.adapters.delete("b", owner_id=MEMBERS["ada"])
    await world.beat(merge=1)
    assert await world.dispatcher.tick() == []
    after = await world.job(job.id)
    assert after.state == "failed"
    assert "`ada/b` was taken back or deleted" in (after.error or "")


async def test_a_merge_that_runs_is_stopped_and_nothing_of_it_entered(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await shared(world, "b", "ben")
    job = await merges.merge_adapters(order(world, "<lora:a><lora:ben/b>"))
    await world.jobs.attach_card(job.id, NEXT)
    await world.beat(merge=1)
    await world.dispatcher.tick()
    await world.adapters.delete("b", owner_id=MEMBERS["ben"])
    assert (await world.job(job.id)).cancel_requested_at is not None
    assert await make(world, job) is None  # even if its worker was quicker
    garbage = await world.database.read(lambda tx: [row[0] for row in tx.execute("SELECT blob FROM garbage")])
    assert await world.blobs.put(b"merged", ".safetensors") in garbage


async def test_files_of_merges_under_way_are_kept(world: World, merges: Merges) -> None:
    a, b = await adapter(world, "a"), await adapter(world, "b")
    await merges.merge_adapters(order(world, "<lora:a><lora:b>"))
    assert {a.blob, b.blob} <= await world.database.read(jobs.blobs_of_active)


async def test_a_name_is_reserved_while_its_merge_waits(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "b")
    await merges.merge_adapters(order(world, "<lora:a><lora:b>"))
    with pytest.raises(UserError, match="`ab`"):
        await merges.merge_adapters(order(world, "<lora:a><lora:b>"))


async def test_a_member_has_three_merges_under_way_at_most(world: World, merges: Merges) -> None:
    await adapter(world, "a")
    await adapter(world, "b")
    names: Sequence[str] = ("x", "y", "z")
    for name in names:
        await merges.merge_adapters(order(world, "<lora:a><lora:b>", name=name))
    with pytest.raises(UserError, match="You have 3 merges under way"):
        await merges.merge_adapters(order(world, "<lora:a><lora:b>", name="w"))


async def test_an_id_of_somebody_elses_is_no_way_in(world: World) -> None:
    theirs = await adapter(world, "secret", "ben")
    with pytest.raises(UserError, match="ben"):
        await world.database.read(lambda tx: require_visible(tx, theirs.id, MEMBERS["ada"], GUILD))


PIECES = ("<lora:", "<ti:", "a", ":", "0.5", "te=1", ">", "<", "#", " ", "\n", "nan", "@everyone", "é")


@given(st.lists(st.sampled_from(PIECES)))
def test_whatever_is_typed_is_tags_or_one_sentence(pieces: list[str]) -> None:
    with suppress(UserError):
        networks = read_networks("".join(pieces))
        assert 0 < len(networks) <= MOST_PARENTS
        assert all(math.isfinite(network.weight) for network in networks)
