"""LoRA and DoRA on the UNet, for the first half of the steps on the text encoders too (Hu et al. 2021)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import write_lora
from trainer.contract.requests import AdapterKind
from trainer.generation.pipeline import GenerationJob, generate
from trainer.models.loading import Base
from trainer.models.text import Conditioning
from trainer.training.learner import IN_TRAINING, CaptionCache, Drawing, Weights, encode_live
from trainer.training.recipes import TEXT_ATTENTION, ResolvedRecipe


class LoraLearner:
    """Trains adapters in the shared base; between its steps others may draw."""

    kind: AdapterKind = "lora"

    def __init__(self, base: Base, bank: AdapterBank, recipe: ResolvedRecipe) -> None:
        self._base, self._bank, self._recipe = base, bank, recipe
        self._cache = CaptionCache(base)
        options: dict[str, Any] = {
            "rank": recipe.rank, "lora_alpha": recipe.lora_alpha, "seed": recipe.seed, "dora": recipe.dora
        }  # fmt: skip
        unet = bank.add_trainable(IN_TRAINING, "unet", target_modules=recipe.target_modules, **options)
        self.groups: list[dict[str, Any]] = [{"params": unet, "lr": recipe.learning_rate}]
        if recipe.text_encoder_learning_rate:
            text = [
                parameter
                for tower in base.towers
                for parameter in bank.add_trainable(IN_TRAINING, tower.name, target_modules=TEXT_ATTENTION, **options)
            ]
            self.groups.append({"params": text, "lr": recipe.text_encoder_learning_rate})

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """Live while the text encoders learn; then they are out of the graph, and each caption is encoded once."""
        self._bank.activate({IN_TRAINING: 1.0})
        if step < self._recipe.text_encoder_steps:
            return encode_live(self._base, captions)
        return self._cache.condition(captions)

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, time_ids: torch.Tensor,
        step: int,
    ) -> torch.Tensor:  # fmt: skip
        """With the adapter."""
        self._bank.activate({IN_TRAINING: 1.0})
        return self._base.predict(noisy_latents, timesteps, conditioning, time_ids)

    def weights(self) -> dict[str, torch.Tensor]:
        """The adapter's tensors, of scale 1."""
        return {name: tensor.half().cpu() for name, tensor in self._bank.weights(IN_TRAINING).items()}

    def load(self, weights: Weights) -> None:
        """From another adapter of the same layers and rank."""
        self._bank.fill(IN_TRAINING, weights)

    def draw(self, job: GenerationJob, weights: Weights | None = None, weight: float = 1.0) -> Drawing:
        """``weights`` are in the bank only as long."""
        return draw_with(self._base, self._bank, job, weights, weight)

    def write(self, weights: Weights, metadata: Mapping[str, str]) -> bytes:
        """In the diffusers format."""
        return write_lora(weights, metadata)

    def close(self) -> None:
        """The base is as it was."""
        self._bank.remove(IN_TRAINING)


def draw_with(base: Base, bank: AdapterBank, job: GenerationJob, weights: Weights | None, weight: float) -> Drawing:
    """Draw with the adapter in training, or with ``weights``, put into the bank for as long as it takes."""
    name = IN_TRAINING if weights is None else f"{IN_TRAINING}_{id(job)}"
    if weights is not None:
        bank.add(name, {key: tensor.float() for key, tensor in weights.items()})
    try:
        return (yield from generate(base, bank, dataclasses.replace(job, adapters={name: weight} if weight else {})))
    finally:
        if weights is not None:
            bank.remove(name)
