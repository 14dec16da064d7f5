"""`/imagine`: its options, what is offered while typing, and whose adapters a prompt may name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.discord.backend import BASE, OTHER_BASE, REFUSED
from tests.discord.house import CHANNEL, PICTURE_BUTTONS, House, labels
from trainer.contract.drawings import Drawing, DrawingSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def _adapters(module_house: House) -> AsyncIterator[None]:
    """Ada has two, on two bases; nothing is shared."""
    await module_house.trained(module_house.ada, "thnos", class_word="monster")
    await module_house.trained(module_house.ada, "marble", kind="style", base=OTHER_BASE)
    yield


async def test_a_prompt_becomes_a_picture_with_its_buttons(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox in a suit")
    card = await home.result(exchange)
    assert "Here it is" in card.text
    assert "> a fox in a suit" in card.text
    assert card.files
    assert card.ephemeral_to is None
    assert labels(card) == PICTURE_BUTTONS
    job = await home.job(exchange.id)
    assert job is not None
    assert (job.state, job.message_id, job.owner_id) == ("succeeded", card.id, home.ada.id)


async def test_every_option_reaches_the_engine(home: House) -> None:
    card = await home.drawn(
        home.ada, "in a suit", adapter="thnos", weight=0.6, negative_prompt="rain, fog", model=BASE, steps=9,
        guidance=4.5, seed=77, size="128x96", count=2,
    )  # fmt: skip
    assert (await home.settings_of(home.ada, card)).splitlines() == [
        "thnos monster in a suit",
        "Negative prompt: rain, fog",
        f"Steps: 9, CFG scale: 4.5, Seed: 77, Size: 128x96, Model: {BASE}, Adapters: thnos at 0.6",
        "Seeds: 77, 78",
    ]


@pytest.mark.parametrize(
    ("written", "options", "used"),
    [
        ("a photo of <lora:thnos:0.8> in a suit", {}, "a photo of thnos monster in a suit"),
        ("<lora:THNOS> in a suit", {}, "thnos monster in a suit"),
        ("thnos in a suit <lora:thnos:0.8>", {}, "thnos in a suit"),
        ("a king <lora:thnos:0.8> in a suit", {"strict": True}, "a king in a suit"),
        ("in a suit", {"adapter": "thnos"}, "thnos monster in a suit"),
        ("a king, <lora:thnos:0.5>", {"adapter": "thnos"}, "a king, thnos monster"),
    ],
)
async def test_the_trigger_is_put_where_the_tag_stood(
    home: House, written: str, options: dict[str, Any], used: str
) -> None:
    card = await home.drawn(home.ada, written, **options)
    assert (await home.settings_of(home.ada, card)).splitlines()[0] == used


@pytest.mark.parametrize(("weight", "uses"), [(None, "thnos at 1"), (-0.5, "thnos at -0.5")])
async def test_the_adapter_option_is_a_tag_at_the_front(home: House, weight: float | None, uses: str) -> None:
    card = await home.drawn(home.ada, "a king", adapter="thnos", weight=weight)
    assert uses in await home.settings_of(home.ada, card)


async def test_the_adapter_option_names_one_adapter_whole(home: House) -> None:
    """`thn` is not named by `<lora:thnos>`."""
    words = await home.refusal(await home.imagine(home.ada, "a king <lora:thnos>", adapter="thn"))
    assert words == "There is no adapter `thn` that you can use. Did you mean `thnos`?"


async def test_a_weight_is_never_dropped_in_silence(home: House) -> None:
    words = await home.refusal(await home.imagine(home.ada, "a king <lora:thnos:0.3>", adapter="Thnos", weight=0.7))
    assert words == "`Thnos` stands in the prompt already: write its weight there, or take the tag out."
    words = await home.refusal(await home.imagine(home.ada, "a king", weight=0.7))
    assert "There is a weight but no adapter" in words


@pytest.mark.parametrize("pasted", ["<lora:thnos:0.8>", "thnos:0.8"])
async def test_a_tag_is_no_name(home: House, pasted: str) -> None:
    """`/adapter list` shows tags, so people paste them."""
    words = await home.refusal(await home.imagine(home.ada, "a king", adapter=pasted))
    assert words == f"`{pasted}` is no adapter's name: write the name alone, for example `thnos`."


async def test_the_adapters_own_base_draws(home: House) -> None:
    card = await home.drawn(home.ada, "<lora:marble> a fox")
    assert f"Model: {OTHER_BASE}" in await home.settings_of(home.ada, card)


async def test_what_was_ignored_stands_on_the_card(home: House) -> None:
    card = await home.drawn(home.ada, "a fox <nothing:1> # and an owl")
    assert "What was ignored" in card.text
    assert "is a comment" in card.text
    assert "nothing:1" in card.text


async def test_the_text_encoder_may_have_a_weight_of_its_own(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox <lora:thnos:0.8:0.3> <lora:thnos:0.4:0.2>")
    card = await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    (use,) = job.imagine.drawings[0].adapters
    assert (use.weight, use.te_weight) == (0.8, 0.4)  # the last one, twice, as in A1111
    assert "2 times" in card.text


async def drawings(home: House, prompt: str, **options: Any) -> tuple[Drawing, ...]:
    exchange = await home.imagine(home.ada, prompt, **options)
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    return job.imagine.drawings


async def test_options_go_before_pasted_settings(home: House) -> None:
    text = "Steps: 9, Sampler: DPM++ 2M Karras, CFG scale: 4, Seed: 5, Size: 64x96, Clip skip: 2, ENSD: 1, Model: other"
    exchange = await home.imagine(home.ada, "a king <lora:thnos:0.5>", settings=text, steps=4, sampler="Euler")
    card = await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    (drawing,) = job.imagine.drawings
    assert drawing.prompt == "a king"  # pasted settings are strict
    assert drawing.seed == 5
    assert drawing.settings == DrawingSettings(
        sampler="Euler",
        scheduler="Automatic",
        num_inference_steps=4,
        guidance_scale=4,
        width=64,
        height=96,
        clip_skip=2,
    )
    assert "`ENSD`" in card.text.replace("\\", "")
    assert "The model `other` of the settings is not here" in card.text.replace("\\", "")
    assert "Euler" in card.text


@pytest.mark.parametrize(
    ("written", "found", "words"),
    [
        ("VAE: FT-MSE.safetensors", "ft-mse", ""),
        ("VAE: anime", None, f"`{BASE}` has no VAE `anime`, so its own is used; there are `ft-mse`."),
    ],
)
async def test_a_vae_is_chosen_by_pasted_settings_or_a_style(
    home: House, written: str, found: str | None, words: str
) -> None:
    opened = await home.ada.slash("style set", channel=CHANNEL, name="fine")
    await home.ada.submit(opened.modal, {"Prompt": "", "Negative prompt": "", "Settings": f"{written}, Steps: 3"})
    for options in ({"settings": written}, {"style": "fine"}):
        exchange = await home.imagine(home.ada, "a fox", **options)
        card = await home.result(exchange)
        job = await home.job(exchange.id)
        assert job is not None
        assert job.imagine.drawings[0].settings.vae == found
        assert words in card.text.replace("\\", "")


async def test_a_pictures_settings_draw_it_again(home: House) -> None:
    card = await home.drawn(home.ada, "a fox", negative_prompt="rain", seed=7, steps=9, guidance=4.5, size="64x96")
    settings = await home.settings_of(home.ada, card)
    first = await drawings(home, settings)
    assert first == await drawings(home, settings.replace("\n", " "))  # as a line of options has it
    assert [(each.prompt, each.negative_prompt, each.seed) for each in first] == [("a fox", "rain", 7)]
    assert first[0].settings == DrawingSettings(num_inference_steps=9, guidance_scale=4.5, width=64, height=96)


async def test_sizes_by_words_are_those_of_the_base(home: House) -> None:
    sizes = {}
    for word in ("square", "portrait", "landscape", "tall", "4:5"):
        (drawing,) = await drawings(home, "a fox", size=word)
        sizes[word] = (drawing.settings.width, drawing.settings.height)
    assert sizes == {
        "square": (64, 64), "portrait": (64, 96), "landscape": (96, 64), "tall": (64, 112), "4:5": (64, 80)
    }  # fmt: skip


async def test_variations_have_a_seed_and_an_other_one_that_counts_up(home: House) -> None:
    found = await drawings(home, "a fox", seed=3, variation_strength=0.2, variation_seed=10, count=2)
    assert [(each.seed, each.settings.variation_seed) for each in found] == [(3, 10), (3, 11)]
    card = await home.drawn(home.ada, "a fox", seed=3, variation_strength=0.2, variation_seed=10, count=2)
    told = await home.settings_of(home.ada, card)
    assert "Variation seeds: 10, 11" in told
    (drawn,) = await drawings(home, "a fox", variation_strength=0.2)
    assert drawn.settings.variation_seed is not None


async def test_exact_reaches_the_worker(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", exact=True)
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    assert job.imagine.exact


async def test_eight_pictures(home: House) -> None:
    card = await home.drawn(home.ada, "a fox", count=8, seed=1)
    assert "Here they are, 8 of them" in card.text


async def test_four_pictures(home: House) -> None:
    card = await home.drawn(home.ada, "a fox", count=4, seed=10)
    assert "Here they are, 4 of them" in card.text
    assert [file.filename for file in card.files if file.filename.startswith("darkroom-")] == [
        f"darkroom-{9 + place}-{place}.png" for place in range(1, 5)
    ]
    assert "Seeds: 10, 11, 12, 13" in await home.settings_of(home.ada, card)


async def test_what_the_engine_refuses_is_on_the_card(home: House) -> None:
    exchange = await home.imagine(home.ada, f"{REFUSED} at all")
    card = await exchange.response()
    await home.sandbox.wait_for(lambda message: message.id == card.id and "That did not work" in message.text)
    assert "No fox fits into 64 × 64 pixels; ask for a smaller one." in card.text
    assert card.buttons == []


# -- names ------------------------------------------------------------------------------------------------------------


async def test_an_unknown_name_is_answered_with_the_nearest(home: House) -> None:
    words = await home.refusal(await home.imagine(home.ada, "<lora:thanos:0.8> in a suit"))
    assert words == "There is no adapter `thanos` that you can use. Did you mean `thnos`?"
    words = await home.refusal(await home.imagine(home.ada, "in a suit", adapter="zebra"))
    assert words == "There is no adapter `zebra` that you can use. You can use `marble`, `thnos`."
    words = await home.refusal(await home.imagine(home.ben, "<lora:thnos> in a suit"))
    assert words == "There is no adapter `thnos` that you can use. Train one with `/train`."


async def test_another_members_adapter_before_and_after_it_is_shared(home: House) -> None:
    await home.trained(home.cleo, "moss")
    written = "<lora:cleo/moss:0.7> at the beach"
    assert "no adapter `cleo/moss` that you can use" in await home.refusal(await home.imagine(home.ben, written))
    await (await home.cleo.slash("adapter share", channel=CHANNEL, name="moss")).response()
    for prompt in (written, "<lora:moss:0.7> at the beach"):
        settings = await home.settings_of(home.ben, await home.drawn(home.ben, prompt))
        assert settings.startswith("moss character at the beach")
        assert "moss at 0.7" in settings
    misspelt = await home.refusal(await home.imagine(home.ben, "<lora:mos> at the beach"))
    assert misspelt == "There is no adapter `mos` that you can use. Did you mean `cleo/moss`?"
    await (await home.cleo.slash("adapter unshare", channel=CHANNEL, name="moss")).response()
    assert "no adapter `cleo/moss`" in await home.refusal(await home.imagine(home.ben, written))


# -- what is offered while typing -------------------------------------------------------------------------------------


async def offered(home: House, focused: str, value: str, **options: Any) -> list[str]:
    choices = await home.ada.autocomplete("imagine", focused=focused, value=value, channel=CHANNEL, **options)
    assert all(len(choice["name"]) <= 100 for choice in choices)
    return [choice["value"] for choice in choices]


async def test_adapters_models_and_sizes_are_offered(home: House) -> None:
    assert await offered(home, "adapter", "") == ["marble", "thnos"]
    assert await offered(home, "adapter", "TH") == ["thnos"]
    assert await offered(home, "adapter", "x") == []
    assert await offered(home, "model", "") == [BASE, OTHER_BASE]
    assert await offered(home, "model", "Sketch") == [OTHER_BASE]
    assert await offered(home, "size", "") == ["square", "portrait", "landscape", "wide", "tall"]
    assert await offered(home, "size", "port") == ["portrait"]
    assert await offered(home, "size", "3:4", model=OTHER_BASE) == ["3:4"]
    assert (await offered(home, "sampler", "2m kar"))[0] == "DPM++ 2M Karras"


async def test_whatever_is_typed_is_answered(home: House) -> None:
    for typed in ("@everyone", "<lora:", "%", "*" * 100, "ada/", "😀"):
        for option in ("adapter", "model", "size", "sampler"):
            await offered(home, option, typed)


async def test_an_adapter_that_was_offered_can_be_used(home: House) -> None:
    (value,) = await offered(home, "adapter", "thn")
    await home.drawn(home.ada, "a king", adapter=value)
