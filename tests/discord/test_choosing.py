"""The menu under a trained adapter: for its owner, for a day."""

from __future__ import annotations

from functools import partial

import pytest

from sandbox.members import Member, Message
from tests.discord.backend import CHOOSY, EXAMPLES
from tests.discord.house import CHANNEL, PATIENCE_S, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

MENU = "Choose another version, for a day"
DAY_S = 24 * 3600


def options(card: Message) -> list[tuple[str, bool]]:
    """What the menu offers, and whether it is marked."""
    menus = [child for row in card.components for child in row["components"] if child["type"] == 3]
    return [(option["label"], bool(option.get("default"))) for menu in menus for option in menu["options"]]


async def marks(card: Message, place: int) -> bool:
    return options(card)[place][1]


async def choose(home: House, who: Member, card: Message, place: int) -> str:
    """What they are told, alone."""
    exchange = await who.select(card, MENU, [str(place)])
    answer = await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == who.id and message.record.interaction["id"] == str(exchange.id)
        if message.record.interaction else False,
        seen_by=who, timeout_s=PATIENCE_S,
    )  # fmt: skip
    return answer.content


async def test_the_card_shows_the_grid_the_report_and_the_versions(home: House) -> None:
    card = await home.trained(home.ada, "many", class_word=CHOOSY)
    assert [file.filename for file in card.files] == ["grid.png", "large.png"]
    assert "It is very much like the photos and does what it is told." in card.text
    assert "It does well at weights from 0.5 to 1.1, and best at 0.8." in card.text
    assert "`/imagine prompt:<lora:many:0.8> in a suit`" in card.text
    assert options(card) == [
        ("step 2 · likeness 82 % · obedience 90 % · weight 0.9", False),
        ("step 3 · likeness 83 % · obedience 90 % · weight 0.8", True),
        ("step 4 · likeness 84 % · obedience 90 % · weight 0.7", False),
    ]
    assert options(await home.trained(home.ada, "one-of-its-kind")) == []


async def test_its_owner_chooses_another_version_and_back(home: House) -> None:
    card = await home.trained(home.ada, "wavering", class_word=CHOOSY)
    assert await choose(home, home.ada, card, 2) == (
        "`wavering` is the version of step 4 now. Write it as `<lora:wavering:0.7>`."
    )
    await home.until(partial(marks, card, 2))
    assert [file.filename for file in card.files] == ["grid.png", "large.png"]  # the card stays as it is
    adapter = await home.adapter(home.ada, "wavering")
    assert (adapter.steps, adapter.weight_low, adapter.weight_best, adapter.weight_high) == (4, 0.4, 0.7, 1.0)
    assert (await home.services.blobs.read(adapter.blob)).endswith(b"version of step 4")
    picture = await home.result(await home.ada.click(card, EXAMPLES[0]))
    assert "wavering at 0.7" in picture.text
    await choose(home, home.ada, card, 1)
    back = await home.adapter(home.ada, "wavering")
    assert (back.steps, back.weight_low, back.weight_best, back.weight_high) == (3, 0.5, 0.8, 1.1)


async def test_nobody_else_chooses(home: House) -> None:
    card = await home.trained(home.ada, "hers", class_word=CHOOSY)
    before = await home.adapter(home.ada, "hers")
    for who in (home.ben, home.cleo):
        assert await choose(home, who, card, 0) == "`hers` belongs to ada: only they can do that."
    assert await home.adapter(home.ada, "hers") == before


async def test_after_a_day_the_other_versions_are_gone(home: House) -> None:
    card = await home.trained(home.ada, "settled", class_word=CHOOSY)
    await choose(home, home.ada, card, 0)
    adapter = await home.adapter(home.ada, "settled")
    blobs = [candidate.file.blob for candidate in adapter.candidates]
    await home.services.sweeper.collect_garbage()
    assert [await home.services.blobs.exists(blob) for blob in blobs] == [True, True, True]
    await home.services.jobs._database.write(_a_day_later)
    await home.services.sweeper.collect_garbage()
    assert [await home.services.blobs.exists(blob) for blob in blobs] == [True, False, False]
    words = "The other versions of `settled` are deleted, for they are kept a day: to have another one, train again."
    assert await choose(home, home.ada, card, 1) == words
    assert (await home.adapter(home.ada, "settled")).blob == adapter.blob


def _a_day_later(tx: object) -> None:
    for table, column in (("adapters", "choose_until"), ("garbage", "due_at")):
        tx.execute(f"UPDATE {table} SET {column} = {column} - {DAY_S}")  # type: ignore[attr-defined]


async def test_versions_of_a_deleted_adapter_are_gone_at_once(home: House) -> None:
    card = await home.trained(home.ada, "unloved", class_word=CHOOSY)
    adapter = await home.adapter(home.ada, "unloved")
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="unloved")).response()
    await (await home.ada.click(asked, "Delete unloved for good")).response()
    await home.services.sweeper.collect_garbage()
    for candidate in adapter.candidates:
        assert not await home.services.blobs.exists(candidate.file.blob)
    assert await choose(home, home.ada, card, 0) == "That adapter was deleted: `/adapter list` shows what you can use."


async def test_the_menu_outlives_a_bot_that_restarts(home: House) -> None:
    card = await home.trained(home.ada, "lasting", class_word=CHOOSY)
    await home.restart_bot()
    assert "version of step 2 now" in await choose(home, home.ada, card, 0)
