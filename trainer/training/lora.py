"""LoRA and DoRA on the UNet, for the first half of the steps on the text encoders too (Hu et al. 2021)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import torch
from diffusers import UNet2DConditionModel

from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import write_lora
from trainer.contract.drawings import AdapterKind
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base
from trainer.models.text import Conditioning
from trainer.training.learner import IN_TRAINING, CaptionCache, Draw, Drawing, Weights, encode_live
from trainer.training.recipes import TEXT_ATTENTION, ResolvedRecipe

_numbers = itertools.count()  # of adapters that are held


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

    @property
    def unet(self) -> UNet2DConditionModel:
        """The base's."""
        return self._base.unet

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """Live while the text encoders learn; then they are out of the graph, and each caption is encoded once."""
        self._bank.activate({IN_TRAINING: 1.0})
        if step < self._recipe.text_encoder_steps:
            self._cache.clear()  # a rollback may have come back to here
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

    def draw(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """With the adapter in training."""
        return draw_named(self._base, self._bank, IN_TRAINING, job, weight)

    @contextmanager
    def hold(self, weights: Weights) -> Iterator[Draw]:
        """They are in the bank meanwhile."""
        with in_bank(self._bank, weights) as name:
            yield partial(draw_named, self._base, self._bank, name)

    def write(self, weights: Weights, metadata: Mapping[str, str], out: BinaryIO) -> None:
        """In the diffusers format."""
        out.write(write_lora(weights, metadata))

    def close(self) -> None:
        """The base is as it was."""
        self._bank.remove(IN_TRAINING)


def draw_named(base: Base, bank: AdapterBank, name: str, job: GenerationJob, weight: float = 1.0) -> Drawing:
    """Draw with one adapter of the bank."""
    return generate(base, bank, dataclasses.replace(job, adapters={name: weight} if weight else {}))


@contextmanager
def in_bank(bank: AdapterBank, weights: Weights) -> Iterator[str]:
    """Put an adapter into the bank for as long as the context lasts; its name there."""
    name = f"{IN_TRAINING}_{next(_numbers)}"
    bank.add(name, {key: tensor.float() for key, tensor in weights.items()})
    try:
        yield name
    finally:
        bank.remove(name)
