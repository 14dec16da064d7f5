"""How two or three tensors become one, in float32."""

from __future__ import annotations

import torch

_NEARLY_ONE_LINE = 1 - 1e-6  # of |cos θ|: from there on the arc is its chord, to float32's last digits


def weighted_sum(a: torch.Tensor, b: torch.Tensor, multiplier: float) -> torch.Tensor:
    """A · (1 − M) + B · M, as A1111 has it."""
    return a * (1 - multiplier) + b * multiplier


def add_difference(a: torch.Tensor, difference: torch.Tensor, multiplier: float) -> torch.Tensor:
    """A + (B − C) · M, as A1111 has it."""
    return a + difference * multiplier


def slerp(a: torch.Tensor, b: torch.Tensor, multiplier: float) -> torch.Tensor:
    """From A to B on the arc between their directions (Shoemake 1985, §3.3): sin((1−M)θ)/sin θ · A + sin(Mθ)/sin θ · B.

    θ is the angle between the two as vectors; of vectors on one line it is the weighted sum.
    """
    flat = [tensor.reshape(-1).double() for tensor in (a, b)]
    norms = torch.stack([vector.norm() for vector in flat])
    if not bool(norms.prod()):
        return weighted_sum(a, b, multiplier)
    cosine = torch.dot(*flat) / norms.prod()
    if cosine.abs() > _NEARLY_ONE_LINE:
        return weighted_sum(a, b, multiplier)
    angle = torch.arccos(cosine)
    shares = [float(torch.sin(share * angle) / torch.sin(angle)) for share in (1 - multiplier, multiplier)]
    return a * shares[0] + b * shares[1]
