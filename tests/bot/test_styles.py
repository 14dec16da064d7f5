"""Styles: how they are put into prompts, which settings come with them, and who changes them."""

from __future__ import annotations

import msgspec
import pytest

from bot.errors import UserError
from bot.orders import Editor, ImagineOrder
from bot.styles import MOST_STYLES, Styles, StyleText, merge, read_name, read_settings
from bot.templates import Templates
from bot.wildcards import Wildcards
from tests.bot.worlds import GUILD, MEMBERS, World
from trainer.contract.drawings import DrawingSettings

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]


def editor(member: str, guild_id: int | None = GUILD, *, moderator: bool = False) -> Editor:
    return Editor(member_id=MEMBERS[member], member_name=member, guild_id=guild_id, moderator=moderator)


@pytest.fixture
def styles(world: World) -> Styles:
    return Styles(world.database, world.clock)


async def names(styles: Styles, member: str, guild_id: int | None = GUILD) -> list[str]:
    return [style.name for style in await styles.visible(member_id=MEMBERS[member], guild_id=guild_id)]


@pytest.mark.parametrize(
    ("style", "text", "merged"),
    [
        ("film still of {prompt}, grainy", "a fox", "film still of a fox, grainy"),
        ("grainy", "a fox", "a fox, grainy"),
        ("grainy", " ", "grainy"),
        ("", "a fox", "a fox"),
        ("{prompt} and {prompt}", "a fox", "a fox and a fox"),
    ],
)
def test_a_style_goes_around_a_prompt_or_behind_it(style: str, text: str, merged: str) -> None:
    assert merge(style, text) == merged


