"""A layer's change as a pair of matrices, Δ = B·A: put together, cut to a rank and compared without ever being whole.

A is (r, in) or (r, in, k, k), B is (out, r) or (out, r, 1, 1), as :mod:`trainer.adapters.lora_files` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Pair:
    """Δ = ``up`` · ``down``, at scale 1."""

    down: torch.Tensor
    up: torch.Tensor

    @property
    def rank(self) -> int:
        """Columns of B."""
        return len(self.down)

    @property
    def matrices(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A (r, in·k·k) and B (out, r)."""
        return self.down.flatten(1), self.up.flatten(1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of Δ: (out, in) or (out, in, k, k)."""
        return (len(self.up), *self.down.shape[1:])

    def delta(self) -> torch.Tensor:
        """Δ itself."""
        down, up = self.matrices
        return (up.float() @ down.float()).reshape(self.shape)

    def like(self, down: torch.Tensor, up: torch.Tensor) -> Pair:
        """Two matrices in this pair's shapes, of a rank of their own."""
        ones = (1,) * (self.up.ndim - 2)
        return Pair(down.reshape(-1, *self.down.shape[1:]).contiguous(), up.reshape(*up.shape, *ones).contiguous())


def add_pairs(pairs: Sequence[tuple[float, Pair]]) -> Pair:
    """Σ wᵢ Bᵢ Aᵢ exactly: the ranks one behind the other, the weights in B."""
    down = torch.cat([pair.matrices[0] for _, pair in pairs])
    up = torch.cat([weight * pair.matrices[1] for weight, pair in pairs], dim=1)
    return pairs[0][1].like(down, up)


def average_factors(pairs: Sequence[tuple[float, Pair]]) -> Pair:
    """A = Σ √|wᵢ| Aᵢ and B = Σ sgn(wᵢ) √|wᵢ| Bᵢ, of pairs of one rank.

    Their product is Σ wᵢ BᵢAᵢ and, beside it, every Bᵢ with every other Aⱼ: the cross-terms, which nobody asked for.
    """
    down = torch.stack([abs(weight) ** 0.5 * pair.matrices[0] for weight, pair in pairs]).sum(0)
    signed = [(abs(weight) ** 0.5 * (1 if weight >= 0 else -1), pair) for weight, pair in pairs]
    up = torch.stack([root * pair.matrices[1] for root, pair in signed]).sum(0)
    return pairs[0][1].like(down, up)


def truncate(pair: Pair, rank: int | None = None, kept: float | None = None) -> Pair:
    """The nearest pair of a rank: ``rank`` at most, and the least that keeps ``kept`` of the Frobenius norm.

    By QR of both factors and the SVD of what stands between them, r × r: B = Q_b R_b, Aᵀ = Q_a R_a, R_b R_aᵀ = U S Vᵀ
    is that of the whole (Eckart and Young 1936). A change of more rank than its narrower side loses nothing by it.
    """
    down, up = pair.matrices
    most = min(pair.rank, len(up), down.shape[1])
    if (rank is None or rank >= pair.rank) and kept is None and most == pair.rank:
        return pair
    left, r_b = torch.linalg.qr(up)
    right, r_a = torch.linalg.qr(down.T)
    u, s, vh = torch.linalg.svd(r_b @ r_a.T, full_matrices=False)
    count = min(most, rank or most, len(s))
    if kept is not None:
        count = min(count, _least_rank(s, kept))
    root = s[:count].sqrt()
    return pair.like(root[:, None] * (vh[:count] @ right.T), (left @ u[:, :count]) * root)


def _least_rank(s: torch.Tensor, kept: float) -> int:
    """The fewest singular values whose root of squares is ``kept`` of that of all."""
    squares = s.double().square()
    reached = (squares.cumsum(0) >= kept**2 * squares.sum() * (1 - 1e-12)).nonzero()
    return max(1, int(reached[0]) + 1) if len(reached) else len(s)


def pair_energy(pair: Pair) -> float:
    """‖BA‖² of Frobenius, without BA: the sum over BᵀB ∘ AAᵀ, in double precision."""
    down, up = (matrix.double() for matrix in pair.matrices)
    return max(0.0, float(((up.T @ up) * (down @ down.T)).sum()))


def distance(found: Pair, wanted: Pair) -> float:
    """‖B'A' − BA‖² of Frobenius; to 1e-8 of the norms themselves, which is what double precision leaves."""
    return pair_energy(add_pairs([(1.0, found), (-1.0, wanted)]))


class Losses:
    """How far what is written is from what was asked for, layer by layer and together."""

    def __init__(self) -> None:
        self._lost, self._total = 0.0, 0.0
        self.worst: tuple[float, str] = (0.0, "")

    def add(self, layer: str, lost: float, total: float) -> None:
        """``lost`` and ``total``: squares of Frobenius norms."""
        self._lost, self._total = self._lost + lost, self._total + total
        share = (lost / total) ** 0.5 if total else 0.0
        self.worst = max(self.worst, (share, layer))

    @property
    def error(self) -> float:
        """Relative, of all layers together."""
        return (self._lost / self._total) ** 0.5 if self._total else 0.0
