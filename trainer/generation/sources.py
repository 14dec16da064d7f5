"""Pictures to draw from: placed on the canvas, with what of them is to be drawn anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from trainer import messages
from trainer.contract.drawings import Drawing, Source
from trainer.errors import UserFault
from trainer.models.loading import Base

STRENGTH = 0.75  # A1111's default
MASK_BLUR = 4  # pixels, as there: the edge between old and new is soft
LONGEST_SIDE = 4096  # pixels of a source, or of what is made of it
_OVERLAP = 16  # pixels of the old picture that are drawn anew beside a margin, so that no seam shows


@dataclass(frozen=True)
class Canvas:
    """A picture to begin with, in RGB; where ``mask`` (L) is white it is drawn anew, None: everywhere."""

    picture: Image.Image
    mask: Image.Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.picture.size

    def enlarged(self, size: tuple[int, int]) -> Canvas:
        """The same with another width and height."""
        if self.size == size:
            return self
        mask = None if self.mask is None else self.mask.resize(size, Image.Resampling.BILINEAR)
        return Canvas(self.picture.resize(size, Image.Resampling.LANCZOS), mask)

    def latent_mask(self, scale: int) -> torch.Tensor:
        """(1, h, w), 1 where it is drawn anew, for latents that cover ``scale`` pixels a side; rounded, as in A1111."""
        assert self.mask is not None
        small = self.mask.resize((self.size[0] // scale, self.size[1] // scale), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(small).copy())[None].float().div(255).round()

    def keep_rest(self, drawn: Image.Image) -> Image.Image:
        """``drawn`` where the mask is white, and the picture itself elsewhere, to the bit beyond the soft edge."""
        if self.mask is None:
            return drawn
        return Image.composite(drawn, self.picture, self.mask)


def place_source(base: Base, drawing: Drawing, files: Mapping[str, messages.Spooled]) -> Canvas | None:
    """The canvas of a drawing that has a source; None for one that begins with noise.

    Without a size it keeps the source's shape, with as many pixels as the base draws by itself; of another shape the
    middle is taken (A1111's "Crop and resize"). Raises UserFault: a mask of another size, a canvas that is too large.
    """
    source = drawing.source
    if source is None:
        return None
    picture = _open(files[source.picture]).convert("RGB")
    mask = None if source.mask is None else _open(files[source.mask]).convert("L")
    if mask is not None and mask.size != picture.size:
        raise UserFault(
            f"the mask has {mask.size[0]} × {mask.size[1]} pixels, but the picture"
            f" {picture.size[0]} × {picture.size[1]}: draw it on the picture itself"
        )
    if drawing.settings.strength == 0:
        if any(source.margins):
            raise UserFault("a strength of 0 draws nothing beyond the picture's edges: take more")
        return Canvas(picture)
    size = _choose_size(base, drawing, picture.size)
    picture = _fit(picture, size, Image.Resampling.LANCZOS)
    mask = None if mask is None else _fit(mask, size, Image.Resampling.BILINEAR)
    if any(source.margins):
        picture, mask = _grow(picture, mask, source)
    most = base.spec.defaults.max_side
    if max(picture.size) > most:
        raise UserFault(
            f"the picture would have {picture.size[0]} × {picture.size[1]} pixels, and {most} a side are the most of"
            f" {base.spec.name}: take less"
        )
    return Canvas(picture, None if mask is None else mask.filter(ImageFilter.GaussianBlur(MASK_BLUR)))


def _open(file: messages.Spooled) -> Image.Image:
    with Image.open(io.BytesIO(file.read()), formats=("PNG",)) as image:
        if max(image.size) > LONGEST_SIDE:
            raise UserFault(
                f"the picture has {image.size[0]} × {image.size[1]} pixels, and {LONGEST_SIDE} a side are the most:"
                " make it smaller"
            )
        image.load()
        return image


def _choose_size(base: Base, drawing: Drawing, own: tuple[int, int]) -> tuple[int, int]:
    defaults, settings = base.spec.defaults, drawing.settings
    factor = (defaults.width * defaults.height / (own[0] * own[1])) ** 0.5
    if max(own) <= defaults.max_side and not any(side % 8 for side in own):
        factor = 1.0  # it can be drawn as it is
    width, height = (min(max(8, round(side * factor / 8) * 8), defaults.max_side) for side in own)
    return settings.width or width, settings.height or height


def _fit(image: Image.Image, size: tuple[int, int], resampling: Image.Resampling) -> Image.Image:
    """Filled with the middle of the image."""
    if image.size == size:
        return image
    scale = max(size[0] / image.width, size[1] / image.height)
    width, height = size[0] / scale, size[1] / scale
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return image.resize(size, resampling, box=(left, top, left + width, top + height))


def _grow(picture: Image.Image, mask: Image.Image | None, source: Source) -> tuple[Image.Image, Image.Image]:
    """With margins that carry its edge on, and a mask of them."""
    left, top, right, bottom = source.margins
    grown = np.pad(np.asarray(picture), ((top, bottom), (left, right), (0, 0)), mode="edge")
    old = np.zeros((picture.height, picture.width), np.uint8) if mask is None else np.asarray(mask).copy()
    edges = (old[:, :_OVERLAP], old[:_OVERLAP], old[:, -_OVERLAP:], old[-_OVERLAP:])
    for margin, edge in zip(source.margins, edges, strict=True):
        if margin:
            edge[...] = 255
    anew = np.pad(old, ((top, bottom), (left, right)), constant_values=255)
    return Image.fromarray(grown), Image.fromarray(anew)


def to_pixels(image: Image.Image) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
