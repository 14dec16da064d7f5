"""A card has one writer at a time, and is posted only where its result can follow."""

from __future__ import annotations

import pytest

from sandbox.permissions import ATTACH_FILES, EMBED_LINKS
from tests.discord.house import CHANNEL, PATIENCE_S, PICTURE_BUTTONS, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_result_is_not_overwritten_by_what_the_bot_hears_too_late(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox")
    card = await exchange.response(PATIENCE_S)
    waiting = await home.job(exchange.id)
    assert waiting is not None
    done = await home.result(exchange)
    await home.bot.herald.on_requeued(waiting)  # told from what the books said before
    assert "Here it is" in done.text
    assert labels(done) == PICTURE_BUTTONS
    assert card.files


async def test_views_are_not_kept_in_memory(home: House) -> None:
    await home.drawn(home.ada, "a fox")
    assert home.bot.persistent_views == []
    assert not home.bot._connection._view_store._views


async def test_where_the_bot_may_not_post_nothing_is_accepted(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = home.sandbox.application_id
    monkeypatch.setitem(home.sandbox.place(CHANNEL).denied, bot, EMBED_LINKS | ATTACH_FILES)
    for exchange in (await home.imagine(home.ada, "a fox"), await home.train(home.ada, "unposted")):
        words = await home.refusal(exchange)
        assert words == (
            "Darkroom can't post in this channel: whoever runs this server has to give it Embed Links, Attach Files"
            " here, or use another channel."
        )
