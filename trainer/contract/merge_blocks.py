"""The blocks of a UNet as mergers number them, and how strongly each takes part: values, or a preset by its name.

IN00 to IN11, M00, OUT00 to OUT11 in SD1 and SD2, IN00 to IN08, M00, OUT00 to OUT08 in SDXL: the ``input_blocks``,
``middle_block`` and ``output_blocks`` of the original code. Pure, so that the bot can check what a member types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from trainer.contract.merges import BlockWeights

MAX_BLOCKS = 64

# by name: of a place from 0 (IN00) over 0.5 (M00) to 1 (the last OUT), how much of B there is
_CURVES: dict[str, Callable[[float], float]] = {
    "GRAD_V": lambda place: abs(2 * place - 1),
    "GRAD_A": lambda place: 1 - abs(2 * place - 1),
    "GRAD_UP": lambda place: place,
    "GRAD_DOWN": lambda place: 1 - place,
    "COSINE": lambda place: (1 + math.cos(2 * math.pi * place)) / 2,
    "REVERSE_COSINE": lambda place: (1 - math.cos(2 * math.pi * place)) / 2,
    "SMOOTHSTEP": lambda place: place * place * (3 - 2 * place),
    "REVERSE_SMOOTHSTEP": lambda place: 1 - place * place * (3 - 2 * place),
    "FLAT_25": lambda place: 0.25,
    "FLAT_50": lambda place: 0.5,
    "FLAT_75": lambda place: 0.75,
    "IN_ONLY": lambda place: float(place < 0.5),
    "MID_ONLY": lambda place: float(place == 0.5),
    "OUT_ONLY": lambda place: float(place > 0.5),
}
# by name: how many blocks at each end are B's; and how many beside M00, half on each side, are B's with it
_WRAPS = {"WRAP04": 4, "WRAP08": 8, "WRAP12": 12}
_MIDS = {"MID04": 4, "MID08": 8, "MID12": 12}
PRESETS = (*_CURVES, *_WRAPS, *_MIDS)


def block_names(count: int) -> tuple[str, ...]:
    """IN00 … M00 … for a UNet of ``count`` blocks, an odd number: 25 in SD1 and SD2, 19 in SDXL."""
    side = count // 2
    return (*(f"IN{place:02}" for place in range(side)), "M00", *(f"OUT{place:02}" for place in range(side)))


def expand_blocks(weights: BlockWeights, count: int) -> tuple[float | None, tuple[float, ...]]:
    """The weight of everything that is no block, where it is given, and one for each of ``count`` blocks.

    Values are one for each block, or one more, whose first is the base's: 25 or 26 of SD1 and SD2, 19 or 20 of SDXL.
    Raises ``ValueError`` with a sentence that names the value.
    """
    if isinstance(weights, str):
        return None, _preset(weights, count)
    if len(weights) == count:
        return None, weights
    if len(weights) == count + 1:
        return weights[0], weights[1:]
    raise ValueError(
        f"{len(weights)} block weights were given, and this model has {count} blocks; give {count} values, or"
        f" {count + 1} with the base's first, or one of {', '.join(PRESETS)}"
    )


def parse_blocks(text: str) -> BlockWeights:
    """What a member typed: a preset's name in any case, or numbers with commas between them.

    Raises ``ValueError`` with a sentence that names the value.
    """
    name = text.strip().upper()
    if name in PRESETS:
        return name
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) > MAX_BLOCKS:
        raise ValueError(f"{len(pieces)} block weights are more than any model has blocks; give 25, or 19 for SDXL")
    values = []
    for piece in pieces:
        try:
            value = float(piece)
        except ValueError:
            value = math.nan
        if not -2 <= value <= 2:
            raise ValueError(
                f"{piece[:40]!r} is neither a preset nor a block's weight; give numbers from -2 to 2 with commas"
                f" between them, or one of {', '.join(PRESETS)}"
            )
        values.append(value)
    return tuple(values)


def _preset(name: str, count: int) -> tuple[float, ...]:
    if name in _CURVES:
        return tuple(_CURVES[name](place / (count - 1)) for place in range(count))
    if name in _WRAPS:
        return tuple(float(min(place, count - 1 - place) < _share(_WRAPS[name], count)) for place in range(count))
    if name in _MIDS:
        beside = _share(_MIDS[name], count) // 2
        return tuple(float(abs(place - count // 2) <= beside) for place in range(count))
    raise ValueError(f"{name[:40]!r} is no preset of block weights; take one of {', '.join(PRESETS)}")


def _share(of_25: int, count: int) -> int:
    """As many of ``count`` blocks as ``of_25`` are of SD1's 25."""
    return round(of_25 * count / 25)


def check_sides(counts: Sequence[int]) -> None:
    """Raises ``ValueError`` where the ways in and out of a UNet differ in blocks, as those of no known model do."""
    if len(set(counts)) > 1:
        raise ValueError("the model has more blocks on one side than on the other, which no block weights are for")
