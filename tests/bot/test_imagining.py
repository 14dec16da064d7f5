"""What the options of `/imagine` ask for, over what was pasted; and sizes by their words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.imagining import make_wish
from bot.sizes import ASPECTS, fit, read_size
from tests.discord.backend import base_info
from trainer.contract.drawings import DrawingSettings, HighRes, Upscale
from trainer.contract.events import BaseInfo

TINY = base_info()
USUAL = msgspec.structs.replace(TINY, name="sd15", hash="6ce0161689", width=512, height=512, max_side=1024)
TEXT = "a fox\nNegative prompt: rain\nSteps: 9, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Clip skip: 2"


def test_a_text_that_was_pasted_into_the_prompt_is_read() -> None:
    wish = make_wish(TEXT, None, [USUAL])
    assert (wish.prompt, wish.negative_prompt, wish.seed, wish.strict) == ("a fox", "rain", 5, True)
    assert wish.settings == DrawingSettings(
        sampler="Euler a", num_inference_steps=9, guidance_scale=7.0, width=512, height=768, clip_skip=2
    )
    assert wish.ignored == ()


def test_a_prompt_alone_is_as_it_is() -> None:
    wish = make_wish("a fox", None, [USUAL])
    assert (wish.prompt, wish.strict, wish.settings) == ("a fox", False, DrawingSettings())


def test_what_an_option_says_goes_before_what_was_pasted() -> None:
    wish = make_wish(
        "an owl", TEXT, [USUAL], negative_prompt="", seed=0, size="2:3", sampler="DPM++ 2M Karras", clip_skip=1, count=2
    )
    assert (wish.prompt, wish.negative_prompt, wish.seed, wish.count, wish.aspect) == ("an owl", "", 0, 2, 2 / 3)
    assert wish.settings == DrawingSettings(
        sampler="DPM++ 2M", scheduler="Karras", num_inference_steps=9, guidance_scale=7.0
    )
    assert wish.ignored == ("The prompt of the settings was ignored, for `prompt` says another.",)


def test_what_has_no_effect_is_said() -> None:
    text = "Steps: 9, Denoising strength: 0.4, VAE: ft-mse, ENSD: 1, RNG: NV, Version: v1.10.1"
    assert make_wish("a fox", text, [USUAL]).ignored == (
        "Denoising strength does nothing without a picture to draw from.",
        "`ENSD`, `RNG` of the settings do nothing here.",
    )
    assert make_wish("a fox", text, [USUAL], has_source=True).settings.strength == 0.4
    second = make_wish("a fox", "Steps: 9, Hires upscale: 2, Denoising strength: 0.5", [USUAL])
    assert second.settings.high_res == HighRes(scale=2, strength=0.5)
    assert not second.ignored


def test_models_that_enlarge_are_not_here() -> None:
    line = "Steps: 9, Hires upscale: 2, Hires upscaler: 4x-UltraSharp, Postprocess upscale by: 2"
    wish = make_wish("a fox", f"{line}, Postprocess upscaler: SwinIR", [USUAL])
    assert wish.settings.high_res == HighRes(scale=2, upscaler="Lanczos")
    assert wish.settings.upscale == Upscale(scale=2)
    assert wish.ignored == (
        "The upscaler `4x-UltraSharp` is not here, so Lanczos enlarges.",
        "The upscaler `SwinIR` is not here, so Lanczos enlarges.",
    )
    known = make_wish("a fox", "Steps: 9, Hires upscale: 2, Hires upscaler: Latent (antialiased)", [USUAL])
    assert known.ignored == ()


@pytest.mark.parametrize(
    ("line", "base"),
    [
        ("Model: SD15", "sd15"),
        ("Model hash: 6ce0161689, Model: renamed", "sd15"),
        ("Model hash: 00, Model: emoji-64", "emoji-64"),
        ("Model: other", None),
    ],
)
def test_a_pasted_model_is_found_by_its_hash_or_its_name(line: str, base: str | None) -> None:
    wish = make_wish("a fox", f"Steps: 9, {line}", [TINY, USUAL])
    assert wish.base == base
    assert bool(wish.ignored) is (base is None)
    assert make_wish("a fox", f"Steps: 9, {line}", [TINY, USUAL], model="chosen").base == "chosen"


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("square", (512, 512)), ("portrait", (416, 624)), ("landscape", (624, 416)), ("wide", (680, 384)),
        ("tall", (384, 680)), ("1:4", (256, 1024)),
    ],
)  # fmt: skip
def test_a_ratio_has_as_many_pixels_as_the_base_draws(word: str, size: tuple[int, int]) -> None:
    aspect = read_size(word).aspect
    assert aspect is not None
    assert fit(aspect, USUAL) == size


@given(st.floats(0.25, 4), st.sampled_from([TINY, USUAL, None]))
def test_every_ratio_fits_into_the_base(aspect: float, base: BaseInfo | None) -> None:
    width, height = fit(aspect, base)
    assert width % 8 == height % 8 == 0
    assert min(width, height) >= 64
    assert max(width, height) <= (base.max_side if base else 2048)
    assert (width <= height) if aspect <= 1 else (width >= height)


def test_sizes_in_pixels_and_in_words() -> None:
    assert read_size(" 512 X 768 ") == (512, 768, None)
    assert read_size("512") == (512, 512, None)
    assert read_size("Square") == (None, None, 1.0)
    assert read_size(None) == (None, None, None)
    assert all(read_size(word).aspect == aspect for word, aspect in ASPECTS.items())


@pytest.mark.parametrize("written", ["0:1", "1:0", "1:5", "99:1", "1:2:3", "-1:2", "huge", ""])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(UserError):
        read_size(written)
