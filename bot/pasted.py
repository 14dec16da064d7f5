"""Settings in A1111's text form as a drawing takes them: what was pasted, or what stood in a picture. Pure.

Each number is checked for being one here, and for its range where orders are checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bot.errors import UserError, quoted
from trainer.contract import infotext
from trainer.contract.drawings import DrawingSettings, Emphasis, HighRes, Upscale
from trainer.contract.infotext import Infotext

T = TypeVar("T")

_LONGEST_NUMBER = 40  # characters; a seed of 64 bits has 20
_FENCE = re.compile(r"\A\s*```\n?|\n?```\s*\Z")  # of the code block in which Discord showed it
_BEFORE_STEPS = re.compile(r"(?:^|(?<![ \t])[ \t]+)(?=Steps: ?\d+ ?(?:,|$))")
_BEFORE_NEGATIVE = re.compile(r"(?:^|(?<![ \t])[ \t]+)(?=Negative prompt:)")
_BEFORE_SEEDS = re.compile(r"(?<![ \t])[ \t]+(?=(?:Variation s|S)eeds: \d+(?:, \d+)*\s*$)")
_SEEDS = re.compile(r"\n[ \t]*(?:Variation s|S)eeds: (\d+(?:, \d+)*)\s*$")
_SIZE = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})")
_EMPHASES: dict[str, Emphasis] = {"original": "original", "no norm": "no_norm", "ignore": "ignore", "none": "ignore"}
_TAKEN = frozenset({
    "Steps", "Sampler", "Schedule type", "CFG scale", "CFG Rescale", "Seed", "Size", "Model", "VAE", "Clip skip",
    "Emphasis", "Variation seed", "Variation seed strength", "Denoising strength", "Hires upscale", "Hires steps",
    "Hires upscaler", "Hires resize", "Postprocess upscale by", "Postprocess upscaler",
    infotext.HIRES_STRENGTH,
})  # fmt: skip
_TELLS_NOTHING = frozenset({  # that would change the picture: hashes of what is named beside them, and dates
    "Version", "Model hash", "VAE hash", "Lora hashes", "TI hashes", "Hashes", "User", "Created Date", "Template",
    "Negative Template", "Civitai resources", "Civitai metadata", "App", "Parser", "Backend", "Mask blur",
})  # fmt: skip


class Pasted(msgspec.Struct, frozen=True, kw_only=True):
    """What a text asks for. None: it does not say, so that the base decides.

    ``ignored`` are the keys of settings that would make another picture, and that Darkroom does nothing with. A pasted
    prompt is strict: no trigger words are put into it.
    """

    prompt: str
    negative_prompt: str
    model: str | None
    seed: int | None
    settings: DrawingSettings
    ignored: tuple[str, ...]
    strict: bool = True
    model_hash: str | None = None
    count: int = 1  # pictures whose seeds count up
    is_pasted: bool = False  # whether there were settings beside the prompt


def read_pasted(text: str) -> Pasted:
    """Take a pasted text apart. Raises UserError naming the value that is none of its kind."""
    text, count = _take_seeds_off(_unfold(text))
    found = infotext.read(text)
    if not found.settings and (pairs := _read_few(text)):
        found = Infotext("", "", pairs)
    return msgspec.structs.replace(as_drawing(found), count=count)


def holds_settings(prompt: str) -> bool:
    """Whether what stands where a prompt should is a whole text form: it has steps, as no prompt does, and more."""
    given = infotext.read(_take_seeds_off(_unfold(prompt))[0]).settings
    return "Steps" in given and bool(given.keys() & {"Sampler", "CFG scale", "Seed", "Size"})


def _unfold(text: str) -> str:
    """The text with its lines, without a code block's marks.

    Discord's options have one line, so that blanks stand for the ends of others.
    """
    text = _FENCE.sub("", text)
    if "\n" in text.strip():
        return text
    *_, last = (None, *_BEFORE_STEPS.finditer(text))
    if last is None or _read_few(text):  # settings alone, in whatever order
        return text
    prompts = _BEFORE_NEGATIVE.sub("\n", text[: last.start()], count=1)
    return f"{prompts}\n{_BEFORE_SEEDS.sub(chr(10), text[last.end() :])}"


def _take_seeds_off(text: str) -> tuple[str, int]:
    """Without the line below the settings in which Darkroom names the seeds of several pictures, and how many."""
    match = _SEEDS.search(text)
    if match is None:
        return text, 1
    return text[: match.start()], match[1].count(",") + 1


def _read_few(text: str) -> dict[str, str]:
    """A line of settings alone, however few they are; none where it says anything else."""
    line = text.strip()
    pairs = {} if "\n" in line else infotext.read_pairs(line)
    known = bool(pairs) and pairs.keys() <= _TAKEN | _TELLS_NOTHING
    return pairs if known and line.startswith(next(iter(pairs))) else {}


def as_drawing(found: Infotext) -> Pasted:
    """Settings that were read as a drawing takes them. Raises UserError naming the value that is none of its kind."""
    given = found.settings
    width, height = _size(given)
    high_res = _high_res(given)
    return Pasted(
        prompt=found.prompt,
        negative_prompt=found.negative_prompt,
        model=given.get("Model") or None,
        model_hash=given.get("Model hash") or None,
        is_pasted=bool(given),
        seed=_seed(given, "Seed"),
        settings=DrawingSettings(
            sampler=given.get("Sampler") or None,
            scheduler=given.get("Schedule type") or None,
            num_inference_steps=_whole(given, "Steps", None),
            guidance_scale=_number(given, "CFG scale", None),
            guidance_rescale=_number(given, "CFG Rescale", 0.0),
            clip_skip=max(_whole(given, "Clip skip", 1), 1),  # some programs count from 0
            width=width,
            height=height,
            emphasis=_emphasis(given),
            vae=_named(given, "VAE"),
            strength=None if _is_of_second_pass(given, high_res) else _number(given, "Denoising strength", None),
            variation_seed=_seed(given, "Variation seed"),
            variation_strength=_number(given, "Variation seed strength", 0.0),
            high_res=high_res,
            upscale=_upscale(given),
        ),
        ignored=tuple(key for key in given if key not in _TAKEN | _TELLS_NOTHING),
    )


def _high_res(given: Mapping[str, str]) -> HighRes | None:
    """A second pass enlarges; its strength stands under the same key as that of a drawing from a picture.

    Unless it has a key of its own, as in our settings of what was drawn from a picture and once more.
    """
    scale = _number(given, "Hires upscale", None)
    if scale is None and (scale := _scale_of_resize(given)) is None:
        return None
    usual = HighRes(scale=scale)
    return HighRes(
        scale=scale,
        strength=_number(given, infotext.HIRES_STRENGTH, _number(given, "Denoising strength", usual.strength)),
        steps=_whole(given, "Hires steps", None) or None,  # A1111 writes 0 for as many as before
        upscaler=given.get("Hires upscaler") or usual.upscaler,
    )


def _is_of_second_pass(given: Mapping[str, str], high_res: HighRes | None) -> bool:
    """Whether "Denoising strength" is that of a second pass, as in A1111, which has none in img2img."""
    return high_res is not None and infotext.HIRES_STRENGTH not in given


def _upscale(given: Mapping[str, str]) -> Upscale | None:
    """What enlarges the finished picture; A1111 writes it where its Extras did."""
    scale = _number(given, "Postprocess upscale by", None)
    if scale is None:
        return None
    return Upscale(scale=scale, upscaler=_named(given, "Postprocess upscaler") or Upscale().upscaler)


def _scale_of_resize(given: Mapping[str, str]) -> float | None:
    """What A1111's "Resize to" enlarges by; the side that is 0 follows the other."""
    sides = zip(_size(given, "Hires resize"), _size(given), strict=True)
    return max((after / before for after, before in sides if after and before), default=None)


