"""Generates pictures, one denoising step each time it is asked, with any adapters of the bank."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.contract import infotext
from trainer.generation.conditioning import condition
from trainer.generation.metadata import PROGRAM
from trainer.models.loading import Base
from trainer.models.text import Vectors

PREVIEW_EVERY = 8  # steps
SAMPLER = "DDIM"


@dataclass(frozen=True)
class GenerationJob:
    """What to draw. None means the base's default.

    ``adapters`` are names in the bank with their weights; ``inversions`` are vectors by trigger word.
    """

    prompt: str
    negative_prompt: str = ""
    adapters: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    count: int = 1
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    prompt_written: str | None = None  # as the member wrote it, with tags: this is what the settings text shows
    inversions: dict[str, Vectors] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)  # of the adapters' files, under A1111's names


@dataclass(frozen=True)
class DenoiseStep:
    """One step that was taken; now and then with a rough picture of what is coming."""

    step: int
    steps: int
    preview: Image.Image | None = None


@dataclass(frozen=True)
class Picture:
    """A finished picture and its settings in A1111's text form."""

    image: Image.Image
    seed: int
    parameters: str


def resolve_settings(base: Base, job: GenerationJob) -> dict[str, str | int | float]:
    """The job's settings with nothing left open, under A1111's names."""
    defaults = base.spec.defaults
    guidance = job.guidance_scale if job.guidance_scale is not None else defaults.guidance_scale
    return {
        "Steps": job.num_inference_steps or defaults.num_inference_steps,
        "Sampler": SAMPLER,
        "CFG scale": float(guidance),
        "Seed": job.seed,
        "Size": f"{job.width or defaults.width}x{job.height or defaults.height}",
        "Model hash": base.spec.hash,
        "Model": base.spec.name,
        **job.hashes,
        "Version": PROGRAM,
    }


@torch.no_grad()
def generate(base: Base, bank: AdapterBank, job: GenerationJob) -> Generator[DenoiseStep, None, list[Picture]]:
    """Generate ``job.count`` pictures; the return value of the generator is the list of them.

    Picture i has seed ``job.seed + i`` and noise of its own CPU generator, so it equals a job of that seed alone.
    Classifier-free guidance as in Ho & Salimans 2022, eq. 6, on one batch of both halves.
    """
    settings = resolve_settings(base, job)
    steps, guidance = int(settings["Steps"]), float(settings["CFG scale"])
    width, height = job.width or base.spec.defaults.width, job.height or base.spec.defaults.height
    guided = guidance > 1
    scheduler = base.make_scheduler()
    scheduler.set_timesteps(steps)
    bank.activate(job.adapters)
    prompts = [job.negative_prompt, job.prompt] if guided else [job.prompt]
    conditioning = condition(base.towers, prompts, job.inversions).repeat(job.count)
    scale = base.vae_scale_factor
    shape = (base.unet.config.in_channels, height // scale, width // scale)
    generators = [torch.Generator().manual_seed(job.seed + index) for index in range(job.count)]
    latents = torch.stack([torch.randn(shape, generator=rng) for rng in generators]).to(base.device)
    latents = latents * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        batch = torch.cat([latents, latents]) if guided else latents
        batch = scheduler.scale_model_input(batch, timestep)
        bank.activate(job.adapters)
        model_pred = base.predict(batch, timestep, conditioning)
        if guided:
            unconditional, conditional = model_pred.chunk(2)
            model_pred = unconditional + guidance * (conditional - unconditional)
        result = scheduler.step(model_pred, timestep, latents)
        latents = result.prev_sample
        due = (index + 1) % PREVIEW_EVERY == 0 and index + 1 < steps
        preview = to_images(base.decode(result.pred_original_sample[:1]))[0] if due else None
        yield DenoiseStep(index + 1, steps, preview)
    images = to_images(base.decode(latents))
    written = job.prompt_written or job.prompt
    return [
        Picture(
            image,
            job.seed + index,
            infotext.write(written, job.negative_prompt, {**settings, "Seed": job.seed + index}),
        )
        for index, image in enumerate(images)
    ]


def quietly(steps: Generator[Any, None, Any]) -> Generator[None, None, Any]:
    """The same steps without reports."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield None


def to_images(pixels: torch.Tensor) -> list[Image.Image]:
    """Pixels (B, 3, H, W) in [-1, 1] to PIL pictures."""
    array = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in array]
