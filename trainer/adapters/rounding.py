"""The precision that an adapter's file is written in: what a value becomes there, and how much room it leaves.

float8_e4m3fn (Micikevicius et al. 2022, "FP8 Formats for Deep Learning") has 3 bits of fraction from 2⁻⁶ to 448, and
below that ever fewer: an adapter's small numbers have to be lifted into its range by a power of two first.
"""

from __future__ import annotations

import math

import torch

FLOAT8 = torch.float8_e4m3fn
_MOST = 448.0
_LOPSIDED = 8.0  # between the greatest of A and of B; what is within it is left, so that writing again changes nothing


def lift(tensor: torch.Tensor) -> float:
    """The power of two by which the greatest value comes between 224, exclusive, and 448. 1 for a tensor of zeros."""
    most = float(tensor.abs().max()) if tensor.numel() else 0.0
    if not most:
        return 1.0
    gain = 2.0 ** math.floor(math.log2(_MOST / most))
    if float((tensor.abs().max() * gain).to(FLOAT8).float()) <= _MOST / 2:  # rounded down onto the edge
        gain *= 2
    return gain


def fit(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """In ``dtype``; where a value is beyond its range, in float32."""
    if dtype == FLOAT8:
        return tensor.to(dtype) if not tensor.numel() or tensor.abs().max() <= _MOST else tensor
    result = tensor.to(dtype)
    return result if torch.isfinite(result).all() else tensor


def round_factors(
    down: torch.Tensor, up: torch.Tensor, dtype: torch.dtype, *, lifted: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """A and B as a reader will find them, in float32. ``lifted``: an alpha stands beside them that lowers them."""
    if dtype != FLOAT8:
        return fit(down, dtype).float(), fit(up, dtype).float()
    if lifted:
        gains = lift(down), lift(up)
        return (down * gains[0]).to(FLOAT8).float() / gains[0], (up * gains[1]).to(FLOAT8).float() / gains[1]
    gain = _balance(down, up)
    return fit(down * gain, FLOAT8).float(), fit(up / gain, FLOAT8).float()


def _balance(down: torch.Tensor, up: torch.Tensor) -> float:
    """By which power of two A has to grow, and B to shrink, for both to have greatest values of one size."""
    most = float(down.abs().max()), float(up.abs().max())
    if not all(most) or 1 / _LOPSIDED <= most[1] / most[0] <= _LOPSIDED:
        return 1.0
    return 2.0 ** round(math.log2(most[1] / most[0]) / 2)
