"""Captions by whoever looks at the photos, where nobody wrote them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image

from trainer.errors import UserFault
from trainer.training.captions import write_caption
from trainer.training.preparing import TrainingJob


class Captioner(Protocol):
    """Says what is in pictures. Deterministic, so that a training that is resumed gets the same captions."""

    def describe(self, images: Sequence[Image.Image]) -> Generator[None, None, list[str]]:
        """A line of each picture, one a turn."""
        ...


def open_captioner(folder: Path | None, device: torch.device) -> Captioner | None:
    """The one in ``folder``, where one is configured."""
    if folder is None:
        return None
    from trainer.training.blip import BlipCaptioner

    return BlipCaptioner(folder, device)


def describe_photos(
    captioner: Captioner | None, job: TrainingJob, images: Sequence[Image.Image], own: Sequence[str | None]
) -> Generator[None, None, list[str | None]]:
    """The caption of every photo: its ``own``, where somebody wrote one, else the captioner's where it is asked for.

    Raises :class:`UserFault` where it is asked for and there is none.
    """
    captions = list(own or [None] * len(images))
    if job.recipe.captions != "captioner":
        return captions
    if captioner is None:
        raise UserFault("captions can't be `captioner`, for this worker has none: take `template`, or write them")
    bare = [place for place, caption in enumerate(captions) if not caption]
    described = (yield from captioner.describe([images[place] for place in bare])) if bare else []
    for place, text in zip(bare, described, strict=True):
        captions[place] = write_caption(text, job.trigger, job.class_word, job.kind, job.recipe.method)
    return captions
