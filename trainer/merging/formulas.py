"""How two or three tensors become one, in float32."""

from __future__ import annotations

import math

import torch

_ALONG = 1 - 1e-6  # of cos θ: from there on the arc is its chord, to float32's last digits
_AGAINST = -0.9995  # and from there on no way round is shorter than the others
_PIECE = 2**18  # numbers


def weighted_sum(a: torch.Tensor, b: torch.Tensor, multiplier: float) -> torch.Tensor:
    """A · (1 − M) + B · M, as A1111 has it."""
    return (a * (1 - multiplier)).add_(b * multiplier)


def add_difference(a: torch.Tensor, difference: torch.Tensor, multiplier: float) -> torch.Tensor:
    """A + (B − C) · M, as A1111 has it."""
    return (difference * multiplier).add_(a)


def slerp(a: torch.Tensor, b: torch.Tensor, multiplier: float) -> torch.Tensor:
    """From A to B on the arc between their directions (Shoemake 1985, §3.3): sin((1−M)θ)/sin θ · A + sin(Mθ)/sin θ · B.

    θ is the angle between the two as vectors; of vectors on one line it is the weighted sum.
    """
    lengths = (_dot(a, a) * _dot(b, b)) ** 0.5
    cosine = _dot(a, b) / lengths if lengths else 1.0
    if not _AGAINST < cosine < _ALONG:
        return weighted_sum(a, b, multiplier)
    angle = math.acos(cosine)
    shares = [math.sin(share * angle) / math.sin(angle) for share in (1 - multiplier, multiplier)]
    return (a * shares[0]).add_(b * shares[1])


def _dot(a: torch.Tensor, b: torch.Tensor) -> float:
    """In double precision, piece by piece, so that nothing as large as they are is made."""
    pieces = zip(torch.split(a.reshape(-1), _PIECE), torch.split(b.reshape(-1), _PIECE), strict=True)
    return sum(float(torch.dot(one.double(), two.double())) for one, two in pieces)
