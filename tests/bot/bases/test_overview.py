"""What `/models` tells, and how many whole models a member may have."""

from __future__ import annotations

import msgspec
import pytest

from bot.admission import Admission, Limits
from bot.bases.overview import Models, Overview
from bot.errors import UserError
from bot.merging.merges import Merges
from bot.merging.orders import MergeOrder, ModelsOrder
from bot.store import adapters, bases, members
from bot.store.records import Adapter
from bot.ui.models import card
from tests.bot.worlds import GUILD, MEMBERS, World, base_info
from trainer.contract.requests import Recipe

WHOLE = Recipe(method="dreambooth", output="checkpoint")


async def enter(world: World, name: str, owner: str = "ada", **changes: object) -> Adapter:
    """An adapter that is there, whoever made it."""
    new = Adapter(
        id=f"{owner}-{name}", job_id=f"{owner}-{name}", owner_id=MEMBERS[owner], owner_name=owner, guild_id=GUILD,
        name=name, kind="lora", subject_kind="subject", trigger=name, class_word="dog", base="emoji-64",
        base_hash="00", blob=f"adapters/{owner}-{name}", size_bytes=2_000_000_000, rank=8, steps=4, photos=3,
        seconds=1.0, final_loss=0.1, trainer_version="0.1.0", created_at=world.clock(),
    )  # fmt: skip
    new = msgspec.structs.replace(new, **changes)

    def insert(tx: object) -> None:
        members.remember(tx, new.owner_id, owner, world.clock())  # type: ignore[arg-type]
        adapters.insert(tx, new)  # type: ignore[arg-type]

    await world.database.write(insert)
    return new


async def look(world: World, member: str = "ada", guild_id: int | None = GUILD) -> Overview:
    models = Models(world.database, world.queue)
    return await models.look(viewer_id=MEMBERS[member], guild_id=guild_id)


async def test_bases_are_told_with_who_has_them_and_how_many_adapters_there_are(world: World) -> None:
    infos = [base_info(), base_info("other-64"), base_info("old-64")]
    await world.database.write(lambda tx: bases.remember(tx, infos, world.clock()))
    await world.beat(worker_id="w1", bases=("emoji-64", "other-64"))
    await world.beat(worker_id="w2", bases=("emoji-64",))
    moss = await enter(world, "moss")
    await enter(world, "fern", "ben")
    await enter(world, "whole", kind="checkpoint")
    shelves = {shelf.info.name: (shelf.adapters, shelf.devices) for shelf in (await look(world)).shelves}
    assert shelves == {"emoji-64": (2, ("cpu", "cpu")), "other-64": (0, ("cpu",)), "old-64": (0, ())}
    text = card(await look(world), MEMBERS["ada"]).description or ""
    assert "2 adapters · 2 workers (cpu)" in text
    assert "0 adapters · no worker has it now" in text
    # they are counted where they are changed
    await world.database.write(lambda tx: adapters.update(tx, msgspec.structs.replace(moss, base="other-64")))
    await world.database.write(lambda tx: adapters.delete(tx, "ben-fern"))
    counts = {shelf.info.name: shelf.adapters for shelf in (await look(world)).shelves}
    assert counts == {"emoji-64": 0, "other-64": 1, "old-64": 0}


async def test_whole_models_are_shown_to_those_who_may_use_them(world: World) -> None:
    await enter(world, "whole", kind="checkpoint")
    await enter(world, "moss")
    assert [adapter.name for adapter in (await look(world)).checkpoints] == ["whole"]
    assert (await look(world, "ben")).checkpoints == ()
    await world.share("ada", "whole")
    assert [adapter.name for adapter in (await look(world, "ben")).checkpoints] == ["whole"]
    assert (await look(world, "ben", guild_id=None)).checkpoints == ()
    (field,) = card(await look(world, "ben"), MEMBERS["ben"]).fields
    assert field.value == "`<lora:ada/whole>` · made of emoji\\-64 · 2000.0 MB"


async def test_before_any_worker_came_that_is_said(world: World) -> None:
    assert "no worker has said" in (card(await look(world), MEMBERS["ada"]).description or "")


async def test_a_member_has_so_many_whole_models_those_in_the_making_included(world: World) -> None:
    await world.database.write(lambda tx: bases.remember(tx, [base_info()], world.clock()))
    await enter(world, "one", kind="checkpoint")
    await enter(world, "two", kind="checkpoint")
    await enter(world, "three", "ben", kind="checkpoint")
    await world.train(name="four", recipe=WHOLE)
    with pytest.raises(UserError, match="You have 3 whole models, with versions and those in the making, and 3 is"):
        await world.trainings.submit(world.train_order(name="five", recipe=WHOLE))
    await world.train(name="five")
    merges = Merges(world.database, world.adapters, admission=world.jobs._admission, clock=world.clock)
    with pytest.raises(UserError, match="3 is the most"):
        await merges.merge_models(ModelsOrder(origin=world.origin(), name="six", a="one", b="two"))
    await enter(world, "moss")
    into = MergeOrder(origin=world.origin(), prompt="<lora:moss:1>", name="six", into="emoji-64")
    with pytest.raises(UserError, match="3 is the most"):
        await merges.merge_adapters(into)


async def test_where_none_are_kept_that_is_said(world: World) -> None:
    admission = Admission(Limits(checkpoints=0), "emoji-64", world.clock)
    with pytest.raises(UserError, match="not kept here"):
        await world.database.read(lambda tx: admission.check_checkpoints(tx, world.origin()))
