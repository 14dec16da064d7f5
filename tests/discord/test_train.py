"""`/train` and its other doors, from the photos to the buttons under the result."""

from __future__ import annotations

import io
import zipfile
from typing import get_args

import pytest

from bot.orders import CONSENT_STATEMENT
from sandbox.members import Exchange, File
from tests.discord.backend import ENDLESS, EXAMPLES
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels, png, six_photos, small_photos
from trainer.contract.requests import Method, Preset, Recipe

pytestmark = pytest.mark.asyncio(loop_scope="module")
MENU = "Train on these photos"


async def test_six_photos_become_an_adapter(home: House) -> None:
    exchange = await home.train(home.ada, "thnos", files=six_photos(), class_word="monster")
    assert exchange.acknowledged_after_s is not None  # within 3 s, or the house finds a violation
    card = await home.result(exchange)
    assert card.ephemeral_to is None
    assert "thnos is ready" in card.text
    assert "6 photos" in card.text
    assert card.files
    assert labels(card) == [*EXAMPLES, "Share", "Settings"]
    adapter = await home.adapter(home.ada, "thnos")
    assert (adapter.trigger, adapter.class_word, adapter.photos) == ("thnos", "monster", 6)
    assert await home.services.blobs.read(adapter.blob) == b"thnos learned from 6 photos"

    ping = await home.sandbox.wait_for(lambda message: message.record.mention_ids == (home.ada.id,), CHANNEL)
    assert "`thnos` is ready" in ping.content
    assert ping.record.reference_id == card.id
    assert not ping.record.mention_everyone

    async def photos_are_gone() -> bool:
        return await home.photos(exchange.id) == []

    await home.until(photos_are_gone)
    settings = await home.settings_of(home.ada, card)
    for line in ("Name: thnos", "Class word: monster", "Photos: 6", "Steps: 4", "Rank: 16"):
        assert line in settings


async def test_whoever_waits_sees_their_place_and_a_button_that_stops_it(home: House) -> None:
    card = await home.running(await home.train(home.ada, "first", class_word=ENDLESS))
    second = await (await home.train(home.ben, "second")).response(PATIENCE_S)
    third = await (await home.train(home.ben, "third")).response(PATIENCE_S)
    assert "second is waiting to be learned" in second.text
    assert "3 photos are safe." in second.text
    assert "You are next." in second.text
    assert "Place 2 in the queue: 1 before you." in third.text
    assert labels(second) == labels(third) == ["Show the photos", "Cancel"]
    for who, message in ((home.ben, third), (home.ada, card)):
        answer = await (await who.click(message, "Cancel")).response(PATIENCE_S)
        assert answer.ephemeral_to == who.id
    await home.sandbox.wait_for(lambda message: message.id == second.id and "second is ready" in message.text)
    for message in (third, card):
        await home.sandbox.wait_for(
            lambda shown, message=message: (
                shown.id == message.id and "Cancelled" in shown.text and labels(shown) == ["Try again"]
            )
        )


async def test_consent_is_kept_before_a_byte_is_fetched(home: House) -> None:
    home.sandbox.faults.add("GET", "/cdn/", status=404, times=100)
    exchange = await home.train(home.ada, "unfetched")
    await home.refusal(exchange)
    consent = await home.consent(exchange.id)
    assert consent is not None
    assert (consent.member_id, consent.guild_id, consent.name) == (home.ada.id, home.sandbox.guild.id, "unfetched")
    assert consent.statement == f"{CONSENT_STATEMENT} They show nobody real."


async def test_without_consent_nothing_is_fetched(home: House) -> None:
    fetched = home.sandbox.faults.add("GET", "/cdn/", times=100)
    exchange = await home.train(home.ada, "noconsent", consent=False)
    words = await home.refusal(exchange)
    assert "Nothing was fetched" in words
    assert "`consent`" in words
    assert fetched.struck == 0
    assert await home.consent(exchange.id) is None


