"""Larger pictures: how large they become, and what is refused before anything is drawn."""

from __future__ import annotations

from PIL import Image

from trainer.contract.drawings import HighRes, Upscale
from trainer.errors import UserFault
from trainer.generation.sources import LONGEST_SIDE
from trainer.models.loading import Base


def enlarge(base: Base, size: tuple[int, int], high_res: HighRes) -> tuple[int, int]:
    """Width and height, in pixels, of the high-resolution pass over a picture of ``size``.

    Raises UserFault: too large.
    """
    scale = base.vae_scale_factor
    width, height = (max(1, round(side * high_res.scale / 8) * 8 // scale) * scale for side in size)
    return check_sides(width, height, min(base.spec.defaults.high_res_side, LONGEST_SIDE))


def check_sides(width: int, height: int, most: int = LONGEST_SIDE) -> tuple[int, int]:
    """Both, in pixels. Raises UserFault: more than can be made."""
    if max(width, height) > most:
        raise UserFault(
            f"the picture would have {width} × {height} pixels, and {most} a side are the most: take a smaller scale"
        )
    return width, height


def check_upscale(size: tuple[int, int], wanted: Upscale) -> tuple[int, int]:
    """Width and height once enlarged. Raises UserFault: an upscaler that is not there, too large a picture."""
    if wanted.upscaler.lower() != "lanczos":
        raise UserFault(f"there is no upscaler {wanted.upscaler[:40]!r}: take Lanczos, or the high-resolution pass")
    width, height = (round(side * wanted.scale) for side in size)
    return check_sides(width, height)


def upscale(image: Image.Image, wanted: Upscale) -> Image.Image:
    """The picture enlarged. Raises UserFault as :func:`check_upscale`."""
    return image.resize(check_upscale(image.size, wanted), Image.Resampling.LANCZOS)
