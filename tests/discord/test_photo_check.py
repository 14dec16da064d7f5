"""Photos that would teach little are named before the GPU is used, with a choice; `/photos check` keeps nothing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from PIL import Image, ImageFilter

from bot.errors import UserError
from sandbox.members import Exchange, File, Message
from tests.bot.scenes import scene
from tests.discord.backend import ENDLESS
from tests.discord.house import CHANNEL, PATIENCE_S, House, as_options, came_of, labels, six_photos
from trainer.contract.names import photos_prefix

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELD = ["Leave them out", "Train anyway", "Show the photos", "Cancel"]


def photo(seed: int, *, blur: float = 0.0) -> bytes:
    """A picture unlike those of other seeds."""
    buffer = io.BytesIO()
    scene((160, 120), seed=seed).filter(ImageFilter.GaussianBlur(blur)).save(buffer, "PNG")
    return buffer.getvalue()


def mixed() -> list[File]:
    """Six photos, of which the third is blurred and the fifth shows the same as the first."""
    files = [File(f"IMG_{number}.png", photo(number)) for number in range(1, 7)]
    files[2] = File("IMG_secret.png", photo(3, blur=6))
    files[4] = File("IMG_5.png", photo(1))
    return files


async def held(home: House, name: str, files: list[File] | None = None) -> tuple[Exchange, Message]:
    """A training of Ada's that waits for her answer, and its card."""
    exchange = await home.train(home.ada, name, files=mixed() if files is None else files)
    card = await exchange.response(PATIENCE_S)
    await crops(home, exchange)
    return exchange, card


async def crops(home: House, exchange: Exchange) -> Message:
    """What Ada alone is shown at once."""
    return await home.sandbox.wait_for(
        lambda message: (
            message.ephemeral_to == home.ada.id and message.files != [] and came_of(message, exchange)
        ),
        seen_by=home.ada, timeout_s=PATIENCE_S,
    )  # fmt: skip


async def click(home: House, message: Message, label: str) -> Message:
    """Ada's answer to a button, which nobody else sees."""
    answer = await (await home.ada.click(message, label)).response(PATIENCE_S)
    assert answer.ephemeral_to == home.ada.id
    return answer


async def ready(home: House, card: Message, name: str) -> None:
    await home.sandbox.wait_for(
        lambda message: message.id == card.id and f"{name} is ready" in message.text, timeout_s=PATIENCE_S
    )


async def test_photos_with_findings_wait_for_an_answer(home: House) -> None:
    exchange, card = await held(home, "waits")
    assert card.ephemeral_to is None
    assert "2 of the 6 photos would teach it little" in card.text
    assert "Photo 3 is blurred." in card.text
    assert "Photo 5 shows the same as photo 1." in card.text
    assert "Without them 4 are left." in card.text
    assert "secret" not in card.text  # everybody reads it
    assert card.files == []
    assert labels(card) == HELD
    job = await home.job(exchange.id)
    assert job is not None
    assert (job.held, job.outstanding, job.attempt) == ("review", False, 0)


async def test_its_member_is_shown_the_crops_at_once(home: House) -> None:
    exchange, _ = await held(home, "at-once")
    assert "Photo 3 (`IMG_secret.png`) is blurred." in (await crops(home, exchange)).text


async def test_train_anyway_learns_from_all(home: House) -> None:
    exchange, card = await held(home, "anyway")
    assert "All 6 photos" in (await click(home, card, "Train anyway")).content
    await ready(home, card, "anyway")
    assert (await home.adapter(home.ada, "anyway")).photos == 6

    async def photos_are_gone() -> bool:
        return await home.photos(exchange.id) == []

    await home.until(photos_are_gone)


