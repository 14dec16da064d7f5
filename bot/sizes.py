"""Sizes as members write them: in pixels, by a word, or as a ratio that the base gives its pixels to. Pure."""

from __future__ import annotations

import math
import re
from typing import NamedTuple, TypeVar

import msgspec

from bot.checks import LEAST_SIDE, MOST_SIDE
from bot.errors import UserError, quoted
from bot.orders import ImagineOrder, Shot
from trainer.contract.events import BaseInfo

AnyShot = TypeVar("AnyShot", bound=Shot)

ASPECTS: dict[str, float] = {"square": 1.0, "portrait": 2 / 3, "landscape": 3 / 2, "wide": 16 / 9, "tall": 9 / 16}
MOST_ASPECT = 4.0  # beyond it models draw the same thing twice
_UNKNOWN_SIDE = 512  # of a base that no worker has described
_PIXELS = re.compile(r"\s*(\d{1,5})\s*(?:[x×*]\s*(\d{1,5})\s*)?", re.IGNORECASE)
_RATIO = re.compile(r"\s*(\d{1,4}(?:\.\d{1,4})?)\s*:\s*(\d{1,4}(?:\.\d{1,4})?)\s*")


class Size(NamedTuple):
    """Width and height in pixels, or their ratio; nothing at all: as the base has it."""

    width: int | None = None
    height: int | None = None
    aspect: float | None = None  # width over height


def read_size(written: str | None) -> Size:
    """The size of ``512x768``, ``512`` (a square), ``portrait`` or ``2:3``. Raises UserError."""
    if written is None:
        return Size()
    if (match := _PIXELS.fullmatch(written)) is not None:
        return Size(int(match[1]), int(match[2] or match[1]))
    word = written.strip().lower()
    if word in ASPECTS:
        return Size(aspect=ASPECTS[word])
    if (match := _RATIO.fullmatch(written)) is not None:
        across, down = float(match[1]), float(match[2])
        if across and down and max(across / down, down / across) <= MOST_ASPECT:
            return Size(aspect=across / down)
        raise UserError(f"size must be between 1:4 and 4:1, got {quoted(written)}: choose one in between.")
    raise UserError(
        f"{quoted(written)} is no size: write width x height in pixels, for example `512x768`, or `2:3`, or one of"
        f" {', '.join(ASPECTS)}."
    )


def fit(aspect: float, base: BaseInfo | None) -> tuple[int, int]:
    """Width and height of that ratio with as many pixels as the base draws, in multiples of 8.

    As near as its sides allow: small bases can't make the shorter one any shorter.
    """
    width, height = (base.width, base.height) if base is not None else (_UNKNOWN_SIDE, _UNKNOWN_SIDE)
    least, most = min(LEAST_SIDE, width, height), base.max_side if base is not None else MOST_SIDE
    ratio = max(aspect, 1 / aspect)
    short = max(math.sqrt(width * height / ratio), least)
    short, long = (min(max(round(side / 8) * 8, least), most // 8 * 8) for side in (short, short * ratio))
    return (long, short) if aspect > 1 else (short, long)


def settle(order: ImagineOrder, base: BaseInfo | None) -> ImagineOrder:
    """The order with sizes in pixels wherever it has a ratio."""
    settled = _settle(order, base)
    return msgspec.structs.replace(settled, shots=tuple(_settle(shot, base) for shot in order.shots))


def _settle(shot: AnyShot, base: BaseInfo | None) -> AnyShot:
    if shot.aspect is None:
        return shot
    width, height = fit(shot.aspect, base)
    settings = msgspec.structs.replace(shot.settings, width=width, height=height)
    return msgspec.structs.replace(shot, settings=settings, aspect=None)
