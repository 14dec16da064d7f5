"""Pausing and ending early in the worker: from the wish in Redis to the event, whatever breaks between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tests.trainer.worker.test_attempts import PATIENCE_S, Studio, open_studio
from trainer.contract import names
from trainer.contract.events import (
    Cancelled,
    Delivered,
    HandedBack,
    Paused,
    Produced,
    Standing,
    Started,
    decode_standing,
)
from trainer.contract.names import Wish
from trainer.contract.requests import TrainRequest


@pytest.fixture
async def studio(redis_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    async with open_studio(redis_url, tmp_path) as studio:
        yield studio


async def ask(studio: Studio, wish: Wish, attempt: int = 1, step: int = 0) -> None:
    """What the bot's dispatcher says, again and again."""
    await studio.redis.set(names.wish_key("8"), names.wish_value(attempt, wish, step))


async def ended(running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await running


async def paused(studio: Studio, request: TrainRequest) -> Paused:
    running = studio.begin(request)
    await studio.stepped("8")
    await ask(studio, "pause")
    await ended(running)
    *_, last = await studio.events()
    assert isinstance(last, Paused)
    return last


async def checkpoint(studio: Studio) -> bytes:
    return await studio.blobs.read(names.checkpoint_path("8"))


async def standing(studio: Studio) -> Standing:
    return decode_standing(await studio.blobs.read(names.standing_path("8")))


async def test_a_paused_training_says_where_it_stands_and_goes_on_from_there(studio: Studio) -> None:
    request = await studio.training("endless")
    last = await paused(studio, request)
    assert (last.attempt, last.steps) == (1, last.step + 1)
    assert await checkpoint(studio) == str(last.step).encode()
    assert await standing(studio) == Standing(last.step, last.steps)
    again = msgspec.structs.replace(request, attempt=2, class_word="quick")
    await studio.redis.delete(names.progress_key("8"))
    running = studio.begin(again)  # the wish of the first attempt is still there, and not for this one
    await ended(running)
    assert await studio.story() == [Started, Paused, Started, Produced, Delivered]
    adapter = (await studio.outcome("8")).adapter
    assert adapter is not None
    assert await studio.blobs.read(adapter.file.blob) == b"adapter from step %d of 3 photos" % (last.step + 1)


async def test_the_card_is_left_to_the_bot(studio: Studio) -> None:
    request = await studio.training("endless")
    await paused(studio, request)
    assert "paused" not in studio.message(request).text  # the bot says so, with its buttons


async def test_an_edit_that_is_on_its_way_is_waited_for_before_the_card_is_the_bots(studio: Studio) -> None:
    request = await studio.training("endless")
    fault = studio.sandbox.faults.add("PATCH", r"/messages/", delay_s=0.2, times=1)  # the edit says "is next"
    await paused(studio, request)
    assert fault.struck == 1
    assert "thnos is next" in studio.message(request).text  # it is there when the bot hears of the pause


async def test_a_training_that_ends_early_keeps_what_it_learned(studio: Studio) -> None:
    request = await studio.training("endless")
    running = studio.begin(request)
    await studio.stepped("8")
    await ask(studio, "finish")
    await ended(running)
    assert await studio.story() == [Started, Produced, Delivered]
    assert "thnos is ready" in studio.message(request).text


async def test_an_attempt_that_begins_anew_ends_where_its_member_wished_it(studio: Studio) -> None:
    await ask(studio, "finish", attempt=2, step=2_000)
    await studio.carry_out(msgspec.structs.replace(await studio.training("endless"), attempt=2))
    assert await studio.story() == [Started, Produced, Delivered]
    adapter = (await studio.outcome("8")).adapter
    assert adapter is not None
    assert adapter.steps >= 2_000


async def test_a_checkpoint_says_where_it_stands(studio: Studio) -> None:
    await studio.carry_out(await studio.training("quick"))
    assert await standing(studio) == Standing(2, 4)


async def test_a_wish_that_came_before_the_training_did(studio: Studio) -> None:
    await ask(studio, "pause")
    running = studio.begin(await studio.training("endless"))
    await ended(running)
    assert await studio.story() == [Started, Paused]


async def test_a_wish_for_another_attempt_is_not_heard(studio: Studio) -> None:
    request = await studio.training("quick")
    await ask(studio, "pause", attempt=2)
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, Delivered]


