"""Textual inversion: new words for the text encoder and nothing else (Gal et al. 2022)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import torch
from diffusers import UNet2DConditionModel

from trainer.adapters.bank import AdapterBank
from trainer.adapters.embedding_files import Embedding, write_embedding
from trainer.contract.drawings import AdapterKind
from trainer.errors import BadAdapterFile
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base
from trainer.models.text import Conditioning, Vectors
from trainer.training.learner import Draw, Drawing, Weights, encode_live
from trainer.training.recipes import ResolvedRecipe


class InversionLearner:
    """Trains the vectors (n, width) of one word, for every text encoder of the base."""

    kind: AdapterKind = "textual_inversion"

    def __init__(self, base: Base, bank: AdapterBank, recipe: ResolvedRecipe, trigger: str, class_word: str) -> None:
        self._base, self._bank, self._trigger = base, bank, trigger
        self.vectors = {
            tower.name: torch.nn.Parameter(first_vectors(base, tower.name, class_word, recipe.vectors))
            for tower in base.towers
        }
        # no decay: it would pull new words to the middle of the vocabulary
        group = {"params": list(self.vectors.values()), "lr": recipe.inversion_learning_rate, "weight_decay": 0.0}
        self.groups: list[dict[str, Any]] = [group]

    @property
    def inversions(self) -> dict[str, Vectors]:
        """As prompts use them."""
        return {self._trigger: self.vectors}

    @property
    def unet(self) -> UNet2DConditionModel:
        """The base's."""
        return self._base.unet

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """Through the frozen text encoders, back to the vectors alone: the embedding table is never touched."""
        self._bank.activate({})
        return encode_live(self._base, captions, self.inversions)

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, time_ids: torch.Tensor,
        step: int,
    ) -> torch.Tensor:  # fmt: skip
        """The bare UNet's."""
        self._bank.activate({})
        return self._base.predict(noisy_latents, timesteps, conditioning, time_ids)

    def weights(self) -> dict[str, torch.Tensor]:
        """The vectors by text encoder; in float32, for a whole adapter is a few kilobytes."""
        return {name: vectors.detach().float().cpu().clone() for name, vectors in self.vectors.items()}

    def load(self, weights: Weights) -> None:
        """From vectors of the same number and widths."""
        shapes = {name: vectors.shape for name, vectors in self.vectors.items()}
        if shapes != {name: vectors.shape for name, vectors in weights.items()}:
            raise BadAdapterFile("the vectors are not of the number and widths of this training")
        with torch.no_grad():
            for name, vectors in self.vectors.items():
                vectors.copy_(weights[name])

    def draw(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """With the vectors as they are now."""
        return self._draw_with(self.weights(), job, weight)

    @contextmanager
    def hold(self, weights: Weights) -> Iterator[Draw]:
        """Nothing is put into the base for it."""
        yield partial(self._draw_with, weights)

    def _draw_with(self, weights: Weights, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """The trigger in the prompt stands for the vectors, with A1111's emphasis for the weight."""
        if not weight:
            return generate(self._base, self._bank, job)
        vectors = {name: tensor.to(self._base.device) for name, tensor in weights.items()}
        emphasised = self._trigger if weight == 1 else f"({self._trigger}:{weight:g})"
        prompt = re.sub(rf"(?<!\w){re.escape(self._trigger)}(?!\w)", lambda _: emphasised, job.prompt)
        job = dataclasses.replace(job, prompt=prompt, inversions={self._trigger: vectors})
        return generate(self._base, self._bank, job)

    def write(self, weights: Weights, metadata: Mapping[str, str], out: BinaryIO) -> None:
        """In the form that A1111 reads."""
        out.write(write_embedding(Embedding(self._trigger, weights), metadata))

    def close(self) -> None:
        """Nothing was put into the base."""


def first_vectors(base: Base, tower_name: str, class_word: str, count: int) -> torch.Tensor:
    """Where the vectors (count, width) start: the class word's tokens, over and over (Gal et al. 2022, §3)."""
    [tower] = [tower for tower in base.towers if tower.name == tower_name]
    table = tower.text_encoder.get_input_embeddings().weight
    ids = tower.words(class_word) or [tower.words("a")[0]]
    return torch.stack([table[ids[place % len(ids)]] for place in range(count)]).detach().float().clone()
