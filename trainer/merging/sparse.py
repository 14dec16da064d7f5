"""Merging changes entry by entry, where adapters would get into each other's way: TIES and DARE."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch


def trim(delta: torch.Tensor, density: float) -> torch.Tensor:
    """The share ``density`` of the entries that are greatest, the others being 0 (Yadav et al. 2023, §4.2, step 1)."""
    keep = max(1, round(density * delta.numel()))
    if keep >= delta.numel():
        return delta
    sizes = delta.abs().reshape(-1)
    least = sizes.kthvalue(delta.numel() - keep + 1).values
    return torch.where(delta.abs() >= least, delta, torch.zeros_like(delta))


def ties(deltas: Iterable[torch.Tensor], density: float, scale: float = 1.0) -> torch.Tensor:
    """Trim, elect sign, and the mean of those that agree (Yadav et al. 2023, alg. 1), times λ.

    Elected is the sign of the sum, which is that of the greater total of magnitudes; entries of 0 do not vote in the
    mean. ``deltas`` bring their weights with them.
    """
    trimmed = [trim(delta, density) for delta in deltas]
    elected = torch.zeros_like(trimmed[0])
    for delta in trimmed:
        elected += delta
    elected.sign_()
    total, agreeing = torch.zeros_like(elected), torch.zeros_like(elected)
    for delta in trimmed:
        agrees = (delta.sign() == elected) & (delta != 0)
        total += torch.where(agrees, delta, torch.zeros_like(delta))
        agreeing += agrees
    return scale * total / agreeing.clamp(min=1)


def dare(delta: torch.Tensor, density: float, seed: int, name: str) -> torch.Tensor:
    """Each entry dropped with probability 1 − ``density``, the rest rescaled by its inverse (Yu et al. 2023, §3.2).

    ``name`` of adapter and layer makes the chances of each its own, whatever their order.
    """
    if density >= 1:
        return delta
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    rng = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    kept = torch.rand(delta.shape, generator=rng) < density
    return torch.where(kept, delta / density, torch.zeros_like(delta))
