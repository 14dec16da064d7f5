"""The reference scripts' known faults, each as the smallest function that has it.

Tests show the fault here and that our training does not have it. Which of them the reference's loops keep:

- min-SNR with prior preservation takes the weights of all 2B timesteps for the B rows of the instance. Kept
  (``snr_form="script"``): a batch above one ends in torch's error about shapes, a batch of one mixes the two weights.
- min-SNR for v-prediction weighs by min(snr, γ)/snr + 1, where Hang et al. 2023 (§3.4) have min(snr, γ)/(snr + 1); and
  with zero terminal SNR the last timestep is 0/0. Kept (``"script"``).
- SDXL with prior preservation and a batch above one repeats the pair (instance, class) of embeddings, while the
  pictures come as all instances, then all classes. Not in the loops, which are SD1's: :func:`repeat_pair_as_sdxl`.
- ``--cache_latents`` of the advanced scripts takes the latents by the number of the step, while the loader has shuffled
  its captions anew. Not in the loops: :func:`rows_of_advanced_cache`.
- SDXL's text ends for the pooled embedding at the highest id, as the published encoders' old configs
  (``eos_token_id`` 2) have transformers look for it: with placeholder tokens, whose ids are higher than the end's, that
  is a placeholder. :func:`end_of_text`; not in the loops, mended where gradients are compared.
- Photos opened, resized and encoded at every step, and the loss fetched at every step. Kept: it is what speed is
  measured against.
"""

from __future__ import annotations

from typing import Literal

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

Form = Literal["script", "mended"]


def snr_weights(
    noise_scheduler: DDPMScheduler, timesteps: torch.Tensor, snr_gamma: float, instances: int, form: Form
) -> torch.Tensor:
    """Min-SNR weights of a batch whose first ``instances`` timesteps are the instance's.

    ``script``: as ``train_dreambooth.py`` has them, faults and all, of every timestep (B or 2B,).
    ``mended``: of the instance alone (instances,), as the SDXL script since pull request 6356; for v-prediction as
    ``train_text_to_image.py`` has them, min(snr, γ)/(snr + 1); and 1 where snr is 0.
    """
    if form == "mended":
        timesteps = timesteps[:instances]
    snr = compute_snr(noise_scheduler, timesteps)
    least = torch.stack([snr, snr_gamma * torch.ones_like(timesteps)], dim=1).min(dim=1)[0]
    v_prediction = noise_scheduler.config.prediction_type == "v_prediction"
    if form == "script":
        return least / snr + 1 if v_prediction else least / snr
    weights = least / (snr + 1) if v_prediction else least / snr
    return torch.where(snr == 0, torch.ones_like(weights), weights)


def end_of_text(input_ids: torch.Tensor, eos_token_id: int, form: Form) -> torch.Tensor:
    """Where each text of ids (B, 77) ends, (B,). ``script``: at its highest id; ``mended``: at the first end token."""
    return input_ids.argmax(dim=1) if form == "script" else (input_ids == eos_token_id).int().argmax(dim=1)


def repeat_pair_as_sdxl(instance: torch.Tensor, of_class: torch.Tensor, batch: int) -> torch.Tensor:
    """Embeddings (2·batch, 77, D) of one instance prompt and one class prompt, each (1, 77, D), as the SDXL script.

    They alternate; the pictures beside them do not.
    """
    return torch.cat([instance, of_class]).repeat(batch, 1, 1)


def rows_of_advanced_cache(
    cached_order: list[int], epoch_order: list[int], batch: int, step: int
) -> tuple[list[int], list[int]]:
    """Rows of the latents and rows of the captions that meet in a step of an epoch, with ``--cache_latents``.

    ``cached_order`` is the shuffled order in which the loader gave the photos while they were encoded, ``epoch_order``
    that of the epoch now.
    """
    place = slice(step * batch, (step + 1) * batch)
    return cached_order[place], epoch_order[place]
