"""`/imagine` from a picture: fetched, checked and stripped, handed to the worker, and deleted a day later."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from bot.sweep import Sweeper
from bot.ui.refusals import EDIT
from sandbox.members import File
from tests.discord.house import CHANNEL, House, came_of
from trainer.contract.drawings import DrawingSettings, HighRes, Source, Upscale
from trainer.contract.names import photo_path

pytestmark = pytest.mark.asyncio(loop_scope="module")


def picture(width: int = 64, height: int = 48, name: str = "a.png") -> File:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "PNG")
    return File(name, buffer.getvalue())


async def test_picture_mask_and_margins_reach_the_worker(home: House) -> None:
    exchange = await home.imagine(
        home.ada, "a fox", image=picture(), mask=picture(), strength=0.4, outpaint="left 16", high_res=1.5, upscale=2.0
    )
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    (drawing,) = job.imagine.drawings
    own = [photo_path(job.id, place) for place in (0, 1)]
    assert drawing.source == Source(own[0], own[1], (16, 0, 0, 0))
    assert drawing.settings == DrawingSettings(strength=0.4, high_res=HighRes(scale=1.5), upscale=Upscale(2.0))
    with Image.open(io.BytesIO(await home.services.blobs.read(own[0]))) as stored:
        assert stored.size == (64, 48)


async def test_every_choice_is_drawn_from_the_picture(home: House) -> None:
    exchange = await home.imagine(home.ada, "a {red|blue|green} fox", image=picture(), strength=0.4, count=3)
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    assert {drawing.source for drawing in job.imagine.drawings} == {Source(photo_path(job.id, 0))}
    assert {drawing.settings.strength for drawing in job.imagine.drawings} == {0.4}


async def test_it_is_deleted_a_day_after_the_drawing(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", image=picture())
    await home.result(exchange)
    job_id = str(exchange.id)
    for hours, kept in ((23, True), (25, False)):
        clock = lambda hours=hours: time.time() + 3600 * hours  # noqa: E731
        services = home.services
        await Sweeper(services.jobs._database, services.blobs, services.outbox, clock=clock).delete_due_photos()
        assert bool(await home.photos(exchange.id)) is kept
    assert job_id


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strength": 0.5}, "a strength but no picture"),
        ({"mask": picture()}, "a mask but no picture"),
        ({"outpaint": "64"}, "an outpaint but no picture"),
        ({"image": picture(), "strength": 7.0}, "strength must be between 0 and 1, got 7"),
        ({"image": picture(), "mask": picture(32, 32)}, "The mask has 32 × 32 pixels and the picture 64 × 48"),
        ({"image": picture(), "outpaint": "7"}, "multiple of 8"),
        ({"image": File("a.png", b"dear diary")}, "`a.png` is text and no photo"),
        ({"image": File("a.zip", b"PK\x03\x04")}, "`a.zip` is a zip"),
        (
            {"image": picture(), "strength": 0.0, "outpaint": "16"},
            "do nothing: take a strength above 0",
        ),
        ({"image": picture(), "strength": 0.0, "mask": picture()}, "`mask` would do nothing"),
        ({"image": picture(), "strength": 0.0, "high_res": 2.0}, "`high_res` would do nothing"),
        ({"high_res": 9.0}, "high_res must be between 1 and 4"),
        ({"upscale": 0.5}, "upscale must be between 1 and 4"),
    ],
)
async def test_what_cannot_be_drawn_from_is_told_and_nothing_is_kept(
    home: House, options: dict[str, object], words: str
) -> None:
    asked = await home.imagine(home.ada, "a fox", **options)
    assert words in await home.refusal(asked)
    assert await home.photos(asked.id) == []


async def test_an_order_that_is_refused_leaves_no_picture(home: House) -> None:
    asked = await home.imagine(home.ada, "a fox", image=picture(), steps=10_000)
    assert "10,000" in await home.refusal(asked)
    assert await home.photos(asked.id) == []


async def test_a_picture_in_a_message_is_drawn_from_through_a_form(home: House) -> None:
    posted = await home.ben.post(files=[picture(96, 64)], channel=CHANNEL)
    opened = await home.ada.message_command("Draw from this picture", posted)
    filled = await home.ada.submit(opened.modal, {"What to draw": "a fox", "Strength": "0,5"})
    await home.result(filled)
    job = await home.job(filled.id)
    assert job is not None
    assert (job.imagine.prompt, job.imagine.settings.strength) == ("a fox", 0.5)
    assert job.imagine.source == Source(photo_path(job.id, 0))


async def test_the_form_takes_styles_and_comes_back_when_it_is_refused(home: House) -> None:
    opened = await home.ada.slash("style set", channel=CHANNEL, name="noir")
    await home.ada.submit(opened.modal, {"Prompt": "film noir", "Negative prompt": "", "Settings": ""})
    posted = await home.ben.post(files=[picture(96, 64)], channel=CHANNEL)
    opened = await home.ada.message_command("Draw from this picture", posted)
    values = {"What to draw": "a fox", "Strength": "7", "Styles": "noir, nowhere"}
    refused = await home.ada.submit(opened.modal, values)
    assert "no style `nowhere`" in await home.refusal(refused)
    answer = await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == home.ada.id and came_of(message, refused), seen_by=home.ada
    )
    modal = (await home.ada.click(answer, EDIT)).modal
    assert modal is not None
    assert modal.field("Settings").data.get("value") == "Denoising strength: 7"
    values = {"Prompt": "a bear", "Negative prompt": "", "Settings": "Denoising strength: 0.7"}
    sent = await home.ada.submit(modal, values)
    await home.result(sent)
    job = await home.job(sent.id)
    assert job is not None
    (drawing,) = job.imagine.drawings
    assert (drawing.prompt, drawing.settings.strength) == ("a bear, film noir", 0.7)
    assert drawing.source == Source(photo_path(job.id, 0))


@pytest.mark.parametrize(("strength", "words"), [("much", "must be a number"), ("7", "between 0 and 1, got 7")])
async def test_a_form_with_no_strength_of_its_kind(home: House, strength: str, words: str) -> None:
    posted = await home.ben.post(files=[picture()], channel=CHANNEL)
    opened = await home.ada.message_command("Draw from this picture", posted)
    filled = await home.ada.submit(opened.modal, {"What to draw": "a fox", "Strength": strength})
    assert words in await home.refusal(filled)


async def test_a_message_without_a_picture(home: House) -> None:
    posted = await home.ben.post("hello", channel=CHANNEL)
    assert "no picture in this message" in await home.refusal(
        await home.ada.message_command("Draw from this picture", posted)
    )
