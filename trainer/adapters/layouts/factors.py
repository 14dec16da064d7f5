"""What an adapter's tensors mean for a layer's weight W: W + B·A, for every algorithm that does not ask what W is.

A pair is ``down``, A of the shape (r, in) or (r, in, k, k), and ``up``, B of (out, r). All are exact but for rounding:
no rank is cut off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from trainer.contract.adapter_shapes import MAX_NUMBERS, MAX_RANK
from trainer.errors import BadAdapterFile

LOST = 1e-6  # of a difference's Frobenius norm, at most, where it is factored
_SKETCH = 128  # the greatest rank that is looked for in a large difference
Tensors = Mapping[str, torch.Tensor]
Pair = tuple[torch.Tensor, torch.Tensor]


def lora(found: Tensors) -> tuple[Pair, int]:
    """LoRA (Hu et al. 2021, eq. 3) and LoCon, whose core (r, r, k, k) stands between two 1 × 1 convolutions.

    LoCon: Yeh et al. 2024, §3.1. Returns the pair before alpha, and the rank that alpha is divided by.
    """
    down, up = _need(found, "down"), _need(found, "up")
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or not down.numel() or not up.numel():
        raise misshapen(down, up)
    if up.flatten(1).shape != up.shape[:2]:
        raise misshapen(down, up)
    if up.shape[1] != len(down):
        raise BadAdapterFile(f"has rank {len(down)} on one side and {up.shape[1]} on the other")
    check_rank(len(down))
    if "mid" in found:
        down = _with_core(found["mid"], down.flatten(1) if down.flatten(1).shape == down.shape[:2] else down)
    return (down, up.flatten(1)), len(down)


def loha(found: Tensors) -> tuple[Pair, int]:
    """The Hadamard product of two low-rank matrices (FedPara, Hyeon-Woo et al. 2022, eq. 1; LoHa in Yeh et al. 2024).

    (B₁A₁) ⊙ (B₂A₂) is itself a product of rank r₁r₂: every column of B is a column of B₁ times one of B₂, and every row
    of A one of A₁ times one of A₂ (the Khatri-Rao product). With cores ``t1`` and ``t2`` (Prop. 3) each factor is a
    convolution in Tucker's form, whose core goes into A.
    """
    (down_1, up_1), (down_2, up_2) = _hadamard_factor(found, "1"), _hadamard_factor(found, "2")
    if down_1.shape[1:] != down_2.shape[1:] or len(up_1) != len(up_2):
        raise misshapen(down_1, down_2)
    inputs, out = down_1[0].numel(), len(up_1)
    check_numbers(out, inputs)
    if len(down_1) * len(down_2) >= min(out, inputs):
        change = (up_1 @ down_1.flatten(1)) * (up_2 @ down_2.flatten(1))
        return factor(change.reshape(out, *down_1.shape[1:])), len(down_1)
    down = (down_1[:, None] * down_2[None]).flatten(0, 1)
    up = (up_1[:, :, None] * up_2[:, None]).flatten(1)
    return (down, up), len(down_1)


def _hadamard_factor(found: Tensors, number: str) -> Pair:
    """One of LoHa's two products: A (r, in) or (r, in, k, k), and B (out, r)."""
    b, a = _need(found, f"hada_w{number}_a"), _need(found, f"hada_w{number}_b")
    core = found.get(f"hada_t{number}")
    _check_matrices(a, b)
    if core is not None:
        return _with_core(core, a), _rows(b.T, len(core))
    return a, _rows(b, len(a))


def lokr(found: Tensors) -> tuple[Pair, int]:
    """The Kronecker product of two matrices, each whole or of low rank (KronA, Edalati et al. 2022; Yeh et al. 2024).

    (B₁A₁) ⊗ (B₂A₂) = (B₁ ⊗ B₂)(A₁ ⊗ A₂), and a whole matrix is itself times the identity of its narrower side. With
    ``t2`` the second is a convolution in Tucker's form. Where both are whole, LyCORIS' alpha means nothing: rank 0.
    """
    (down_1, up_1), rank_1 = _kronecker_factor(found, "1")
    (down_2, up_2), rank_2 = _kronecker_factor(found, "2")
    if down_1.ndim != 2:
        raise misshapen(down_1, up_1)
    check_numbers(len(up_1) * len(up_2), down_1.shape[1] * down_2[0].numel())
    down_1 = down_1[(...,) + (None,) * (down_2.ndim - 2)]
    down = torch.kron(down_1.contiguous(), down_2.contiguous())
    return (down, torch.kron(up_1.contiguous(), up_2.contiguous())), rank_2 or rank_1


