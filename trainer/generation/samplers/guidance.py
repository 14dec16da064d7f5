"""Classifier-free guidance over rows that each have their own scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def compose(conds: Sequence[torch.Tensor], weights: Sequence[float], uncond: torch.Tensor) -> torch.Tensor:
    """One output in place of several prompts joined by AND: uncond + Σ wᵢ·(condᵢ − uncond); all of one shape.

    Liu et al. 2022 (composable diffusion), eq. 11. Guided by :func:`guide` it gives what A1111 does, uncond +
    scale·Σ wᵢ·(condᵢ − uncond). One prompt of weight 1 is returned as it is.
    """
    if len(conds) == 1 and weights[0] == 1:
        return conds[0]
    total = uncond
    for cond, weight in zip(conds, weights, strict=True):
        total = total + weight * (cond - uncond)
    return total


def guide(
    cond: torch.Tensor, uncond: torch.Tensor, scale: Sequence[float], rescale: Sequence[float] | None = None
) -> torch.Tensor:
    """uncond + scale·(cond − uncond) for each row of model outputs (B, C, h, w), in float32.

    Ho & Salimans 2022, eq. 6, in the form of Imagen (Saharia 2022, eq. 2), where scale 1 is no guidance.

    ``rescale`` φ in 0…1 brings each row's standard deviation back towards that of its ``cond`` (Lin et al. 2024, §3.4,
    eq. 14 to 16), against overexposure; rows with 0 stay as they are.
    """
    cond, uncond = cond.float(), uncond.float()
    guided = uncond + _per_row(scale, cond) * (cond - uncond)
    if rescale is None or not any(rescale):
        return guided
    wanted, is_now = (tensor.std(dim=(1, 2, 3), keepdim=True) for tensor in (cond, guided))
    phi = _per_row(rescale, cond)
    return torch.where(phi == 0, guided, phi * (guided * (wanted / is_now)) + (1 - phi) * guided)


def _per_row(numbers: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(list(numbers), dtype=torch.float32, device=like.device)[:, None, None, None]
