"""Photos to cached latents: everything the base's own encoders have to say is computed once, before the first step."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from trainer.models.loading import Base
from trainer.models.text import Conditioning, concatenate


def crop_to(photo: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a photo at exactly ``width`` × ``height``, without distortion; transparency over white."""
    rgba = photo.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    scale = max(width / flat.width, height / flat.height)
    size = (max(width, round(flat.width * scale)), max(height, round(flat.height * scale)))
    resized = flat.resize(size, Image.Resampling.LANCZOS)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return resized.crop((left, top, left + width, top + height))


def to_pixels(images: Sequence[Image.Image]) -> torch.Tensor:
    """RGB pictures of one size to pixels (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1


@dataclass(frozen=True)
class CachedPhotos:
    """Latent moments, each (N, C, h, w), the captions of each photo, and the conditioning of every caption."""

    mean: torch.Tensor
    std: torch.Tensor
    captions: tuple[tuple[str, ...], ...]
    conditioning: dict[str, Conditioning]

    def __len__(self) -> int:
        return len(self.captions)

    def draw_latents(self, rows: list[int], rng: torch.Generator) -> torch.Tensor:
        """A sample (B, C, h, w) of the latents of these photos."""
        mean, std = self.mean[rows], self.std[rows]
        return mean + std * torch.randn(mean.shape, generator=rng).to(mean.device)

    def condition(self, captions: list[str]) -> Conditioning:
        """The cached conditioning of these captions."""
        return concatenate([self.conditioning[caption] for caption in captions])


def cache_photos(
    base: Base, photos: Sequence[Image.Image], captions: Sequence[tuple[str, ...]], size: tuple[int, int]
) -> Generator[None, None, CachedPhotos]:
    """Encode each photo and each different caption once; the empty caption too, for dropout. One photo a turn."""
    moments = []
    for photo in photos:
        moments.append(base.encode_moments(to_pixels([crop_to(photo, *size)])))
        yield
    texts = sorted({caption for options in captions for caption in options} | {""})
    conditioning = {text: base.encode_prompts([text]) for text in texts}
    return CachedPhotos(
        torch.cat([mean for mean, _ in moments]),
        torch.cat([std for _, std in moments]),
        tuple(captions),
        conditioning,
    )
