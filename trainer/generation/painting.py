"""From a drawing to its picture: a recipe that reads from top to bottom and asks the studio for each denoising.

A painting is a generator that yields the samples it wants denoised, one after the other, and returns the picture.
"""

from __future__ import annotations

from collections.abc import Generator

import torch

from trainer.contract import infotext, samplers
from trainer.contract.drawings import Drawing
from trainer.generation.easel import Company, Easel
from trainer.generation.pipeline import Picture, to_images
from trainer.generation.samplers import begin, make_plan
from trainer.generation.script import Script, write_script
from trainer.generation.studio import Sample
from trainer.models.loading import Base
from trainer.models.text import Conditioning


@torch.no_grad()
def paint(easel: Easel, drawing: Drawing, company: Company, *, exact: bool = False) -> Generator[Sample, None, Picture]:
    """Paint one drawing with its adapters; ``exact``: in no other picture's company.

    Raises :class:`trainer.contract.prompt.PromptError` before the first sample.
    """
    base, settings = easel.base, drawing.settings
    resolved = resolve_settings(easel, drawing)
    sampler, scheduler = find_sampler(easel, drawing)
    steps, width, height = int(resolved["Steps"]), *size_of(base, drawing)
    plan = make_plan(easel.noise, sampler, scheduler, steps)
    generator = torch.Generator().manual_seed(drawing.seed)
    noise = draw_noise(base, drawing, (width, height), generator)
    calls = steps * (2 if plan.looks_ahead else 1)
    sample = Sample(
        easel, plan, begin(plan, noise.to(base.device)), read_script(easel, drawing, company, calls),
        float(resolved["CFG scale"]), generator, company.mix("unet"), settings.guidance_rescale, exact=exact,
    )  # fmt: skip
    yield sample
    image = to_images(base.decode(sample.state.x[None]))[0]
    text = infotext.write(drawing.prompt_written, drawing.negative_prompt, {**resolved, **company.hashes()})
    return Picture(image, drawing.seed, text)


def read_script(easel: Easel, drawing: Drawing, company: Company, steps: int, hires_steps: int | None = None) -> Script:
    """What both prompts say, step by step, with the adapters of the text encoders."""
    mixes = {part: mix for part in easel.banks if part != "unet" and (mix := company.mix(part))}
    inversions, settings = company.inversions(), drawing.settings

    def encode(text: str) -> Conditioning:
        return easel.encoder.encode(
            text, mixes, inversions, emphasis=settings.emphasis, clip_skip=settings.clip_skip
        )  # fmt: skip

    return write_script(encode, drawing.prompt, drawing.negative_prompt, steps, hires_steps)


def draw_noise(base: Base, drawing: Drawing, size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Noise (C, h, w) for a picture of ``size`` (width, height), turned towards that of the variation seed."""
    scale = base.vae_scale_factor
    shape = (base.unet.config.in_channels, size[1] // scale, size[0] // scale)
    noise = torch.randn(shape, generator=generator)
    settings = drawing.settings
    if not settings.variation_strength:
        return noise
    seed = drawing.seed if settings.variation_seed is None else settings.variation_seed
    other = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return slerp(noise, other, settings.variation_strength)


def slerp(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """From ``one`` to ``other`` along the sphere (Shoemake 1985, §3.3), so that noise keeps its variance.

    As A1111 mixes in a variation seed: along the last axis but one, each column's angle for itself; in a straight line
    where they point the same way.
    """
    low, high = one / one.norm(dim=1, keepdim=True), other / other.norm(dim=1, keepdim=True)
    dot = (low * high).sum(1)
    if dot.mean() > 0.9995:
        return torch.lerp(one, other, share)
    angle = torch.acos(dot.clamp(-1, 1)).unsqueeze(1)
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


def find_sampler(easel: Easel, drawing: Drawing) -> tuple[str, str]:
    """The drawing's sampler and scheduler, or the base's own."""
    return samplers.find_sampler(drawing.settings.sampler or samplers.DEFAULT_SAMPLER, drawing.settings.scheduler or "")


def count_steps(easel: Easel, drawing: Drawing) -> int:
    """How many steps it will take."""
    return int(resolve_settings(easel, drawing)["Steps"])


def size_of(base: Base, drawing: Drawing) -> tuple[int, int]:
    """Width and height."""
    return drawing.settings.width or base.spec.defaults.width, drawing.settings.height or base.spec.defaults.height


def resolve_settings(easel: Easel, drawing: Drawing) -> dict[str, str | int | float]:
    """The drawing's settings with nothing left open, under A1111's names."""
    base, settings = easel.base, drawing.settings
    defaults = base.spec.defaults
    sampler, scheduler = find_sampler(easel, drawing)
    guidance = defaults.guidance_scale if settings.guidance_scale is None else settings.guidance_scale
    width, height = size_of(base, drawing)
    resolved: dict[str, str | int | float] = {
        "Steps": settings.num_inference_steps or defaults.num_inference_steps,
        "Sampler": sampler,
    }
    if sampler not in samplers.OWN_TIMESTEPS:
        resolved["Schedule type"] = scheduler
    resolved |= {"CFG scale": float(guidance), "Seed": drawing.seed, "Size": f"{width}x{height}"}
    resolved |= {"Model hash": base.spec.hash, "Model": base.spec.name}
    if settings.variation_strength:
        seed = drawing.seed if settings.variation_seed is None else settings.variation_seed
        resolved |= {"Variation seed": seed, "Variation seed strength": settings.variation_strength}
    if settings.clip_skip > 1:
        resolved["Clip skip"] = settings.clip_skip
    if settings.guidance_rescale:
        resolved["CFG Rescale"] = settings.guidance_rescale
    if settings.emphasis != "original":
        resolved["Emphasis"] = EMPHASES[settings.emphasis]
    return resolved


EMPHASES = {"original": "Original", "no_norm": "No norm", "ignore": "Ignore"}  # as A1111 writes them
