"""Pictures with adapters as they are in the bank at that moment: what a training draws of what it is learning.

By the same recipe as any other picture, :func:`trainer.generation.painting.paint`; but what learns is in no slots, so
these pictures have a studio of their own, and share no batch with anybody's.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from trainer.adapters.bank import AdapterBank
from trainer.adapters.slots import Mix
from trainer.contract.drawings import Drawing, DrawingSettings
from trainer.generation.easel import Company, Easel
from trainer.generation.images import Picture
from trainer.generation.painting import paint
from trainer.generation.studio import Studio
from trainer.generation.together import paint_together
from trainer.models.loading import Base
from trainer.models.text import Vectors


@dataclass(frozen=True)
class GenerationJob:
    """What to draw. None means the base's default.

    ``adapters`` are names in the bank with their weights; ``inversions`` are vectors by trigger word.
    """

    prompt: str
    negative_prompt: str = ""
    adapters: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    count: int = 1
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    inversions: dict[str, Vectors] = field(default_factory=dict)


class LiveEasel(Easel):
    """A base and what some of the adapters in its bank do to it."""

    def __init__(self, base: Base, bank: AdapterBank, adapters: dict[str, float]) -> None:
        super().__init__(base, bank, parts={})
        self._bank, self._adapters = bank, adapters

    def silence_trainings(self) -> None:
        """All but these: at every step anew, for others may have had their turn meanwhile."""
        self._bank.activate(self._adapters)

    def activate(self, mixes: Sequence[Mix]) -> None:
        """There are no slots to fill."""
        self.silence_trainings()

    def release(self) -> None:
        """Nor to empty; whoever is next says what is to act."""


def generate(base: Base, bank: AdapterBank, job: GenerationJob) -> Generator[None, None, list[Picture]]:
    """Draw ``job.count`` pictures, a denoising step a turn; the return value of the generator is the list of them.

    Picture i has seed ``job.seed + i`` and noise of its own CPU generator, so it equals a job of that seed alone.
    """
    easel, company = LiveEasel(base, bank, job.adapters), Company((), job.inversions)
    paintings = {place: paint(easel, each, company) for place, each in enumerate(_drawings_of(job))}
    turns = paint_together(Studio(), paintings)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return [end.value[place] for place in paintings]
        yield


def _drawings_of(job: GenerationJob) -> list[Drawing]:
    settings = DrawingSettings(
        num_inference_steps=job.num_inference_steps, guidance_scale=job.guidance_scale, width=job.width,
        height=job.height,
    )  # fmt: skip
    return [
        Drawing(job.prompt, job.prompt, job.negative_prompt, job.seed + place, settings=settings)
        for place in range(job.count)
    ]
