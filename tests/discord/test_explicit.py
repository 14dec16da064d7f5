"""What becomes of explicit pictures, with a classifier that takes every picture for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.world import GENERAL_ID
from tests.discord.house import CHANNEL, PATIENCE_S, House, house
from trainer.decency import Gate

RESTRICTED = "general"


@pytest.fixture
async def home(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    async with house(tmp_path, redis_url, worker=False) as home:
        await home.start_worker(gate=Gate(lambda png: 0.99))
        yield home


async def test_nothing_is_shown_and_the_member_alone_is_told_why(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox in a suit")
    card = await exchange.response(PATIENCE_S)
    shown = await home.sandbox.wait_for(
        lambda message: message.id == card.id and message.embeds[0]["title"] == "Not shown", timeout_s=PATIENCE_S
    )
    assert shown.files == []
    assert "fox" not in shown.text
    place = home.sandbox.direct_channel(home.ada)
    told = await home.sandbox.wait_for(
        lambda message: message.record.channel_id == place.id, seen_by=home.ada, timeout_s=PATIENCE_S
    )
    assert "is explicit" in told.text
    listed = await (await home.ada.slash("jobs", channel=CHANNEL)).response(PATIENCE_S)
    assert listed.ephemeral_to == home.ada.id
    assert "is explicit" in listed.text


async def test_an_age_restricted_channel_shows_it_unless_the_managers_say_no(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url, worker=False) as home:
        home.sandbox.state.channels[GENERAL_ID].age_restricted = True
        await home.restart_bot()  # so that it hears of the channel
        await home.start_worker(gate=Gate(lambda png: 0.99))
        exchange = await home.ada.slash("imagine", channel=RESTRICTED, prompt="a fox")
        assert (await home.result(exchange)).files != []
        await (await home.cleo.slash("settings explicit", channel=CHANNEL, allowed=False)).response(PATIENCE_S)
        exchange = await home.ada.slash("imagine", channel=RESTRICTED, prompt="a fox")
        card = await exchange.response(PATIENCE_S)
        await home.sandbox.wait_for(
            lambda message: message.id == card.id and message.embeds[0]["title"] == "Not shown", timeout_s=PATIENCE_S
        )
