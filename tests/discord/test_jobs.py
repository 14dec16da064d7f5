"""`/jobs`, `/cancel` and the Cancel button: a member's own work under way."""

from __future__ import annotations

import pytest

from bot.admission import Admission, Limits
from sandbox.members import Exchange, Member, Message
from tests.discord.backend import ENDLESS
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")
RUNNING = 4  # pictures that the worker draws at a time


async def say(who: Member, command: str, **options: str) -> Message:
    """The answer, which only the member sees."""
    answer = await (await who.slash(command, channel=CHANNEL, **options)).response(PATIENCE_S)
    assert answer.ephemeral_to == who.id
    return answer


async def cancelled(home: House, exchange: Exchange) -> Message:
    """The card says so, with a way to try again; and the bot knows what the worker has written there."""
    card = await exchange.response(PATIENCE_S)
    await home.until(lambda: is_over(home, exchange))
    return await home.sandbox.wait_for(
        lambda message: (
            message.id == card.id and message.embeds[0]["title"] == "Cancelled" and labels(message) == ["Try again"]
        )
    )


async def busy_pictures(home: House, who: Member) -> list[Exchange]:
    """The worker has no room for another picture."""
    taken = [await home.imagine(who, f"{ENDLESS} fox {number}") for number in range(RUNNING)]
    for exchange in taken:
        await home.running(exchange)
    return taken


