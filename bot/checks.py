"""What an order may hold. Each check names the value and the way out; it raises UserError, and is pure."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Sequence

from bot.errors import UserError, quoted
from bot.orders import ImagineOrder, Shot, TrainOrder
from bot.store.records import Adapter, AdapterPick
from trainer.contract import looks
from trainer.contract.events import BaseInfo
from trainer.contract.prompt import MAX_PROMPT, MAX_WEIGHT, PromptError, compose, read_emphasis, schedule
from trainer.contract.requests import Kind
from trainer.contract.samplers import DEFAULT_SAMPLER, find_sampler

MOST_STEPS = 150
MOST_GUIDANCE = 30.0
MOST_CLIP_SKIP = 12  # layers of the smallest text encoder
MOST_PICTURES = 8
MOST_SCALE = 4.0  # of what is enlarged
LEAST_SIDE, MOST_SIDE = 64, 2048
SEEDS = 2**32  # what other programs take, so that a seed can be carried there

_CLASS_WORD = re.compile(r"[^\W\d_](?:[\w' -]{0,38}\w)?")
_CLASS_WORD_OF: dict[Kind, str] = {"subject": "character", "face": "person", "style": "style"}


def class_word(written: str | None, kind: Kind) -> str:
    """The class word: what was written, else the kind's own."""
    if written is None or not written.strip():
        return _CLASS_WORD_OF[kind]
    word = " ".join(written.lower().split())
    if not _CLASS_WORD.fullmatch(word):
        raise UserError(
            f"{quoted(written)} can't be a class word: say in one to three words what it is, for example `dog` or"
            " `toy robot`."
        )
    return word


def consent(given: bool) -> None:
    """Without consent nothing is fetched."""
    if not given:
        raise UserError(
            "Nothing was fetched, for a training needs your word that you may use these photos: choose it in `consent`."
        )


def captions(order: TrainOrder, found: Sequence[str | None]) -> None:
    """Captions of the photos' own need at least one that was ``found``."""
    if order.recipe.captions == "photo" and not any(found):
        raise UserError(
            "captions is `photo`, but no photo brings one: write them with `write_captions`, put a .txt beside each"
            " photo in a zip, or take `template`."
        )


def prompts(order: Shot) -> None:
    """Neither empty nor endless, nor louder than a model can hear at any step."""
    if not any(character.isprintable() and character not in " ," for character in order.prompt):
        raise UserError("The prompt is empty: say what is to be drawn, for example `a fox in a suit`.")
    for name, text in (("prompt", order.prompt_written), ("negative_prompt", order.negative_prompt)):
        if len(text) > MAX_PROMPT:
            raise UserError(f"The {name} has {len(text):,} characters, and {MAX_PROMPT:,} are the most: shorten it.")
    calls = 2 * min(order.settings.num_inference_steps or MOST_STEPS, MOST_STEPS)
    try:
        for text in (*(subprompt.text for subprompt in compose(order.prompt)), order.negative_prompt):
            for scheduled in dict.fromkeys((text, *(part for _, part in schedule(text, calls)))):
                read_emphasis(scheduled)
    except PromptError as error:
        raise UserError(looks.sentence(str(error))) from error


def count(order: ImagineOrder) -> None:
    """How many pictures; each of a grid is one."""
    if order.grid is None:
        within("count", len(order.pictures) if order.shots else order.count, 1, MOST_PICTURES)


