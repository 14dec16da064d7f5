"""The same commands in a direct message with the bot, where there is no server to share with."""

from __future__ import annotations

import pytest

from tests.discord.backend import EXAMPLES
from tests.discord.house import CHANNEL, PATIENCE_S, House, as_options, labels, small_photos

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_training_and_drawing_alone_with_the_bot(home: House) -> None:
    place = home.sandbox.direct_channel(home.ada)
    photos = as_options(small_photos())
    trained = await home.result(await home.ada.slash("train", channel=place, name="private", consent=True, **photos))
    assert labels(trained) == [*EXAMPLES, "Share", "Settings"]
    picture = await home.result(await home.ada.click(trained, EXAMPLES[0]))
    assert picture.channel_id == place.id
    again = await home.result(await home.ada.click(picture, "Again"))
    assert (await home.settings_of(home.ada, again)).startswith(f"private character {EXAMPLES[0]}")
    await home.ada.click(again, "Delete")

    async def is_deleted() -> bool:
        return again.deleted

    await home.until(is_deleted)
    listed = await (await home.ada.slash("jobs", channel=place)).response(PATIENCE_S)
    assert "https://discord.com/channels/@me/" in listed.text


async def test_there_is_no_server_to_share_with(home: House) -> None:
    place = home.sandbox.direct_channel(home.ada)
    for command in ("share", "unshare"):
        words = await home.refusal(await home.ada.slash(f"adapter {command}", channel=place, name="private"))
        assert words == "An adapter is shared with a server: use this command in the server that is to have it."


async def test_what_is_shared_with_a_server_is_not_seen_outside_of_it(home: House) -> None:
    await (await home.ada.slash("adapter share", channel=CHANNEL, name="private")).response(PATIENCE_S)
    await home.drawn(home.ben, "<lora:ada/private> in a suit")
    place = home.sandbox.direct_channel(home.ben)
    words = await home.refusal(await home.ben.slash("imagine", channel=place, prompt="<lora:ada/private> in a suit"))
    assert "There is no adapter `ada/private` that you can use" in words
