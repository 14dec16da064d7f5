"""Pause, Resume and Stop and keep, as members press them: from the card to the adapter."""

from __future__ import annotations

import asyncio
from functools import partial
from unittest.mock import patch

import pytest

from sandbox.members import Exchange, Message
from tests.discord.backend import BASE, ENDLESS
from tests.discord.house import CHANNEL, PATIENCE_S, House, house, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def learning(home: House, exchange: Exchange) -> Message:
    """Its card, once it learns; a test does not wait for the five seconds between two edits."""
    card = await home.running(exchange)
    await home.until(partial(_has_stepped, home, exchange))
    return card


async def _has_stepped(home: House, exchange: Exchange) -> bool:
    job = await home.job(exchange.id)
    progress = await home.services.jobs.progress(job) if job is not None else None
    return progress is not None and progress.step > 0


async def shows(home: House, exchange: Exchange, title: str) -> Message:
    card = await exchange.response(PATIENCE_S)
    return await home.sandbox.wait_for(
        lambda message: message.id == card.id and message.embeds[0]["title"] == title, timeout_s=PATIENCE_S
    )


async def press(home: House, exchange: Exchange, label: str) -> str:
    """What its owner is answered, alone."""
    answer = await (await home.ada.click(await exchange.response(), label)).response(PATIENCE_S)
    assert answer.ephemeral_to == home.ada.id
    return answer.content


async def finish(home: House, exchange: Exchange) -> None:
    """Stop and keep; the button comes with the first step."""
    card = await exchange.response()
    with patch("trainer.delivery.EDIT_EVERY_S", 0.1):
        await home.sandbox.wait_for(
            lambda message: message.id == card.id and labels(message) == ["Pause", "Stop and keep", "Cancel"],
            timeout_s=PATIENCE_S,
        )
    assert await press(home, exchange, "Stop and keep") == (
        "It ends after the step it is at, and what it has learned becomes your adapter."
    )


async def test_a_training_is_paused_resumed_ended_early_and_delivered(home: House) -> None:
    exchange = await home.train(home.ada, "patient", class_word=ENDLESS)
    await learning(home, exchange)
    assert await press(home, exchange, "Pause") == "It pauses after the step it is at."
    card = await shows(home, exchange, "patient is paused")
    assert labels(card) == ["Resume", "Cancel"]
    job = await home.job(exchange.id)
    assert job is not None
    assert f"It stands at step {job.paused_step:,} of 1,000,000,000, and goes on from there." in card.text
    listed = await (await home.ada.slash("jobs", channel=CHANNEL)).response()
    assert "learning patient](" in listed.text
    assert "· paused" in listed.text
    await home.drawn(home.ada, "a fox while it is paused")
    assert await press(home, exchange, "Resume") == "It goes on where it was, as soon as there is room."
    await home.until(partial(_has_stepped, home, exchange))
    await finish(home, exchange)
    await home.result(exchange)
    adapter = await home.adapter(home.ada, "patient")
    data = await home.services.blobs.read(adapter.blob)
    assert data == b"patient learned from 3 photos on top of step %d" % job.paused_step
    assert adapter.steps > (job.paused_step or 0)


async def test_nobody_else_controls_a_training(home: House) -> None:
    exchange = await home.train(home.ada, "hers", class_word=ENDLESS)
    card = await learning(home, exchange)
    for who in (home.ben, home.cleo):  # cleo is a moderator: she may stop it, and no more
        words = await home.refusal(await who.click(card, "Pause"))
        assert words == "This training belongs to ada: only they can pause it."
    await press(home, exchange, "Pause")
    card = await shows(home, exchange, "hers is paused")
    words = await home.refusal(await home.ben.click(card, "Resume"))
    assert words == "This training belongs to ada: only they can let it go on."
    job = await home.job(exchange.id)
    assert job is not None
    assert job.held == "paused"
    assert await press(home, exchange, "Cancel") == "Stopped."
    assert labels(await shows(home, exchange, "Cancelled")) == ["Try again"]


async def test_a_paused_training_survives_a_bot_that_restarts_and_a_redis_that_forgets(home: House) -> None:
    exchange = await home.train(home.ada, "keeper", class_word=ENDLESS)
    await learning(home, exchange)
    await press(home, exchange, "Pause")
    await shows(home, exchange, "keeper is paused")
    await home.queue._redis.flushall()
    await home.restart_bot()
    job = await home.job(exchange.id)
    assert job is not None
    assert (job.held, job.attempt) == ("paused", 1)
    await home.until(partial(_is_served, home))
    await press(home, exchange, "Resume")
    await home.until(partial(_has_stepped, home, exchange))
    await finish(home, exchange)
    await home.result(exchange)
    assert (await home.adapter(home.ada, "keeper")).steps > (job.paused_step or 0)


