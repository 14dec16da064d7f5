"""An adapter's page: what it shows, and what its buttons do for its owner and for others."""

from __future__ import annotations

import pytest

from bot.ui.adapter_buttons import WHICH
from sandbox.members import Member, Message
from tests.discord.cast import Actor
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def page(home: House, who: Member, name: str) -> Message:
    exchange = await who.slash("adapter show", channel=CHANNEL, name=name)
    shown = await exchange.response(PATIENCE_S)
    return await home.sandbox.wait_for(
        lambda message: message.id == shown.id and bool(message.embeds), seen_by=who, timeout_s=PATIENCE_S
    )


def fields(message: Message) -> dict[str, str]:
    return {field["name"]: field["value"] for field in message.embeds[0]["fields"]}


async def press(home: House, who: Member, shown: Message, label: str) -> Message:
    return await (await who.click(shown, label)).response(PATIENCE_S)


async def test_the_page_of_an_adapter_and_what_others_do_with_it(home: House) -> None:
    await home.trained(home.ada, "thnos", class_word="monster")
    assert not (await page(home, home.ada, "thnos")).files
    await home.drawn(home.ada, "<lora:thnos:0.8> in a suit")
    await home.services.sharing.with_everyone((await home.adapter(home.ada, "thnos")).id, owner_id=home.ada.id)
    shown = await page(home, home.ben, "ada/thnos")
    assert labels(shown) == ["Use it", "Favourite", "Examples", "Settings", "Report"]
    assert [file.filename for file in shown.files] == ["cover.png"]
    assert shown.embeds[0]["image"]["url"]
    assert fields(shown)["Kind"] == "LoRA, trained here"
    assert fields(shown)["Licence"] == "name its maker; pictures may not be sold; it may be merged"
    assert shown.embeds[0]["footer"]["text"] == "used 1 time · 0 favourites"

    told = await press(home, home.ben, shown, "Favourite")
    liked = await home.sandbox.wait_for(
        lambda message: message.id == shown.id and "No favourite any more" in labels(message), seen_by=home.ben
    )
    assert told.ephemeral_to == home.ben.id
    assert liked.embeds[0]["footer"]["text"] == "used 1 time · 1 favourite"
    assert liked.embeds[0]["image"]["url"]  # the picture stays where it is

    opened = await home.ben.click(shown, "Use it")
    assert opened.modal is not None
    drawing = await home.ben.submit(
        opened.modal, {"Prompt": "<lora:ada/thnos:0.8> at the beach", "Negative prompt": "", "Settings": "Steps: 2"}
    )
    assert (await home.result(drawing)).files
    examples = await press(home, home.ben, shown, "Examples")
    there = await home.sandbox.wait_for(
        lambda message: message.id == examples.id and len(message.files) == 2, seen_by=home.ben
    )
    options = there.components[0]["components"][0]["options"]
    assert [option["label"] for option in options] == ["1. thnos monster at the beach", "2. thnos monster in a suit"]
    panel = await (
        await home.ben.select(there, WHICH, [options[1]["value"]])
    ).response(PATIENCE_S)  # fmt: skip
    assert "Settings" in labels(panel)
    assert "Base: " in (await press(home, home.ben, shown, "Settings")).content