async def test_leave_them_out_keeps_captions_and_crops_with_their_photos(home: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, file in enumerate(mixed(), 1):
            archive.writestr(f"{number}.png", file.data)
            archive.writestr(f"{number}.txt", f"caption {number}")
    exchange, card = await held(home, "fewer", [File("all.zip", packed.getvalue())])
    before = await home.job(exchange.id)
    assert before is not None
    assert len(before.train.focuses) == 6
    assert "4 photos are learned from" in (await click(home, card, "Leave them out")).content
    await ready(home, card, "fewer")
    assert (await home.adapter(home.ada, "fewer")).photos == 4
    after = await home.job(exchange.id)
    assert after is not None
    kept = (0, 1, 3, 5)
    assert after.train.captions == tuple(f"caption {index + 1}" for index in kept)
    assert after.train.photos == tuple(before.train.photos[index] for index in kept)
    assert after.train.focuses == tuple(before.train.focuses[index] for index in kept)


async def test_too_few_left_can_not_be_left_out(home: House) -> None:
    files = [mixed()[0], mixed()[1], mixed()[2], mixed()[4]]
    _, card = await held(home, "few", files)
    assert labels(card) == HELD[1:]
    assert "Without them 2 would be left, and 3 photos are the fewest to learn from." in card.text


async def test_its_owner_alone_sees_the_photos(home: House) -> None:
    _, card = await held(home, "shown")
    answer = await crops(home, await home.ada.click(card, "Show the photos"))
    assert "Photo 3 (`IMG_secret.png`) is blurred." in answer.text
    (sheet,) = answer.files
    assert Image.open(io.BytesIO(sheet.data)).format == "JPEG"
    for label in HELD[:3]:
        clicked = await home.ben.click(card, label)
        refused = await home.sandbox.wait_for(
            lambda message, clicked=clicked: came_of(message, clicked) and "belongs to ada: only they" in message.text,
            seen_by=home.ben, timeout_s=PATIENCE_S,
        )  # fmt: skip
        assert refused.ephemeral_to == home.ben.id
        assert refused.files == []


async def test_an_answer_is_given_once(home: House) -> None:
    """Two taps, or two devices: the second comes too late."""
    exchange, card = await held(home, "once")
    await click(home, card, "Train anyway")
    reviews = home.services.reviews
    for late in (reviews.train, reviews.drop):
        with pytest.raises(UserError, match="This training"):
            await late(str(exchange.id), home.ada.id)
    await ready(home, card, "once")
    assert (await home.adapter(home.ada, "once")).photos == 6


@asynccontextmanager
async def busy(home: House) -> AsyncIterator[None]:
    """The one worker learns something else meanwhile."""
    first = await home.train(home.cleo, "busy", class_word=ENDLESS)
    await home.running(first)
    yield
    await home.cleo.click(await first.response(), "Cancel")


async def test_a_waiting_training_shows_its_owner_alone_how_good_photos_are_cropped(home: House) -> None:
    async with busy(home):
        exchange = await home.train(home.ada, "patient", files=six_photos())
        card = await exchange.response(PATIENCE_S)
        assert labels(card) == ["Show the photos", "Cancel"]
        stored = await home.photos(exchange.id)
        shown = await crops(home, await home.ada.click(card, "Show the photos"))
        assert shown.embeds[0]["title"] == "6 good photos"
        assert "64 × 64 pixels" in shown.text
        assert "deleted again" not in shown.text
        assert Image.open(io.BytesIO(shown.files[0].data)).format == "JPEG"
        assert await home.photos(exchange.id) == stored
        assert list((home.settings.darkroom_data / "incoming").iterdir()) == []
        click = await home.ben.click(card, "Show the photos")
        refused = await home.sandbox.wait_for(
            lambda message: came_of(message, click) and "only they can see its photos" in message.text,
            seen_by=home.ben, timeout_s=PATIENCE_S,
        )  # fmt: skip
        assert refused.ephemeral_to == home.ben.id
        assert refused.files == []
    await ready(home, card, "patient")


async def test_what_is_shown_of_a_waiting_training_is_what_is_left_of_its_photos(home: House) -> None:
    async with busy(home):
        exchange, card = await held(home, "left")
        await click(home, card, "Leave them out")
        await home.sandbox.wait_for(
            lambda message: message.id == card.id and labels(message) == ["Show the photos", "Cancel"]
        )
        shown = await crops(home, await home.ada.click(card, "Show the photos"))
        assert shown.embeds[0]["title"] == "4 good photos"
        await home.services.blobs.delete_all(photos_prefix(str(exchange.id)))
        with pytest.raises(UserError, match="photos of this training are deleted by now"):
            await home.services.reviews.look(str(exchange.id), home.ada.id)
        await home.services.jobs.cancel(str(exchange.id), home.ada.id)


async def test_a_held_training_can_be_stopped_and_tried_again_with_the_same_choice(home: House) -> None:
    exchange, card = await held(home, "stopped")
    await click(home, card, "Cancel")
    stopped = await home.sandbox.wait_for(
        lambda message: message.id == card.id and "Cancelled" in message.text and labels(message) == ["Try again"]
    )
    again = await (await home.ada.click(stopped, "Try again")).response(PATIENCE_S)
    assert labels(again) == HELD
    await click(home, again, "Leave them out")
    await ready(home, again, "stopped")
    assert (await home.adapter(home.ada, "stopped")).photos == 4
    assert len(await home.photos(exchange.id)) == 6 + 2  # the first try's, for a day: the report and the sheet too


async def test_the_choice_outlives_a_restart(home: House) -> None:
    _, card = await held(home, "restarted")
    await home.restart_bot()
    await click(home, card, "Train anyway")
    await ready(home, card, "restarted")


async def test_good_photos_go_straight_on(home: House) -> None:
    await home.result(await home.train(home.ada, "good", files=six_photos()))


# -- /photos check ----------------------------------------------------------------------------------------------------


async def check(home: House, files: list[File]) -> Message:
    exchange = await home.ada.slash("photos check", channel=CHANNEL, **as_options(files))
    answer = await exchange.response(PATIENCE_S)
    return await home.sandbox.wait_for(
        lambda message: message.id == answer.id and bool(message.embeds), seen_by=home.ada, timeout_s=PATIENCE_S
    )


async def nothing_is_kept(home: House) -> None:
    assert await home.services.jobs.of_member(home.ada.id) == []
    assert list((home.settings.darkroom_data / "incoming").iterdir()) == []


async def test_a_check_reports_to_its_member_alone_and_keeps_nothing(home: House) -> None:
    before = set(await home.services.blobs.list("photos/"))
    answer = await check(home, mixed())
    assert answer.ephemeral_to == home.ada.id
    assert answer.embeds[0]["title"] == "2 of the 6 photos would teach little"
    assert "Photo 3 (`IMG_secret.png`) is blurred." in answer.text
    assert "What is shown twice teaches as much as once." in answer.text
    assert "64 × 64 pixels" in answer.text
    assert "Your photos are deleted again" in answer.text
    assert len(answer.files) == 1
    assert set(await home.services.blobs.list("photos/")) <= before  # the sweep deletes those of others meanwhile
    await nothing_is_kept(home)


async def test_a_check_of_good_photos_says_so(home: House) -> None:
    answer = await check(home, six_photos())
    assert answer.embeds[0]["title"] == "6 good photos"
    assert "All of them can be learned from." in answer.text


async def test_without_photos_a_form_asks_for_them(home: House) -> None:
    opened = await home.ada.slash("photos check", channel=CHANNEL)
    assert opened.modal is not None
    assert [field.label for field in opened.modal.fields] == ["Photos"]
    exchange = await home.ada.submit(opened.modal, {"Photos": six_photos()})
    answer = await exchange.response(PATIENCE_S)
    await home.sandbox.wait_for(
        lambda message: message.id == answer.id and "6 good photos" in message.text, seen_by=home.ada
    )


async def test_bad_photos_are_refused_as_with_train(home: House) -> None:
    files = [*six_photos()[:2], File("notes.jpg", b"no photo at all")]
    exchange = await home.ada.slash("photos check", channel=CHANNEL, **as_options(files))
    answer = await exchange.response(PATIENCE_S)
    await home.sandbox.wait_for(
        lambda message: message.id == answer.id and "`notes.jpg` is text and no photo" in message.text,
        seen_by=home.ada,
    )
    too_few = await home.ada.slash("photos check", channel=CHANNEL, **as_options(six_photos()[:1]))
    assert "One photo is too few" in await home.refusal(too_few)
    unknown = await home.ada.slash("photos check", channel=CHANNEL, base="sd9", **as_options(six_photos()))
    assert "There is no model `sd9`" in await home.refusal(unknown)
    await nothing_is_kept(home)
