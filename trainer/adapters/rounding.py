"""The precision that an adapter's file is written in: what a value becomes there, and how much room it leaves.

float8_e4m3fn (Micikevicius et al. 2022, "FP8 Formats for Deep Learning") has 3 bits of fraction from 2⁻⁶ to 448, and
below that ever fewer: an adapter's small numbers have to be lifted into its range by a power of two first.
"""

from __future__ import annotations

import math

import torch

FLOAT8 = torch.float8_e4m3fn
_MOST = 448.0


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
    if dtype == FLOAT8 and tensor.numel() and tensor.abs().max() > _MOST + _MOST / 28:  # half a step: rounded to it
        return tensor
    result = tensor.to(dtype)
    return result if torch.isfinite(result.float()).all() else tensor
