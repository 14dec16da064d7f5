"""Textual inversions in prompts: by their bare trigger words, weights and all, and whose they may be."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from sandbox.members import Member
from tests.discord.backend import BASE, OTHER_BASE
from tests.discord.house import CHANNEL, House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def invert(home: House, who: Member, name: str, **options: Any) -> None:
    """A textual inversion of this name is there."""
    await home.trained(who, name, method="textual_inversion", **options)


async def share(who: Member, name: str) -> None:
    await (await who.slash("adapter share", channel=CHANNEL, name=name)).response()


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def _adapters(module_house: House) -> None:
    """Ada has `glow`, and `lichen` on another base; Ben shares `fern`, Cleo keeps `secret` to herself.

    Ada's `thnos` is a LoRA.
    """
    home = module_house
    await home.trained(home.ada, "thnos", class_word="monster")
    await invert(home, home.ada, "glow")
    await invert(home, home.ada, "lichen", base=OTHER_BASE)
    await invert(home, home.ben, "fern")
    await invert(home, home.cleo, "secret")
    await share(home.ben, "fern")


@pytest.mark.parametrize(
    ("written", "negative", "used", "uses"),
    [
        ("glow in a suit", "", "glow in a suit", "glow for glow"),
        ("a photo of (Glow:1.1), smiling", "", "a photo of (Glow:1.1), smiling", "glow for glow"),
        ("<lora:glow:0.8> in a suit", "", "(glow:0.8) in a suit", "glow for glow"),
        ("<ti:glow> in a suit", "", "glow in a suit", "glow for glow"),
        ("a fox", "[glow], fog", "a fox", "glow for glow"),
        ("glow, [fern]", "", "glow, [fern]", "glow for glow and ben/fern for fern"),
        ("<lora:thnos:0.5> with fern", "", "thnos monster with fern", "thnos at 0.5 and ben/fern for fern"),
        ("<ti:ben/fern:1.2> in a suit", "", "(fern:1.2) in a suit", "ben/fern for fern"),
    ],
)
async def test_a_textual_inversion_is_used_by_its_word(
    home: House, written: str, negative: str, used: str, uses: str
) -> None:
    settings = await home.settings_of(home.ada, await home.drawn(home.ada, written, negative_prompt=negative))
    assert settings.splitlines()[0] == used
    assert settings.endswith(f"Adapters: {uses}")


@pytest.mark.parametrize("prompt", ["secret in a suit", "glowing ferns, sun-glow", r"thnos", "fern_s"])
async def test_words_that_are_nobodys_or_not_ones_own_bring_nothing_in(home: House, prompt: str) -> None:
    card = await home.drawn(home.ada, prompt)
    assert "Adapters" not in await home.settings_of(home.ada, card)


async def test_ones_own_word_chooses_the_base_and_is_passed_over_on_another(home: House) -> None:
    settings = await home.settings_of(home.ada, await home.drawn(home.ada, "lichen on a stone"))
    assert settings.endswith(f"Model: {OTHER_BASE}, Adapters: lichen for lichen")
    for options in ({"model": BASE}, {"adapter": "thnos"}):
        card = await home.drawn(home.ada, "lichen on a stone", **options)
        assert "lichen for" not in await home.settings_of(home.ada, card)


async def test_a_shared_word_does_not_change_the_base(home: House) -> None:
    await share(home.ada, "lichen")
    settings = await home.settings_of(home.ben, await home.drawn(home.ben, "lichen on a stone"))
    assert settings.endswith(f"Model: {BASE}")
    settings = await home.settings_of(home.ben, await home.drawn(home.ben, "lichen on a stone", model=OTHER_BASE))
    assert settings.endswith("Adapters: ada/lichen for lichen")


async def test_a_named_adapter_goes_before_somebodys_word(home: House) -> None:
    """Ben's `twig` is an inversion; Ada's own LoRA of that name answers to the same word."""
    await home.trained(home.ada, "twig")
    await invert(home, home.ben, "twig")
    await share(home.ben, "twig")
    settings = await home.settings_of(home.ada, await home.drawn(home.ada, "<lora:twig:0.8> in a suit"))
    assert settings.splitlines()[0] == "twig character in a suit"
    assert settings.endswith("Adapters: twig at 0.8")
    settings = await home.settings_of(home.ada, await home.drawn(home.ada, "twig in a suit"))
    assert settings.endswith("Adapters: ben/twig for twig")


async def test_a_word_stands_for_one_adapter_at_a_time(home: House) -> None:
    await invert(home, home.cleo, "fern")
    await share(home.cleo, "fern")
    words = await home.refusal(await home.imagine(home.ada, "<ti:ben/fern> and <ti:cleo/fern>"))
    assert words == "`ben/fern` and `cleo/fern` both answer to `fern`: draw with one of them at a time."
    settings = await home.settings_of(home.ada, await home.drawn(home.ada, "fern on a stone"))
    assert settings.endswith("Adapters: cleo/fern for fern")  # which was shared last
    await (await home.cleo.slash("adapter unshare", channel=CHANNEL, name="fern")).response()


async def test_again_draws_with_the_same_word(home: House) -> None:
    card = await home.drawn(home.ada, "(fern:1.1) on a stone")
    again = await home.result(await home.ben.click(card, "Again"))
    assert (await home.settings_of(home.ben, again)).endswith("Adapters: ben/fern for fern")


async def test_the_cards_say_that_the_word_is_all_it_takes(home: House) -> None:
    card = await home.trained(home.cleo, "ember", method="textual_inversion")
    assert "Write `/imagine prompt:(ember:0.8) in a suit`" in card.text
    shown = await (await home.cleo.slash("adapter show", channel=CHANNEL, name="ember")).response()
    assert "Write `ember` in a prompt, or `(ember:1.2)` for more of it; `<ti:ember>` says" in shown.text
    facts = {field["name"]: field["value"] for field in shown.embeds[0]["fields"]}
    assert facts["File"].endswith(" kB")
    assert "Rank" not in facts
    settings = await home.settings_of(home.cleo, card)
    assert "Rank" not in settings
    assert f"File: {(await home.adapter(home.cleo, 'ember')).blob}" in settings
    drawn = await home.drawn(home.cleo, "ember, in a suit")
    assert {field["value"] for field in drawn.embeds[0]["fields"] if field["name"] == "Adapters"} == {"ember"}