def numbers(order: Shot) -> None:
    """What does not depend on the base."""
    within("steps", order.settings.num_inference_steps, 1, MOST_STEPS)
    within("guidance", order.settings.guidance_scale, 1, MOST_GUIDANCE)
    within("seed", order.seed, 0, SEEDS - 1)
    within("clip_skip", order.settings.clip_skip, 1, MOST_CLIP_SKIP)
    within("guidance_rescale", order.settings.guidance_rescale, 0, 1)
    within("strength", order.settings.strength, 0, 1)
    within("variation_seed", order.settings.variation_seed, 0, SEEDS - 1)
    within("variation_strength", order.settings.variation_strength, 0, 1)
    high_res = order.settings.high_res
    if high_res is not None:
        within("high_res", high_res.scale, 1, MOST_SCALE)
        within("the second pass's strength", high_res.strength, 0, 1)
        within("the second pass's steps", high_res.steps, 1, MOST_STEPS)
    if order.settings.upscale is not None:
        within("upscale", order.settings.upscale.scale, 1, MOST_SCALE)


def sampler(order: Shot) -> None:
    """Sampler and scheduler by any of their names."""
    try:
        find_sampler(order.settings.sampler or DEFAULT_SAMPLER, order.settings.scheduler or "")
    except ValueError as error:
        raise UserError(looks.sentence(str(error))) from error


def size(order: Shot, base: BaseInfo | None) -> None:
    """Width and height, as far as the base can draw them; what is only enlarged it does not draw."""
    if order.source is not None and order.settings.strength == 0:
        return
    largest = base.max_side if base is not None else MOST_SIDE
    smallest = min(LEAST_SIDE, base.width, base.height) if base is not None else LEAST_SIDE
    for name, side in (("width", order.settings.width), ("height", order.settings.height)):
        if side is not None and side % 8:
            near = min(max(round(side / 8) * 8, smallest), largest)
            raise UserError(f"{name} must be a multiple of 8, got {side}: take {near}.")
        within(name, side, smallest, largest)


def high_res(order: Shot, base: BaseInfo | None) -> None:
    """The second pass, as far as the base can draw it. How large a picture to draw from is, only its worker knows."""
    wanted = order.settings.high_res
    if wanted is None or base is None or order.source is not None:
        return
    width, height = order.settings.width or base.width, order.settings.height or base.height
    if max(width, height) * wanted.scale > base.max_high_res_side:
        most = math.floor(10 * base.max_high_res_side / max(width, height)) / 10
        way_out = f"take a high_res of {most:g}" if most > 1 else "take a smaller size, or `upscale`"
        raise UserError(
            f"The second pass would have {width * wanted.scale:.0f} × {height * wanted.scale:.0f} pixels, and"
            f" {base.max_high_res_side:,} a side are the most of `{base.name}`: {way_out}."
        )


def one_checkpoint(found: Sequence[tuple[AdapterPick, Adapter]]) -> None:
    """A whole model takes the place of the base, so there can't be two."""
    whole = [pick for pick, adapter in found if adapter.kind == "checkpoint"]
    if len(whole) > 1:
        raise UserError(
            f"{quoted(whole[0].written)} and {quoted(whole[1].written)} are whole models, and one alone can draw: leave"
            " the other out."
        )


def weight(pick: AdapterPick) -> None:
    """An adapter's weights, on the UNet and on the text encoders."""
    for value in (pick.weight, pick.weight if pick.te_weight is None else pick.te_weight):
        if not math.isfinite(value) or abs(value) > MAX_WEIGHT:
            raise UserError(
                f"The weight of {quoted(pick.written)} must be between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}, got"
                f" {value:g}: 0.8 is a good start."
            )


def seed(wanted: int | None) -> int:
    """The seed that was asked for, else a drawn one."""
    return secrets.randbelow(SEEDS) if wanted is None else wanted


def within(name: str, value: float | None, least: float, most: float) -> None:
    """Raises UserError: out of range. None is within any."""
    if value is None:
        return
    if not math.isfinite(value) or not least <= value <= most:
        bounds = f"{_shown(least)} and {_shown(most)}"
        raise UserError(f"{name} must be between {bounds}, got {_shown(value)}: choose one in between.")


def _shown(number: float) -> str:
    """A number as people write it: 4,294,967,295 and not 4.29497e+09."""
    return f"{int(number):,}" if abs(number) < 1e15 and number == int(number) else f"{number:g}"
