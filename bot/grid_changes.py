"""What can change along the side of a grid, and how a picture is changed by a value of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from bot.errors import UserError, quoted
from bot.sizes import read_size
from trainer.contract import looks
from trainer.contract.drawings import DrawingSettings
from trainer.contract.samplers import find_sampler

_TAG = re.compile(r"<(?P<kind>lora|lyco|ti):(?P<name>[^:<>]+)(?P<weights>[^<>]*)>", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """One picture of a grid, before its prompt is read; ``bases`` are the names of those that there are."""

    prompt: str
    negative_prompt: str
    settings: DrawingSettings
    seed: int
    aspect: float | None = None  # width over height, in place of a size
    base: str | None = None  # None: that of the adapters, else the default
    bases: tuple[str, ...] = ()
    has_source: bool = False  # whether it is drawn from a picture


Change = Callable[[Cell, str, tuple[str, ...]], Cell]
"""Gets a cell, a value, and all values of its side."""


@dataclass(frozen=True)
class Kind:
    """One thing that can change."""

    change: Change
    is_number: bool = True


def _whole(name: str, value: str) -> int:
    if not float(value).is_integer():
        raise UserError(f"{name} must be whole numbers, got {quoted(value)}.")
    return int(float(value))


def _set(cell: Cell, **changes: object) -> Cell:
    return replace(cell, settings=msgspec.structs.replace(cell.settings, **changes))


def _change_weight(cell: Cell, value: str, _: tuple[str, ...]) -> Cell:
    """Of every tag in the prompt."""
    if _TAG.search(cell.prompt) is None:
        raise UserError("The grid changes the weight, but the prompt has no tag: write `<lora:thnos:0.8>`.")
    return replace(cell, prompt=_TAG.sub(lambda tag: f"<{tag['kind']}:{tag['name']}:{value}>", cell.prompt))


def _change_adapter(cell: Cell, value: str, _: tuple[str, ...]) -> Cell:
    """The first tag's; without one the adapter comes in front."""
    _check_name(value)
    if _TAG.search(cell.prompt) is None:
        return replace(cell, prompt=f"<lora:{value}> {cell.prompt}")
    return replace(cell, prompt=_TAG.sub(lambda tag: f"<{tag['kind']}:{value}{tag['weights']}>", cell.prompt, count=1))


def _change_model(cell: Cell, value: str, values: tuple[str, ...]) -> Cell:
    """A whole model that a member made, in place of one of the side that stands in the prompt; or the base itself."""
    _check_name(value)
    mine = {name.lower() for name in values}
    prompt = _TAG.sub(lambda tag: "" if tag["name"].strip().lower() in mine else tag[0], cell.prompt).strip()
    base = next((name for name in cell.bases if name.lower() == value.lower()), None)
    if base is not None:
        return replace(cell, prompt=prompt, base=base)
    return replace(cell, prompt=f"<lora:{value}> {prompt}")


def _check_name(value: str) -> None:
    if set(value) & set("<:>"):
        raise UserError(f"{quoted(value)} is no adapter's name: write the name alone, for example `thnos`.")


def _change_words(cell: Cell, value: str, values: tuple[str, ...]) -> Cell:
    first = values[0]
    if first not in cell.prompt and first not in cell.negative_prompt:
        raise UserError(f"{quoted(first)} is not in the prompt: the first of the words has to be, others replace it.")
    return replace(
        cell, prompt=cell.prompt.replace(first, value), negative_prompt=cell.negative_prompt.replace(first, value)
    )


def _change_sampler(cell: Cell, value: str, _: tuple[str, ...]) -> Cell:
    try:
        sampler, scheduler = find_sampler(value)
    except ValueError as error:
        raise UserError(looks.sentence(str(error))) from error
    return _set(cell, sampler=sampler, scheduler=scheduler)


def _change_size(cell: Cell, value: str, _: tuple[str, ...]) -> Cell:
    width, height, aspect = read_size(value)
    return replace(_set(cell, width=width, height=height), aspect=aspect)


def _change_strength(cell: Cell, value: str, _: tuple[str, ...]) -> Cell:
    if not cell.has_source:
        raise UserError("The grid changes the strength, but there is no picture to draw from: attach one as `image`.")
    return _set(cell, strength=float(value))


KINDS: dict[str, Kind] = {
    "weight": Kind(_change_weight),
    "adapter": Kind(_change_adapter, is_number=False),
    "model": Kind(_change_model, is_number=False),
    "words": Kind(_change_words, is_number=False),
    "guidance": Kind(lambda cell, value, _: _set(cell, guidance_scale=float(value))),
    "steps": Kind(lambda cell, value, _: _set(cell, num_inference_steps=_whole("steps", value))),
    "seed": Kind(lambda cell, value, _: replace(cell, seed=_whole("seeds", value))),
    "sampler": Kind(_change_sampler, is_number=False),
    "size": Kind(_change_size, is_number=False),
    "vae": Kind(lambda cell, value, _: _set(cell, vae=value), is_number=False),
    "clip skip": Kind(lambda cell, value, _: _set(cell, clip_skip=_whole("clip skips", value))),
    "strength": Kind(_change_strength),
    "guidance rescale": Kind(lambda cell, value, _: _set(cell, guidance_rescale=float(value))),
    "variation": Kind(lambda cell, value, _: _set(cell, variation_strength=float(value))),
}
ALIASES = {"cfg": "guidance", "cfg scale": "guidance", "lora": "adapter", "checkpoint": "model", "base": "model",
           "prompt": "words", "prompt s/r": "words", "denoising": "strength", "seeds": "seed"}  # fmt: skip