async def _is_served(home: House) -> bool:
    return bool(await home.queue.heartbeats())


async def test_a_training_that_goes_on_much_later_gets_a_new_card(home: House) -> None:
    exchange = await home.train(home.ada, "slowly", class_word=ENDLESS)
    await learning(home, exchange)
    await press(home, exchange, "Pause")
    old = await shows(home, exchange, "slowly is paused")
    await home.services.jobs._database.write(
        lambda tx: tx.execute("UPDATE jobs SET card_posted_at = card_posted_at - 3600 WHERE id = ?", (exchange.id,))
    )
    new = await (await home.ada.click(old, "Resume")).response(PATIENCE_S)
    assert new.ephemeral_to is None
    assert new.id != old.id
    assert "goes on [further down](" in (await shows(home, exchange, "Resumed")).text
    assert f"/{new.id})" in old.text
    assert old.buttons == []
    with patch("trainer.delivery.EDIT_EVERY_S", 0.1):
        await home.sandbox.wait_for(
            lambda message: message.id == new.id and labels(message) == ["Pause", "Stop and keep", "Cancel"],
            timeout_s=PATIENCE_S,
        )
    await home.ada.click(new, "Stop and keep")
    await home.sandbox.wait_for(
        lambda message: message.id == new.id and "slowly is ready" in message.text, timeout_s=PATIENCE_S
    )


async def test_two_quick_clicks_on_resume_make_one_new_card(home: House) -> None:
    exchange = await home.train(home.ada, "twice", class_word=ENDLESS)
    await learning(home, exchange)
    await press(home, exchange, "Pause")
    old = await shows(home, exchange, "twice is paused")
    await home.services.jobs._database.write(
        lambda tx: tx.execute("UPDATE jobs SET card_posted_at = card_posted_at - 3600 WHERE id = ?", (exchange.id,))
    )
    before = {message.id for message in home.shown()}
    home.sandbox.faults.add("POST", r"/callback", delay_s=0.3, times=1)  # so that the second is there meanwhile
    clicks = await asyncio.gather(*(home.ada.click(old, "Resume") for _ in range(2)))
    answers = [await click.response(PATIENCE_S) for click in clicks]
    assert sorted(answer.ephemeral_to is None for answer in answers) == [False, True]
    assert "It is being resumed already" in next(answer.content for answer in answers if answer.ephemeral_to)
    await home.until(partial(_has_stepped, home, exchange))
    assert len([message for message in home.shown() if message.id not in before]) == 1
    await home.services.jobs.cancel(str(exchange.id), home.ada.id)
    await home.stop_all_jobs()


async def test_jobs_pauses_and_resumes_too(home: House) -> None:
    exchange = await home.train(home.ada, "listed", class_word=ENDLESS)
    await learning(home, exchange)
    shown = await (await home.ada.slash("jobs", channel=CHANNEL)).response()
    assert labels(shown) == ["Cancel learning listed", "Pause learning listed"]
    await home.ada.click(shown, "Pause learning listed")
    await shows(home, exchange, "listed is paused")
    shown = await (await home.ada.slash("jobs", channel=CHANNEL)).response()
    assert labels(shown) == ["Cancel learning listed", "Resume learning listed"]
    answer = await (await home.ada.click(shown, "Resume learning listed")).response(PATIENCE_S)
    assert answer.content == "It goes on where it was, as soon as there is room."


async def test_a_training_that_waits_is_paused_and_goes_on_before_any_worker_is_there(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str
) -> None:
    async with house(tmp_path_factory.mktemp("idle"), redis_url, worker=False, bases=(BASE,)) as home:
        exchange = await home.train(home.ada, "early")
        await exchange.response(PATIENCE_S)
        await home.services.control.pause(str(exchange.id), home.ada.id)
        card = await shows(home, exchange, "early is paused")
        assert labels(card) == ["Resume", "Cancel"]
        assert "step" not in card.text
        await press(home, exchange, "Resume")
        card = await shows(home, exchange, "early is waiting to be learned")
        assert labels(card) == ["Show the photos", "Cancel"]


async def test_a_training_nobody_went_on_with_is_stopped_with_a_word_on_its_card(home: House) -> None:
    exchange = await home.train(home.ada, "forgotten", class_word=ENDLESS)
    await learning(home, exchange)
    await press(home, exchange, "Pause")
    await shows(home, exchange, "forgotten is paused")
    await home.services.jobs._database.write(
        lambda tx: tx.execute("UPDATE jobs SET held_at = held_at - 604801 WHERE id = ?", (str(exchange.id),))
    )
    assert await home.services.sweeper.end_expired_holds() == [str(exchange.id)]
    card = await shows(home, exchange, "Cancelled")
    assert "It was paused for a week, so it was stopped." in card.text
    assert len(await home.photos(exchange.id)) == 3
