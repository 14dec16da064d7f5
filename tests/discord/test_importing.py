"""`/adapter import`: from an attachment to a picture, told to whoever brings it, alone."""

from __future__ import annotations

import pytest
from safetensors.torch import save

from sandbox.members import File, Member, Message
from tests.bot.importing.genuine import KOHYA, true_lora
from tests.discord.backend import BASE, OTHER_BASE
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels
from trainer.contract.names import photos_prefix

pytestmark = pytest.mark.asyncio(loop_scope="module")

LORA = save(true_lora(), KOHYA)


async def bring(home: House, who: Member, data: bytes, **options: object) -> Message:
    """The answer to /adapter import, which only this member sees; nothing of what was fetched stays behind."""
    file = File(str(options.pop("filename", "thnos-v2.safetensors")), data)
    asked = {"file": file, "name": "thnos", "person": "none", **options}
    exchange = await who.slash("adapter import", channel=CHANNEL, **asked)
    answer = await exchange.response(PATIENCE_S)
    said = await home.sandbox.wait_for(
        lambda message: message.id == answer.id and bool(message.text.strip()), seen_by=who, timeout_s=PATIENCE_S
    )
    assert said.ephemeral_to == who.id
    assert list((home.settings.darkroom_data / "incoming").glob("*")) == []
    assert await home.services.blobs.list(photos_prefix(str(exchange.id))) == []
    return said


async def test_what_was_brought_in_is_told_and_draws(home: House) -> None:
    said = await bring(home, home.ada, LORA)
    for words in (
        "thnos is yours", "Write `<lora:thnos:0.7>` in a prompt", "LoRA as kohya names it, rank 4",
        "Stable Diffusion 1.x (v1\\-5\\-pruned)",
        f"`{BASE}`, `{OTHER_BASE}`; the model that it was trained on is not here",
        "`thnos, purple toy`: they are not put into prompts", "0.5 to 0.9, 0.7 at best", "all of its 3 keys",
        "its maker is to be named, pictures may not be sold, it may be merged",
    ):  # fmt: skip
        assert words in said.text, said.text
    exchange = await home.imagine(home.ada, "<lora:thnos:0.7> at sea")
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    assert (job.base, job.imagine.prompt) == (BASE, "at sea")


async def test_what_the_member_says_of_it_is_kept(home: House) -> None:
    await bring(home, home.ben, LORA, name="mine", person="other", trigger="purple guy", commercial=True)
    adapter = await home.adapter(home.ben, "mine")
    assert (adapter.likeness, adapter.trigger_words[0], adapter.commercial) == ("other", "purple guy", True)
    assert (adapter.credit, adapter.derivatives) == (True, True)


async def test_a_pickle_under_another_name_is_refused_in_one_sentence_with_the_way_out(home: House) -> None:
    said = await bring(home, home.cleo, b"\x80\x02}q\x00.", filename="x.safetensors")
    assert said.text.strip() == (
        "`x.safetensors` is a pickle file, which can run programs when it is opened and so never is:"
        " turn it into .safetensors first (whoever runs this bot can, with `darkroom convert`)."
    )


async def test_a_name_that_is_taken_is_told_before_anything_is_fetched(home: House) -> None:
    await bring(home, home.cleo, LORA, name="taken")
    assert "You have an adapter `taken` already" in (await bring(home, home.cleo, b"", name="taken")).text


async def test_deleting_it_says_that_it_would_have_to_be_brought_in_again(home: House) -> None:
    await bring(home, home.ada, LORA, name="gone")
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="gone")).response(PATIENCE_S)
    assert "`gone` was brought in from a file: once deleted, it has to be imported again." in asked.text


ADD, LEAVE_OUT = "Add thnos, purple toy", "Leave out thnos, purple toy"


async def test_trigger_words_are_a_toggle_under_the_pictures(home: House) -> None:
    await bring(home, home.ben, LORA, name="toggled")
    exchange = await home.imagine(home.ben, "<lora:toggled:0.7> at sea", seed=7, count=2)
    card = await home.result(exchange)
    assert labels(card)[-1] == ADD
    added = await home.ben.click(card, ADD)
    with_words = await home.result(added)
    first, second = await home.job(exchange.id), await home.job(added.id)
    assert first is not None
    assert second is not None
    assert [each.prompt for each in second.imagine.drawings] == ["at sea, thnos, purple toy"] * 2
    assert [each.seed for each in second.imagine.drawings] == [7, 8]
    assert [each.adapters for each in second.imagine.drawings] == [each.adapters for each in first.imagine.drawings]
    assert (ADD in labels(with_words), labels(with_words)[-1]) == (False, LEAVE_OUT)
    without = await home.ben.click(with_words, LEAVE_OUT)
    await home.result(without)
    third = await home.job(without.id)
    assert third is not None
    assert third.imagine.drawings == first.imagine.drawings


async def test_whoever_writes_the_words_is_not_offered_them(home: House) -> None:
    await bring(home, home.cleo, LORA, name="written")
    card = await home.drawn(home.cleo, "<lora:written> Thnos, purple toy in the rain")
    assert not [label for label in labels(card) if "thnos" in label.lower()]
    assert not [label for label in labels(await home.drawn(home.cleo, "a fox")) if label.startswith(("Add", "Leave"))]


async def test_its_page_says_how_it_is_used_and_nothing_of_a_training(home: House) -> None:
    await bring(home, home.ben, LORA, name="paged")
    page = await (await home.ben.slash("adapter show", channel=CHANNEL, name="paged")).response(PATIENCE_S)
    assert "Write `<lora:paged:0.7>` in a prompt. A button under its pictures puts in its trigger words." in page.text
    assert "takes the tag's place" not in page.text
    settings = await home.settings_of(home.ben, page)
    for words in ("Kind: LoRA, kohya", "Made for: Stable Diffusion 1.x", "Trigger words: thnos, purple toy", "Rank: 4"):
        assert words in settings
    for words in ("Photos", "Steps", "loss", "To train like this"):
        assert words not in settings
    versions = await (await home.ben.click(page, "Versions")).response(PATIENCE_S)
    assert "`paged@1` imported, " in versions.text


async def test_others_can_press_it_only_if_they_may_use_the_adapter(home: House) -> None:
    await bring(home, home.ada, LORA, name="private")
    card = await home.drawn(home.ada, "<lora:private> at sea")
    said = await home.refusal(await home.ben.click(card, ADD))
    assert "`private` is ada's" in said
