"""From a drawing to its picture, with settings that say how."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bot.imagining import make_wish
from bot.pasted import read_pasted
from trainer.adapters.bank import AdapterBank
from trainer.adapters.shelf import FittedAdapter
from trainer.contract import infotext
from trainer.contract.drawings import AdapterUse, Drawing, DrawingSettings
from trainer.generation.easel import Company, Easel
from trainer.generation.images import Picture
from trainer.generation.live import GenerationJob, generate
from trainer.generation.painting import draw_noise, paint, slerp
from trainer.generation.resolving import resolve_settings
from trainer.generation.studio import Studio
from trainer.generation.together import paint_together
from trainer.models.emoji64.report import finish as run
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base

COMPANY = Company(((AdapterUse("a", "", 1.0), FittedAdapter({}, digest="1" * 64)),))


@pytest.fixture(scope="module")
def easel() -> Easel:
    return Easel(load_base(read_base(EMBEDDED_FOLDER, embedded=True)))


def draw(easel: Easel, drawing: Drawing) -> Picture:
    done: dict[int, Picture] = run(paint_together(Studio(), {0: paint(easel, drawing, COMPANY)}))
    return done[0]


def drawing(**settings: object) -> Drawing:
    return Drawing("(a fox:1.2) in a suit", "a fox", "rain", 7, settings=DrawingSettings(**settings))


def test_what_a_training_draws_beside_its_bank_is_the_same_picture(easel: Easel) -> None:
    job = GenerationJob("(a fox:1.2) in a suit", "rain", seed=7, num_inference_steps=5, guidance_scale=4)
    theirs = run(generate(easel.base, AdapterBank({}), job))[0].image
    ours = draw(easel, drawing(num_inference_steps=5, guidance_scale=4.0)).image
    assert np.abs(np.asarray(ours).astype(int) - np.asarray(theirs).astype(int)).max() <= 1


def test_what_a_picture_says_of_itself_draws_it_again_to_the_last_bit(easel: Easel) -> None:
    text = (
        "a (fox:1.3)\nNegative prompt: rain\nSteps: 4, Sampler: DPM++ 2M SDE Karras, CFG scale: 7, Seed: 5,"
        " Size: 64x96, Clip skip: 2, Emphasis: No norm, Variation seed: 9, Variation seed strength: 0.2,"
        " Hires upscale: 1.5, Hires upscaler: Lanczos, Denoising strength: 0.5"
    )
    pictures = []
    for _ in range(2):
        wish = make_wish(text, None, [])
        assert not read_pasted(text).ignored
        assert wish.seed == 5
        picture = draw(
            easel, Drawing(wish.prompt, wish.prompt, wish.negative_prompt, wish.seed, settings=wish.settings)
        )
        pictures.append(picture.image)
        text = picture.parameters
    assert pictures[0].size == (96, 144)
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_where_no_sampler_is_chosen_the_bases_own_draws(easel: Easel) -> None:
    assert resolve_settings(easel, drawing())["Sampler"] == "DDIM"
    spec = replace(easel.base.spec, defaults=msgspec.structs.replace(easel.base.spec.defaults, sampler="DPM++ 2M"))
    other = Easel(replace(easel.base, spec=spec))
    assert resolve_settings(other, drawing())["Sampler"] == "DPM++ 2M"
    assert resolve_settings(other, drawing(sampler="Euler a"))["Sampler"] == "Euler a"


def test_the_settings_say_all_that_it_takes_to_draw_it_again(easel: Easel) -> None:
    picture = draw(
        easel,
        drawing(
            num_inference_steps=2, sampler="dpmpp_2m", scheduler="karras", width=72, variation_strength=0.3,
            variation_seed=9, clip_skip=2, guidance_rescale=0.5, emphasis="no_norm", guidance_scale=4.5,
        ),
    )  # fmt: skip
    assert picture.image.size == (72, 64)
    read = infotext.read(picture.parameters)
    assert (read.prompt, read.negative_prompt, read.source) == ("a fox", "rain", "Darkroom")
    version = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["version"]
    assert read.settings == {
        "Steps": "2", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "4.5", "Seed": "7",
        "Size": "72x64", "Model hash": easel.base.spec.hash, "Model": "emoji-64", "Variation seed": "9",
        "Variation seed strength": "0.3", "Clip skip": "2", "CFG Rescale": "0.5", "Emphasis": "No norm",
        "Lora hashes": "a: 111111111111", "Version": f"Darkroom {version}",
    }  # fmt: skip


def test_the_settings_say_what_the_choices_were_made_of(easel: Easel) -> None:
    chosen = Drawing("a fox", "a fox", "rain", 7, template="a {fox|dog}, big", negative_template="{rain|fog}")
    read = infotext.read(infotext.write("a fox", "rain", resolve_settings(easel, chosen)))
    assert read.prompt == "a fox"
    assert (read.settings["Template"], read.settings["Negative Template"]) == ("a {fox|dog}, big", "{rain|fog}")
    assert not {"Template", "Negative Template"} & set(resolve_settings(easel, drawing()))


@pytest.mark.parametrize(
    "settings",
    [{"clip_skip": 2}, {"emphasis": "no_norm"}, {"emphasis": "ignore"}, {"guidance_rescale": 0.7},
     {"guidance_scale": 1.0}, {"sampler": "Euler a"}, {"variation_strength": 0.2, "variation_seed": 3}],
)  # fmt: skip
def test_each_setting_acts_and_gives_the_same_picture_again(easel: Easel, settings: dict[str, object]) -> None:
    asked = drawing(num_inference_steps=3, **settings)
    first = draw(easel, asked).image.tobytes()
    assert first == draw(easel, asked).image.tobytes()
    assert first != draw(easel, drawing(num_inference_steps=3)).image.tobytes()


@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_mixed_noise_keeps_its_variance_and_ends_at_the_other(share: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    one, other = torch.randn(4, 32, 32, generator=rng), torch.randn(4, 32, 32, generator=rng)
    assert 0.9 < slerp(one, other, share).std() < 1.1
    torch.testing.assert_close(slerp(one, other, 0.0), one)
    torch.testing.assert_close(slerp(one, other, 1.0), other, atol=1e-5, rtol=1e-5)


def test_the_variation_of_a_seed_by_itself_is_that_seed(easel: Easel) -> None:
    rng = torch.Generator().manual_seed
    plain = draw_noise(easel.base, drawing(), (64, 64), rng(7))
    own = draw_noise(easel.base, drawing(variation_strength=0.5, variation_seed=7), (64, 64), rng(7))
    torch.testing.assert_close(own, plain)
