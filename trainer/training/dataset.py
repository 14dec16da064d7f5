"""Photos to cached latents: everything the base's own encoders have to say is computed once, before the first step."""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from trainer.contract.buckets import buckets, choose_bucket, crop_box
from trainer.errors import UserFault
from trainer.models.loading import Base, size_conditioning

Size = tuple[int, int]  # width, height
Focus = tuple[float, float]  # x, y in 0…1

UNMASKED_WEIGHT = 0.1  # of what is transparent in a photo


@dataclass(frozen=True)
class TrainingPhoto:
    """A photo to learn from, its captions, and what a crop keeps in the middle."""

    image: Image.Image
    captions: tuple[str, ...]
    focus: Focus | None = None


@dataclass(frozen=True)
class View:
    """Latent moments (C, h, w) of a photo, and weights of its loss (1, h, w) where it is transparent in part."""

    mean: torch.Tensor
    std: torch.Tensor
    weight: torch.Tensor | None


@dataclass(frozen=True)
class CachedPhoto:
    """What a photo is to the UNet: as it is and perhaps mirrored; ``time_ids`` (6,) are SDXL's."""

    views: tuple[View, ...]
    time_ids: torch.Tensor
    captions: tuple[str, ...]

    @property
    def size(self) -> Size:
        """Of its latents."""
        height, width = self.views[0].mean.shape[-2:]
        return int(width), int(height)


@dataclass(frozen=True)
class Batch:
    """What one step learns from, B samples: photos (by row), then some of the class where it is preserved.

    ``shares`` (B,) are what each sample counts, ``weight`` (B, 1, h, w) what its places count, None if all alike.
    """

    rows: tuple[int, ...]
    latents: torch.Tensor
    captions: tuple[str, ...]
    time_ids: torch.Tensor
    shares: torch.Tensor
    weight: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def pick(self, samples: torch.Tensor) -> Batch:
        """Some of the samples (indices)."""
        return Batch(
            self.rows, self.latents[samples], tuple(self.captions[sample] for sample in samples.tolist()),
            self.time_ids[samples], self.shares[samples], None if self.weight is None else self.weight[samples],
        )  # fmt: skip


def crop_photo(photo: Image.Image, size: Size, focus: Focus | None = None) -> Image.Image:
    """A photo at exactly ``size``, without distortion, around its focus; RGBA where it has an alpha channel."""
    flat = photo if photo.mode in {"RGB", "RGBA"} else photo.convert("RGBA" if "A" in photo.getbands() else "RGB")
    return flat.resize(size, Image.Resampling.LANCZOS, box=crop_box(*photo.size, size, focus))


def on_white(photo: Image.Image) -> Image.Image:
    """RGB, transparency over white."""
    if photo.mode != "RGBA":
        return photo.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")


def to_pixels(images: Sequence[Image.Image]) -> torch.Tensor:
    """RGB pictures of one size to pixels (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1


def cache_photos(
    base: Base, photos: Sequence[TrainingPhoto], *, resolution: int, flip: bool = False, masks: bool = True
) -> Generator[None, None, list[CachedPhoto]]:
    """Encode each photo once (mirrored, too, with ``flip``), in the aspect bucket that it fits best. One a turn.

    Raises :class:`UserFault`, naming the photo, where its latents are not finite.
    """
    sizes = buckets(resolution, base.spec.defaults.bucket_step)
    cached = []
    for number, photo in enumerate(photos, start=1):
        size = choose_bucket(*photo.image.size, sizes)
        cropped = crop_photo(photo.image, size, photo.focus)
        mean, std = base.encode_moments(to_pixels([on_white(cropped)]))
        if not torch.isfinite(mean).all():
            raise UserFault(f"photo {number} can't be encoded by this base model; leave it out and train again")
        weight = _loss_weight(cropped, mean.shape[-2:]) if masks else None
        views = [View(mean[0], std[0], weight)]
        if flip:
            mean, std = base.encode_moments(to_pixels([on_white(cropped)]).flip(-1))
            views.append(View(mean[0], std[0], None if weight is None else weight.flip(-1)))
        cached.append(CachedPhoto(tuple(views), _time_ids(photo, size), photo.captions))
        yield
    return cached


def _loss_weight(cropped: Image.Image, shape: Sequence[int]) -> torch.Tensor | None:
    """1 where the photo is opaque, else UNMASKED_WEIGHT, scaled to mean 1, (1, h, w); or None."""
    if cropped.mode != "RGBA":
        return None
    alpha = torch.from_numpy(np.asarray(cropped.getchannel("A")).copy()).float()[None, None] / 255
    if alpha.min() == 1:
        return None
    weight = F.interpolate(alpha, tuple(shape), mode="area")[0].clamp(min=UNMASKED_WEIGHT)
    return weight / weight.mean()


def _time_ids(photo: TrainingPhoto, size: Size) -> torch.Tensor:
    """Size conditioning (6,): the crop's place in pixels of the photo as resized (Podell et al. 2023, §2.2)."""
    left, top, right, _ = crop_box(*photo.image.size, size, photo.focus)
    scale = size[0] / (right - left)
    return size_conditioning(photo.image.size, (round(left * scale), round(top * scale)), size)