async def test_what_its_owner_writes_on_it(home: House) -> None:
    await home.trained(home.ada, "robot")
    shown = await page(home, home.ada, "robot")
    assert labels(shown)[4:] == ["Edit", "Cover", "Share", "Rename", "Versions", "Delete"]
    opened = await home.ada.click(shown, "Edit")
    assert opened.modal is not None
    words = {"About it": "A robot of @everyone.", "Tags": "Robot, blue", "Trigger words": "", "Licence": ["commercial"]}
    await home.ada.submit(opened.modal, words)
    written = await home.sandbox.wait_for(
        lambda message: message.id == shown.id and "Tags" in fields(message), seen_by=home.ada
    )
    assert fields(written)["Tags"] == "blue, robot"
    assert fields(written)["Licence"].startswith("no need to name its maker; pictures may be sold")
    assert not written.record.mention_everyone
    opened = await home.ada.click(shown, "Edit")
    assert opened.modal is not None
    refused = await home.refusal(await home.ada.submit(opened.modal, words | {"Tags": "<@1>"}))
    assert "can't be a tag" in refused

    opened = await home.ada.click(shown, "Rename")
    assert opened.modal is not None
    await home.ada.submit(opened.modal, {"Name": "Robo 2"})
    opened = await home.ada.click(shown, "Rename")
    assert opened.modal is not None
    told = await (await home.ada.submit(opened.modal, {"Name": "robo"})).response(PATIENCE_S)
    assert told.id == shown.id
    assert (await page(home, home.ada, "robo")).embeds[0]["title"] == "robo"
    assert "`robo` was trained on 3 photos" in (await press(home, home.ada, shown, "Delete")).content


async def test_its_cover_is_chosen_among_ones_own_pictures(home: House) -> None:
    await home.trained(home.ada, "cat")
    shown = await page(home, home.ada, "cat")
    assert "could be its cover" in await home.refusal(await home.ada.click(shown, "Cover"))
    assert "There is no picture of `cat`" in await home.refusal(await home.ada.click(shown, "Examples"))
    await home.drawn(home.ada, "<lora:cat> in a suit", count=2)
    offered = await press(home, home.ada, shown, "Cover")
    there = await home.sandbox.wait_for(
        lambda message: message.id == offered.id and len(message.files) == 2, seen_by=home.ada
    )
    value = there.components[0]["components"][0]["options"][1]["value"]
    done = await (await home.ada.select(there, "Choose the picture that the page shows", [value])).response(PATIENCE_S)
    assert done.content == "The page of `cat` shows this picture now."
    assert (await home.adapter(home.ada, "cat")).cover_position == int(value.partition(":")[2])


async def test_versions_are_put_in_use_and_deleted_from_its_page(home: House) -> None:
    await home.trained(home.ada, "twice")
    await home.trained(home.ada, "twice")
    shown = await page(home, home.ada, "twice")
    assert shown.embeds[0]["title"] == "twice, version 2"
    assert fields(shown)["Other versions"] == "`twice@1`"
    listed = await press(home, home.ada, shown, "Versions")
    assert "twice@2" in listed.text.splitlines()[1]
    used = await (await home.ada.select(listed, "Put another version in use", ["1"])).response(PATIENCE_S)
    assert "`twice@1`" in used.text
    assert "in use" in used.text.splitlines()[2]
    gone = await (await home.ada.select(used, "Delete a version for good", ["2"])).response(PATIENCE_S)
    assert "twice@2" not in gone.text
    assert (await home.adapter(home.ada, "twice")).version == 1
    card = await home.drawn(home.ada, "<lora:twice@1:0.5> in a suit")
    opened = await home.ada.click(card, "Remix")
    assert opened.modal is not None
    assert "<lora:twice@1:0.5>" in opened.modal.field("Settings").data["value"]


@pytest.mark.parametrize("value", ["x", "1:x", "-1", "1" * 30, "٣"])
@pytest.mark.parametrize("menu", ["dr:cover:{}:0", "dr:version:{}", "dr:unversion:{}"])
async def test_what_no_menu_offers_is_refused_in_a_sentence(home: House, menu: str, value: str) -> None:
    adapters = await home.services.adapters.complete("forged", viewer_id=home.ada.id, guild_id=None)
    if not adapters:
        await home.trained(home.ada, "forged")
    adapter = await home.adapter(home.ada, "forged")
    actor = Actor("owner", home.ada, home.sandbox.place(CHANNEL), home)
    answer = await (await actor.choose(menu.format(adapter.id), value)).response(PATIENCE_S)
    assert "is none of the choices" in answer.content
