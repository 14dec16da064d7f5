"""The LoRA in a model that was trained whole: the best approximation of what changed, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

Tensors = Mapping[str, torch.Tensor]
_EMBEDDINGS = ("token_embedding.weight", "position_embedding.weight", "class_embedding.weight")
_EXACT_UP_TO = 384  # the shorter side of a matrix whose whole SVD is cheap
_PIECE = 2**20  # numbers
_OVERSAMPLING = 16  # beyond the rank, and
_POWER_ITERATIONS = 4  # of the randomised SVD: Halko et al. 2011, §4.5 and algorithm 5.1


@dataclass(frozen=True)
class Extraction:
    """A LoRA of scale 1, named as :mod:`trainer.adapters.lora_files` names weights, and its likeness to the whole."""

    weights: dict[str, torch.Tensor]
    rank: int
    fidelity: float  # 1 − ‖Δ − BA‖² / ‖Δ‖² over all that changed, in 0…1
    left_out: tuple[str, ...]  # what changed but no LoRA can carry: biases, norms, embeddings


@dataclass(frozen=True)
class Factors:
    """A change Δ ≈ U diag(S) Vᵀ, S falling."""

    u: torch.Tensor  # (out, r)
    s: torch.Tensor  # (r,)
    v: torch.Tensor  # (in·k·k, r)
    shape: torch.Size  # of Δ


def extract_lora(
    original: Tensors, tuned: Tensors, rank: int, *, wanted_fidelity: float | None = None, seed: int = 0
) -> Extraction:
    """The LoRA of rank ``rank`` that comes nearest to ``tuned`` − ``original``.

    Both are state dicts with the part in front (``unet.conv_in.weight``) and the same keys. The truncated SVD is the
    nearest matrix of a rank (Eckart & Young 1936); A = √S Vᵀ and B = U √S share it out, so that neither is small in
    float16. With ``wanted_fidelity`` the rank is the least that reaches it, ``rank`` at most. Deterministic by
    ``seed``.
    """
    factors: dict[str, Factors] = {}
    total, left_out = 0.0, []
    for key, before in original.items():
        change = tuned[key].float() - before.float()
        size = energy(change)
        total += size
        if not size:
            continue
        if change.ndim in (2, 4) and key.endswith(".weight") and not key.endswith(_EMBEDDINGS):
            factors[key.removesuffix(".weight")] = factorise(change, rank, seed)
        else:
            left_out.append(key)
    if wanted_fidelity is not None:
        rank = _least_rank(factors, total, wanted_fidelity, rank)
    weights: dict[str, torch.Tensor] = {}
    lost = sum(energy(tuned[key].float() - original[key].float()) for key in left_out)
    for module, found in factors.items():
        down, up = share_out(found, rank)
        weights[f"{module}.lora_A.weight"], weights[f"{module}.lora_B.weight"] = down, up
        change = tuned[f"{module}.weight"].float() - original[f"{module}.weight"].float()
        lost += energy(change.flatten(1) - up.flatten(1) @ down.flatten(1))
    return Extraction(weights, rank, 1 - lost / total if total else 1.0, tuple(sorted(left_out)))


def energy(tensor: torch.Tensor) -> float:
    """‖·‖² of Frobenius, summed in double precision: whole models have a thousand million entries."""
    pieces = torch.split(tensor.reshape(-1), _PIECE)  # or a copy twice as large as the tensor is made
    return sum(float(torch.linalg.vector_norm(piece, dtype=torch.float64)) ** 2 for piece in pieces)


def factorise(change: torch.Tensor, rank: int, seed: int) -> Factors:
    """At most ``rank`` singular values and vectors; those of a big matrix by random projection."""
    matrix = change.flatten(1)  # (out, in·k·k)
    short = min(matrix.shape)
    if short <= _EXACT_UP_TO or rank + _OVERSAMPLING >= short // 2:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        v = vh.T
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            u, s, v = torch.svd_lowrank(matrix, q=rank + _OVERSAMPLING, niter=_POWER_ITERATIONS)
    # copies, or what is beyond the rank stays in memory, too
    return Factors(u[:, :rank].clone(), s[:rank].clone(), v[:, :rank].clone(), change.shape)


def _least_rank(factors: Mapping[str, Factors], total: float, wanted: float, most: int) -> int:
    """The least rank, the same for all modules, of which the kept S² make up the wanted share of ‖Δ‖²."""
    kept = torch.zeros(most, dtype=torch.float64)
    for found in factors.values():
        kept[: len(found.s)] += found.s.double().square()
    reached = (kept.cumsum(0) >= wanted * total).nonzero()
    return int(reached[0]) + 1 if len(reached) else most


def share_out(found: Factors, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A (r, in, …) and B (out, r, …), each with the root of S."""
    root = found.s[:rank].sqrt()
    down = root[:, None] * found.v[:, :rank].T
    up = found.u[:, :rank] * root
    if len(found.shape) == 4:
        return down.reshape(-1, *found.shape[1:]).contiguous(), up[:, :, None, None].contiguous()
    return down.contiguous(), up.contiguous()
