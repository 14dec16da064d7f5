"""Discord, its CDN or the bot itself fails: the job still ends, or one sentence says what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.members import Member, Message
from tests.discord.house import CHANNEL, PATIENCE_S, PICTURE_BUTTONS, House, labels, small_photos

pytestmark = pytest.mark.asyncio(loop_scope="module")
CALLBACK = r"/interactions/.*/callback"


class Hurried:
    """asyncio for discord.py's webhooks, whose waits between two tries are over at once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discord.webhook.async_.asyncio", Hurried())


@pytest.fixture
def _thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ui.answers.PATIENCE_S", 0.0)


async def ask(home: House, prompt: str) -> Message:
    """/imagine whose answer may never come; its result, wherever it is posted."""
    asking = asyncio.create_task(home.imagine(home.ada, prompt))
    try:
        return await home.sandbox.wait_for(
            lambda message: prompt in message.text and labels(message) == PICTURE_BUTTONS, CHANNEL, timeout_s=PATIENCE_S
        )
    finally:
        asking.cancel()


# -- the card ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.usefixtures("_hurried")
async def test_a_card_that_can_not_be_posted_is_replaced_by_the_result(home: House, status: int) -> None:
    fault = home.sandbox.faults.add("POST", CALLBACK, status=status, times=5)
    picture = await ask(home, f"a fox at {status}")
    assert fault.struck == 5
    assert picture.files
    assert f"<@{home.ada.id}>" in picture.text
    assert "Seed:" in await home.settings_of(home.ada, picture)


@pytest.mark.usefixtures("_hurried")
async def test_discord_failing_once_goes_unnoticed(home: House) -> None:
    home.sandbox.faults.add("POST", CALLBACK, status=503)
    exchange = await home.imagine(home.ada, "a fox")
    assert (await home.result(exchange)).id == (await exchange.response()).id


@pytest.mark.usefixtures("_hurried")
async def test_a_card_whose_answer_got_lost_is_still_the_card(home: House) -> None:
    home.sandbox.faults.add("POST", CALLBACK, status=503, after="apply")
    exchange = await home.imagine(home.ada, "a lost fox")
    card = await home.result(exchange)
    assert card.id == (await exchange.response()).id
    assert len([message for message in home.shown() if "a lost fox" in message.text]) == 1
    (violation,) = home.sandbox.violations  # discord.py itself tries again, and hears that it was there
    assert "40060" in violation.detail or "already been acknowledged" in violation.detail
    home.sandbox.violations.clear()


@pytest.mark.usefixtures("_hurried", "_thinking")
async def test_a_thinking_card_that_can_not_be_filled_in_at_first(home: House) -> None:
    fault = home.sandbox.faults.add("PATCH", r"/webhooks/.*/messages/@original", status=503, times=6)
    exchange = await home.imagine(home.ada, "a slow fox")
    card = await home.result(exchange)
    assert fault.struck == 6
    assert exchange.placeholder is not None
    assert card.id == exchange.placeholder.id


@pytest.mark.usefixtures("_hurried", "_thinking")
async def test_where_not_even_thinking_is_taken_the_job_goes_on(home: House) -> None:
    fault = home.sandbox.faults.add("POST", CALLBACK, status=503, times=5)
    picture = await ask(home, "a quiet fox")
    assert fault.struck == 5
    assert picture.files


async def test_a_card_that_somebody_deleted_is_no_loss(home: House) -> None:
    exchange = await home.imagine(home.ada, "endless fox")
    card = await home.running(exchange)
    await home.cleo.delete(card)
    await home.services.jobs.cancel(str(exchange.id), home.ada.id)
    told = await home.sandbox.wait_for(
        lambda message: message.id > card.id and "Cancelled" in message.text, CHANNEL, timeout_s=PATIENCE_S
    )
    assert told.id != card.id


async def test_a_waiting_card_that_somebody_deleted(home: House) -> None:
    taken = [await home.imagine(home.ben, f"endless fox {number}") for number in range(4)]
    for exchange in taken:
        await home.running(exchange)
    waiting = await home.imagine(home.ada, "an orphaned fox")
    await home.cleo.delete(await waiting.response(PATIENCE_S))
    await home.services.jobs.cancel(str(taken[0].id), home.ben.id)
    await home.sandbox.wait_for(
        lambda message: "an orphaned fox" in message.text and labels(message) == PICTURE_BUTTONS, CHANNEL
    )


async def test_buttons_that_discord_does_not_take_come_later(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.outbox.FIRST_WAIT_S", 0.05)
    exchange = await home.imagine(home.ada, "a bare fox")
    card = await exchange.response(PATIENCE_S)
    await home.sandbox.wait_for(lambda message: message.id == card.id and "Here it is" in message.text)
    fault = home.sandbox.faults.add("PATCH", r"/channels/.*/messages/", status=503)
    await home.result(exchange)
    assert fault.struck == 1
    home.expect_error("outbox.failed")


# -- the CDN ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"cut": True}, {"delay_s": 1.0}], ids=str)
async def test_a_photo_that_can_not_be_fetched(
    home: House, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "delay_s" in fault:
        monkeypatch.setattr("bot.fetching.FETCH_TIMEOUT_S", 0.05)
    struck = home.sandbox.faults.add("GET", "/2.png", times=100, **fault)
    exchange = await home.train(home.ada, "unfetchable")
    words = await home.refusal(exchange)
    assert words == "`2.png` could not be fetched from Discord: send the photos again."
    assert struck.struck >= 3  # aiohttp itself repeats a request whose connection was cut
    assert list((home.settings.darkroom_data / "incoming").iterdir()) == []


async def test_a_photo_that_comes_at_the_third_try(home: House) -> None:
    home.sandbox.faults.add("GET", "/2.png", status=500, times=2)
    await home.trained(home.ada, "patience")
    assert (await home.adapter(home.ada, "patience")).photos == 3


# -- faults of our own ------------------------------------------------------------------------------------------------


def breaks(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a secret of ours")


async def by_command(home: House, who: Member) -> Any:
    return await home.imagine(who, "a fox")


async def by_photos(home: House, who: Member) -> Any:
    return await home.train(who, "broken")


async def by_form(home: House, who: Member) -> Any:
    opened = await who.slash("train", channel=CHANNEL, name="broken", consent=True)
    return await who.submit(opened.modal, {"Photos": small_photos()})


async def by_subcommand(home: House, who: Member) -> Any:
    return await who.slash("adapter list", channel=CHANNEL)


@pytest.mark.parametrize(
    ("broken", "act"),
    [
        ("bot.templates.read_prompt", by_command),
        ("bot.photos._answer", by_photos),
        ("bot.photos._answer", by_form),
        ("bot.ui.cards.adapters_list", by_subcommand),
    ],
)
async def test_what_nobody_foresaw_is_a_reference_code(
    home: House, monkeypatch: pytest.MonkeyPatch, broken: str, act: Callable[[House, Member], Any]
) -> None:
    monkeypatch.setattr(broken, breaks)
    words = await home.refusal(await act(home, home.ada))
    entry = home.expect_error("interaction.failed")
    assert words == f"Something went wrong on our side. The operator finds it in the log under {entry['reference']}."
    assert isinstance(entry["exc_info"], ZeroDivisionError)


async def test_so_it_is_under_a_button(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = await home.drawn(home.ada, "a fox")
    monkeypatch.setattr("bot.ui.cards.seeds", breaks)
    words = await home.refusal(await home.ada.click(picture, "Settings"))
    assert home.expect_error("interaction.failed")["reference"] in words