def _kronecker_factor(found: Tensors, number: str) -> tuple[Pair, int]:
    """One of LoKr's two matrices as a pair of no more rank than it must have, and its rank, 0 for a whole one."""
    whole = found.get(f"lokr_w{number}")
    if whole is not None:
        return split(whole), 0
    b, a, core = _need(found, f"lokr_w{number}_a"), _need(found, f"lokr_w{number}_b"), found.get(f"lokr_t{number}")
    _check_matrices(a, b)
    rank = len(a)
    if core is not None:
        a, b = _with_core(core, a), b.T
    b = _rows(b, rank)
    if rank < min(len(b), a[0].numel()):
        return (a, b), rank
    check_numbers(len(b), a[0].numel())
    return split((b @ a.flatten(1)).reshape(len(b), *a.shape[1:])), rank


def full(found: Tensors) -> tuple[Pair, int]:
    """A whole difference, as LyCORIS' Full and extractors write it, of the least rank that holds it; without alpha."""
    return factor(_need(found, "diff")), 0


def split(matrix: torch.Tensor) -> Pair:
    """Any (out, in) or (out, in, k, k) as a pair: itself, and the identity on its narrower side."""
    if matrix.ndim not in (2, 4) or not matrix.numel():
        raise misshapen(matrix)
    out, inputs = len(matrix), matrix[0].numel()
    check_numbers(out, inputs)
    if out <= inputs:
        return matrix, torch.eye(out)
    return torch.eye(inputs).reshape(inputs, *matrix.shape[1:]), matrix.flatten(1)


def factor(change: torch.Tensor) -> Pair:
    """A change as the pair of the least rank that loses no more than :data:`LOST` of it; :func:`split` where none does.

    The range of a large one is found from its product with a random matrix (Halko, Martinsson and Tropp 2011, alg.
    4.1), so that a layer costs a few products and no decomposition; then it is cut by Eckart and Young (1936).
    """
    if change.ndim not in (2, 4) or not change.numel():
        raise misshapen(change)
    check_numbers(len(change), change[0].numel())
    matrix = change.flatten(1).double()
    side, norm = min(matrix.shape), matrix.norm()
    if side > _SKETCH:
        rng = torch.Generator().manual_seed(0)
        probe = torch.randn(matrix.shape[1], _SKETCH, generator=rng, dtype=matrix.dtype)
        basis = torch.linalg.qr(matrix @ probe).Q  # (out, sketch)
        if (matrix - basis @ (basis.T @ matrix)).norm() > LOST / 2 * norm:
            return split(change)
    else:
        basis = torch.eye(len(matrix), dtype=matrix.dtype)
    u, s, vh = torch.linalg.svd(basis.T @ matrix, full_matrices=False)
    tails = s.square().flip(0).cumsum(0).flip(0).sqrt()  # what is lost when cut before each
    rank = max(1, int((tails > LOST / 2 * norm).sum()))
    if rank >= side:
        return split(change)
    up, down = basis @ u[:, :rank] * s[:rank].sqrt(), s[:rank, None].sqrt() * vh[:rank]
    return down.float().reshape(rank, *change.shape[1:]), up.float()


def _with_core(core: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """A core (r, r, k, k) and what stands before it (r, in), as one A (r, in, k, k)."""
    if down.ndim != 2 or core.ndim != 4 or tuple(core.shape[:2]) != (len(down), len(down)) or not core.numel():
        raise misshapen(core, down)
    check_numbers(*core.shape[1:], down.shape[1])
    return torch.einsum("rskl,si->rikl", core, down).contiguous()


def _check_matrices(*matrices: torch.Tensor) -> None:
    """Of two sides, with something in them, and of a rank that a layer can have."""
    for matrix in matrices:
        if matrix.ndim != 2 or not matrix.numel():
            raise misshapen(*matrices)
    check_rank(min(matrices[0].shape))


def _rows(up: torch.Tensor, rank: int) -> torch.Tensor:
    if up.shape[1] != rank:
        raise BadAdapterFile(f"has rank {rank} on one side and {up.shape[1]} on the other")
    return up


def _need(found: Tensors, role: str) -> torch.Tensor:
    if role not in found:
        named = role if "_" in role or role == "diff" else f"{role} matrix"
        raise BadAdapterFile(f"has no {named}")
    return found[role]


def check_rank(rank: int) -> None:
    """Raises :class:`BadAdapterFile` for one that no layer can need."""
    if rank > MAX_RANK:
        raise BadAdapterFile(f"has rank {rank:,}; at most {MAX_RANK:,}")


def check_numbers(*sides: int) -> None:
    """Before anything of these sides is made: a small file may claim a large product."""
    if math.prod(sides) > MAX_NUMBERS:
        shape = " × ".join(f"{side:,}" for side in sides)
        raise BadAdapterFile(f"changes {shape} weights, more than any layer has")


def misshapen(*tensors: torch.Tensor) -> BadAdapterFile:
    """The sentence for shapes that can't belong together."""
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
    return BadAdapterFile(f"has the shapes {shapes}, which fit no adapter")


# the algorithms of :mod:`trainer.contract.adapter_keys`, and how each becomes a pair and the rank for its alpha
PAIRS: dict[str, Callable[[Tensors], tuple[Pair, int]]] = {"LoRA": lora, "LoHa": loha, "LoKr": lokr, "Full": full}
