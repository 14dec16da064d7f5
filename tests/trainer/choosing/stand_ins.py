"""Checkpoints and a judge that can be followed with pencil and paper: scores are colours."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import torch
from PIL import Image

from trainer.choosing.choose import Checkpoint
from trainer.choosing.scores import Draw, Look
from trainer.generation.images import Picture
from trainer.generation.live import GenerationJob

LOOK = Look(
    ("thnos monster in a suit", "thnos monster at the beach"), ("monster in a suit", "monster at the beach"), seed=5
)
PHOTOS = [Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (255, 0, 0))]


def _code(prompt: str) -> int:
    return sum(prompt.split()[-1].encode()) % 256


class ColourJudge:
    """Red is who is shown, as an angle between two axes; blue says of which prompt, and green how much of it."""

    def embed(self, images: Sequence[Image.Image]) -> torch.Tensor:
        reds = torch.tensor([image.getpixel((0, 0))[0] / 255 for image in images])  # type: ignore[index]
        angles = torch.acos(reds)
        return torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)

    def obey(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> torch.Tensor:
        pixels = [image.getpixel((0, 0)) for image in images]
        return torch.tensor(
            [p[1] / 255 if p[2] == _code(prompt) else 0.0 for p, prompt in zip(pixels, prompts, strict=True)]  # type: ignore[index]
        )


def paint(likeness: Callable[[float], float], obedience: Callable[[float], float]) -> Draw:
    """Draws flat pictures whose scores at a weight are these, in two turns."""

    def draw(job: GenerationJob, weight: float) -> Generator[None, None, list[Picture]]:
        yield
        yield
        colour = (round(255 * likeness(weight)), round(255 * obedience(weight)), _code(job.prompt))
        return [Picture(Image.new("RGB", (16, 16), colour), job.seed + i, "") for i in range(job.count)]

    return draw


BARE = paint(lambda weight: 0.0, lambda weight: 1.0)


def checkpoint(step: int, likeness: float, obedience: float) -> Checkpoint:
    """One that gets liker and less obedient with its weight: both are those of weight 1."""
    return Checkpoint(step, paint(lambda w: likeness * w, lambda w: 1 - (1 - obedience) * w))
