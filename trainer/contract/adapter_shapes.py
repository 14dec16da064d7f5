"""Whether the tensors that stand for one layer can be an adapter's change of it, by their shapes alone.

The algorithms are those of :mod:`trainer.contract.adapter_keys`, and what they mean stands in
``trainer/adapters/layouts/factors.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

# no layer of SD1, SD2 and SDXL has a change of a greater rank: their narrower side is at most 1,280
MAX_RANK = 1280
MAX_NUMBERS = 2**25  # of one layer's change; SDXL's largest has 29.5 million (2,560 to 1,280 channels, 3 × 3)

Shape = Sequence[int]
Shapes = Mapping[str, Shape]  # by role


class Misshapen(ValueError):
    """The tensors fit no adapter. Its text follows the layer's name."""


def check_layer(algorithm: str, shapes: Shapes) -> int:
    """The rank of a layer's change, 0 where it is whole. ``shapes``: of its tensors, by role.

    Raises :class:`Misshapen`: a matrix is missing, the sides don't meet, the rank or the change is larger than any
    layer's, an alpha that is no number.
    """
    for role in ("alpha", "scalar"):
        if role in shapes and math.prod(shapes[role]) != 1:
            raise Misshapen(f"has an {role} that is no number but {tuple(shapes[role])}")
    rank, out, inputs = _CHECKS[algorithm or "LoRA"](shapes)
    if rank > MAX_RANK:
        raise Misshapen(f"has rank {rank:,}; at most {MAX_RANK:,}")
    if max(out, rank) * inputs > MAX_NUMBERS or min(out, inputs) > MAX_RANK:
        raise Misshapen(f"changes {out:,} × {inputs:,} weights, more than any layer has")
    for role in ("magnitude", "dora_scale"):
        if role in shapes:
            _check_magnitudes(shapes[role], out, role)
    return rank


def _check_magnitudes(shape: Shape, out: int, role: str) -> None:
    if role == "dora_scale" and len(shape) > 1 and shape[0] == 1 != out:
        raise Misshapen(
            "has DoRA's magnitudes over the inputs, as LyCORIS once had; only those over the outputs, as in the paper, "
            "can be used (wd_on_output)"
        )
    if math.prod(shape) != out:
        raise Misshapen(f"has {math.prod(shape):,} magnitudes for {out:,} outputs")


def _lora(shapes: Shapes) -> tuple[int, int, int]:
    down, up = _need(shapes, "down", (2, 4)), _need(shapes, "up", (2, 4))
    _meet(down[0], up[1])
    if math.prod(up[2:]) != 1:
        raise _wrong(down, up)
    inputs = math.prod(down[1:])
    if "mid" in shapes:
        core = _need(shapes, "mid", (4,))
        if tuple(core[:2]) != (down[0], down[0]) or math.prod(down[2:]) != 1:
            raise _wrong(core, down)
        inputs *= math.prod(core[2:])
    return down[0], up[0], inputs


def _loha(shapes: Shapes) -> tuple[int, int, int]:
    sides = [_product(shapes, f"hada_w{number}_a", f"hada_w{number}_b", f"hada_t{number}") for number in "12"]
    (rank_1, out, inputs), (rank_2, *second) = sides
    if second != [out, inputs]:
        raise _wrong((out, inputs), second)
    return max(rank_1, rank_2), out, inputs


def _lokr(shapes: Shapes) -> tuple[int, int, int]:
    factors = [
        (0, whole[0], math.prod(whole[1:]))
        if (whole := _optional(shapes, f"lokr_w{number}", (2,) if number == "1" else (2, 4))) is not None
        else _product(shapes, f"lokr_w{number}_a", f"lokr_w{number}_b", f"lokr_t{number}")
        for number in "12"
    ]
    (rank_1, out_1, in_1), (rank_2, out_2, in_2) = factors
    return max(rank_1, rank_2), out_1 * out_2, in_1 * in_2


def _full(shapes: Shapes) -> tuple[int, int, int]:
    diff = _need(shapes, "diff", (2, 4))
    return 0, diff[0], math.prod(diff[1:])


def _product(shapes: Shapes, left: str, right: str, core: str) -> tuple[int, int, int]:
    """Rank, outputs and inputs of A·B, or of A and B around a core in Tucker's form, where A lies on its side."""
    a, b, middle = _need(shapes, left, (2,)), _need(shapes, right, (2,)), _optional(shapes, core, (4,))
    if middle is None:
        _meet(b[0], a[1])
        return b[0], a[0], b[1]
    if not a[0] == b[0] == middle[0] == middle[1]:
        raise _wrong(middle, a, b)
    return b[0], a[1], b[1] * math.prod(middle[2:])


def _need(shapes: Shapes, role: str, sides: tuple[int, ...]) -> Shape:
    shape = _optional(shapes, role, sides)
    if shape is None:
        raise Misshapen(f"has no {role if '_' in role or role == 'diff' else f'{role} matrix'}")
    return shape


def _optional(shapes: Shapes, role: str, sides: tuple[int, ...]) -> Shape | None:
    shape = shapes.get(role)
    if shape is not None and (len(shape) not in sides or not math.prod(shape)):
        raise _wrong(shape)
    return shape


def _meet(inner: int, outer: int) -> None:
    if inner != outer:
        raise Misshapen(f"has rank {inner} on one side and {outer} on the other")


def _wrong(*shapes: Shape) -> Misshapen:
    return Misshapen(f"has the shapes {' and '.join(str(tuple(shape)) for shape in shapes)}, which fit no adapter")


_CHECKS: dict[str, Callable[[Shapes], tuple[int, int, int]]] = {
    "LoRA": _lora, "LoHa": _loha, "LoKr": _lokr, "Full": _full,
}  # fmt: skip
