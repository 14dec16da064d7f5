"""X/Y grids: what changes along each side, and the picture of every place. Pure.

An axis is written ``weight(0.5, 0.7, 0.9)``; numbers may be ranges as in A1111's X/Y/Z plot: ``1-5``, ``1-9 (+2)``,
``0.5-1 [3]``, the last being three numbers from 0.5 to 1. ``words(red, blue)`` is its "Prompt S/R": the first of them
is in the prompt, and each of the others takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import UserError, quoted
from bot.grid_changes import ALIASES, KINDS, Cell, Kind
from bot.orders import Order
from trainer.contract.drawings import Axis, Grid

MOST_CELLS = 36
MOST_VALUES = 12  # along one side
_AXIS = re.compile(r"\s*(?P<kind>[a-z][a-z ]*?)\s*\(\s*(?P<values>.*)\)\s*", re.IGNORECASE | re.DOTALL)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(
    rf"(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})"
    rf"(?:\s*\(\s*(?P<step>{_NUMBER})\s*\)|\s*\[\s*(?P<count>\d{{1,3}})\s*\])?"
)


class Sides(Order, frozen=True):
    """What changes along a grid, as it is written."""

    x: str
    y: str | None = None


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
    _check_one_base(cells)
    return Grid(across.axis, None if down is None else down.axis), cells


def _check_one_base(cells: Sequence[Cell]) -> None:
    """A job is drawn by workers of one base."""
    bases = list(dict.fromkeys(cell.base for cell in cells if cell.base is not None))
    if len(bases) > 1:
        raise UserError(
            f"A grid is drawn with one base model, and this one names {quoted(bases[0])} and {quoted(bases[1])}: make a"
            " grid of each with the same `seed`."
        )


@dataclass(frozen=True)
class _Side:
    """One side of a grid: what changes, to which values."""

    name: str
    values: tuple[str, ...]
    kind: Kind

    @property
    def axis(self) -> Axis:
        return Axis(self.name, self.values)

    def change(self, cell: Cell, value: str) -> Cell:
        """The cell with this value."""
        return self.kind.change(cell, value, self.values)


def _read_axis(written: str) -> _Side:
    match = _AXIS.fullmatch(written)
    if match is None:
        raise UserError(f"{quoted(written)} is no side of a grid: write for example `weight(0.5, 0.7, 0.9)`.")
    name = " ".join(match["kind"].lower().split())
    kind = KINDS.get(ALIASES.get(name, name))
    if kind is None:
        raise UserError(f"{quoted(name)} can't change along a grid: take one of {', '.join(KINDS)}.")
    values = [value.strip() for value in match["values"].split(",") if value.strip()]
    if kind.is_number:
        values = [number for value in values for number in _read_range(value)]
    values = list(dict.fromkeys(values))
    if not values:
        raise UserError(f"{quoted(written)} names no values: write for example `weight(0.5, 0.7, 0.9)`.")
    if len(values) > MOST_VALUES:
        raise UserError(f"{quoted(name)} has {len(values)} values, and {MOST_VALUES} are the most: name fewer.")
    return _Side(ALIASES.get(name, name), tuple(values), kind)


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
