"""What a method has to say for itself; the loop is the same for all of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

import torch
from diffusers import UNet2DConditionModel

from trainer.contract.drawings import AdapterKind
from trainer.generation.images import Picture
from trainer.generation.live import GenerationJob
from trainer.models.loading import Base
from trainer.models.text import Conditioning, Vectors, concatenate, encode_tokens, tokenize

IN_TRAINING = "in_training"  # of the adapter in the bank while it is trained

Weights = Mapping[str, torch.Tensor]  # what was learned, as adapter files name it
Drawing = Generator[Any, None, list[Picture]]


class Draw(Protocol):
    """Draws with one state of a training at a weight."""

    def __call__(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """The pictures of ``job``, which names no adapters."""


class Learner(Protocol):
    """One method of training."""

    @property
    def kind(self) -> AdapterKind:
        """What it makes."""

    @property
    def unet(self) -> UNet2DConditionModel:
        """The one through which the gradient goes."""

    groups: list[dict[str, Any]]  # of the optimizer; parameters that a step leaves without a gradient stay as they are

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """What the UNet is told at this step, with a graph where the text's side learns."""

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, time_ids: torch.Tensor,
        step: int,
    ) -> torch.Tensor:  # fmt: skip
        """The UNet's prediction with what is being learned, (B, C, h, w), float32."""

    def weights(self) -> dict[str, torch.Tensor]:
        """What has been learned so far: a copy, in float16, on the CPU."""

    def load(self, weights: Weights) -> None:
        """Go on from what another training has learned. Raises UserFault or BadAdapterFile where that can't be."""

    def draw(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """Draw with what is being learned; ``weight`` is the adapter's, at 0 the base draws alone."""

    def hold(self, weights: Weights) -> AbstractContextManager[Draw]:
        """Draw with ``weights``, which were learned before, as long as the context lasts."""

    def write(self, weights: Weights, metadata: Mapping[str, str], out: BinaryIO) -> None:
        """The adapter's file."""

    def close(self) -> None:
        """Take everything out of the base again."""


class CaptionCache:
    """Conditioning of captions by frozen text encoders, each encoded once."""

    def __init__(self, base: Base, inversions: Mapping[str, Vectors] | None = None) -> None:
        self._base, self._inversions = base, inversions
        self._known: dict[str, Conditioning] = {}

    def clear(self) -> None:
        """Forget them all, since what they were encoded with has changed."""
        self._known.clear()

    def condition(self, captions: Sequence[str]) -> Conditioning:
        """One row a caption."""
        for caption in dict.fromkeys(captions):
            if caption not in self._known:
                self._known[caption] = self._base.encode_prompts([caption], self._inversions)
        return concatenate([self._known[caption] for caption in captions])


def encode_live(base: Base, captions: Sequence[str], inversions: Mapping[str, Vectors] | None = None) -> Conditioning:
    """One row a caption, with a graph back to what learns on the text's side; equal captions are encoded once."""
    different = list(dict.fromkeys(captions))
    encoded = encode_tokens(base.towers, tokenize(base.towers, different, inversions), inversions)
    return encoded.pick([different.index(caption) for caption in captions])
