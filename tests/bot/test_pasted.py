"""Settings in A1111's text form, as a drawing takes them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.pasted import Pasted, as_drawing, holds_settings, read_pasted
from trainer.contract.drawings import DrawingSettings, HighRes
from trainer.contract.infotext import Infotext


def test_every_setting_of_a_drawing_is_read() -> None:
    found = read_pasted(
        "a fox, <lora:thnos:0.8>\nNegative prompt: rain\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, CFG Rescale: 0.7, Seed: 4294967295,"
        " Size: 512x768, Model hash: 6ce0161689, Model: sd15, VAE: ft-mse, Clip skip: 2, Emphasis: No norm,"
        " Variation seed: 7, Variation seed strength: 0.25, Denoising strength: 0.4, Hires upscale: 1.5,"
        ' Hires steps: 12, Hires upscaler: Lanczos, Lora hashes: "thnos: 01", ENSD: 31337, Version: v1.10.1'
    )
    assert found == Pasted(
        prompt="a fox, <lora:thnos:0.8>",
        negative_prompt="rain",
        model="sd15",
        seed=4294967295,
        settings=DrawingSettings(
            sampler="DPM++ 2M", scheduler="Karras", num_inference_steps=25, guidance_scale=7.5, guidance_rescale=0.7,
            clip_skip=2, width=512, height=768, emphasis="no_norm", vae="ft-mse", variation_seed=7,
            variation_strength=0.25, high_res=HighRes(scale=1.5, strength=0.4, steps=12, upscaler="Lanczos"),
        ),
        ignored=("ENSD",),
        model_hash="6ce0161689",
        is_pasted=True,
    )  # fmt: skip


def test_what_is_not_said_is_left_to_the_base() -> None:
    assert read_pasted("a fox").settings == DrawingSettings()
    assert read_pasted("a fox").model is None
    assert read_pasted("a fox").strict


def test_strength_without_a_second_pass_is_that_of_a_drawing_from_a_picture() -> None:
    found = read_pasted("a fox\nSteps: 9, Seed: -1, Denoising strength: 0.6, VAE: Automatic")
    assert found.settings == DrawingSettings(num_inference_steps=9, strength=0.6)
    assert found.seed is None


@pytest.mark.parametrize(
    "written", ["VAE: ft-mse, Steps: 3", "Steps: 3, VAE: ft-mse", "Size: 64x64, VAE: ft-mse, Steps: 3"]
)
def test_settings_alone_stand_in_any_order(written: str) -> None:
    found = read_pasted(written)
    assert (found.prompt, found.settings.vae, found.settings.num_inference_steps) == ("", "ft-mse", 3)


def test_a_second_pass_after_a_drawing_from_a_picture_has_a_strength_of_its_own() -> None:
    text = "a\nSteps: 9, Denoising strength: 0.6, Hires upscale: 2"
    alone, both = read_pasted(text), read_pasted(f"{text}, Hires denoising strength: 0.3")
    assert (alone.settings.strength, alone.settings.high_res) == (None, HighRes(scale=2.0, strength=0.6))
    assert (both.settings.strength, both.settings.high_res) == (0.6, HighRes(scale=2.0, strength=0.3))


def test_steps_of_zero_in_the_second_pass_are_those_of_the_first() -> None:
    found = read_pasted("a\nSteps: 9, Hires upscale: 2, Hires steps: 0, Hires upscaler: Latent")
    assert found.settings.high_res == HighRes(scale=2.0)


@pytest.mark.parametrize(("resize", "scale"), [("768x1152", 1.5), ("0x1152", 1.5), ("1024x0", 2.0)])
def test_a_second_pass_to_a_size(resize: str, scale: float) -> None:
    found = read_pasted(f"a\nSteps: 9, Seed: 1, Size: 512x768, Hires resize: {resize}")
    assert found.settings.high_res == HighRes(scale=scale)
    assert found.ignored == ()


def test_what_was_copied_with_its_code_block() -> None:
    found = read_pasted("```\na fox\nSteps: 9, Seed: 1, Size: 512x768\nSeeds: 1, 2\n```\n")
    assert (found.prompt, found.seed, found.count, found.ignored) == ("a fox", 1, 2, ())


def test_a_seed_of_64_bits_stays_exact() -> None:
    assert as_drawing(Infotext("a", "", {"Seed": "18446744073709551615"})).seed == 2**64 - 1


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("Steps", "many", "Steps must be a number, got `many`: correct it, or leave it out."),
        ("Steps", "2.5", "Steps must be a whole number, got `2.5`: correct it, or leave it out."),
        ("Seed", "inf", "Seed must be a whole number, got `inf`: correct it, or leave it out."),
        ("Size", "large", "Size must be width x height in pixels, got `large`: for example `512x768`."),
        ("Emphasis", "loud", "Emphasis must be Original, No norm or Ignore, got `loud`: leave it out for Original."),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_named(key: str, value: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        as_drawing(Infotext("a fox", "", {key: value}))
    assert refused.value.message == words


KEYS = [
    "Hires resize",
    "Steps",
    "Seed",
    "Size",
    "CFG scale",
    "Clip skip",
    "Hires upscale",
    "Hires steps",
    "Emphasis",
    "Variation seed",
]
VALUES = st.one_of(st.text(max_size=20), st.integers().map(str), st.floats().map(str), st.just("9" * 5_000))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_nothing_but_a_sentence_is_raised(given_settings: dict[str, str]) -> None:
    with suppress(UserError):
        as_drawing(Infotext("a", "", given_settings))


WHOLE = "a fox, (hat:1.2)\nNegative prompt: rain, fog\nSteps: 9, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64"


def test_a_text_on_one_line_is_read_like_its_lines() -> None:
    """Discord's options have one line."""
    assert read_pasted(WHOLE.replace("\n", " ")) == read_pasted(WHOLE)
    assert read_pasted(WHOLE.replace("\n", " ")).negative_prompt == "rain, fog"


def test_the_seeds_below_the_settings_of_several_pictures_are_counted() -> None:
    told = [f"{WHOLE}\n{words}: 5, 6, 7" for words in ("Seeds", "Variation seeds")]
    for text in (*told, *(each.replace("\n", " ") for each in told)):
        assert (read_pasted(text).count, read_pasted(text).seed) == (3, 5)


@pytest.mark.parametrize("line", ["Hires upscale: 2, Denoising strength: 0.5", "Emphasis: No norm", "Steps: 9"])
def test_a_line_of_settings_may_be_short(line: str) -> None:
    assert read_pasted(line).is_pasted
    assert not read_pasted(line).prompt


@pytest.mark.parametrize(
    ("prompt", "holds"),
    [
        (WHOLE, True),
        (WHOLE.replace("\n", " "), True),
        ("(a hat:1.2), (a cap:1.3), (a coat:1.4), (a scarf:0.9)", False),
        ("a fox in Steps: a film", False),
        ("time: noon, place: Rome, mood: calm, light: low", False),
    ],
)
def test_a_prompt_is_no_settings_unless_it_says_the_steps(prompt: str, holds: bool) -> None:
    assert holds_settings(prompt) is holds


@settings(deadline=None)
@given(st.one_of(st.text(max_size=200), st.text("aS: \tteps19,\n", max_size=200)))
def test_whatever_is_pasted_is_read_or_refused_in_a_sentence(text: str) -> None:
    with suppress(UserError):
        read_pasted(text)
    holds_settings(text)
