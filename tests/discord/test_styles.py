"""`/style`, and `style` at `/imagine`."""

from __future__ import annotations

import pytest

from bot.ui.refusals import EDIT
from tests.discord.house import CHANNEL, PATIENCE_S, House, came_of, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def put(home: House, name: str, who: str = "ada", *, server: bool = False, **fields: str) -> str:
    """Through the form."""
    member = getattr(home, who)
    opened = await member.slash("style set", channel=CHANNEL, name=name, server=server)
    answer = await (await member.submit(opened.modal, fields)).response(PATIENCE_S)
    assert answer.ephemeral_to == member.id
    return answer.content


async def test_a_style_is_made_changed_shown_and_deleted(home: House) -> None:
    words = await put(home, "Noir", prompt="film still of {prompt}", settings="Steps: 5, Moon phase: full, Size: 64x96")
    assert words.startswith("The style `Noir` is kept: choose it as `style` at `/imagine`. These settings do nothing")
    opened = await home.ada.slash("style set", channel=CHANNEL, name="noir")
    assert opened.modal is not None
    assert opened.modal.field("Prompt").data["value"] == "film still of {prompt}"
    shown = await (await home.ada.slash("style show", channel=CHANNEL, name="noir")).response(PATIENCE_S)
    assert shown.ephemeral_to == home.ada.id
    assert "film still of {prompt}" in shown.text
    listed = await (await home.ada.slash("style list", channel=CHANNEL)).response(PATIENCE_S)
    assert "`Noir` · film still of" in listed.text
    assert "no style `noir`" in await home.refusal(await home.ben.slash("style show", channel=CHANNEL, name="noir"))
    gone = await (await home.ada.slash("style delete", channel=CHANNEL, name="noir")).response(PATIENCE_S)
    assert gone.content == "The style `Noir` is deleted. This is what it put in:"
    assert "film still of" in gone.text


async def test_pictures_are_drawn_with_styles(home: House) -> None:
    await put(
        home, "film", prompt="film still of {prompt}", negative_prompt="colour", settings="Steps: 7, CFG scale: 4"
    )
    await put(home, "grain", "cleo", server=True, prompt="grainy")
    card = await home.drawn(home.ada, "a fox", negative_prompt="rain", style="film, grain", guidance=6, seed=1)
    settings = (await home.settings_of(home.ada, card)).splitlines()
    assert settings[:2] == ["film still of a fox, grainy", "Negative prompt: rain, colour"]
    assert settings[2].startswith("Steps: 7, CFG scale: 6")
    card = await home.drawn(home.ben, "a fox", style="grain")
    assert (await home.settings_of(home.ben, card)).startswith("a fox, grainy")
    words = await home.refusal(await home.imagine(home.ben, "a fox", style="film"))
    assert words == "There is no style `film` that you can use. `/style list` shows what there is."


async def test_the_servers_styles_are_the_moderators(home: House) -> None:
    for command in ("style set", "style delete"):
        words = await home.refusal(await home.ben.slash(command, channel=CHANNEL, name="x", server=True))
        assert words == "The server's styles are changed by moderators: leave `server` out to keep one of your own."
    place = home.sandbox.direct_channel(home.cleo)
    words = await home.refusal(await home.cleo.slash("style set", channel=place, name="x", server=True))
    assert words == "There is no server here: use this command in the server that is to have the style."


async def test_what_can_not_be_a_style_is_refused_in_a_sentence(home: House) -> None:
    words = await home.refusal(await home.ada.slash("style set", channel=CHANNEL, name="a, b"))
    assert words.startswith("`a, b` is no name for a style")
    opened = await home.ada.slash("style set", channel=CHANNEL, name="loud")
    words = await home.refusal(await home.ada.submit(opened.modal, {"Settings": "Steps: 9999, CFG scale: 3"}))
    assert words == "steps must be between 1 and 150, got 9,999: choose one in between."
    words = await home.refusal(await home.ada.submit(opened.modal, {}))
    assert words == "The style is empty: give it a prompt, a negative prompt or settings."


async def test_styles_are_offered_one_behind_the_other(home: House) -> None:
    await put(home, "offered one", prompt="x")
    await put(home, "offered two", "cleo", server=True, prompt="y")

    async def offered(value: str) -> list[str]:
        found = await home.ada.autocomplete("imagine", focused="style", value=value, channel=CHANNEL, prompt="a fox")
        return [choice["value"] for choice in found]

    assert await offered("ffered") == ["offered one", "offered two"]
    assert await offered("offered one, TWO") == ["offered one, offered two"]
    for typed in ("@everyone", ",", "%", "*" * 100):
        await offered(typed)
    choices = await home.ada.autocomplete("style show", focused="name", value="two", channel=CHANNEL)
    assert choices == [{"name": "offered two · the server's", "value": "offered two"}]


async def test_a_refused_picture_keeps_its_styles_but_those_that_there_are_not(home: House) -> None:
    await put(home, "kept", prompt="kept by the style")
    exchange = await home.imagine(home.ada, "a fox", style="Kept, gone")
    await home.refusal(exchange)
    answer = await home.sandbox.wait_for(
        lambda message: came_of(message, exchange) and EDIT in labels(message), seen_by=home.ada
    )
    form = (await home.ada.click(answer, EDIT)).modal
    card = await home.result(await home.ada.submit(form, {"Prompt": "a wolf", "Negative prompt": "", "Settings": ""}))
    assert (await home.settings_of(home.ada, card)).startswith("a wolf, kept by the style")
