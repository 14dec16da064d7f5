"""A new bot on the same data: buttons of before work, and what the old one left open is finished."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.orders import ImagineOrder, Origin
from sandbox.members import Exchange
from tests.discord.backend import EXAMPLES
from tests.discord.house import CHANNEL, PATIENCE_S, PICTURE_BUTTONS, House, house, labels, small_photos


async def test_buttons_outlive_the_bot(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        training = await home.trained(home.ada, "thnos")
        picture = await home.drawn(home.ada, "a fox", seed=5)
        asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="thnos")).response()
        waiting = await home.running(await home.imagine(home.ada, "endless fox"))
        await home.restart_bot()

        assert "Seed: 5" in await home.settings_of(home.ben, picture)
        assert "Trigger: thnos" in await home.settings_of(home.ada, training)
        await home.result(await home.ben.click(picture, "Again"))
        await home.result(await home.ada.click(training, EXAMPLES[0]))
        panel = await (await home.ada.click(training, "Share")).response(PATIENCE_S)
        await home.restart_bot()
        shared = await (await home.ada.click(panel, "Share with this server")).response(PATIENCE_S)
        assert "so can everybody on this server" in shared.text
        await home.ada.click(waiting, "Cancel")
        await home.sandbox.wait_for(lambda message: message.id == waiting.id and "Cancelled" in message.text)
        assert "belong to ada" in await home.refusal(await home.ben.click(picture, "Delete"))
        await home.ada.click(picture, "Delete")
        gone = await (await home.ada.click(asked, "Delete thnos for good")).response(PATIENCE_S)
        assert "is deleted" in gone.content


async def test_buttons_of_which_nothing_is_known(tmp_path: Path, redis_url: str) -> None:
    """The data folder was lost; the cards in the channel are still there."""
    async with house(tmp_path / "one", redis_url) as home:
        picture, training = await home.drawn(home.ada, "a fox"), await home.trained(home.ada, "thnos")
        await home.stop_worker()
        await home.stop_bot()
        home.settings = home.settings.model_copy(update={"darkroom_data": tmp_path / "two"})
        await home.start_bot()
        for card, label in ((picture, "Again"), (picture, "Settings"), (training, EXAMPLES[0]), (training, "Settings")):
            words = await home.refusal(await home.ada.click(card, label))
            assert words == ("Darkroom knows nothing of this card any more: start anew with `/imagine` or `/train`."), (
                label
            )
        words = await home.refusal(await home.ada.click(picture, "Delete"))
        assert words == "Darkroom knows of no picture here any more: a moderator can delete the message itself."


async def test_a_result_that_came_while_the_bot_was_away_gets_its_buttons(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        exchange = await home.imagine(home.ada, "a fox")
        card = await exchange.response(PATIENCE_S)
        stopping = asyncio.create_task(home.stop_bot())
        await stopping
        await home.start_bot()
        await home.result(exchange)
        assert labels(card) == PICTURE_BUTTONS


# -- a bot that died before the card was there -----------------------------------------------------------------------


class Death:
    """The old bot gets as far as the accepted job, and no further."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._reached = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        monkeypatch.setattr("bot.ui.answers.PATIENCE_S", 0.0)  # the channel sees "is thinking…"
        monkeypatch.setattr("bot.ui.answers._post_card", self._die)

    async def _die(self, *_: object) -> None:
        self._task = asyncio.current_task()
        self._reached.set()
        await asyncio.Event().wait()

    async def strike(self, home: House) -> None:
        """Once the job is in the books, the bot is gone and a new one comes."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reached.wait()
        assert self._task is not None
        self._task.cancel()
        self._patch.undo()
        await home.restart_bot()


@pytest.mark.parametrize("what", ["picture", "training"])
async def test_the_next_bot_fills_in_what_was_left_thinking(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async with house(tmp_path, redis_url, worker=False) as home:
        death = Death(monkeypatch)
        ordering = home.imagine(home.ada, "a fox") if what == "picture" else home.train(home.ada, "thnos")
        exchange: Exchange = await ordering
        assert exchange.placeholder is not None
        await death.strike(home)
        card = await exchange.response(PATIENCE_S)
        assert card.id == exchange.placeholder.id
        assert "No worker with the model emoji-64 is running at the moment." in card.text
        assert labels(card)[-1] == "Cancel"
        await home.start_worker()
        await home.result(exchange)


async def test_where_the_old_answer_can_not_be_filled_in_the_result_is_posted_anew(
    tmp_path: Path, redis_url: str
) -> None:
    async with house(tmp_path, redis_url, worker=False) as home:
        place = home.sandbox.place(CHANNEL)
        origin = Origin(
            interaction_id=77, token="long-forgotten", member_id=home.ada.id, member_name="ada",
            guild_id=place.guild_id, channel_id=place.id,
        )  # fmt: skip
        await home.services.jobs.submit_imagine(ImagineOrder(origin=origin, prompt="a fox", prompt_written="a fox"))
        await home.restart_bot()
        job = await home.job(77)
        assert job is not None
        assert (job.card, job.token) == ("lost", None)
        await home.start_worker()
        posted = await home.sandbox.wait_for(lambda message: labels(message) == PICTURE_BUTTONS)
        assert "a fox" in posted.text
        assert f"<@{home.ada.id}>" in posted.text


async def test_a_form_that_the_old_bot_opened_is_answered_with_the_way_out(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.client.FORM_PATIENCE_S", 0.0)
    async with house(tmp_path, redis_url, worker=False) as home:
        opened = await home.ada.slash("train", channel=CHANNEL, name="thnos", consent=True)
        await home.restart_bot()
        words = await home.refusal(await home.ada.submit(opened.modal, {"Photos": small_photos()}))
        assert words == "This form is too old, and nothing of it was kept: open it anew."
