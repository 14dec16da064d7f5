"""Targets and weights of the denoising loss."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler


def target_of(
    scheduler: DDIMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """What the UNet is to predict: the noise, or v = α·ε − σ·x₀ (Salimans & Ho 2022, eq. 9)."""
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    return noise


def snr_weights(scheduler: DDIMScheduler, timesteps: torch.Tensor, gamma: float) -> torch.Tensor:
    """Min-SNR-γ weights (Hang et al. 2023, §3.4) of timesteps (B,): min(snr, γ)/snr for ε, min(snr, γ)/(snr + 1) for v.

    With zero terminal SNR the last step has snr = 0, where the first form is 0/0 and the second would never learn the
    picture's mean: there the weight is 1.
    """
    alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = alphas / (1 - alphas)
    if scheduler.config.prediction_type == "v_prediction":
        weights = snr.clamp(max=gamma) / (snr + 1)
    else:
        weights = snr.clamp(max=gamma) / snr
    return torch.where(snr == 0, torch.ones_like(weights), weights)


def denoising_loss(model_pred: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted squared error, in float32, averaged over the batch."""
    return ((model_pred.float() - target.float()).square().mean(dim=(1, 2, 3)) * weights).mean()
