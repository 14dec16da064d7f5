"""Aspect buckets: which size a photo is learned at, so that it is neither distorted nor cropped much. Pure."""

from __future__ import annotations

import math

LONGEST_TO_SHORTEST = 2.0  # sides of a bucket; base models have seen little beyond


def buckets(resolution: int, step: int) -> tuple[tuple[int, int], ...]:
    """All sizes (width, height) in multiples of ``step`` with no more pixels than a square of ``resolution``.

    For each width the tallest height that fits, as NovelAI's and kohya's buckets are (novelai.net, "Improvements on
    Stable Diffusion", 2022). The square comes first.
    """
    area, square = resolution * resolution, max(step, resolution // step * step)
    found = [(square, square)]
    for width in range(step, math.floor(resolution * math.sqrt(LONGEST_TO_SHORTEST)) // step * step + step, step):
        height = area // width // step * step
        if height and max(width, height) <= LONGEST_TO_SHORTEST * min(width, height):
            found += [(width, height), (height, width)]
    return tuple(dict.fromkeys(found))


def choose_bucket(width: int, height: int, sizes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The size of which a photo of ``width`` × ``height`` loses the least to cropping; of equals the larger."""

    def lost(size: tuple[int, int]) -> tuple[float, int]:
        scale = max(size[0] / width, size[1] / height)
        return round(1 - size[0] * size[1] / (width * scale * height * scale), 6), -size[0] * size[1]

    return min(sizes, key=lost)


def crop_box(
    width: int, height: int, size: tuple[int, int], focus: tuple[float, float] | None = None
) -> tuple[float, float, float, float]:
    """What of a photo (left, top, right, bottom) in its own pixels becomes ``size``, as near around ``focus`` as fits.

    ``focus`` is (x, y) in 0…1 of width and height; None is the middle.
    """
    scale = max(size[0] / width, size[1] / height)
    wide, high = size[0] / scale, size[1] / scale
    x, y = focus or (0.5, 0.5)
    left = min(max(x * width - wide / 2, 0.0), width - wide)
    top = min(max(y * height - high / 2, 0.0), height - high)
    return left, top, left + wide, top + high
