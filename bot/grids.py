"""X/Y grids: what changes along each side, and the picture of every place. Pure.

An axis is written ``weight(0.5, 0.7, 0.9)``; numbers may be ranges as in A1111's X/Y/Z plot: ``1-5``, ``1-9 (+2)``,
``0.5-1 [3]``, the last being three numbers from 0.5 to 1. ``words(red, blue)`` is its "Prompt S/R": the first of them
is in the prompt, and each of the others takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from bot.errors import UserError, quoted
from trainer.contract import looks
from trainer.contract.drawings import Axis, DrawingSettings, Grid
from trainer.contract.samplers import find_sampler

MOST_CELLS = 36
MOST_VALUES = 12  # along one side
_AXIS = re.compile(r"\s*(?P<kind>[a-z][a-z ]*?)\s*\(\s*(?P<values>.*)\)\s*", re.IGNORECASE | re.DOTALL)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(
    rf"(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})"
    rf"(?:\s*\(\s*(?P<step>{_NUMBER})\s*\)|\s*\[\s*(?P<count>\d{{1,3}})\s*\])?"
)
_TAG = re.compile(r"<(?P<kind>lora|lyco|ti):(?P<name>[^:<>]+)(?P<weights>[^<>]*)>", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """One picture of a grid, before its prompt is read."""

    prompt: str
    negative_prompt: str
    settings: DrawingSettings
    seed: int


Change = Callable[[Cell, str], Cell]


def expand(cell: Cell, x: str, y: str | None) -> tuple[Grid, list[Cell]]:
    """The axes with their labels, and the cells row by row.

    Raises UserError: an axis that can't be read, a value that its setting can't have, too many cells.
    """
    across, down = _read_axis(x), None if y is None else _read_axis(y)
    if down is not None and down.name == across.name:
        raise UserError(f"Both sides of the grid change {quoted(across.name)}: take another one for `y`.")
    rows = down.values if down is not None else ("",)
    count = len(across.values) * len(rows)
    if count > MOST_CELLS:
        raise UserError(
            f"The grid would have {len(across.values)} × {len(rows)} = {count} pictures, and {MOST_CELLS} are the most:"
            " name fewer values."
        )
    cells = []
    for row in rows:
        start = cell if down is None else down.change(cell, row)
        cells += [across.change(start, value) for value in across.values]
    return Grid(across.axis, None if down is None else down.axis), cells


@dataclass(frozen=True)
class _Side:
    """One side of a grid: what changes, to which values."""

    name: str
    values: tuple[str, ...]
    kind: _Kind

    @property
    def axis(self) -> Axis:
        return Axis(self.name, self.values)

    def change(self, cell: Cell, value: str) -> Cell:
        """The cell with this value."""
        return self.kind.change(cell, value, self.values[0])


@dataclass(frozen=True)
class _Kind:
    """What can change: ``change`` gets a cell, a value and the first value of its side."""

    change: Callable[[Cell, str, str], Cell]
    is_number: bool = True


def _read_axis(written: str) -> _Side:
    match = _AXIS.fullmatch(written)
    if match is None:
        raise UserError(f"{quoted(written)} is no side of a grid: write for example `weight(0.5, 0.7, 0.9)`.")
    name = " ".join(match["kind"].lower().split())
    kind = _KINDS.get(_ALIASES.get(name, name))
    if kind is None:
        raise UserError(f"{quoted(name)} can't change along a grid: take one of {', '.join(_KINDS)}.")
    values = [value.strip() for value in match["values"].split(",") if value.strip()]
    if kind.is_number:
        values = [number for value in values for number in _read_range(value)]
    values = list(dict.fromkeys(values))
    if not values:
        raise UserError(f"{quoted(written)} names no values: write for example `weight(0.5, 0.7, 0.9)`.")
    if len(values) > MOST_VALUES:
        raise UserError(f"{quoted(name)} has {len(values)} values, and {MOST_VALUES} are the most: name fewer.")
    return _Side(_ALIASES.get(name, name), tuple(values), kind)


def _read_range(value: str) -> list[str]:
    """The numbers of ``1-9 (+2)`` or ``0.5-1 [3]``; one number is itself. Raises UserError."""
    if re.fullmatch(_NUMBER, value):
        return [value]
    match = _RANGE.fullmatch(value)
    if match is None:
        raise UserError(f"{quoted(value)} is no number: write numbers, or a range such as `1-5` or `0.5-1 (+0.1)`.")
    first, last = float(match["first"]), float(match["last"])
    if match["count"] is not None:
        count = int(match["count"])
        if count > MOST_VALUES:
            raise UserError(f"{quoted(value)} has {count} values, and {MOST_VALUES} are the most: name fewer.")
        if count < 2:
            return [_show(first)]
        return [_show(first + (last - first) * place / (count - 1)) for place in range(count)]
    step = float(match["step"] or (1 if last >= first else -1))
    count = int((last - first) / step + 1e-9) + 1 if step else 0
    if count < 1 or count > MOST_VALUES:
        raise UserError(f"{quoted(value)} has none or over {MOST_VALUES} values: give it a step, as in `1-9 (+2)`.")
    return [_show(first + step * place) for place in range(count)]


def _show(number: float) -> str:
    return f"{number:.6g}"


# -- what can change --------------------------------------------------------------------------------------------------


def _whole(name: str, value: str) -> int:
    if not float(value).is_integer():
        raise UserError(f"{name} must be whole numbers, got {quoted(value)}.")
    return int(float(value))


def _set(**changes: object) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, settings=msgspec.structs.replace(cell.settings, **changes))


def _change_weight(cell: Cell, value: str, _first: str) -> Cell:
    """Of every tag in the prompt."""
    if _TAG.search(cell.prompt) is None:
        raise UserError("The grid changes the weight, but the prompt has no tag: write `<lora:thnos:0.8>`.")
    return replace(cell, prompt=_TAG.sub(lambda tag: f"<{tag['kind']}:{tag['name']}:{value}>", cell.prompt))


def _change_adapter(cell: Cell, value: str, _first: str) -> Cell:
    """The first tag's; without one the adapter comes in front."""
    if set(value) & set("<:>"):
        raise UserError(f"{quoted(value)} is no adapter's name: write the name alone, for example `thnos`.")
    if _TAG.search(cell.prompt) is None:
        return replace(cell, prompt=f"<lora:{value}> {cell.prompt}")
    return replace(cell, prompt=_TAG.sub(lambda tag: f"<{tag['kind']}:{value}{tag['weights']}>", cell.prompt, count=1))


