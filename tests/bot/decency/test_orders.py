from __future__ import annotations

from sqlite3 import Connection

import msgspec
import pytest

from bot.errors import UserError
from bot.orders import Editor
from bot.prompts import read_prompt
from bot.store import adapters
from bot.styles import Styles, StyleText
from bot.templates import Templates
from bot.wildcards import Wildcards
from tests.bot.test_adapters import trained
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.requests import Recipe

ADA = MEMBERS["ada"]


async def _draw_with(world: World, prompt: str, **changes: object) -> None:
    """Ada draws with an adapter of hers, ``thnos``, after these ``changes``."""
    await trained(world, "ada", "thnos")

    def change(tx: Connection) -> None:
        found = adapters.own(tx, ADA, "thnos")
        assert found is not None
        adapters.update(tx, msgspec.structs.replace(found, **changes))

    await world.database.write(change)
    written = f"<lora:thnos:0.8> {prompt}"
    read = await read_prompt(world.adapters, written, viewer_id=ADA, guild_id=GUILD)
    await world.imagine(prompt=read.prompt, prompt_written=read.written, adapters=read.adapters)


async def test_a_prompt_is_refused_and_no_job_is_made(world: World) -> None:
    with pytest.raises(UserError, match="refused in every channel"):
        await world.imagine(prompt="a nude child", prompt_written="a nude child")
    assert await world.jobs.of_member(ADA) == []


async def test_what_wildcards_and_styles_put_in_counts(world: World) -> None:
    editor = Editor(member_id=ADA, member_name="ada", guild_id=GUILD)
    wildcards, styles = Wildcards(world.database, world.clock), Styles(world.database, world.clock)
    await wildcards.put("who", "a child", editor)
    await styles.put("bare", StyleText(prompt="nude"), editor)
    templates = Templates(world.adapters, wildcards, styles)
    order = await templates.read(world.imagine_order(prompt="__who__", prompt_written="__who__"), "bare")
    with pytest.raises(UserError, match="`child` together with `nude`"):
        await world.jobs.submit_imagine(order)


async def test_a_child_may_be_drawn(world: World) -> None:
    await _draw_with(world, "in a suit", class_word="child")


async def test_what_an_adapter_is_called_counts(world: World) -> None:
    with pytest.raises(UserError, match="`child` together with `nude`"):
        await _draw_with(world, "nude", class_word="child")


@pytest.mark.parametrize("changes", [{"subject_kind": "face"}, {"likeness": "self"}])
async def test_the_likeness_of_a_person_is_not_drawn_that_way(world: World, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"`thnos` is the likeness of a real person.*take `nude` out"):
        await _draw_with(world, "a nude woman", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_word": "child", "captions": ("nude", None, None)},
        {"name": "kids", "recipe": Recipe(captions="template", caption_template="a naked {}")},
        {"name": "lolicon"},
        {"kind": "face", "likeness": "self", "captions": ("nude", None, None)},
    ],
)
async def test_a_training_is_refused_before_its_photos_are_fetched(world: World, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"in (any|every) channel"):
        await world.trainings.submit(world.train_order("ada", **changes))
    assert world.photos.collected == []
