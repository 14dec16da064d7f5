"""`/pictures`, a server's showcase, and the way from a picture to what made it."""

from __future__ import annotations

import pytest

from bot.guilds import Manager
from bot.store.records import GuildSettings
from bot.ui.albums import ERASE
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


async def test_ones_own_pictures_are_listed_and_deleted_with_their_message(home: House) -> None:
    empty = await filled(home, home.ben, await home.ben.slash("pictures", channel=CHANNEL))
    assert "None yet. `/imagine` draws one." in empty.text
    first = await home.drawn(home.ben, "a fox")
    await home.drawn(home.ben, "a whale", count=2)
    await home.drawn(home.ada, "a snail")
    shown = await filled(home, home.ben, await home.ben.slash("pictures", channel=CHANNEL))
    lines = shown.embeds[0]["description"].splitlines()
    assert [line[:10] for line in lines] == ["1. [a whal", "2. [a fox]"]
    assert len(shown.files) == 1
    options = shown.components[1]["components"][0]["options"]
    await home.ben.select(shown, ERASE, [options[1]["value"]])
    left = await home.sandbox.wait_for(
        lambda message: message.id == shown.id and "a fox" not in message.text, seen_by=home.ben, timeout_s=PATIENCE_S
    )
    assert "a whale" in left.text
    assert first.id not in {message.id for message in home.shown()}
    forged = await home.ada.select(left, ERASE, [options[0]["value"]])
    assert forged.error is not None or "belong to ben" in (await forged.response(PATIENCE_S)).content


async def test_a_picture_that_got_enough_stars_hangs_in_the_showcase_once(home: House) -> None:
    await home.trained(home.ada, "thnos")
    await home.services.sharing.with_everyone((await home.adapter(home.ada, "thnos")).id, owner_id=home.ada.id)
    manager = Manager(guild_id=home.sandbox.guild.id, member_id=home.cleo.id)
    wanted = GuildSettings(showcase_channel=home.sandbox.place("general").id, showcase_stars=2)
    await home.services.guilds.change(manager, lambda _: wanted)
    answer = await (await home.cleo.slash("settings show", channel=CHANNEL)).response(PATIENCE_S)
    assert "for pictures with 2 stars" in answer.text
    card = await home.drawn(home.ada, "<lora:thnos> in a suit")
    hung = home.sandbox.messages("general")
    for who in (home.ada, home.ben):  # one's own star does not count
        await (await who.click(card, "Favourite")).response(PATIENCE_S)
    assert home.sandbox.messages("general") == hung
    for _ in range(3):  # on, off, on
        await (await home.cleo.click(card, "Favourite")).response(PATIENCE_S)
    there = await home.sandbox.wait_for(lambda message: "Adapters" in labels(message), timeout_s=PATIENCE_S)
    assert labels(there) == ["Remix", "Settings", "Adapters", "Favourite"]
    assert there.embeds[0]["description"].startswith("⭐ [")
    made = await (await home.ben.click(there, "Adapters")).response(PATIENCE_S)
    assert made.content == "`thnos` at 1"
    page = await home.ben.select(made, "Open a page", [made.components[0]["components"][0]["options"][0]["value"]])
    assert (await filled(home, home.ben, page)).embeds[0]["title"] == "thnos"
    starred = await (await home.ben.click(there, "Favourite")).response(PATIENCE_S)
    assert starred.content == "Not among your favourites any more."
    assert len(exhibits(home)) == 1


def exhibits(home: House) -> list[Message]:
    return [message for message in home.sandbox.messages("general") if "Adapters" in labels(message)]


@pytest.mark.parametrize("how", ["Delete", "Report"])
async def test_what_is_deleted_or_reported_hangs_in_no_showcase_any_more(home: House, how: str) -> None:
    manager = Manager(guild_id=home.sandbox.guild.id, member_id=home.cleo.id)
    wanted = GuildSettings(showcase_channel=home.sandbox.place("general").id, showcase_stars=1)
    await home.services.guilds.change(manager, lambda _: wanted)
    card = await home.drawn(home.ada, "a fox")
    await (await home.cleo.click(card, "Favourite")).response(PATIENCE_S)
    hung = await home.sandbox.wait_for(
        lambda message: "Adapters" in labels(message) and f"/{card.id})" in message.text, timeout_s=PATIENCE_S
    )
    form = await (home.ben if how == "Report" else home.ada).click(card, how)
    if form.modal is not None:
        await home.ben.submit(form.modal, {"What is wrong with it?": "this is my face"})

    async def is_down() -> bool:
        return hung.id not in {message.id for message in exhibits(home)}

    await home.until(is_down)
