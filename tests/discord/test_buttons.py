"""The buttons under results: each click is authorised anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.ui.sharing import NOT_SERVER, SERVER
from sandbox.members import Member, Message
from tests.discord.backend import EXAMPLES
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def training(module_house: House) -> AsyncIterator[Message]:
    """Ada's card of thnos."""
    yield await module_house.trained(module_house.ada, "thnos", class_word="monster")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _unshared(home: House, training: Message) -> AsyncIterator[None]:
    yield
    await (await home.ada.slash("adapter unshare", channel=CHANNEL, name="thnos")).response()


async def shared_by_button(who: Member, training: Message) -> Message:
    """The panel after its step; the server has the adapter, if it had not before."""
    panel = await (await who.click(training, "Share")).response(PATIENCE_S)
    return panel if NOT_SERVER in labels(panel) else await (await who.click(panel, SERVER)).response(PATIENCE_S)


async def test_again_draws_the_same_with_another_seed_for_whoever_clicks(home: House) -> None:
    first = await home.drawn(home.ada, "a fox", negative_prompt="rain", steps=7, guidance=5.0, size="96", count=2)
    second = await home.result(await home.ben.click(first, "Again"))
    assert second.id != first.id
    assert f"for <@{home.ben.id}>" in second.text
    before, after = await home.settings_of(home.ada, first), await home.settings_of(home.ben, second)
    assert "Steps: 7, CFG scale: 5, " in before
    assert "Size: 96x96" in before
    seeds = [settings.split("Seed: ")[1].split(",")[0] for settings in (before, after)]
    assert seeds[0] != seeds[1]
    assert after.replace(seeds[1], "N").split("\nSeeds")[0] == before.replace(seeds[0], "N").split("\nSeeds")[0]
    assert first.files  # the first result stays as it is


async def test_again_needs_the_adapter_still(home: House, training: Message) -> None:
    picture = await home.drawn(home.ada, "<lora:thnos:0.8> in a suit")
    words = await home.refusal(await home.ben.click(picture, "Again"))
    assert words == (
        "`thnos` is ada's, who does not share it here: ask them for `/adapter share`, or see with `/adapter list` what"
        " you can use."
    )
    assert (await home.settings_of(home.ben, picture)).startswith("thnos monster in a suit")  # everybody may look


async def test_only_the_owner_and_moderators_delete(home: House) -> None:
    for who in (home.ada, home.cleo):
        picture = await home.drawn(home.ada, "a fox")
        words = await home.refusal(await home.ben.click(picture, "Delete"))
        assert words == "These pictures belong to ada: only they, or a moderator, can delete them."
        assert not picture.deleted
        await who.click(picture, "Delete")
        await home.until(lambda picture=picture: _is_deleted(picture))


async def _is_deleted(picture: Message) -> bool:
    return picture.deleted


async def test_deleted_pictures_are_gone_from_the_store(home: House) -> None:
    exchange = await home.imagine(home.ada, "a unique fox", seed=123456)
    picture = await home.result(exchange)
    (kept,) = await home.services.pictures.of_job(str(exchange.id))
    await home.ada.click(picture, "Delete")
    await home.until(lambda: _is_deleted(picture))
    assert await home.services.pictures.of_job(str(exchange.id)) == []
    assert kept.blob in await home.services.sweeper.collect_garbage()
    assert not await home.services.blobs.exists(kept.blob)


async def test_an_example_is_drawn_for_its_owner(home: House, training: Message) -> None:
    picture = await home.result(await home.ada.click(training, EXAMPLES[1]))
    settings = await home.settings_of(home.ada, picture)
    assert settings.startswith(f"thnos monster {EXAMPLES[1]}")
    assert "thnos at 0.8" in settings
    assert training.files  # the card of the training stays


async def test_an_example_needs_the_adapter(home: House, training: Message) -> None:
    words = await home.refusal(await home.ben.click(training, EXAMPLES[0]))
    assert "does not share it here" in words
    await shared_by_button(home.ada, training)
    picture = await home.result(await home.ben.click(training, EXAMPLES[0]))
    assert "ada/thnos at 0.8" in picture.text


async def test_only_the_owner_shares(home: House, training: Message) -> None:
    for who in (home.ben, home.cleo):
        words = await home.refusal(await who.click(training, "Share"))
        assert words == "`thnos` belongs to ada: only they can do that."
    panel = await (await home.ada.click(training, "Share")).response(PATIENCE_S)
    assert panel.ephemeral_to == home.ada.id
    assert "Only you can use it." in panel.text
    for _ in range(2):  # an old panel does again what its button said
        stale = await (await home.ada.click(training, "Share")).response(PATIENCE_S)
        await (await home.ada.click(panel, SERVER)).response(PATIENCE_S)
        panel = stale
    assert "so can everybody on this server" in (await shared_by_button(home.ada, training)).text
    await home.drawn(home.ben, "<lora:ada/thnos:0.8> in a suit")


async def test_settings_longer_than_a_message_come_as_a_file(home: House) -> None:
    prompt = " ".join(["``` fox"] * 240)
    picture = await home.drawn(home.ada, prompt)
    answer = await (await home.ada.click(picture, "Settings")).response(PATIENCE_S)
    (file,) = answer.files
    assert file.data.decode().startswith(prompt)
    assert answer.ephemeral_to == home.ada.id


async def test_the_settings_of_a_training_are_for_whoever_may_use_it(home: House, training: Message) -> None:
    assert "Trigger: thnos" in await home.settings_of(home.ada, training)
    assert "does not share it here" in await home.refusal(await home.ben.click(training, "Settings"))


async def test_buttons_of_what_is_gone(home: House) -> None:
    card = await home.trained(home.ada, "shortlived")
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="shortlived")).response()
    await (await home.ada.click(asked, "Delete shortlived for good")).response()
    for label in (EXAMPLES[0], "Share", "Settings"):
        words = await home.refusal(await home.ada.click(card, label))
        assert words == "That adapter was deleted: `/adapter list` shows what you can use.", label


async def test_two_taps_at_once_are_one_deletion(home: House) -> None:
    picture = await home.drawn(home.ada, "a fox")
    await asyncio.gather(home.ada.click(picture, "Delete"), home.ada.click(picture, "Delete"))
    await home.until(lambda: _is_deleted(picture))


async def test_a_late_refusal_under_a_button_leaves_the_card_alone(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = await home.drawn(home.ada, "<lora:thnos> in a suit")
    before = picture.text
    monkeypatch.setattr("bot.ui.answers.PATIENCE_S", 0.0)
    assert "does not share it here" in await home.refusal(await home.ben.click(picture, "Again"))
    assert picture.text == before
    assert not picture.deleted
