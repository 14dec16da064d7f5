"""A drawing's settings with nothing left open: its own, else the base's; and how they are written down."""

from __future__ import annotations

from trainer.contract import infotext, samplers
from trainer.contract.drawings import Drawing
from trainer.generation.easel import Easel
from trainer.generation.samplers import first_step
from trainer.generation.sources import MASK_BLUR, STRENGTH
from trainer.models.loading import Base

EMPHASES = {"original": "Original", "no_norm": "No norm", "ignore": "Ignore"}  # as A1111 writes them


def find_sampler(easel: Easel, drawing: Drawing) -> tuple[str, str]:
    """The drawing's sampler and scheduler, or the base's own."""
    settings = drawing.settings
    return samplers.find_sampler(settings.sampler or easel.base.spec.defaults.sampler, settings.scheduler or "")


def count_steps(easel: Easel, drawing: Drawing) -> int:
    """How many steps it will take, over both passes."""
    settings, steps = drawing.settings, steps_of(easel.base, drawing)
    first = steps
    if drawing.source is not None:
        if settings.strength == 0:
            return 0
        first -= first_step(steps, strength_of(drawing))
    if settings.high_res is None:
        return first
    second = settings.high_res.steps or steps
    return first + second - first_step(second, settings.high_res.strength)


def steps_of(base: Base, drawing: Drawing) -> int:
    """Of the first pass, if it began with noise."""
    return drawing.settings.num_inference_steps or base.spec.defaults.num_inference_steps


def guidance_of(base: Base, drawing: Drawing) -> float:
    """The CFG scale."""
    chosen = drawing.settings.guidance_scale
    return float(base.spec.defaults.guidance_scale if chosen is None else chosen)


def strength_of(drawing: Drawing) -> float:
    """Of a drawing from a picture."""
    if drawing.settings.strength is not None:
        return drawing.settings.strength
    # of what is beyond a picture's edges there is nothing to keep
    return 1.0 if drawing.source is not None and any(drawing.source.margins) else STRENGTH


def size_of(base: Base, drawing: Drawing) -> tuple[int, int]:
    """Width and height."""
    return drawing.settings.width or base.spec.defaults.width, drawing.settings.height or base.spec.defaults.height


def resolve_settings(
    easel: Easel, drawing: Drawing, size: tuple[int, int] | None = None
) -> dict[str, str | int | float]:
    """The drawing's settings with nothing left open, under A1111's names; ``size`` where it is the source's."""
    base, settings = easel.base, drawing.settings
    sampler, scheduler = find_sampler(easel, drawing)
    width, height = size or size_of(base, drawing)
    resolved: dict[str, str | int | float] = {"Steps": steps_of(base, drawing), "Sampler": sampler}
    if sampler not in samplers.OWN_TIMESTEPS:
        resolved["Schedule type"] = scheduler
    resolved |= {"CFG scale": guidance_of(base, drawing), "Seed": drawing.seed, "Size": f"{width}x{height}"}
    resolved |= {"Model hash": base.spec.hash, "Model": base.spec.name}
    if settings.vae is not None:
        vae = easel.wardrobe.find(base, settings.vae)
        resolved |= {"VAE hash": vae.hash, "VAE": vae.path.name}
    if settings.variation_strength:
        seed = drawing.seed if settings.variation_seed is None else settings.variation_seed
        resolved |= {"Variation seed": seed, "Variation seed strength": settings.variation_strength}
    if drawing.source is not None:
        resolved["Denoising strength"] = strength_of(drawing)
        if drawing.source.mask is not None or any(drawing.source.margins):
            resolved["Mask blur"] = MASK_BLUR
    if settings.clip_skip > 1:
        resolved["Clip skip"] = settings.clip_skip
    if settings.guidance_rescale:
        resolved["CFG Rescale"] = settings.guidance_rescale
    if settings.emphasis != "original":
        resolved["Emphasis"] = EMPHASES[settings.emphasis]
    if (high_res := settings.high_res) is not None:
        # A1111 has a second pass where there is no source, and one key for either strength
        key = "Denoising strength" if drawing.source is None else infotext.HIRES_STRENGTH
        resolved |= {key: high_res.strength, "Hires upscale": high_res.scale}
        resolved |= {"Hires steps": high_res.steps} if high_res.steps else {}
        resolved["Hires upscaler"] = high_res.upscaler
    if settings.upscale is not None:
        resolved["Postprocess upscale by"] = settings.upscale.scale
        resolved["Postprocess upscaler"] = settings.upscale.upscaler
    if drawing.template:
        resolved["Template"] = drawing.template
    if drawing.negative_template:
        resolved["Negative Template"] = drawing.negative_template
    return resolved
