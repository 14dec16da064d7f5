"""`/train continue_from`: an adapter goes on learning, from photos that were kept or from new ones."""

from __future__ import annotations

import pytest

from sandbox.members import Exchange
from tests.discord.house import CHANNEL, PATIENCE_S, House, as_options, labels, small_photos

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def go_on(home: House, name: str, photos: int = 0) -> Exchange:
    files = as_options(small_photos(photos))
    return await home.ada.slash("train", channel=CHANNEL, name=name, consent=True, continue_from=name, **files)


async def test_an_adapter_goes_on_from_its_kept_photos(home: House) -> None:
    first = await home.train(home.ada, "steady", keep_photos=True)
    card = await home.result(first)
    assert "Its photos are kept for 30 days" in card.text
    await home.services.sweeper.delete_due_photos()
    assert len(await home.photos(first.id)) == 3
    shown = await (await home.ada.slash("adapter show", channel=CHANNEL, name="steady")).response()
    assert "kept until <t:" in shown.text
    before = await home.adapter(home.ada, "steady")

    second = await go_on(home, "steady")
    await home.result(second)
    after = await home.adapter(home.ada, "steady")
    assert after.id == before.id
    data = await home.services.blobs.read(after.blob)
    assert data == b"steady learned from 3 photos on top of steady learned from 3 photos"
    await home.services.sweeper.delete_due_photos()
    assert await home.photos(first.id) == await home.photos(second.id) == []
    drawn = await home.result(await home.ada.click(card, labels(card)[0]))  # the first card's buttons work on
    assert "steady at 0.8" in drawn.text


async def test_without_kept_photos_it_asks_for_them_and_takes_new_ones(home: House) -> None:
    await home.trained(home.ada, "forgetful")
    words = await home.refusal(await go_on(home, "forgetful"))
    assert words == (
        "The photos of `forgetful` are not kept: attach photos again, and it goes on from what it has learned."
    )
    await home.result(await go_on(home, "forgetful", photos=4))
    adapter = await home.adapter(home.ada, "forgetful")
    assert adapter.photos == 4


async def test_own_adapters_are_offered(home: House) -> None:
    await home.trained(home.ada, "offered")
    mine = await home.ada.autocomplete("train", focused="continue_from", value="off", channel=CHANNEL)
    assert [choice["value"] for choice in mine] == ["offered"]
    assert await home.ben.autocomplete("train", focused="continue_from", value="off", channel=CHANNEL) == []


async def test_deleting_it_says_that_its_photos_go_with_it(home: House) -> None:
    exchange = await home.train(home.ada, "fleeting", keep_photos=True)
    await home.result(exchange)
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="fleeting")).response()
    assert "3 photos, which are kept, and deleted with it" in asked.text
    await (await home.ada.click(asked, "Delete fleeting for good")).response(PATIENCE_S)
    await home.until(lambda: _gone(home, exchange))


async def _gone(home: House, exchange: Exchange) -> bool:
    return await home.photos(exchange.id) == []
