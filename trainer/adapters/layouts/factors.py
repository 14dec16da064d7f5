"""What an adapter's tensors mean for a layer's weight W: W + B·A, for every algorithm that does not ask what W is.

A pair is ``down``, A of the shape (r, in) or (r, in, k, k), and ``up``, B of (out, r). All are exact but for rounding:
no rank is cut off. The shapes are those that :func:`trainer.contract.adapter_shapes.check_layer` lets pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

LOST = 1e-6  # of a difference's Frobenius norm, at most, where it is factored
_SKETCH = 128  # the greatest rank that is looked for in a large difference
Tensors = Mapping[str, torch.Tensor]
Pair = tuple[torch.Tensor, torch.Tensor]


def lora(found: Tensors) -> tuple[Pair, int]:
    """LoRA (Hu et al. 2021, eq. 3) and LoCon, whose core (r, r, k, k) stands between two 1 × 1 convolutions.

    LoCon: Yeh et al. 2024, §3.1. Returns the pair before alpha, and the rank that alpha is divided by.
    """
    down, up = found["down"], found["up"]
    if "mid" in found:
        down = _with_core(found["mid"], down.flatten(1))
    return (down, up.flatten(1)), len(down)


def loha(found: Tensors) -> tuple[Pair, int]:
    """The Hadamard product of two low-rank matrices (FedPara, Hyeon-Woo et al. 2022, eq. 1; LoHa in Yeh et al. 2024).

    (B₁A₁) ⊙ (B₂A₂) is itself a product of rank r₁r₂: every column of B is a column of B₁ times one of B₂, and every row
    of A one of A₁ times one of A₂ (the Khatri-Rao product). With cores ``t1`` and ``t2`` (Prop. 3) each factor is a
    convolution in Tucker's form, whose core goes into A.
    """
    (down_1, up_1), (down_2, up_2) = _hadamard_factor(found, "1"), _hadamard_factor(found, "2")
    inputs, out = down_1[0].numel(), len(up_1)
    if len(down_1) * len(down_2) >= min(out, inputs):
        change = (up_1 @ down_1.flatten(1)) * (up_2 @ down_2.flatten(1))
        return factor(change.reshape(out, *down_1.shape[1:])), len(down_1)
    down = (down_1[:, None] * down_2[None]).flatten(0, 1)
    up = (up_1[:, :, None] * up_2[:, None]).flatten(1)
    return (down, up), len(down_1)


def _hadamard_factor(found: Tensors, number: str) -> Pair:
    """One of LoHa's two products: A (r, in) or (r, in, k, k), and B (out, r)."""
    b, a, core = found[f"hada_w{number}_a"], found[f"hada_w{number}_b"], found.get(f"hada_t{number}")
    return (a, b) if core is None else (_with_core(core, a), b.T)


def lokr(found: Tensors) -> tuple[Pair, int]:
    """The Kronecker product of two matrices, each whole or of low rank (KronA, Edalati et al. 2022; Yeh et al. 2024).

    (B₁A₁) ⊗ (B₂A₂) = (B₁ ⊗ B₂)(A₁ ⊗ A₂), and a whole matrix is itself times the identity of its narrower side. With
    ``t2`` the second is a convolution in Tucker's form. Where both are whole, LyCORIS' alpha means nothing: rank 0.
    """
    (down_1, up_1), rank_1 = _kronecker_factor(found, "1")
    (down_2, up_2), rank_2 = _kronecker_factor(found, "2")
    down_1 = down_1[(...,) + (None,) * (down_2.ndim - 2)]
    down = torch.kron(down_1.contiguous(), down_2.contiguous())
    return (down, torch.kron(up_1.contiguous(), up_2.contiguous())), rank_2 or rank_1


def _kronecker_factor(found: Tensors, number: str) -> tuple[Pair, int]:
    """One of LoKr's two matrices as a pair of no more rank than it must have, and its rank, 0 for a whole one."""
    whole = found.get(f"lokr_w{number}")
    if whole is not None:
        return split(whole), 0
    b, a, core = found[f"lokr_w{number}_a"], found[f"lokr_w{number}_b"], found.get(f"lokr_t{number}")
    rank = len(a)
    if core is not None:
        a, b = _with_core(core, a), b.T
    if rank < min(len(b), a[0].numel()):
        return (a, b), rank
    return split((b @ a.flatten(1)).reshape(len(b), *a.shape[1:])), rank


def full(found: Tensors) -> tuple[Pair, int]:
    """A whole difference, as LyCORIS' Full and extractors write it, of the least rank that holds it; without alpha."""
    return factor(found["diff"]), 0


def split(matrix: torch.Tensor) -> Pair:
    """Any (out, in) or (out, in, k, k) as a pair: itself, and the identity on its narrower side."""
    out, inputs = len(matrix), matrix[0].numel()
    if out <= inputs:
        return matrix, torch.eye(out)
    return torch.eye(inputs).reshape(inputs, *matrix.shape[1:]), matrix.flatten(1)


def factor(change: torch.Tensor) -> Pair:
    """A change as the pair of the least rank that loses no more than :data:`LOST` of it; :func:`split` where none does.

    The range of a large one is found from its product with a random matrix (Halko, Martinsson and Tropp 2011, alg.
    4.1), so that a layer costs a few products and no decomposition; then it is cut by Eckart and Young (1936).
    """
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
    return torch.einsum("rskl,si->rikl", core, down).contiguous()


# the algorithms of :mod:`trainer.contract.adapter_keys`, and how each becomes a pair and the rank for its alpha
PAIRS: dict[str, Callable[[Tensors], tuple[Pair, int]]] = {"LoRA": lora, "LoHa": loha, "LoKr": lokr, "Full": full}
