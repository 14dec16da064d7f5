"""Choices in prompts: each picture chooses by its own seed, in both prompts, and Again chooses anew."""

from __future__ import annotations

import msgspec
import pytest

from bot.entries import imagine_spec
from bot.errors import UserError
from bot.orders import Editor, ImagineOrder
from bot.styles import Styles
from bot.templates import Templates
from bot.wildcards import Wildcards
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.events import Delivered


@pytest.fixture
async def templates(world: World) -> Templates:
    wildcards = Wildcards(world.database, world.clock)
    editor = Editor(member_id=MEMBERS["ada"], member_name="ada", guild_id=GUILD)
    await wildcards.put("animals", "\n".join(f"animal {number}" for number in range(50)), editor)
    return Templates(world.adapters, wildcards, Styles(world.database))


def order(world: World, prompt: str, member: str = "ada", **changes: object) -> ImagineOrder:
    return world.imagine_order(member, prompt=prompt, prompt_written=prompt, **changes)


async def trained(world: World, name: str, member: str = "ada") -> None:
    job = await world.train(member, name)
    await world.commit(job)
    await world.hear(Delivered(job_id=job.id, attempt=0, channel_id=200, message_id=2, at=0.0))


async def test_each_picture_chooses_by_its_own_seed(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "a __animals__ in a suit", count=4, seed=5))
    texts = [shot.prompt for shot in read.pictures]
    assert len(set(texts)) == 4
    alone = [await templates.read(order(world, "a __animals__ in a suit", seed=5 + place)) for place in range(4)]
    assert [each.prompt for each in alone] == texts
    assert [drawing.seed for drawing in imagine_spec(read, ()).drawings] == [5, 6, 7, 8]


async def test_the_negative_prompt_chooses_with_the_same_dice(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "{day|night}", negative_prompt="{night|day}", count=4, seed=2))
    pairs = {(shot.prompt, shot.negative_prompt) for shot in read.pictures}
    assert pairs == {("day", "night"), ("night", "day")}


async def test_pictures_say_what_was_chosen_and_what_from(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "a {red|red} fox", negative_prompt="{fog|fog}", seed=1))
    (drawing,) = imagine_spec(read, ()).drawings
    assert (drawing.prompt, drawing.prompt_written, drawing.negative_prompt) == ("a red fox", "a red fox", "fog")
    assert (drawing.template, drawing.negative_template) == ("a {red|red} fox", "{fog|fog}")


async def test_a_prompt_without_choices_stays_as_it_is(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "a fox # not a wolf", count=2))
    assert (read.prompt, read.prompt_written, read.template, read.shots) == ("a fox", "a fox # not a wolf", "", ())


async def test_only_what_was_chosen_is_looked_up(world: World, templates: Templates) -> None:
    await trained(world, "thnos")
    prompt = "{<lora:thnos:0.5>|<lora:thnos:0.9>} in a suit"
    read = await templates.read(order(world, prompt, count=4, seed=1))
    assert {pick.weight for shot in read.shots for pick in shot.adapters} == {0.5, 0.9}
    assert {len(shot.adapters) for shot in read.shots} == {1}
    assert {shot.prompt for shot in read.shots} == {"thnos character in a suit"}
    await world.jobs.submit_imagine(read)
    with pytest.raises(UserError, match="no adapter `nobody`"):
        await templates.read(order(world, "{<lora:nobody>|<lora:nobody>} in a suit"))


async def test_an_unknown_list_is_text_and_told(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "a __fish__ in a suit", count=2))
    assert {shot.prompt for shot in read.pictures} == {"a __fish__ in a suit"}
    assert read.ignored == ("There is no list `__fish__`, so it is text.",)
    private = order(world, "a __animals__")
    private = msgspec.structs.replace(private, origin=world.origin(guild_id=None))
    assert "no list `__animals__`" in (await templates.read(private)).ignored[0]


async def test_what_can_not_be_chosen_is_told_in_a_sentence(world: World, templates: Templates) -> None:
    with pytest.raises(UserError, match=r"^Nothing is left to choose where all weights are 0; .*\.$"):
        await templates.read(order(world, "{0::a|0::b} fox"))
    with pytest.raises(UserError, match="count must be between"):
        await templates.read(order(world, "{a|b} fox", count=10**9))


async def test_drawn_pictures_choose_anew_with_new_seeds(world: World, templates: Templates) -> None:
    read = await templates.read(order(world, "a __animals__, {a|b} fox", count=2, seed=1))
    moved = tuple(msgspec.structs.replace(shot, seed=seed) for shot, seed in zip(read.shots, (90, 91), strict=True))
    anew = await templates.choose_anew(msgspec.structs.replace(read, shots=moved))
    expected = await templates.read(order(world, "a __animals__, {a|b} fox", count=2, seed=90))
    assert [shot.prompt for shot in anew.shots] == [shot.prompt for shot in expected.shots]
    assert anew.prompt == anew.shots[0].prompt
    plain = await templates.read(order(world, "a fox"))
    assert await templates.choose_anew(plain) is plain


async def test_anothers_template_names_what_its_writer_meant(world: World, templates: Templates) -> None:
    await trained(world, "thnos")
    read = await templates.read(order(world, "<lora:thnos> {a|b}", seed=1, count=2))
    theirs = msgspec.structs.replace(read, origin=world.origin("ben"), writer_id=MEMBERS["ada"])
    anew = await templates.choose_anew(theirs)
    with pytest.raises(UserError, match="is ada's, who does not share it here"):  # it is not shared
        await world.jobs.submit_imagine(anew)
    await world.adapters.delete("thnos", owner_id=MEMBERS["ada"])
    await trained(world, "thnoss")
    with pytest.raises(UserError, match=r"^This prompt can't choose anew"):  # and does not name Ada's others
        await templates.choose_anew(theirs)
