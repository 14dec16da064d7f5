"""From a drawing to its picture: a recipe that reads from top to bottom and asks the studio for each denoising.

A painting is a generator that yields the samples it wants denoised, one after the other, and returns the picture.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import torch
from PIL import Image
from torch.nn import functional as F

from trainer import messages
from trainer.contract import infotext
from trainer.contract.drawings import Drawing
from trainer.generation.easel import Company, Easel
from trainer.generation.enlarging import check_upscale, enlarge, upscale
from trainer.generation.images import Picture, to_images
from trainer.generation.metadata import PROGRAM
from trainer.generation.resolving import (
    find_sampler,
    guidance_of,
    resolve_settings,
    size_of,
    steps_of,
    strength_of,
)
from trainer.generation.samplers import begin, begin_from, first_step, make_plan
from trainer.generation.script import Script, write_script
from trainer.generation.sources import Canvas, place_source, to_pixels
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
