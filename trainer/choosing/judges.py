"""Judges of pictures behind one interface: how alike two pictures are, and how much of its prompt one shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image, ImageOps

from trainer.models.emoji64.encoder import ACCESSORIES, OUTFITS, load_encoder
from trainer.models.emoji64.grammar import BACKGROUNDS, read_attributes
from trainer.models.loading import Base
from trainer.training.dataset import on_white, to_pixels

_EMOJI64_SIDE = 64
_EMOJI64_READS = {"outfit": OUTFITS, "accessory": ACCESSORIES, "background": BACKGROUNDS}


class Judge(Protocol):
    """Looks at pictures as a person would who chooses between them. Deterministic."""

    def embed(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Who or what is shown: (N, D) of length 1, on the CPU; the cosine of two says how alike they are."""
        ...

    def obey(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> torch.Tensor:
        """How much of its own prompt each picture shows, (N,) in 0…1, on the CPU.

        Only differences mean something: some judges never say 1.
        """
        ...


def open_judge(base: Base, folder: Path | None) -> Judge | None:
    """The judge of this base's pictures: its own for emoji-64, else the models in ``folder``, where one is configured.

    Raises :class:`trainer.errors.MissingJudges` when the folder does not hold them.
    """
    if base.spec.embedded:
        return EmojiJudge(base.spec.folder / "encoders" / "chooser.safetensors")
    if folder is None:
        return None
    from trainer.choosing.folder_judge import FolderJudge

    return FolderJudge(folder, base.device)


class EmojiJudge:
    """emoji-64's small encoder that is there to choose; the one that reports is never asked here."""

    def __init__(self, weights: Path) -> None:
        self._encoder = load_encoder(weights)

    def embed(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """The identity embedding: heads alike, whatever they wear and wherever they are."""
        return self._read(images)["embedding"]

    def obey(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> torch.Tensor:
        """The mean probability of the outfit, accessory and background that the prompt names; 1 where it names none."""
        read = self._read(images)
        scores = []
        for place, prompt in enumerate(prompts):
            named = read_attributes(prompt)
            shown = [read[kind][place].softmax(0)[_EMOJI64_READS[kind].index(value)] for kind, value in named.items()]
            scores.append(torch.stack(shown).mean() if shown else torch.ones(()))
        return torch.stack(scores)

    @torch.no_grad()
    def _read(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        side = (_EMOJI64_SIDE, _EMOJI64_SIDE)
        small = [ImageOps.fit(on_white(image), side, Image.Resampling.LANCZOS) for image in images]
        read: dict[str, torch.Tensor] = self._encoder(to_pixels(small))
        return read
