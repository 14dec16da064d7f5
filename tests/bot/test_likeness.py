"""Whose likeness an adapter is: asked at /train, kept with the consent, inherited by what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from bot.errors import UserError
from bot.likeness import inherited, strictest
from bot.store import consents
from bot.store.records import Adapter, Likeness
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered, Failed

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]


async def made(world: World, name: str = "thnos", **changes: object) -> Adapter:
    """What ada's training makes."""
    job = await world.train("ada", name, **changes)
    await world.commit(job)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))
    return await world.adapters.own_of_name(name, owner_id=ADA, guild_id=None)


@pytest.mark.parametrize("likeness", ["self", "other", "none"])
async def test_a_face_is_whose_its_owner_says(world: World, likeness: Likeness) -> None:
    adapter = await made(world, kind="face", likeness=likeness)
    assert adapter.likeness == likeness
    consent = await world.database.read(lambda tx: consents.get(tx, adapter.job_id))
    assert consent is not None
    assert consent.likeness == likeness
    assert consent.statement.endswith({"self": "me.", "other": "somebody else.", "none": "nobody real."}[likeness])


async def test_of_a_face_it_has_to_be_said_before_anything_is_fetched(world: World) -> None:
    with pytest.raises(UserError, match="whose face this is, with `person`: me, somebody else, or nobody real"):
        await world.train("ada", kind="face")
    assert world.photos.collected == []


@pytest.mark.parametrize("kind", ["subject", "style"])
async def test_the_rest_is_of_nobody_real_unless_it_is_said(world: World, kind: str) -> None:
    assert (await made(world, kind=kind)).likeness == "none"
    assert (await made(world, "other", kind=kind, likeness="other")).likeness == "other"


async def test_what_goes_on_learning_can_become_a_likeness_and_not_cease_to_be_one(world: World) -> None:
    adapter = await made(world)
    await world.share("ada", "thnos")
    await world.sharing.with_everyone(adapter.id, owner_id=ADA)
    again = await made(world, continue_from="thnos")
    assert (again.id, again.shared_with, again.public_at) == (adapter.id, (GUILD,), world.clock.now - 1)
    now_one = await made(world, continue_from="thnos", likeness="other")
    assert (now_one.likeness, now_one.shared_with, now_one.public_at) == ("other", (), None)
    await world.sharing.ask(adapter.id, BEN, GUILD, owner_id=ADA)
    await world.sharing.answer(adapter.id, BEN, agreed=True)
    await world.share("ada", "thnos")
    still = await made(world, continue_from="thnos", likeness="none")
    assert (still.likeness, still.shared_with) == ("other", (GUILD,))
    child = await made(world, "child", continue_from="thnos", likeness="self")
    assert (child.likeness, child.agreed_at) == ("other", None)  # agreed to was the other one


async def test_trying_again_is_of_the_same_person(world: World) -> None:
    job = await world.train("ada", likeness="other")
    await world.hear(Failed(job_id=job.id, attempt=0, message="No.", card_written=True, at=0.0))
    again = await world.trainings.retry(job.id, world.origin("ada"))
    assert again.train.likeness == "other"
    consent = await world.database.read(lambda tx: consents.get(tx, again.id))
    assert consent is not None
    assert consent.likeness == "other"


@pytest.mark.parametrize(
    ("values", "strict"),
    [((), "none"), (("none", "self"), "self"), (("self", "other", "none"), "other"), (("none", "none"), "none")],
)
def test_the_strictest_of_several(values: Sequence[Likeness], strict: Likeness) -> None:
    assert strictest(values) == strict


async def test_another_owners_own_likeness_is_somebody_elses(world: World) -> None:
    adapter = await made(world, kind="face", likeness="self")
    assert inherited([adapter], ADA) == "self"
    assert inherited([adapter], BEN) == "other"
    assert inherited([adapter, msgspec.structs.replace(adapter, likeness="none")], BEN) == "other"
    assert inherited([], BEN) == "none"