def _size(given: Mapping[str, str], key: str = "Size") -> tuple[int, int] | tuple[None, None]:
    written = given.get(key)
    if not written:
        return None, None
    match = _SIZE.fullmatch(written.strip())
    if match is None:
        raise UserError(f"{key} must be width x height in pixels, got {quoted(written)}: for example `512x768`.")
    return int(match[1]), int(match[2])


def _emphasis(given: Mapping[str, str]) -> Emphasis:
    written = given.get("Emphasis", "original")
    found = _EMPHASES.get(written.strip().lower())
    if found is None:
        raise UserError(
            f"Emphasis must be Original, No norm or Ignore, got {quoted(written)}: leave it out for Original."
        )
    return found


def _named(given: Mapping[str, str], key: str) -> str | None:
    """A name; None for those that mean none."""
    written = given.get(key, "").strip()
    return None if written.lower() in {"", "none", "automatic", "baked vae"} else written


def _seed(given: Mapping[str, str], key: str) -> int | None:
    """A seed; A1111 writes -1 for one that chance draws."""
    seed = _whole(given, key, None)
    return None if seed is None or seed < 0 else seed


def _whole(given: Mapping[str, str], key: str, default: T) -> int | T:
    number = _number(given, key, None)
    if number is None:
        return default
    if not number.is_integer():  # nor is an infinite one
        raise _wrong(given, key, "a whole number")
    written = given[key].strip()
    return int(written) if written.isdecimal() else int(number)  # a float has no room for every seed


def _number(given: Mapping[str, str], key: str, default: T) -> float | T:
    written = given.get(key, "").strip()
    if not written:
        return default
    try:
        if len(written) > _LONGEST_NUMBER:
            raise ValueError
        return float(written)
    except ValueError:
        raise _wrong(given, key, "a number") from None


def _wrong(given: Mapping[str, str], key: str, kind: str) -> UserError:
    return UserError(f"{key} must be {kind}, got {quoted(given[key])}: correct it, or leave it out.")
