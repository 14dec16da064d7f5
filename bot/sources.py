"""Pictures that members draw from: fetched, checked and stripped as photos are, and kept for a day after the job."""

from __future__ import annotations

import re

import msgspec

from bot.checks import MOST_SCALE, within
from bot.errors import UserError, quoted
from bot.jobs import Jobs
from bot.orders import ImagineOrder, Order, Upload
from bot.photos import Photos
from bot.store.records import Job
from trainer.contract.drawings import DrawingSettings, HighRes, Source, Upscale

MOST_MARGIN = 1024  # pixels
_MARGIN = re.compile(r"(left|top|right|bottom|all)?\s*(\d{1,5})", re.IGNORECASE)
_SIDES = ("left", "top", "right", "bottom")


class FromPicture(Order, frozen=True):
    """What `/imagine` says of a picture to draw from, and of what becomes of the drawn one."""

    image: Upload | None = None
    mask: Upload | None = None
    strength: float | None = None
    outpaint: str | None = None
    high_res: float | None = None
    upscale: float | None = None


def settle(order: ImagineOrder, wanted: FromPicture) -> ImagineOrder:
    """The order with the settings that ``wanted`` says. Raises UserError: out of range, or what needs a picture."""
    within("strength", wanted.strength, 0, 1)
    within("high_res", wanted.high_res, 1, MOST_SCALE)
    within("upscale", wanted.upscale, 1, MOST_SCALE)
    if wanted.image is None and order.source is None:
        for name in ("mask", "strength", "outpaint"):
            if getattr(wanted, name) is not None:
                raise UserError(f"There is {_article(name)} but no picture to draw from: attach one as `image`.")
    settings: DrawingSettings = order.settings
    if wanted.strength is not None:
        settings = msgspec.structs.replace(settings, strength=wanted.strength)
    if wanted.high_res is not None:
        high_res = settings.high_res or HighRes()
        settings = msgspec.structs.replace(settings, high_res=msgspec.structs.replace(high_res, scale=wanted.high_res))
    if wanted.upscale is not None:
        settings = msgspec.structs.replace(settings, upscale=Upscale(wanted.upscale))
    if settings.strength == 0:
        _check_nothing_is_drawn(order, settings, wanted)
    return msgspec.structs.replace(order, settings=settings)


def _check_nothing_is_drawn(order: ImagineOrder, settings: DrawingSettings, wanted: FromPicture) -> None:
    """A strength of 0 keeps the picture as it is. Raises UserError: something of it was to be drawn."""
    old = order.source
    asked = {
        "mask": wanted.mask is not None or (old is not None and old.mask is not None),
        "outpaint": any(read_margins(wanted.outpaint)) or (old is not None and any(old.margins)),
        "high_res": settings.high_res is not None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise UserError(
                f"A strength of 0 draws nothing, so that `{name}` would do nothing: take a strength above 0, or leave"
                f" `{name}` out."
            )


def _article(name: str) -> str:
    return f"an {name}" if name == "outpaint" else f"a {name}"


async def attach(
    photos: Photos, order: ImagineOrder, wanted: FromPicture, *, explicit_allowed: bool = False
) -> ImagineOrder:
    """The order with the picture and the mask, which are fetched and stored among the job's photos.

    Raises UserError: no picture, too large, explicit, a mask of another size, margins that can't be read.
    """
    margins = read_margins(wanted.outpaint)
    if wanted.image is None:
        return order
    uploads = [wanted.image, *([] if wanted.mask is None else [wanted.mask])]
    stored = await photos.collect_pictures(order.origin.job_id, uploads, explicit_allowed=explicit_allowed)
    image, *masks = stored.sizes
    if masks and masks[0] != image:
        await photos.delete(order.origin.job_id)
        raise UserError(
            f"The mask has {masks[0][0]} × {masks[0][1]} pixels and the picture {image[0]} × {image[1]}: paint the mask"
            " over the picture itself, white where it is to be drawn anew."
        )
    source = Source(stored.paths[0], stored.paths[1] if wanted.mask is not None else None, margins)
    shots = tuple(msgspec.structs.replace(shot, source=source) for shot in order.shots)
    return msgspec.structs.replace(order, source=source, shots=shots)


async def submit(photos: Photos, jobs: Jobs, order: ImagineOrder, wanted: FromPicture) -> Job:
    """Fetch the picture to draw from, if there is one, and accept the order; a refused one leaves nothing."""
    allowed = wanted.image is not None and await jobs.allows_explicit(order.origin)
    order = await attach(photos, order, wanted, explicit_allowed=allowed)
    try:
        return await jobs.submit_imagine(order)
    except UserError:
        if wanted.image is not None:
            await photos.delete(order.origin.job_id)
        raise


def read_margins(written: str | None) -> tuple[int, int, int, int]:
    """Pixels at the left, top, right and bottom: ``64`` for all sides, or ``left 64, bottom 32``. Raises UserError."""
    if written is None or not written.strip():
        return 0, 0, 0, 0
    found: dict[str, int] = {}
    for part in re.split(r"[,;]", written):
        match = _MARGIN.fullmatch(part.strip())
        if match is None:
            raise UserError(f"{quoted(part)} is no margin: write `64` for all sides, or for example `left 64, top 32`.")
        pixels = int(match[2])
        if pixels % 8 or pixels > MOST_MARGIN:
            raise UserError(
                f"A margin must be a multiple of 8 and at most {MOST_MARGIN}, got {pixels}: take"
                f" {min(round(pixels / 8) * 8, MOST_MARGIN)}."
            )
        side = (match[1] or "all").lower()
        found |= dict.fromkeys(_SIDES, pixels) if side == "all" else {side: pixels}
    left, top, right, bottom = (found.get(side, 0) for side in _SIDES)
    return left, top, right, bottom
