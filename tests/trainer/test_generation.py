"""Generation on the embedded base, held against diffusers' own pipeline, and the settings in a picture."""

from __future__ import annotations

import dataclasses
import io

import msgspec
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.contract import infotext
from trainer.generation.live import GenerationJob, generate
from trainer.generation.metadata import read_parameters, write_png
from trainer.models.emoji64.report import finish as run
from trainer.models.loading import Base


@pytest.mark.parametrize("negative", ["", "a red background"])
def test_a_picture_equals_that_of_diffusers(base: Base, negative: str) -> None:
    pipeline = StableDiffusionPipeline(
        vae=base.vae, text_encoder=base.towers[0].text_encoder, tokenizer=base.towers[0].tokenizer, unet=base.unet,
        scheduler=DDIMScheduler.from_config(base.scheduler_config), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a fox in a suit on a blue background", negative_prompt=negative, num_inference_steps=5, guidance_scale=3.0,
        width=64, height=64, generator=torch.Generator().manual_seed(7),
    ).images[0]  # fmt: skip
    job = GenerationJob(
        "a fox in a suit on a blue background", negative, seed=7, num_inference_steps=5, guidance_scale=3.0
    )
    ours = run(generate(base, AdapterBank(base.modules), job))[0].image
    difference = np.asarray(ours).astype(int) - np.asarray(theirs).astype(int)
    assert np.abs(difference).max() <= 1


def test_picture_i_of_a_request_is_the_picture_of_that_seed(base: Base) -> None:
    bank = AdapterBank(base.modules)
    several = run(generate(base, bank, GenerationJob("a dog", seed=10, count=3, num_inference_steps=3)))
    alone = run(generate(base, bank, GenerationJob("a dog", seed=12, num_inference_steps=3)))
    assert [picture.seed for picture in several] == [10, 11, 12]
    difference = np.asarray(several[2].image).astype(int) - np.asarray(alone[0].image).astype(int)
    assert np.abs(difference).max() <= 1
    assert "Seed: 12" in several[2].parameters


def test_it_takes_one_step_a_turn(base: Base) -> None:
    assert len(list(generate(base, AdapterBank(base.modules), GenerationJob("a cat", num_inference_steps=9)))) == 9


def test_the_bases_own_sampler_draws(base: Base) -> None:
    own = dataclasses.replace(base.spec, defaults=msgspec.structs.replace(base.spec.defaults, sampler="Euler a"))
    job = GenerationJob("a cat", num_inference_steps=3)
    [picture], [usual] = (
        run(generate(each, AdapterBank(base.modules), job)) for each in (dataclasses.replace(base, spec=own), base)
    )
    said = infotext.read(picture.parameters)
    assert (said.settings["Sampler"], said.source) == ("Euler a", "Darkroom")
    assert picture.image.tobytes() != usual.image.tobytes()


def test_another_size(base: Base) -> None:
    picture = run(
        generate(base, AdapterBank(base.modules), GenerationJob("a cat", width=96, height=64, num_inference_steps=2))
    )
    assert picture[0].image.size == (96, 64)
    assert "Size: 96x64" in picture[0].parameters


def test_a_prompt_longer_than_75_tokens_is_drawn_whole(base: Base) -> None:
    bank, long = AdapterBank(base.modules), "a fox in a suit, " * 15
    job = GenerationJob(long, "rain", seed=1, num_inference_steps=2)
    ends = [
        run(generate(base, bank, dataclasses.replace(job, prompt=long + end)))[0].image.tobytes()
        for end in ("", "on a red background", "(on a red background:1.5)")
    ]
    assert len(set(ends)) == 3


def test_settings_travel_in_the_png() -> None:
    text = infotext.write("<lora:thnos:0.8> in a süit", "blurry", {"Steps": 25, "CFG scale": 3.0, "Model": "a, b"})
    assert text == '<lora:thnos:0.8> in a süit\nNegative prompt: blurry\nSteps: 25, CFG scale: 3, Model: "a, b"'
    data = write_png(Image.new("RGB", (8, 8)), text)
    assert read_parameters(data) == text
    assert Image.open(io.BytesIO(data)).size == (8, 8)
