"""Draws a :class:`~trainer.models.emoji64.grammar.Scene`: backgrounds, bodies, heads and accessories, back to front.

All lengths are fractions of the picture's side, so that the same scene can be drawn at any size.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from trainer.models.emoji64 import grammar
from trainer.models.emoji64.assets import Assets
from trainer.models.emoji64.grammar import NO_ACCESSORY, NO_OUTFIT, Scene

_ALL_HEADS = {**grammar.HEADS, **grammar.KEPT_OUT_HEADS}
_ALL_OUTFITS = {**grammar.OUTFITS, **grammar.KEPT_OUT_OUTFITS}
_CANVAS = 256  # scenery is drawn once at this size and reduced

# Where a person emoji's body begins, as a fraction of the emoji's cut-out height: just under the chin.
_NECK = {"space suit": 0.56, "red uniform": 0.66, "purple gown": 0.66, "police uniform": 0.62, "safety vest": 0.62,
         "chef's jacket": 0.64, "vampire cape": 0.5}  # fmt: skip
# How far down the head (fraction of its height) a hat's brim sits; heads with ears or horns wear it lower.
_BRIM = {"rabbit": 0.46, "moose": 0.42, "unicorn": 0.3, "hamster": 0.3, "mouse": 0.3, "goblin": 0.2, "robot": 0.24,
         "imp": 0.3, "dragon": 0.26, "raccoon": 0.3, "fox": 0.34, "wolf": 0.34, "cat": 0.3, "cow": 0.28, "tiger": 0.25,
         "pumpkin": 0.3, "strawberry": 0.22, "lemon": 0.24, "santa": 0.2}  # fmt: skip
_EYES = {"rabbit": 0.66, "moose": 0.62, "mushroom": 0.6, "chicken": 0.42, "horse": 0.4, "unicorn": 0.5, "frog": 0.2,
         "goblin": 0.4, "dragon": 0.38, "boar": 0.4, "santa": 0.44, "baby": 0.55, "hamster": 0.52}  # fmt: skip
_HATS = {"top hat": (0.62, 0.05), "crown": (0.6, 0.02), "cap": (0.66, 0.1), "bow": (0.6, 0.06)}  # width, drop


def _beach(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, 256, 256), (136, 204, 252))
    draw.rectangle((0, 118, 256, 182), (38, 112, 200))
    draw.rectangle((0, 176, 256, 256), (238, 214, 150))
    draw.ellipse((196, 18, 236, 58), (255, 236, 130))


def _space(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, 256, 256), (12, 10, 38))
    for _ in range(34):
        x, y, r = rng.randrange(256), rng.randrange(256), rng.choice((2, 3, 4))
        draw.ellipse((x - r, y - r, x + r, y + r), (240, 240, 255))


def _field(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, 256, 256), (160, 220, 250))
    draw.ellipse((-120, 120, 200, 420), (110, 186, 70))
    draw.ellipse((60, 140, 400, 460), (92, 168, 58))
    draw.ellipse((24, 26, 88, 54), (255, 255, 255))
    draw.ellipse((54, 16, 104, 50), (255, 255, 255))


def _city(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, 256, 256), (252, 200, 152))
    for x, width, top in ((0, 34, 96), (36, 26, 60), (64, 30, 120), (166, 30, 104), (198, 28, 50), (228, 30, 110)):
        draw.rectangle((x, top, x + width, 256), (104, 104, 116))
        for y in range(top + 12, 250, 22):
            draw.rectangle((x + 7, y, x + 12, y + 8), (246, 226, 140))
            draw.rectangle((x + width - 12, y, x + width - 7, y + 8), (246, 226, 140))


def _dinner(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, 256, 256), (88, 26, 26))
    for x in (30, 95, 160, 225):
        draw.ellipse((x - 17, 6, x + 17, 40), (255, 226, 150))


_PLACES: dict[str, Callable[[ImageDraw.ImageDraw, random.Random], None]] = {
    "beach": _beach, "space": _space, "field": _field, "city": _city, "dinner": _dinner,
}  # fmt: skip
_VARIANTS = 6  # of a place with random details


@lru_cache(maxsize=256)
def _backdrop(background: str, variant: int, size: int) -> Image.Image:
    image = Image.new("RGB", (_CANVAS, _CANVAS), grammar.COLOURS.get(background, (0, 0, 0)))
    if background in _PLACES:
        _PLACES[background](ImageDraw.Draw(image), random.Random(variant))
    return image.resize((size, size), Image.Resampling.LANCZOS)


class Composer:
    """Draws scenes from the emoji in ``assets``."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._body = lru_cache(maxsize=64)(self._cut_body)

    def compose(
        self, scene: Scene, size: int, rng: random.Random, *, style: str = "fluent", head_code: str | None = None
    ) -> Image.Image:
        """Draw ``scene`` as an RGB picture of ``size`` × ``size``, with a little jitter from ``rng``.

        ``style`` chooses the rendering of the head; ``head_code`` draws another emoji in the head's place.
        """
        picture = _backdrop(scene.background, rng.randrange(_VARIANTS), size).copy()
        dressed = scene.outfit != NO_OUTFIT
        x, y = rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02)
        if dressed:
            body = self._body(scene.outfit)
            _paste(picture, body, 0.5 + x / 2, 1.01, 1.0 * rng.uniform(0.97, 1.03), anchor="bottom")
        head = self._assets.read(head_code or _ALL_HEADS[scene.head][0], style)
        side = (0.58 if dressed else 0.66) * rng.uniform(0.96, 1.04)
        scale = side / max(head.width, head.height)
        width, height = head.width * scale, head.height * scale
        middle, bottom = 0.5 + x, (0.70 if dressed else 0.86) + y
        _paste(picture, head, middle, bottom, width, anchor="bottom")
        self._wear(picture, scene, middle, bottom - height, width, height)
        if scene.background == "dinner":
            self._lay_table(picture)
        return picture

    def _wear(self, picture: Image.Image, scene: Scene, middle: float, top: float, width: float, height: float) -> None:
        """Put the accessory on a head whose upper edge is at ``top``."""
        if scene.accessory == NO_ACCESSORY:
            return
        item = self._assets.read(grammar.ACCESSORIES[scene.accessory])
        if scene.accessory == "sunglasses":
            eyes = top + _EYES.get(scene.head, 0.48) * height
            _paste(picture, item, middle, eyes, min(width, 0.54) * 0.8, anchor="middle")
        elif scene.accessory == "scarf":
            _paste(picture, item, middle, top + height * 0.84, 0.4, anchor="top")
        else:
            share, drop = _HATS[scene.accessory]
            brim = top + (_BRIM.get(scene.head, 0.2) + drop) * height
            _paste(picture, item, middle, brim, min(width, 0.56) * share, anchor="bottom")

    def _lay_table(self, picture: Image.Image) -> None:
        size = picture.width
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, round(0.85 * size), size, size), (246, 244, 240))
        for code, middle, width in (("1f37d-fe0f", 0.5, 0.24), ("1f942", 0.17, 0.22), ("1f37e", 0.84, 0.2)):
            _paste(picture, self._assets.read(code), middle, 0.985, width, anchor="bottom")

    def _cut_body(self, outfit: str) -> Image.Image:
        emoji = self._assets.read(_ALL_OUTFITS[outfit])
        body = emoji.crop((0, round(_NECK.get(outfit, 0.62) * emoji.height), emoji.width, emoji.height))
        if outfit == "tuxedo":  # as drawn it differs from the suit by its bow tie alone: a tuxedo is black
            dark = body.convert("RGB").point(lambda v: v if v > 200 else int(v * 0.42))
            dark.putalpha(body.getchannel("A"))
            body = dark
        return body


def _paste(picture: Image.Image, item: Image.Image, x: float, y: float, width: float, *, anchor: str) -> None:
    """Paste ``item`` at ``width``, its horizontal middle at ``x`` and its ``anchor`` (top, middle, bottom) at ``y``."""
    size = picture.width
    w = max(1, round(width * size))
    h = max(1, round(w * item.height / item.width))
    small = item.resize((w, h), Image.Resampling.LANCZOS)
    top = {"top": y * size, "middle": y * size - h / 2, "bottom": y * size - h}[anchor]
    picture.paste(small, (round(x * size - w / 2), round(top)), small)
