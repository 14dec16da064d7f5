"""From a drawing to its picture: a recipe that reads from top to bottom and asks the studio for each denoising.

A painting is a generator that yields the samples it wants denoised, one after the other, and returns the picture.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import torch
from PIL import Image
from torch.nn import functional as F

from trainer import messages
from trainer.contract import infotext, samplers
from trainer.contract.drawings import Drawing
from trainer.generation.easel import Company, Easel
from trainer.generation.enlarging import check_upscale, enlarge, upscale
from trainer.generation.images import Picture, to_images
from trainer.generation.metadata import PROGRAM
from trainer.generation.samplers import begin, begin_from, first_step, make_plan
from trainer.generation.script import Script, write_script
from trainer.generation.sources import MASK_BLUR, STRENGTH, Canvas, place_source, to_pixels
from trainer.generation.studio import Known, Sample
from trainer.models.loading import Base
from trainer.models.text import Conditioning


@torch.no_grad()
def paint(
    easel: Easel,
    drawing: Drawing,
    company: Company,
    files: Mapping[str, messages.Spooled] | None = None,
    *,
    exact: bool = False,
) -> Generator[Sample, None, Picture]:
    """Paint one drawing with its adapters; ``exact``: in no other picture's company.

    ``files`` holds its source and mask. Raises :class:`trainer.contract.prompt.PromptError` and UserFault before the
    first sample.
    """
    base, settings = easel.base, drawing.settings
    coder = easel.wardrobe.dress(base, settings.vae)
    canvas = place_source(base, drawing, files or {})
    resolved = resolve_settings(easel, drawing, None if canvas is None else canvas.size)
    size = size_of(base, drawing) if canvas is None else canvas.size
    if settings.high_res is not None and (canvas is None or settings.strength != 0):
        size = enlarge(base, size, settings.high_res)
    if settings.upscale is not None:
        check_upscale(size, settings.upscale)
    latents = None
    if settings.strength != 0 or canvas is None:
        first = _begin(easel, drawing, company, coder, canvas)
        first.exact = exact
        yield first
        latents = first.state.x
    if settings.high_res is not None and latents is not None:
        canvas = None if canvas is None else canvas.enlarged(size)
        second = _begin_again(easel, drawing, company, coder, latents, canvas)
        second.exact = exact
        yield second
        latents = second.state.x
    if latents is not None:
        image = to_images(coder.decode(latents[None]))[0]
    else:
        assert canvas is not None  # what begins with noise was drawn
        image = canvas.picture
    if canvas is not None:
        image = canvas.keep_rest(image)
    if settings.upscale is not None:
        image = upscale(image, settings.upscale)
    resolved |= {**company.hashes(), "Version": PROGRAM}
    text = infotext.write(drawing.prompt_written, drawing.negative_prompt, resolved)
    return Picture(image, drawing.seed, text)


def _begin(easel: Easel, drawing: Drawing, company: Company, coder: Base, canvas: Canvas | None) -> Sample:
    """The first pass: from noise, or from the canvas with as much noise as the strength says.

    ``coder`` is the base with the VAE of the drawing.
    """
    base, steps = easel.base, steps_of(easel.base, drawing)
    size = size_of(base, drawing) if canvas is None else canvas.size
    sampler, scheduler = find_sampler(easel, drawing)
    start = 0 if canvas is None else first_step(steps, strength_of(drawing))
    plan = make_plan(easel.noise, sampler, scheduler, steps, start)
    generator = torch.Generator().manual_seed(drawing.seed)
    noise = draw_noise(base, drawing, size, generator).to(base.device)
    known = None
    if canvas is None:
        state = begin(plan, noise)
    else:
        latents = coder.encode_moments(to_pixels(canvas.picture))[0][0]
        state, known = begin_from(plan, latents, noise), _known_of(canvas, latents)
    script = read_script(easel, drawing, company, steps * (2 if plan.looks_ahead else 1))
    return Sample(
        easel, plan, state, script, guidance_of(base, drawing), generator, company.mix("unet"),
        drawing.settings.guidance_rescale, known,
    )  # fmt: skip


def _begin_again(
    easel: Easel, drawing: Drawing, company: Company, coder: Base, latents: torch.Tensor, canvas: Canvas | None
) -> Sample:
    """The high-resolution pass over the enlarged latents (C, h, w) of the first, as A1111's "Hires. fix".

    ``canvas`` is the enlarged one: what its mask leaves out stays.
    """
    base, high_res = easel.base, drawing.settings.high_res
    assert high_res is not None
    steps = high_res.steps or steps_of(base, drawing)
    sampler, scheduler = find_sampler(easel, drawing)
    plan = make_plan(easel.noise, sampler, scheduler, steps, first_step(steps, high_res.strength))
    scale = base.vae_scale_factor
    size = enlarge(base, (latents.shape[2] * scale, latents.shape[1] * scale), high_res)
    width, height = (side // scale for side in size)
    if high_res.upscaler.lower().startswith("latent"):
        large = F.interpolate(latents[None], (height, width), mode="bilinear", align_corners=False)[0]
    else:
        picture = to_images(coder.decode(latents[None]))[0]
        enlarged = picture.resize((width * scale, height * scale), Image.Resampling.LANCZOS)
        large = coder.encode_moments(to_pixels(enlarged))[0][0]
    generator = torch.Generator().manual_seed(drawing.seed)  # A1111 begins its noise anew, too
    noise = draw_noise(base, drawing, (width * scale, height * scale), generator).to(base.device)
    known = None
    if canvas is not None and canvas.mask is not None:
        known = _known_of(canvas, coder.encode_moments(to_pixels(canvas.picture))[0][0])
    calls = 2 if plan.looks_ahead else 1
    script = read_script(easel, drawing, company, steps_of(base, drawing) * calls, steps * calls)
    return Sample(
        easel, plan, begin_from(plan, large, noise), script, guidance_of(base, drawing), generator,
        company.mix("unet"), drawing.settings.guidance_rescale, known,
    )  # fmt: skip


def _known_of(canvas: Canvas, latents: torch.Tensor) -> Known | None:
    """What stays of a canvas with these latents (C, h, w)."""
    if canvas.mask is None:
        return None
    return Known(latents, canvas.latent_mask(canvas.size[0] // latents.shape[2]).to(latents.device))


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


EMPHASES = {"original": "Original", "no_norm": "No norm", "ignore": "Ignore"}  # as A1111 writes them