def _change_words(cell: Cell, value: str, first: str) -> Cell:
    if first not in cell.prompt and first not in cell.negative_prompt:
        raise UserError(f"{quoted(first)} is not in the prompt: the first of the words has to be, others replace it.")
    return replace(
        cell, prompt=cell.prompt.replace(first, value), negative_prompt=cell.negative_prompt.replace(first, value)
    )


def _change_sampler(cell: Cell, value: str, _first: str) -> Cell:
    try:
        sampler, scheduler = find_sampler(value)
    except ValueError as error:
        raise UserError(looks.sentence(str(error))) from error
    return _set(sampler=sampler, scheduler=scheduler)(cell)


def _change_size(cell: Cell, value: str, _first: str) -> Cell:
    match = re.fullmatch(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", value)
    if match is None:
        raise UserError(f"{quoted(value)} is no size: write width x height in pixels, for example `512x768`.")
    return _set(width=int(match[1]), height=int(match[2]))(cell)


_KINDS: dict[str, _Kind] = {
    "weight": _Kind(_change_weight),
    "adapter": _Kind(_change_adapter, is_number=False),
    "words": _Kind(_change_words, is_number=False),
    "guidance": _Kind(lambda cell, value, _: _set(guidance_scale=float(value))(cell)),
    "steps": _Kind(lambda cell, value, _: _set(num_inference_steps=_whole("steps", value))(cell)),
    "seed": _Kind(lambda cell, value, _: replace(cell, seed=_whole("seeds", value))),
    "sampler": _Kind(_change_sampler, is_number=False),
    "size": _Kind(_change_size, is_number=False),
    "clip skip": _Kind(lambda cell, value, _: _set(clip_skip=_whole("clip skips", value))(cell)),
    "strength": _Kind(lambda cell, value, _: _set(strength=float(value))(cell)),
    "guidance rescale": _Kind(lambda cell, value, _: _set(guidance_rescale=float(value))(cell)),
    "variation": _Kind(lambda cell, value, _: _set(variation_strength=float(value))(cell)),
}
KINDS = tuple(_KINDS)
_ALIASES = {"cfg": "guidance", "cfg scale": "guidance", "lora": "adapter", "model": "adapter", "checkpoint": "adapter",
            "prompt": "words", "prompt s/r": "words", "denoising": "strength", "seeds": "seed"}  # fmt: skip
