"""Pivotal tuning: first the word, then a LoRA that knows it, in one job and one file (after Roich et al. 2021)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import torch
from diffusers import UNet2DConditionModel

from trainer.adapters.bank import AdapterBank
from trainer.adapters.embedding_files import Embedding
from trainer.adapters.files import write_lora
from trainer.contract.drawings import AdapterKind
from trainer.generation.live import GenerationJob
from trainer.models.loading import Base
from trainer.models.text import Conditioning
from trainer.training.inversion import InversionLearner
from trainer.training.learner import IN_TRAINING, CaptionCache, Draw, Drawing, Weights
from trainer.training.lora import LoraLearner, draw_named, in_bank
from trainer.training.recipes import ResolvedRecipe

VECTORS = "vectors."  # of the names under which an adapter carries vectors: vectors.text_encoder


class PivotalLearner:
    """An inversion for its share of the steps; then the vectors stand still and the LoRA learns."""

    kind: AdapterKind = "lora"

    def __init__(self, base: Base, bank: AdapterBank, recipe: ResolvedRecipe, trigger: str, class_word: str) -> None:
        self._base, self._bank, self._pivot, self._trigger = base, bank, recipe.inversion_steps, trigger
        self.inversion = InversionLearner(base, bank, recipe, trigger, class_word)
        self._lora = LoraLearner(base, bank, recipe)
        self._cache = CaptionCache(base, self.inversion.inversions)
        self.groups: list[dict[str, Any]] = [*self.inversion.groups, *self._lora.groups]

    @property
    def unet(self) -> UNet2DConditionModel:
        """The base's."""
        return self._base.unet

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """Live while the vectors learn; after that each caption is encoded once."""
        self._bank.activate({})
        if step < self._pivot:
            self._cache.clear()  # a rollback may have come back to here
            return self.inversion.condition(captions, step)
        return self._cache.condition(captions)

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, time_ids: torch.Tensor,
        step: int,
    ) -> torch.Tensor:  # fmt: skip
        """The bare UNet's, then the one with the adapter."""
        learner = self.inversion if step < self._pivot else self._lora
        return learner.predict(noisy_latents, timesteps, conditioning, time_ids, step)

    def weights(self) -> dict[str, torch.Tensor]:
        """The LoRA's tensors and the vectors."""
        vectors = {f"{VECTORS}{name}": tensor for name, tensor in self.inversion.weights().items()}
        return self._lora.weights() | vectors

    def load(self, weights: Weights) -> None:
        """From another pivotal adapter."""
        lora, vectors = _split(weights)
        self._lora.load(lora)
        self.inversion.load(vectors)

    def draw(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """With both as they are now."""
        return self._draw_with(IN_TRAINING, self.inversion.weights(), job, weight)

    @contextmanager
    def hold(self, weights: Weights) -> Iterator[Draw]:
        """The LoRA is in the bank meanwhile."""
        lora, vectors = _split(weights)
        with in_bank(self._bank, lora) as name:
            yield partial(self._draw_with, name, vectors)

    def _draw_with(self, name: str, vectors: Weights, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """The vectors act as they are, the LoRA with its weight."""
        on_device = {tower: tensor.to(self._base.device) for tower, tensor in vectors.items()}
        job = dataclasses.replace(job, inversions={self._trigger: on_device} if weight else {})
        return draw_named(self._base, self._bank, name, job, weight)

    def write(self, weights: Weights, metadata: Mapping[str, str], out: BinaryIO) -> None:
        """A LoRA that carries its vectors."""
        lora, vectors = _split(weights)
        out.write(write_lora(lora, metadata, [Embedding(self._trigger, vectors)]))

    def close(self) -> None:
        """The base is as it was."""
        self._lora.close()


def _split(weights: Weights) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(the LoRA's tensors, the vectors by text encoder)."""
    vectors = {key.removeprefix(VECTORS): tensor for key, tensor in weights.items() if key.startswith(VECTORS)}
    return {key: tensor for key, tensor in weights.items() if not key.startswith(VECTORS)}, vectors
