"""What a recipe may hold: the key of each field, how it is written, its range, and the methods that it belongs to.

None means the default of method, preset, kind and base, which the worker alone knows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec

from bot.archives import LONGEST_CAPTION
from bot.checks import SEEDS, within
from bot.errors import UserError, quoted
from trainer.contract.events import BaseInfo
from trainer.contract.requests import CaptionSource, Layers, Method, Output, Preset, Recipe

METHODS: tuple[Method, ...] = get_args(Method)
PRESETS: tuple[Preset, ...] = get_args(Preset)

_NUMBER = re.compile(r"[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ON, _OFF = frozenset({"yes", "true", "on", "1", "y"}), frozenset({"no", "false", "off", "0", "n"})
_NOTHING = frozenset({"off", "no", "none"})


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a recipe as members write it. ``read`` raises ValueError saying what must be written instead."""

    key: str
    field: str
    read: Callable[[str], Any]
    methods: tuple[Method, ...] = METHODS
    least: float | None = None
    most: float | None = None
    may_be_off: bool = False  # 0 is taken, too
    aliases: tuple[str, ...] = ()  # what kohya, A1111, diffusers and peft call it

    def check(self, value: float | str | bool | None) -> None:
        """Raises UserError: out of range."""
        if self.may_be_off and value == 0:
            return
        if self.least is not None and self.most is not None and isinstance(value, int | float):
            within(self.key, value, self.least, self.most)