async def test_a_zip_of_photos(home: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(12):
            archive.writestr(f"photos/{number}.png", png(number))
        archive.writestr("__MACOSX/photos/._0.png", b"noise")
    exchange = await home.train(home.ada, "zipped", files=[File("photos.zip", packed.getvalue())])
    await home.result(exchange)
    assert (await home.adapter(home.ada, "zipped")).photos == 12


@pytest.mark.parametrize("slow", [False, True])
async def test_a_slow_submission_shows_that_somebody_is_thinking(
    home: House, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to the same card: answered at once, or put off first."""
    monkeypatch.setattr("bot.ui.answers.PATIENCE_S", 0.0 if slow else PATIENCE_S)
    exchange = await home.train(home.ada, f"speed-{slow}")
    card = await home.result(exchange)
    assert (exchange.placeholder is not None) == slow
    assert f"speed-{str(slow).lower()} is ready" in card.text


# -- method, preset, advanced -----------------------------------------------------------------------------------------


async def asked_for(home: House, exchange: Exchange) -> Recipe:
    """With which recipe the training was accepted."""
    await exchange.response(PATIENCE_S)
    job = await home.job(exchange.id)
    assert job is not None
    return job.train.recipe


async def test_how_to_train_can_be_said(home: House) -> None:
    advanced = "vectors: 4, lr=5e-4; captions: a photo of {}, lit from above"
    options = {"method": "pivotal", "preset": "detailed", "advanced": advanced}
    exchange = await home.train(home.ada, "said", **options)
    wanted = Recipe(
        method="pivotal", preset="detailed", vectors=4, learning_rate=5e-4, captions="template",
        caption_template="a photo of {}, lit from above",
    )  # fmt: skip
    assert await asked_for(home, exchange) == wanted

    card = await home.result(exchange)
    page = await (await home.ada.slash("adapter show", channel=CHANNEL, name="said")).response(PATIENCE_S)
    for number, shown in enumerate((card, page)):
        text = await home.settings_of(home.ada, shown)
        _, _, lines = text.partition("as advanced\n")
        again = await home.train(home.ada, f"again-{number}", advanced=lines.strip("`\n"))
        assert await asked_for(home, again) == wanted


async def test_without_options_everything_is_left_open(home: House) -> None:
    assert await asked_for(home, await home.train(home.ada, "plain")) == Recipe()


async def test_methods_and_presets_are_offered_in_words(home: House) -> None:
    (command,) = [command for command in home.ada.commands(channel=CHANNEL) if command["name"] == "train"]
    assert len(command["options"]) <= 25
    offered = {option["name"]: option.get("choices", []) for option in command["options"]}
    assert [choice["value"] for choice in offered["method"]] == list(get_args(Method))
    assert [choice["value"] for choice in offered["preset"]] == list(get_args(Preset))
    assert all(": " in choice["name"] for name in ("method", "preset") for choice in offered[name])


# -- captions ---------------------------------------------------------------------------------------------------------


async def captions_of(home: House, exchange: Exchange) -> tuple[str | None, ...]:
    await exchange.response(PATIENCE_S)
    job = await home.job(exchange.id)
    assert job is not None
    return job.train.captions


async def test_captions_are_written_in_a_form(home: House) -> None:
    opened = await home.train(home.ada, "written", write_captions=True, preset="fast")
    assert opened.modal is not None
    (field,) = opened.modal.fields
    prefilled = field.data["value"]
    assert prefilled == "1 (1.png): \n2 (2.png): \n3 (3.png): "
    written = prefilled.replace("1 (1.png): ", "1 (1.png): at the beach").replace("3 (3.png): ", "3: asleep")
    exchange = await home.ada.submit(opened.modal, {"Captions": written})
    assert await captions_of(home, exchange) == ("at the beach", None, "asleep")
    assert await asked_for(home, exchange) == Recipe(preset="fast")
    await home.result(exchange)


async def test_captions_lie_beside_the_photos_of_a_zip(home: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", png(number))
        archive.writestr("1.txt", "in the garden")
        archive.writestr("readme.txt", "photos of the garden")
    files = [File("photos.zip", packed.getvalue())]
    exchange = await home.train(home.ada, "beside", files=files, advanced="captions: photo")
    assert await captions_of(home, exchange) == (None, "in the garden", None)


# -- the form ---------------------------------------------------------------------------------------------------------


async def test_without_photos_a_form_asks_for_them(home: House) -> None:
    opened = await home.ada.slash(
        "train", channel=CHANNEL, name="formed", consent=False, class_word="mug", kind="style", method="pivotal",
        advanced="steps: 900",
    )  # fmt: skip
    form = opened.modal
    assert form is not None
    assert [field.label for field in form.fields] == ["Name", "Photos", "Kind", "Class word", "Consent"]
    assert form.field("Name").data["value"] == "formed"
    assert form.field("Class word").data["value"] == "mug"
    photos = small_photos()
    unticked = await home.ada.submit(form, {"Photos": photos})
    assert "consent" in await home.refusal(unticked)
    ticked = await home.ada.submit(form, {"Photos": photos, "Consent": True})
    await home.result(ticked)
    adapter = await home.adapter(home.ada, "formed")
    assert (adapter.class_word, adapter.subject_kind, adapter.photos) == ("mug", "style", 3)
    assert await home.consent(ticked.id) is not None
    assert await asked_for(home, ticked) == Recipe(method="pivotal", steps=900)


async def test_the_form_takes_a_zip(home: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", png(number))
    opened = await home.ada.slash("train", channel=CHANNEL, name="formedzip", consent=True)
    await home.result(await home.ada.submit(opened.modal, {"Photos": [File("a.zip", packed.getvalue())]}))
    assert (await home.adapter(home.ada, "formedzip")).photos == 3


# -- the message command ----------------------------------------------------------------------------------------------


async def test_ones_own_message_can_be_learned_from(home: House) -> None:
    posted = await home.ada.post("look at him", files=small_photos(4), channel=CHANNEL)
    opened = await home.ada.message_command(MENU, posted)
    assert opened.modal is not None
    assert opened.modal.title == "Train on 4 photos"
    assert [field.label for field in opened.modal.fields] == ["Name", "Kind", "Class word", "Consent"]
    unticked = await home.ada.submit(opened.modal, {"Name": "posted"})
    assert "consent" in await home.refusal(unticked)
    ticked = await home.ada.submit(opened.modal, {"Name": "posted", "Consent": True, "Kind": "Somebody else's face"})
    await home.result(ticked)
    adapter = await home.adapter(home.ada, "posted")
    assert (adapter.photos, adapter.class_word, adapter.likeness) == (4, "person", "other")
    assert await asked_for(home, ticked) == Recipe()


async def test_somebody_elses_message_is_refused(home: House) -> None:
    posted = await home.ada.post("my face", files=small_photos(), channel=CHANNEL)
    refused = await home.refusal(await home.ben.message_command(MENU, posted))
    assert refused == "These photos are somebody else's: only who posted them can have them learned."


async def test_a_message_without_photos_is_refused(home: House) -> None:
    posted = await home.ada.post("no photos here", channel=CHANNEL)
    assert "There are no photos in this message" in await home.refusal(await home.ada.message_command(MENU, posted))
