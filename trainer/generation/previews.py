"""What is coming, cheaply: a picture out of latents without the decoder.

A latent is nearly a colour: three numbers that a linear map finds. For Stable Diffusion's VAE that costs a millionth of
its decoder, and shows each latent as one pixel, which is enough to see what a picture will be. The map is found once
for each base, by what its encoder makes of clouds of colour.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch.nn import functional as F

from trainer.generation.images import to_images
from trainer.models.loading import Base

_LATENTS = 48  # a side of the picture that the map is found by


class Previewer:
    """Rough pictures of a base's latents."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._map: torch.Tensor | None = None

    @torch.no_grad()
    def show(self, latents: torch.Tensor) -> Image.Image:
        """A picture of latents (C, h, w): of their own size, or decoded where the decoder is small enough."""
        if isinstance(self._base.vae, AutoencoderTiny):
            return to_images(self._base.decode(latents[None]))[0]
        return self.approximate(latents)

    @torch.no_grad()
    def approximate(self, latents: torch.Tensor) -> Image.Image:
        """By the linear map: a pixel for each latent."""
        if self._map is None:
            self._map = self._find_map()
        flat = latents.float().flatten(1).t()
        colours = torch.cat([flat, flat.new_ones(len(flat), 1)], 1) @ self._map
        return to_images(colours.t().reshape(1, 3, *latents.shape[1:]).clamp(-1, 1))[0]

    def _find_map(self) -> torch.Tensor:
        """(C + 1, 3), by least squares: from latents and a one to colours in [-1, 1]."""
        base, factor = self._base, self._base.vae_scale_factor
        pixels = draw_clouds(_LATENTS * factor)
        latents, _ = base.encode_moments(pixels[None].to(base.device))
        flat = latents[0].float().flatten(1).t().cpu()
        colours = F.avg_pool2d(pixels, factor).flatten(1).t()
        return torch.linalg.lstsq(torch.cat([flat, flat.new_ones(len(flat), 1)], 1), colours).solution.to(base.device)


def draw_clouds(side: int) -> torch.Tensor:
    """A picture (3, side, side) in [-1, 1] of all colours, with detail of every size, as in photos (1/f)."""
    rng = torch.Generator().manual_seed(0)
    clouds, size = torch.zeros(1, 3, side, side), 4
    while size <= side:
        layer = torch.randn(1, 3, size, size, generator=rng)
        clouds += F.interpolate(layer, (side, side), mode="bilinear", align_corners=False) / size**0.5
        size *= 2
    return torch.tanh(clouds[0] * 1.5)