def plan_batches(sizes: Sequence[Size], batch: int, steps: int, seed: int) -> list[tuple[int, ...]]:
    """The rows of every step: all of one size, every photo once before any comes again, each size its fair share."""
    members: dict[Size, list[int]] = {}
    for row, size in enumerate(sizes):
        members.setdefault(size, []).append(row)
    rng = random.Random(f"batches/{seed}")
    waiting: dict[Size, list[int]] = {size: [] for size in members}
    given = dict.fromkeys(members, 0)
    plan = []
    for step in range(steps):
        size = max(members, key=lambda size: len(members[size]) * (step + 1) / len(sizes) - given[size])
        given[size] += 1
        while len(waiting[size]) < batch:
            waiting[size] += rng.sample(members[size], len(members[size]))
        plan.append(tuple(waiting[size][:batch]))
        waiting[size] = waiting[size][batch:]
    return plan


def draw_batch(
    photos: Sequence[CachedPhoto], rows: tuple[int, ...], captions: tuple[str, ...], rng: torch.Generator
) -> Batch:
    """A sample of the latents of these photos; where they are cached mirrored, either way by chance."""
    views = []
    for row in rows:
        known = photos[row].views
        views.append(known[int(torch.randint(len(known), (1,), generator=rng))] if len(known) > 1 else known[0])
    mean, std = (torch.stack([getattr(view, name) for view in views]) for name in ("mean", "std"))
    latents = mean + std * torch.randn(mean.shape, generator=rng).to(mean.device)
    time_ids = torch.stack([photos[row].time_ids for row in rows])
    return Batch(rows, latents, captions, time_ids, torch.ones(len(rows), device=mean.device), _join_weights(views))


def add_class(
    batch: Batch, latents: torch.Tensor, caption: str, prior_weight: float, time_ids: torch.Tensor | None = None
) -> Batch:
    """The batch with class pictures (N, C, h, w) behind it, each with the class's caption (Ruiz et al. 2022, eq. 2).

    The two terms are added, each the mean over its own samples, however many. ``time_ids`` (6,): those of the class.
    """
    weight, count = batch.weight, len(latents)
    own = batch.time_ids[:count] if time_ids is None else time_ids.expand(count, -1)
    share = prior_weight * len(batch) / count
    return Batch(
        batch.rows,
        torch.cat([batch.latents, latents]),
        (*batch.captions, *[caption] * count),
        torch.cat([batch.time_ids, own]),
        torch.cat([batch.shares, torch.full_like(batch.shares[:count], share)]),
        None if weight is None else torch.cat([weight, torch.ones_like(weight[:count])]),
    )


def _join_weights(views: Sequence[View]) -> torch.Tensor | None:
    if all(view.weight is None for view in views):
        return None
    ones = torch.ones(1, *views[0].mean.shape[-2:])
    return torch.stack([ones if view.weight is None else view.weight for view in views]).to(views[0].mean.device)