def _number(text: str) -> float:
    """``1e-4``, ``0.0001``, ``1,000``. Raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number such as 100, 0.5 or 1e-4")
    return float(text.replace(",", ""))


def _amount(text: str) -> float:
    """A number, or off for 0. Raises ValueError."""
    return 0.0 if text.lower() in _NOTHING else _number(text)


def _whole(text: str) -> int | float:
    """A number without a fraction; what is no longer finite stays so, for its range to refuse. Raises ValueError."""
    number = _number(text)
    if not math.isfinite(number):
        return number
    if number != int(number):
        raise ValueError("must be a whole number")
    return int(number)


def _whole_amount(text: str) -> int | float:
    """A number without a fraction, or off for 0. Raises ValueError."""
    return _whole("0" if text.lower() in _NOTHING else text)


def _switch(text: str) -> bool:
    """Raises ValueError."""
    if text.lower() in _ON | _OFF:
        return text.lower() in _ON
    raise ValueError("must be yes or no")


def _one_of(options: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        word = text.lower().replace("-", "_").replace(" ", "_")
        if word not in options:
            raise ValueError(f"must be {', '.join(options[:-1])} or {options[-1]}")
        return word

    return read


def _captions(text: str) -> str:
    """A source of captions, or a template for all of them. Raises ValueError."""
    if "{" not in text and "}" not in text:
        sources: tuple[str, ...] = get_args(CaptionSource)
        if text.lower() in sources:
            return text.lower()
        raise ValueError(f"must be {', '.join(sources)} or a text with {{}} where the trigger goes")
    return check_template(text)


def check_template(text: str) -> str:
    """A caption for all photos, on one line. Raises ValueError."""
    template = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).replace("`", "'")
    if "{}" not in template or "{" in template.replace("{}", "") or "}" in template.replace("{}", ""):
        raise ValueError("must have {} where the trigger goes, and no other braces")
    if len(template) > LONGEST_CAPTION:
        raise ValueError(f"must have at most {LONGEST_CAPTION} characters, not {len(template):,}")
    return template


_LAYERED: tuple[Method, ...] = ("lora", "pivotal")
_WEIGHTED: tuple[Method, ...] = ("lora", "pivotal", "dreambooth")  # not the vectors of a word alone
_SPOKEN: tuple[Method, ...] = ("lora", "dreambooth")  # elsewhere vectors say what is new to the text encoder

SETTINGS: tuple[Setting, ...] = (
    Setting(key="method", field="method", read=_one_of(METHODS)),
    Setting(key="preset", field="preset", read=_one_of(PRESETS)),
    Setting(key="steps", field="steps", read=_whole, least=1, most=6000, aliases=("max_train_steps", "max_steps")),
    Setting(
        key="rank", field="rank", read=_whole, least=1, most=128, methods=_WEIGHTED,
        aliases=("network_dim", "dim", "lora_rank", "r"),
    ),
    Setting(
        key="alpha", field="lora_alpha", read=_number, least=0.1, most=256, methods=_LAYERED,
        aliases=("network_alpha", "lora_alpha"),
    ),
    Setting(
        key="learning_rate", field="learning_rate", read=_number, least=1e-7, most=1e-1, aliases=("lr", "unet_lr")
    ),
    Setting(
        key="text_encoder", field="text_encoder", read=_switch, methods=_SPOKEN, aliases=("te", "train_text_encoder")
    ),
    Setting(
        key="text_encoder_learning_rate", field="text_encoder_learning_rate", read=_number, least=1e-7, most=1e-1,
        methods=_SPOKEN, aliases=("text_encoder_lr", "te_lr"),
    ),
    Setting(
        key="modules", field="target_modules", read=_one_of(get_args(Layers)), methods=_LAYERED,
        aliases=("target_modules", "layers"),
    ),
    Setting(key="dora", field="dora", read=_switch, methods=_LAYERED, aliases=("use_dora", "dora_wd")),
    Setting(
        key="vectors", field="vectors", read=_whole, least=1, most=16, methods=("textual_inversion", "pivotal"),
        aliases=("num_vectors", "num_vectors_per_token"),
    ),
    Setting(
        key="prior_weight", field="prior_weight", read=_amount, least=0, most=10, methods=_WEIGHTED,
        aliases=("prior_loss_weight",),
    ),
    Setting(key="captions", field="captions", read=_captions, aliases=("caption", "caption_template")),
    Setting(
        key="caption_dropout", field="caption_dropout", read=_amount, least=0, most=0.9, methods=_WEIGHTED,
        aliases=("caption_dropout_rate",),
    ),
    Setting(key="snr_gamma", field="snr_gamma", read=_amount, least=0, most=100, aliases=("min_snr_gamma",)),
    Setting(key="ema", field="ema", read=_amount, least=0, most=0.9999, aliases=("ema_decay",)),
    Setting(key="flip", field="flip", read=_switch, aliases=("flip_aug", "random_flip")),
    Setting(key="masks", field="masks", read=_switch, aliases=("mask", "alpha_mask", "masked_loss")),
    Setting(key="resolution", field="resolution", read=_whole, least=64, most=2048, aliases=("size",)),
    Setting(key="batch", field="batch", read=_whole, least=1, most=16, aliases=("train_batch_size", "batch_size")),
    Setting(key="early_stop", field="early_stop", read=_switch, aliases=("early_stopping",)),
    Setting(
        key="preview_every", field="preview_every", read=_whole_amount, least=25, most=6000, may_be_off=True,
        aliases=("sample_every_n_steps", "validation_steps"),
    ),
    Setting(key="output", field="output", read=_one_of(get_args(Output)), methods=("dreambooth",)),
    Setting(key="seed", field="seed", read=_whole, least=0, most=SEEDS - 1),
)  # fmt: skip


def check_recipe(recipe: Recipe) -> None:
    """What can be said without knowing the base. Raises UserError that names the first fault."""
    for setting in SETTINGS:
        value = getattr(recipe, setting.field)
        setting.check(value)
        if value is not None:
            check_method(setting, recipe)
    if recipe.caption_template is not None:
        try:
            check_template(recipe.caption_template)
        except ValueError as error:
            raise UserError(f"captions {error}, got {quoted(recipe.caption_template)}.") from error


def check_method(setting: Setting, recipe: Recipe) -> None:
    """Raises UserError: the setting does nothing for what is asked for."""
    if recipe.method not in setting.methods:
        belongs = " and ".join(f"`{method}`" for method in setting.methods)
        raise UserError(
            f"{setting.key} does nothing for the method `{recipe.method}`, for it belongs to {belongs}: leave it out,"
            " or choose another method."
        )
    if setting.key == "rank" and recipe.output == "checkpoint":
        raise UserError("rank does nothing for a whole checkpoint: leave it out, or choose `output: lora`.")
    if setting.key == "text_encoder_learning_rate" and recipe.text_encoder is False:
        raise UserError(f"{setting.key} does nothing with `text_encoder: no`: leave one of them out.")


def check_for_base(recipe: Recipe, base: BaseInfo | None) -> None:
    """What depends on the base, and on the worker that offers it. Raises UserError."""
    if base is None:
        return
    if (reason := base.unavailable.get(recipe.method)) is not None:
        raise UserError(reason)
    within("resolution", recipe.resolution, *base.resolutions)
    resolution = recipe.resolution or min(base.width, base.height)
    if resolution > (most := base.most_resolution.get(recipe.method, resolution)):
        raise UserError(
            f"The method `{recipe.method}` at a resolution of {resolution} needs more memory on {base.name} than there"
            f" is: write `resolution: {most}` or less into `advanced`, or choose another method."
        )
    if recipe.captions == "captioner" and not base.has_captioner:
        raise UserError(
            "captions can't be `captioner`, for whoever runs this bot has set none up: take `template`, or write them"
            " yourself with `write_captions`."
        )
