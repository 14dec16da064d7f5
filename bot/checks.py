"""What an order may hold. Each check names the value and the way out; it raises UserError, and is pure."""

from __future__ import annotations

import math
import re
import secrets

from bot.errors import UserError, quoted
from bot.orders import ImagineOrder
from bot.store.records import AdapterPick
from trainer.contract.events import BaseInfo
from trainer.contract.prompt import MAX_PROMPT, MAX_WEIGHT
from trainer.contract.requests import Kind, Recipe

MOST_STEPS = 150
MOST_GUIDANCE = 30.0
MOST_PICTURES = 4
LEAST_SIDE, MOST_SIDE = 64, 2048
SEEDS = 2**32  # what other programs take, so that a seed can be carried there
MOST_TRAINING_STEPS = 4000
MOST_RANK = 128

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


def recipe(recipe: Recipe) -> None:
    """What of the recipe members can set."""
    _within("steps", recipe.steps, 1, MOST_TRAINING_STEPS)
    _within("rank", recipe.rank, 1, MOST_RANK)
    _within("learning_rate", recipe.learning_rate, 1e-7, 1e-1)
    _within("prior_weight", recipe.prior_weight, 0, 10)
    _within("seed", recipe.seed, 0, SEEDS - 1)


def prompts(order: ImagineOrder) -> None:
    """Neither empty nor endless."""
    if not any(character.isprintable() and not character.isspace() for character in order.prompt):
        raise UserError("The prompt is empty: say what is to be drawn, for example `a fox in a suit`.")
    for name, text in (("prompt", order.prompt_written), ("negative_prompt", order.negative_prompt)):
        if len(text) > MAX_PROMPT:
            raise UserError(f"The {name} has {len(text):,} characters, and {MAX_PROMPT:,} are the most: shorten it.")


def numbers(order: ImagineOrder) -> None:
    """What does not depend on the base."""
    _within("steps", order.num_inference_steps, 1, MOST_STEPS)
    _within("guidance", order.guidance_scale, 1, MOST_GUIDANCE)
    _within("count", order.count, 1, MOST_PICTURES)
    _within("seed", order.seed, 0, SEEDS - 1)


def size(order: ImagineOrder, base: BaseInfo | None) -> None:
    """Width and height, as far as the base can draw them."""
    largest = base.max_side if base is not None else MOST_SIDE
    smallest = min(LEAST_SIDE, base.width, base.height) if base is not None else LEAST_SIDE
    for name, side in (("width", order.width), ("height", order.height)):
        if side is not None and side % 8:
            near = min(max(round(side / 8) * 8, smallest), largest)
            raise UserError(f"{name} must be a multiple of 8, got {side}: take {near}.")
        _within(name, side, smallest, largest)


def weight(pick: AdapterPick) -> None:
    """An adapter's weight."""
    if not math.isfinite(pick.weight) or abs(pick.weight) > MAX_WEIGHT:
        raise UserError(
            f"The weight of {quoted(pick.written)} must be between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}, got"
            f" {pick.weight:g}: 0.8 is a good start."
        )


def seed(wanted: int | None) -> int:
    """The seed that was asked for, else a drawn one."""
    return secrets.randbelow(SEEDS) if wanted is None else wanted


def _within(name: str, value: float | None, least: float, most: float) -> None:
    if value is None:
        return
    if not math.isfinite(value) or not least <= value <= most:
        bounds = f"{_written(least)} and {_written(most)}"
        raise UserError(f"{name} must be between {bounds}, got {_written(value)}: choose one in between.")


def _written(number: float) -> str:
    """A number as people write it: 4,294,967,295 and never 4.29497e+09."""
    return f"{int(number):,}" if math.isfinite(number) and number == int(number) else f"{number:g}"