@pytest.mark.parametrize("written", ["", " ", "a, b", "`x`", "@everyone", "a" * 61, "a\x00b"])
def test_what_could_not_be_named_is_no_name(written: str) -> None:
    with pytest.raises(UserError, match="no name for a style: take up to 60 characters without commas"):
        read_name(written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a fox, grainy", "are no settings: write them as"),
        ("a fox\nSteps: 20, Sampler: Euler a, CFG scale: 5", "are no settings: write them as"),
        ("Steps: 10000", "steps must be between 1 and 150"),
        ("Steps: 20, Sampler: Dreamy, CFG scale: 5", "Dreamy"),
        ("S" * 1_001, "The settings have 1,001 characters"),
    ],
)
def test_settings_that_can_not_be_are_refused_when_they_are_kept(written: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_settings(written)


def test_what_a_style_can_not_say_is_told() -> None:
    said = read_settings("Steps: 20, Seed: 5, Denoising strength: 0.5, Moon phase: full, CFG scale: 5, VAE: ft-mse")
    assert said.settings == DrawingSettings(num_inference_steps=20, guidance_scale=5.0, vae="ft-mse")
    assert set(said.ignored) == {"Seed", "Denoising strength", "Moon phase"}


async def test_ones_own_come_everywhere_and_before_the_servers(styles: Styles) -> None:
    await styles.put("Noir", StyleText(prompt="own"), editor("ada"))
    await styles.put("noir", StyleText(prompt="the server's"), editor("cleo", moderator=True), server=True)
    await styles.put("bright", StyleText(prompt="bright"), editor("cleo", moderator=True), server=True)
    assert await names(styles, "ada") == ["Noir", "bright", "noir"]
    assert await names(styles, "ada", None) == await names(styles, "ada", GUILD + 1) == ["Noir"]
    assert (await styles.get("NOIR", member_id=ADA, guild_id=GUILD)).prompt == "own"
    assert (await styles.get("NOIR", member_id=BEN, guild_id=GUILD)).prompt == "the server's"
    assert [style.name for style in await styles.complete("NOI", member_id=ADA, guild_id=GUILD)] == ["Noir"]
    with pytest.raises(UserError, match=r"no style `noire` that you can use\. Did you mean `noir`"):
        await styles.get("noire", member_id=BEN, guild_id=GUILD)


async def test_the_servers_are_the_moderators(styles: Styles) -> None:
    await styles.put("noir", StyleText(prompt="dark"), editor("cleo", moderator=True), server=True)
    for changing in (
        styles.put("noir", StyleText(prompt="mine"), editor("ben"), server=True),
        styles.to_change("noir", editor("ben"), server=True),
        styles.delete("noir", editor("ben"), server=True),
    ):
        with pytest.raises(UserError, match="are changed by moderators: leave `server` out"):
            await changing
    with pytest.raises(UserError, match="There is no server here"):
        await styles.put("noir", StyleText(prompt="x"), editor("cleo", None, moderator=True), server=True)
    with pytest.raises(UserError, match="You have no style `noir`"):
        await styles.delete("noir", editor("ben"))
    await styles.put("NOIR", StyleText(negative_prompt="light"), editor("ben", moderator=True), server=True)
    (kept,) = await styles.visible(member_id=BEN, guild_id=GUILD)
    assert (kept.name, kept.owner_name, kept.prompt, kept.negative_prompt) == ("NOIR", "cleo", "", "light")
    await styles.delete("noir", editor("ben", moderator=True), server=True)
    assert await names(styles, "ben") == []


async def test_there_is_an_end_to_styles(styles: Styles) -> None:
    with pytest.raises(UserError, match="The style is empty"):
        await styles.put("x", StyleText(prompt=" "), editor("ada"))
    with pytest.raises(UserError, match="negative prompt has 2,001 characters"):
        await styles.put("x", StyleText(negative_prompt="x" * 2_001), editor("ada"))
    for number in range(MOST_STYLES):
        await styles.put(f"s{number}", StyleText(prompt="x"), editor("ada"))
    with pytest.raises(UserError, match="100 styles already"):
        await styles.put("another", StyleText(prompt="x"), editor("ada"))
    await styles.put("another", StyleText(prompt="x"), editor("ada", moderator=True), server=True)


def order(world: World, prompt: str, **changes: object) -> ImagineOrder:
    return world.imagine_order("ada", prompt=prompt, prompt_written=prompt, **changes)


async def test_styles_are_put_in_one_after_the_other(world: World, styles: Styles) -> None:
    await styles.put("noir", StyleText(prompt="film still of {prompt}", negative_prompt="colour"), editor("ada"))
    await styles.put("grainy", StyleText(prompt="grainy"), editor("ada"))
    put_in = await styles.apply(order(world, "a fox", negative_prompt="rain"), " grainy , Noir, grainy,")
    assert (put_in.prompt_written, put_in.negative_prompt) == ("film still of a fox, grainy", "rain, colour")
    with pytest.raises(UserError, match="There is no style `none`"):
        await styles.apply(order(world, "a fox"), "noir, none")
    with pytest.raises(UserError, match="There are 6 styles, and 5 at a time are the most"):
        await styles.apply(order(world, "a fox"), "a,b,c,d,e,f")
    plain = order(world, "a fox")
    assert await styles.apply(plain, " ,") is plain


async def test_what_was_chosen_goes_before_what_a_style_says(world: World, styles: Styles) -> None:
    await world.beat()
    settings = "Steps: 20, Sampler: Euler a, CFG scale: 5, Size: 64x96, Model: emoji-64"
    await styles.put("first", StyleText(settings=settings), editor("ada"))
    await styles.put("second", StyleText(settings="Steps: 30, Clip skip: 2, Model: gone"), editor("ada"))
    put_in = await styles.apply(order(world, "a fox", guidance_scale=7.0), "first, second")
    assert put_in.settings == DrawingSettings(
        num_inference_steps=20, sampler="Euler a", guidance_scale=7.0, width=64, height=96, clip_skip=2
    )
    wide = msgspec.structs.replace(order(world, "a fox"), aspect=2.0)
    assert (await styles.apply(wide, "first")).settings.width is None
    gone = await styles.apply(order(world, "a fox"), "second")
    assert gone.base is None
    assert gone.ignored == ("The model `gone` of the settings is not here, so another one draws.",)


async def test_a_style_may_hold_choices(world: World, styles: Styles) -> None:
    await styles.put("weather", StyleText(prompt="{prompt} in {rain|snow}"), editor("ada"))
    templates = Templates(world.adapters, Wildcards(world.database), styles)
    read = await templates.read(order(world, "a {red|blue} fox", count=4, seed=1), "weather")
    assert {shot.template for shot in read.shots} == {"a {red|blue} fox in {rain|snow}"}
    assert len({shot.prompt for shot in read.shots}) > 1
    assert "{" not in read.prompt_written
