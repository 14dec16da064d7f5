"""`/gallery` and `/search`, and the way from there to a page."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.ui.gallery import WHICH
from sandbox.exchange import Exchange
from sandbox.members import Member, Message
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def filled(home: House, who: Member, exchange: Exchange) -> Message:
    shown = await exchange.response(PATIENCE_S)
    assert shown.ephemeral_to == who.id
    return await home.sandbox.wait_for(
        lambda message: message.id == shown.id and bool(message.embeds), seen_by=who, timeout_s=PATIENCE_S
    )


async def test_from_the_gallery_to_a_page(home: House) -> None:
    empty = await filled(home, home.ben, await home.ben.slash("gallery", channel=CHANNEL))
    assert "Nothing that you can use is like that" in empty.text
    for name in ("thnos", "robot"):
        await home.trained(home.ada, name)
        await home.services.sharing.with_everyone((await home.adapter(home.ada, name)).id, owner_id=home.ada.id)
    await home.drawn(home.ada, "<lora:thnos> in a suit")
    shown = await filled(home, home.ben, await home.ben.slash("gallery", channel=CHANNEL, sort="used"))
    assert shown.embeds[0]["title"] == "Gallery, the most used first"
    lines = shown.embeds[0]["description"].splitlines()
    assert lines[0].startswith("1. `ada/thnos` · LoRA · ")
    assert lines[0].endswith("used 1× · ⭐ 0")
    assert labels(shown) == []
    (file,) = shown.files
    assert Image.open(io.BytesIO(file.data)).size == (726, 424)  # two covers beside each other
    option = shown.components[0]["components"][0]["options"][0]
    opened = await filled(home, home.ben, await home.ben.select(shown, WHICH, [option["value"]]))
    assert opened.embeds[0]["title"] == "thnos"


async def test_search_says_what_was_looked_for(home: House) -> None:
    found = await filled(home, home.ben, await home.ben.slash("search", channel=CHANNEL, words="thons"))
    assert found.embeds[0]["title"] == "Found for thons"
    assert "`ada/thnos`" in found.text
    nothing = await filled(home, home.ben, await home.ben.slash("search", channel=CHANNEL, words="@everyone"))
    assert "Nothing that you can use" in nothing.text
    assert not nothing.record.mention_everyone
    choices = await home.ben.autocomplete("search", focused="words", value="thons", channel=CHANNEL)
    assert [choice["value"] for choice in choices] == ["thnos"]
