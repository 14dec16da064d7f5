"""How long trainings are: the steps that a base's recipes take, told before they begin. Pure, for bot and worker."""

from __future__ import annotations

import math

from trainer.contract.message import Message
from trainer.contract.requests import Kind, Preset, Recipe

PIVOTAL_SHARE = 0.5  # of the steps of an inversion of its own: the LoRA does the rest
_PRESET_STEPS: dict[Preset, float] = {"fast": 0.5, "balanced": 1.0, "detailed": 1.5}


class Steps(Message, frozen=True):
    """How long a training is, in batch-1 equivalents: so many steps a photo, within bounds."""

    per_photo: int
    least: int
    most: int

    def count(self, photos: int) -> int:
        """For so many photos."""
        return min(max(self.per_photo * photos, self.least), self.most)


class Lengths(Message, frozen=True):
    """What a base's recipe says of the length of trainings."""

    lora: Steps
    inversion: Steps
    dreambooth: Steps
    batch: int
    beside_class: tuple[Kind, ...]  # kinds that are learned beside others of their class, unless said otherwise


def count_steps(asked: Recipe, lengths: Lengths, photos: int) -> tuple[int, int]:
    """(all optimizer steps, those of them that train vectors)."""
    share, batch = _PRESET_STEPS[asked.preset], asked.batch or lengths.batch

    def taken(steps: int) -> int:
        return max(1, round(steps / batch))

    if asked.method == "textual_inversion":
        steps = taken(asked.steps or round(lengths.inversion.count(photos) * share))
        return steps, steps
    if asked.method == "dreambooth":
        return taken(asked.steps or round(lengths.dreambooth.count(photos) * share)), 0
    lora = lengths.lora.count(photos) * share
    if asked.method == "lora":
        return taken(asked.steps or round(lora)), 0
    vectors = lengths.inversion.count(photos) * share * PIVOTAL_SHARE
    steps = taken(asked.steps or round(lora + vectors))
    return steps, round(steps * vectors / (lora + vectors))


def learns_class(asked: Recipe, kind: Kind, lengths: Lengths) -> bool:
    """Whether others of the class are learned beside the photos."""
    if asked.prior_weight is not None:
        return asked.prior_weight > 0
    return asked.method != "textual_inversion" and kind in lengths.beside_class


def step_work(batch: int, *, beside_class: bool, resolution: int, own_resolution: int) -> float:
    """What a step has to do, counted in samples of the base's own resolution: its time is nearly proportional."""
    samples = batch + (math.ceil(batch / 2) if beside_class else 0)
    return samples * (resolution / own_resolution) ** 2
