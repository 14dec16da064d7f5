"""Bases other than the embedded one: random weights in the true layouts of SD1.5, SD2.1 and SDXL, in both forms."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.trainer.bases import FAMILIES
from tests.trainer.training.conftest import job, run, start, write
from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base, load_base
from trainer.models.registry import find_bases
from trainer.training import prior

NAMES = [f"{family}{form}" for family in FAMILIES for form in ("", "-file")]


def load(folder: Path, name: str) -> Base:
    """A base, found as an operator's would be."""
    return load_base(next(spec for spec in find_bases(folder) if spec.name == name))


def draw(base: Base, bank: AdapterBank, **settings: object) -> Image.Image:
    """Two steps of one picture."""
    job = GenerationJob("thnos monster", num_inference_steps=2, **settings)  # type: ignore[arg-type]
    return run(generate(base, bank, job))[0].image


TRAININGS = [(name, "subject") for name in NAMES] + [(name, kind) for name in FAMILIES for kind in ("face", "style")]


@pytest.mark.parametrize(("name", "kind"), TRAININGS)
def test_it_trains_and_draws_with_what_it_learned(
    tiny_bases: Path, photos: list[Image.Image], name: str, kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior, "PICTURES", 2)
    monkeypatch.setattr(prior, "STEPS", 1)
    tiny = load(tiny_bases, name)
    bank = AdapterBank(tiny.modules)
    learned = run(start(tiny, photos[:2], job(kind, steps=2, learning_rate=1e-2), bank=bank).run())
    assert math.isfinite(learned.final_loss)
    assert learned.steps == 2
    bank.add("thnos", read_lora(write(learned)).weights)
    plain = draw(tiny, bank, width=72)
    taught = draw(tiny, bank, width=72, adapters={"thnos": 1.0})
    bank.remove("thnos")
    assert plain.size == (72, 64)
    assert plain.tobytes() != taught.tobytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_both_forms_of_the_same_weights_draw_the_same_picture(tiny_bases: Path, family: str) -> None:
    folder, file = (load(tiny_bases, name) for name in (family, f"{family}-file"))
    pictures = [draw(base, AdapterBank(base.modules)).tobytes() for base in (folder, file)]
    assert pictures[0] == pictures[1]
    assert folder.scheduler_config["prediction_type"] == file.scheduler_config["prediction_type"]


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is_conditioned_on_is_that_of_its_family(tiny_bases: Path, name: str) -> None:
    base = load(tiny_bases, name)
    conditioning = base.encode_prompts(["thnos in a suit", ""])
    width = base.unet.config.cross_attention_dim
    assert conditioning.embeddings.shape == (2, 77, width)
    assert [tower.name for tower in base.towers] == ["text_encoder", "text_encoder_2"][: len(base.towers)]
    if base.spec.family == "sdxl":
        assert conditioning.pooled is not None
        assert conditioning.pooled.shape == (2, base.unet.config.projection_class_embeddings_input_dim - 6 * 32)
    else:
        assert conditioning.pooled is None
    pads = [tower.chunk([])[-1] for tower in base.towers]
    end = base.towers[0].tokenizer.eos_token_id
    assert pads == {"sd1": [end], "sd2": [0], "sdxl": [end, 0]}[base.spec.family]  # 0 is "!"


def test_sdxl_is_told_the_size_of_what_it_sees(tiny_bases: Path) -> None:
    base = load(tiny_bases, "sdxl")
    latents, timesteps = torch.zeros(1, 4, 8, 8), torch.tensor([500])
    conditioning = base.encode_prompts(["thnos"])
    usual = base.predict(latents, timesteps, conditioning)
    said = base.predict(latents, timesteps, conditioning, torch.tensor([[64, 64, 0, 0, 64, 64]]))
    cropped = base.predict(latents, timesteps, conditioning, torch.tensor([[64, 64, 0, 30, 64, 64]]))
    assert torch.equal(usual, said)
    assert not torch.equal(usual, cropped)