async def test_what_is_no_wish_is_not_heard(studio: Studio) -> None:
    for value in (b"1:\xff", b"1:pause", b"1:sleep:0", b"2:pause:0"):
        await studio.redis.set(names.wish_key("8"), value)
        assert await studio.attempts.mailbox.wish("8", 1) is None
    await ask(studio, "pause", step=90)
    assert await studio.attempts.mailbox.wish("8", 1) == ("pause", 90)


async def test_cancelling_overrules_a_pause_that_was_quicker(studio: Studio) -> None:
    request = await studio.training("endless")
    running = studio.begin(request)
    await studio.stepped("8")
    write = studio.blobs.write_file

    async def cancelled_meanwhile(path: str, file: Path) -> None:
        await studio.cancel("8")
        await write(path, file)

    studio.blobs.write_file = cancelled_meanwhile  # type: ignore[method-assign]
    await ask(studio, "pause")
    await ended(running)
    assert await studio.story() == [Started, Cancelled]
    assert "Cancelled" in studio.message(request).text


async def test_a_worker_that_ends_between_the_checkpoint_and_its_word_has_stored_it(studio: Studio) -> None:
    """The bot, which knows of the wish, then holds the training that was handed back."""
    request = await studio.training("endless")
    running = studio.begin(request)
    await studio.stepped("8")
    write = studio.blobs.write_file

    async def ends_after(path: str, file: Path) -> None:
        await write(path, file)
        running.cancel()
        await asyncio.sleep(0)

    studio.blobs.write_file = ends_after  # type: ignore[method-assign]
    await ask(studio, "pause")
    with suppress(asyncio.CancelledError):
        await ended(running)
    assert await studio.story() == [Started, HandedBack]
    assert int(await checkpoint(studio)) > 0


async def test_a_blob_store_that_fails_at_the_checkpoint_is_a_fault_and_nothing_is_said_to_be_paused(
    studio: Studio,
) -> None:
    request = await studio.training("endless")
    running = studio.begin(request)
    await studio.stepped("8")

    async def full(path: str, file: Path) -> None:
        raise OSError("no space left on device")

    studio.blobs.write_file = full  # type: ignore[method-assign]
    await ask(studio, "pause")
    await ended(running)
    assert Paused not in await studio.story()


async def test_before_it_learns_the_card_says_how_long_that_will_take(studio: Studio) -> None:
    assert studio.attempts.paces.of("emoji-64") == {}
    studio.attempts.paces.remember("emoji-64", "lora", 3.0)
    request = await studio.training("prepares")
    running = studio.begin(request)
    await studio.sandbox.wait_for(lambda message: "is next" in message.text, "darkroom")
    studio.clock.now += 60.0  # an edit of the card may follow
    card = await studio.sandbox.wait_for(lambda message: "steps" in message.text, "darkroom")
    assert "4 steps, about 12 s" in card.text
    assert [button.label for button in card.buttons] == ["Pause", "Cancel"]
    await studio.cancel("8")
    await ended(running)


async def test_the_pace_of_a_training_is_the_estimate_of_the_next(studio: Studio) -> None:
    request = await studio.training("endless")
    running = studio.begin(request)
    await studio.stepped("8")
    studio.clock.now += 60.0
    card = await studio.sandbox.wait_for(lambda message: "left" in message.text, "darkroom")
    assert [button.label for button in card.buttons] == ["Pause", "Stop and keep", "Cancel"]
    await ask(studio, "finish")
    await ended(running)
    assert studio.attempts.paces.of("emoji-64")["lora"] > 0
