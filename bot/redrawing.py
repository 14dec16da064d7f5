"""From a picture that was drawn to the order of another one like it. Pure.

Everything is the stored drawing's: the prompt with its choices made, seed, settings, source. What a member may use is
checked where the order is accepted.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from bot.checks import SEEDS
from bot.errors import UserError
from bot.orders import ImagineOrder, Origin, Shot
from bot.prompts import tag
from bot.store.records import AdapterPick, ImagineSpec, Job, Picture
from trainer.contract import infotext
from trainer.contract.drawings import Drawing, DrawingSettings, HighRes, Source, Upscale

SUBTLE, STRONG = 0.1, 0.3  # shares of another seed's noise
UPSCALE = Upscale(scale=2.0)
HIGH_RES = HighRes(scale=1.5, strength=0.5)  # keeps what is there, and has room for detail
MOST_ENLARGED_SIDE = 4096  # pixels; a PNG of twice that is larger than most channels take


def is_enlarged(drawing: Drawing) -> bool:
    """Whether nothing was drawn: a finished picture was enlarged."""
    return drawing.source is not None and drawing.settings.strength == 0


def draw_again(job: Job, origin: Origin) -> ImagineOrder:
    """The same pictures with other seeds, which keep their distances; a grid stays one.

    Their choices are still to be made anew: :meth:`bot.templates.Templates.choose_anew`.
    """
    spec = job.imagine
    by = secrets.randbelow(SEEDS)
    shots = [_shot(spec, place) for place in range(len(spec.drawings))]
    moved = [
        msgspec.structs.replace(
            shot,
            seed=(drawing.seed + by) % SEEDS,
            template=drawing.template,
            negative_template=drawing.negative_template,
        )
        for shot, drawing in zip(shots, spec.drawings, strict=True)
    ]
    return _order(job, origin, *moved)


def vary(job: Job, place: int, origin: Origin, strength: float) -> ImagineOrder:
    """The picture with that share of another seed's noise. Raises UserError: it was only enlarged."""
    shot = _drawn(job, place)
    return _order(job, origin, _set(shot, variation_seed=secrets.randbelow(SEEDS), variation_strength=strength))


def upscale(job: Job, picture: Picture, origin: Origin) -> ImagineOrder:
    """The finished picture, twice as wide and high. Raises UserError: it would be too large."""
    shot = _shot(job.imagine, picture.position)
    sides = picture.width, picture.height
    if any(side is None or side * UPSCALE.scale > MOST_ENLARGED_SIDE for side in sides):
        raise UserError(
            f"This picture is {picture.width} × {picture.height}, and {MOST_ENLARGED_SIDE} pixels a side are the most:"
            " it can't be enlarged further."
        )
    enlarged = _set(shot, upscale=UPSCALE, strength=0.0, high_res=None, width=sides[0], height=sides[1])
    return _order(job, origin, msgspec.structs.replace(enlarged, source=Source(picture=picture.blob)))


def draw_high_res(job: Job, place: int, origin: Origin) -> ImagineOrder:
    """The picture with a second pass. Raises UserError: it has had one, or was only enlarged."""
    shot = _drawn(job, place)
    if shot.settings.high_res is not None:
        raise UserError("This picture is high-res already: to have it larger, press Upscale.")
    return _order(job, origin, _set(shot, high_res=HIGH_RES))


def toggle_words(job: Job, origin: Origin) -> ImagineOrder:
    """The same pictures from the same seeds, with the trigger words of what was brought in, or without them again."""
    spec, adding = job.imagine, words_to_toggle(job.imagine)[1]
    shots = []
    for place, drawing in enumerate(spec.drawings):
        words, shot = _words_of(spec, place), _shot(spec, place)
        change = _append if adding else _take_off
        prompts = {"prompt": change(shot.prompt, words), "prompt_written": change(shot.prompt_written, words)}
        shots.append(msgspec.structs.replace(shot, seed=drawing.seed, **prompts))
    return _order(job, origin, *shots)


def words_to_toggle(spec: ImagineSpec) -> tuple[str, bool]:
    """The words that are offered for these pictures, and whether to put them in or to leave them out; "": none are."""
    words, first = _words_of(spec, 0), spec.drawings[0]
    if not words or is_enlarged(first):
        return "", True
    if _append(_take_off(first.prompt, words), words) == first.prompt:
        return words, False
    return ("" if words.lower() in first.prompt.lower() else words), True


def _words_of(spec: ImagineSpec, place: int) -> str:
    return ", ".join(dict.fromkeys(pick.words for pick in spec.picks(place) if pick.words))


def _append(prompt: str, words: str) -> str:
    return ", ".join(filter(None, (prompt, words)))


def _take_off(prompt: str, words: str) -> str:
    return prompt.removesuffix(words).removesuffix(", ") if words else prompt


def _drawn(job: Job, place: int) -> Shot:
    if is_enlarged(job.imagine.drawings[place]):
        raise UserError("This picture was only enlarged: use the buttons under the one that it came from.")
    return _shot(job.imagine, place)


def _shot(spec: ImagineSpec, place: int) -> Shot:
    drawing = spec.drawings[place]
    return Shot(
        prompt=drawing.prompt,
        prompt_written=drawing.prompt_written,
        negative_prompt=drawing.negative_prompt,
        adapters=spec.picks(place),
        seed=drawing.seed,
        settings=drawing.settings,
        source=drawing.source,
    )


def remix_text(job: Job, picture: Picture, named: Sequence[tuple[AdapterPick, str]]) -> str:
    """The picture's settings, whose prompt makes the same picture when it is read strictly, as all that is pasted.

    ``named`` are its adapters with the names by which the reader writes them. Triggers that took the place of tags
    stand in the prompt; the tags are put behind it.
    """
    drawing, found = job.imagine.drawings[picture.position], infotext.read(picture.parameters)
    prompt = " ".join([drawing.prompt, *(tag(pick, name) for pick, name in named)])
    return infotext.write(prompt, drawing.negative_prompt, found.settings)


def _set(shot: Shot, **changes: object) -> Shot:
    settings: DrawingSettings = msgspec.structs.replace(shot.settings, **changes)
    return msgspec.structs.replace(shot, settings=settings)


def _order(job: Job, origin: Origin, *shots: Shot) -> ImagineOrder:
    first, spec = shots[0], job.imagine
    return ImagineOrder(
        **{name: getattr(first, name) for name in Shot.__struct_fields__},
        origin=origin,
        base=job.base,
        count=len(shots),
        shots=shots,
        grid=spec.grid if len(shots) == len(spec.drawings) else None,
        exact=spec.exact,
        strict=spec.strict,
        writer_id=spec.writer_id or job.owner_id,
    )
