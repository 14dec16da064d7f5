"""The denoising loss: its targets, its weights, and what a batch's samples cost."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler

from trainer.training.dataset import Batch
from trainer.training.learner import Learner


def target_of(
    scheduler: DDIMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """What the UNet is to predict: the noise, or v = α·ε − σ·x₀ (Salimans & Ho 2022, eq. 9)."""
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    return noise


def snr_weights(scheduler: DDIMScheduler, timesteps: torch.Tensor, gamma: float) -> torch.Tensor:
    """Min-SNR-γ weights (Hang et al. 2023, §3.4) of timesteps (B,): min(snr, γ)/snr for ε, min(snr, γ)/(snr + 1) for v.

    γ = 0 turns them off. With zero terminal SNR the last step has snr = 0, where the first form is 0/0 and the second
    would never learn the picture's mean: there the weight is 1.
    """
    alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = alphas / (1 - alphas)
    if not gamma:
        return torch.ones_like(snr)
    if scheduler.config.prediction_type == "v_prediction":
        weights = snr.clamp(max=gamma) / (snr + 1)
    else:
        weights = snr.clamp(max=gamma) / snr
    return torch.where(snr == 0, torch.ones_like(weights), weights)


def sample_losses(model_pred: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Squared error of each sample (B,), in float32; ``weight`` (B, 1, h, w) weighs its places."""
    error = (model_pred.float() - target.float()).square()
    return (error if weight is None else error * weight).mean(dim=(1, 2, 3))


def batch_losses(
    learner: Learner,
    scheduler: DDIMScheduler,
    batch: Batch,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    step: int,
) -> torch.Tensor:
    """The error of each sample of the batch, (B,), with a graph to what learns; noise (B, C, h, w), timesteps (B,)."""
    noisy_latents = scheduler.add_noise(batch.latents, noise, timesteps)
    target = target_of(scheduler, batch.latents, noise, timesteps)
    conditioning = learner.condition(batch.captions, step)
    model_pred = learner.predict(noisy_latents, timesteps, conditioning, batch.time_ids, step)
    return sample_losses(model_pred, target, batch.weight)


def batch_weights(scheduler: DDIMScheduler, batch: Batch, timesteps: torch.Tensor, snr_gamma: float) -> torch.Tensor:
    """What each sample's error counts in the sum, (B,): the photos' by min-SNR, the class's by the prior's weight.

    Both terms are means over the photos' number (Ruiz et al. 2022, eq. 2). Min-SNR weighs the photos alone, as in the
    diffusers scripts.
    """
    photos = len(batch.rows)
    weights = snr_weights(scheduler, timesteps[:photos], snr_gamma)
    return torch.cat([weights, torch.ones_like(timesteps[photos:], dtype=weights.dtype)]) * batch.shares / photos