async def stop_all(home: House, who: Member, exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        await who.slash("cancel", channel=CHANNEL, job=str(exchange.id))
    for exchange in exchanges:
        await cancelled(home, exchange)


async def is_over(home: House, exchange: Exchange) -> bool:
    job = await home.job(exchange.id)
    return job is not None and job.is_final


async def test_nothing_under_way(home: House) -> None:
    shown = await say(home.ben, "jobs")
    assert "Nothing is under way. `/train` teaches a subject, `/imagine` draws." in shown.text
    assert shown.buttons == []
    words = await home.refusal(await home.ben.slash("cancel", channel=CHANNEL))
    assert words == "Nothing of yours is under way, so there is nothing to stop."
    words = await home.refusal(await home.ben.slash("cancel", channel=CHANNEL, job="12345"))
    assert words == "Darkroom knows of no such job: `/jobs` shows yours."


async def test_running_and_waiting_are_listed_with_a_button_each(home: House) -> None:
    taken = await busy_pictures(home, home.ada)
    waiting = await home.imagine(home.ada, "a *waiting* fox")
    card = await waiting.response()
    assert "You are next." in card.text

    async def progress_is_known() -> bool:
        job = await home.job(taken[0].id)
        return job is not None and await home.services.jobs.progress(job) is not None

    await home.until(progress_is_known)
    shown = await say(home.ada, "jobs")
    first, *others = shown.text.splitlines()[1:]
    assert first == (
        f"[a \\*waiting\\* fox](https://discord.com/channels/{home.sandbox.guild.id}/{card.channel_id}/{card.id})"
        " · place 1 in the queue"
    )
    assert len([line for line in others if "step 1 of 2" in line or "just started" in line]) == RUNNING
    assert any("step 1 of 2" in line for line in others)
    assert labels(shown) == [
        "Cancel a *waiting* fox", *(f"Cancel {ENDLESS} fox {number}" for number in reversed(range(RUNNING)))
    ]  # fmt: skip

    words = await home.refusal(await home.ada.slash("cancel", channel=CHANNEL))
    assert words == "You have 5 jobs under way: choose one in `job`, or use the buttons of `/jobs`."
    offered = await home.ada.autocomplete("cancel", focused="job", value="WAITING", channel=CHANNEL)
    assert offered == [{"name": "a *waiting* fox", "value": str(waiting.id)}]
    assert await home.ben.autocomplete("cancel", focused="job", value="", channel=CHANNEL) == []

    stopped = await say(home.ada, "cancel", job=offered[0]["value"])
    assert stopped.content == "“a \\*waiting\\* fox” is stopped."
    await cancelled(home, waiting)
    told = await (await home.ada.click(shown, f"Cancel {ENDLESS} fox 0")).response(PATIENCE_S)
    assert told.content == "It stops after the step it is at."
    await cancelled(home, taken[0])
    assert "cancelled" in (await say(home.ada, "jobs")).text
    await stop_all(home, home.ada, taken[1:])
    words = await home.refusal(await home.ada.slash("cancel", channel=CHANNEL, job=offered[0]["value"]))
    assert words == "This job is stopped already, so there is nothing to stop."


async def test_the_only_job_needs_no_name(home: House) -> None:
    exchange = await home.imagine(home.ben, f"{ENDLESS} cat")
    await home.running(exchange)
    assert (await say(home.ben, "cancel")).content == f"“{ENDLESS} cat” stops after the step it is at."
    await cancelled(home, exchange)


async def test_a_training_is_stopped_and_its_name_is_free_again(home: House) -> None:
    exchange = await home.train(home.ben, "halfway", class_word=ENDLESS)
    await home.running(exchange)
    assert "learning halfway" in (await say(home.ben, "jobs")).text
    await say(home.ben, "cancel")
    await cancelled(home, exchange)
    await home.trained(home.ben, "halfway")


async def test_somebody_elses_job_is_not_stopped(home: House) -> None:
    taken = await busy_pictures(home, home.ada)
    waiting = await home.imagine(home.ada, "a fox")
    for exchange in (taken[0], waiting):
        card = await exchange.response()
        words = await home.refusal(await home.ben.click(card, "Cancel"))
        assert words == "This job belongs to ada: only they, or a moderator, can stop it."
        words = await home.refusal(await home.ben.slash("cancel", channel=CHANNEL, job=str(exchange.id)))
        assert "belongs to ada" in words
        await home.cleo.click(card, "Cancel")
        await cancelled(home, exchange)
    await stop_all(home, home.ada, taken[1:])


async def test_the_limit_of_jobs_is_told_with_the_way_out(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Admission(Limits(train=1, imagine=1))
    for service in (home.services.jobs, home.services.trainings):
        monkeypatch.setattr(service, "_admission", few)
    picture, training = await home.imagine(home.ada, ENDLESS), await home.train(home.ada, "a", class_word=ENDLESS)
    words = await home.refusal(await home.imagine(home.ada, "another"))
    assert words == (
        "You have 1 picture under way, and 1 at a time is the most: wait for one to finish, or stop one with `/cancel`."
    )
    assert "You have 1 training under way" in await home.refusal(await home.train(home.ada, "b"))
    await stop_all(home, home.ada, [picture, training])


async def test_many_long_jobs_fit_into_one_card(home: House) -> None:
    prompt = " ".join(f"{ENDLESS}_*_" for _ in range(100))
    taken = [await home.imagine(home.cleo, f"{prompt} {number}") for number in range(25)]
    shown = await say(home.cleo, "jobs")
    assert "and " in shown.text.splitlines()[-1]
    assert len(shown.buttons) == 5
    await stop_all(home, home.cleo, taken)
    before = [field for field in (await say(home.cleo, "jobs")).embeds[0]["fields"] if field["name"] == "Before"]
    assert all(line.startswith(("[", "and ")) for line in before[0]["value"].splitlines())


async def test_waiting_cards_say_that_they_have_moved_up(home: House) -> None:
    taken = await busy_pictures(home, home.ada)
    waiting = [await home.imagine(home.ben, f"a patient fox {number}") for number in range(3)]
    cards = [await exchange.response(PATIENCE_S) for exchange in waiting]
    await home.bot.herald.show_places()  # the bot looks every few seconds
    assert "Place 3 in the queue: 2 before you." in cards[2].text
    await home.ben.click(cards[1], "Cancel")
    await cancelled(home, waiting[1])
    await home.bot.herald.show_places()
    assert "Place 2 in the queue: 1 before you." in cards[2].text
    assert labels(cards[2]) == ["Cancel"]
    await stop_all(home, home.ada, taken)
    for card in (cards[0], cards[2]):
        await home.sandbox.wait_for(lambda message, card=card: message.id == card.id and "Here it is" in message.text)
