"""Large pictures made small tile by tile, so that beside the decoded one there is never a second one of its size."""

from __future__ import annotations

import math

from PIL import Image

TILE_PIXELS = 2_000_000  # of the large picture, about
_LOBES = 3  # of Lanczos' filter: so many pixels of the small picture each of its pixels is made of, either way
_Span = tuple[int, int, float, float]  # of the large picture: what is cut, and where in there the tile itself is


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """The picture with eight bits a channel, at most ``longest`` pixels wide and high, and with its metadata.

    In grey, RGB, RGBA or CMYK. The same as Pillow's ``resize`` with LANCZOS: a tile is cut with the pixels around it
    that the filter reaches.
    """
    width, height = image.size
    share = min(longest / width, longest / height, 1.0)
    size = max(1, round(width * share)), max(1, round(height * share))
    opaque = not image.has_transparency_data
    if size == image.size:
        small = _plain(image, opaque=opaque)
    else:
        small = Image.new(_plain(image.crop((0, 0, 1, 1)), opaque=opaque).mode, size)
        side = max(1, math.isqrt(TILE_PIXELS * size[0] * size[1] // (width * height)))
        for top in range(0, size[1], side):
            for left in range(0, size[0], side):
                small.paste(_tile(image, size, left, top, side, opaque=opaque), (left, top))
    small.info = dict(image.info)
    return small


def _tile(
    image: Image.Image, size: tuple[int, int], left: int, top: int, side: int, *, opaque: bool
) -> Image.Image:  # fmt: skip
    """Of the small picture the pixels from ``left`` and ``top`` on, ``side`` either way where there are so many."""
    columns, rows = min(side, size[0] - left), min(side, size[1] - top)
    x, y = _span(left, columns, size[0], image.width), _span(top, rows, size[1], image.height)
    cut = _plain(image.crop((x[0], y[0], x[1], y[1])), opaque=opaque)
    return cut.resize((columns, rows), Image.Resampling.LANCZOS, box=(x[2], y[2], x[3], y[3]))


def _span(first: int, count: int, small: int, large: int) -> _Span:
    scale = large / small
    begin, end, reach = first * scale, min((first + count) * scale, large), math.ceil(_LOBES * scale) + 1
    cut, stop = max(0, math.floor(begin) - reach), min(large, math.ceil(end) + reach)
    return cut, stop, begin - cut, end - cut


def _plain(image: Image.Image, *, opaque: bool) -> Image.Image:
    """Without a palette, and with eight bits a channel."""
    if image.mode.startswith("I"):  # 16 bits a channel
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if not opaque:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("L" if image.mode == "1" else "RGB")
