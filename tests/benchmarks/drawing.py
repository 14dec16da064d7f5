"""The same requests for both sides: through our studio, and one after another through diffusers' own pipeline.

The reference is what a bot built on diffusers does: every adapter loaded once by ``load_lora_weights``, and chosen for
each request by ``set_adapters`` (adapters a sample can't be mixed there: ``cross_attention_kwargs`` ignores them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from tests.benchmarks.bases import Modules
from trainer.adapters.shelf import FittedAdapter
from trainer.adapters.uses import ReadAdapter
from trainer.contract.drawings import AdapterUse, Drawing, DrawingSettings
from trainer.generation.easel import Company, Easel
from trainer.generation.painting import paint
from trainer.generation.studio import Studio
from trainer.generation.together import paint_together
from trainer.models.emoji64.report import finish
from trainer.models.loading import Base
from trainer.models.registry import EMBEDDED_FOLDER, BaseFile, read_base
from trainer.models.text import TextTower

Tensors = dict[str, torch.Tensor]
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True)
class Case:
    """How one side of a comparison draws."""

    steps: int
    size: int  # pixels a side
    guidance: float = 4.0
    rank: int = 16
    prompt: str = "a fox in a suit at the beach"


def make_base(modules: Modules, size: int) -> Base:
    """Modules as our base."""
    spec = read_base(EMBEDDED_FOLDER, embedded=True)
    defaults = replace_defaults(spec.defaults, size)
    tower = TextTower("text_encoder", modules.tokenizer, modules.text_encoder, can_skip=True)
    for module in (modules.vae, modules.unet, modules.text_encoder):
        module.requires_grad_(False).eval()
    config = dict(modules.noise_scheduler.config)
    return Base(
        replace(spec, defaults=defaults), (tower,), modules.vae, modules.unet, scheduler_config=config,
        device=torch.device("cpu"), weight_dtype=torch.float32,
    )  # fmt: skip


def replace_defaults(defaults: BaseFile, size: int) -> BaseFile:
    """The defaults of a base that draws squares of ``size`` pixels."""
    return msgspec.structs.replace(defaults, width=size, height=size, max_side=max(size, defaults.max_side))


def make_pipeline(modules: Modules) -> StableDiffusionPipeline:
    """Modules as diffusers' pipeline, with the sampler that both sides take."""
    pipeline = StableDiffusionPipeline(
        vae=modules.vae, text_encoder=modules.text_encoder, tokenizer=modules.tokenizer, unet=modules.unet,
        scheduler=DDIMScheduler.from_config(modules.noise_scheduler.config), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_adapter(unet: torch.nn.Module, seed: int, rank: int) -> Tensors:
    """A LoRA over all attention projections, by our names and diffusers'."""
    rng, made = torch.Generator().manual_seed(seed), {}
    for name, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and name.endswith(ATTENTION) and "lora" not in name:
            made[f"unet.{name}.lora_A.weight"] = torch.randn(rank, module.in_features, generator=rng) * 0.02
            made[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, rank, generator=rng) * 0.02
    return made


def fit(easel: Easel, key: str, tensors: Tensors) -> FittedAdapter:
    """On the shelf."""
    return easel.shelf.take(key, lambda: ReadAdapter(tensors, (), key))


def asked(case: Case, adapters: Sequence[FittedAdapter | None], weight: float = 0.8) -> list[tuple[Drawing, Company]]:
    """One request for each of the adapters, each with a seed of its own."""
    settings = DrawingSettings(
        sampler="DDIM", num_inference_steps=case.steps, guidance_scale=case.guidance, width=case.size, height=case.size
    )
    requests = []
    for seed, fitted in enumerate(adapters):
        uses = () if fitted is None else ((AdapterUse("a", "", weight), fitted),)
        requests.append((Drawing(case.prompt, case.prompt, "", seed, settings=settings), Company(uses)))
    return requests


def draw_together(easel: Easel, requests: Sequence[tuple[Drawing, Company]], most: int = 8) -> list[Image.Image]:
    """All of them in one studio."""
    paintings = {place: paint(easel, drawing, company) for place, (drawing, company) in enumerate(requests)}
    done = finish(paint_together(Studio(most), paintings))
    return [done[place].image for place in paintings]


def draw_by_pipeline(
    pipeline: StableDiffusionPipeline, case: Case, names: Sequence[str | None], weight: float = 0.8
) -> list[Image.Image]:
    """One after another."""
    pictures = []
    for seed, name in enumerate(names):
        if name is not None:
            pipeline.set_adapters([name], [weight])
        pictures += pipeline(
            case.prompt, num_inference_steps=case.steps, guidance_scale=case.guidance, width=case.size,
            height=case.size, generator=torch.Generator().manual_seed(seed),
        ).images  # fmt: skip
    return pictures
