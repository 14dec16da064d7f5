"""The continuous batch: pictures of many members, denoised together, each with settings and adapters of its own.

A *sample* is one picture while it is denoised. Samples of one base, of one size, with or without guidance, share the
UNet's calls; they join and leave between two of them, for each has a plan and a state of its own: other samplers,
steps, seeds and adapters are no hindrance. Nobody waits for a batch to fill up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch

from trainer.adapters.slots import Mix
from trainer.generation.easel import Easel
from trainer.generation.samplers import Plan, State, advance, compose, denoised, guide
from trainer.generation.script import Script
from trainer.models.text import Conditioning, concatenate

MOST_SAMPLES = 8  # of a batch; more of them take turns


@dataclass(frozen=True)
class Known:
    """What is known of a picture and stays: latents (C, h, w), where ``mask`` (1, h, w) is 0; where it is 1, draw."""

    latents: torch.Tensor
    mask: torch.Tensor


@dataclass(eq=False)
class Sample:
    """One picture while it is denoised; latents (C, h, w)."""

    easel: Easel
    plan: Plan
    state: State
    script: Script
    guidance_scale: float
    generator: torch.Generator  # on the CPU, of this picture alone
    mix: Mix = ()
    guidance_rescale: float = 0.0
    known: Known | None = None
    exact: bool = False  # no other picture shares its batch
    calls: int = 0  # that were made
    picture: torch.Tensor | None = None  # what the model saw at the last call: the picture to come
    moved_at: int = field(default=-1, init=False)  # turn of the studio
    is_seen: bool = field(default=True, init=False)  # whether who asked for it knows of its last call

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.calls == len(self.plan.calls)

    @property
    def steps_done(self) -> int:
        """Of ``plan.steps``."""
        return self.plan.steps if self.is_done else self.plan.calls[self.calls].step

    @property
    def is_guided(self) -> bool:
        """Whether the negative prompt counts."""
        return self.guidance_scale != 1 or self.script.is_composed

    @property
    def group(self) -> tuple[object, ...]:
        """Samples with an equal one share the UNet's calls."""
        return id(self.easel), self.state.x.shape, self.is_guided, id(self) if self.exact else None


class Studio:
    """All samples that are being denoised. Deterministic: who is next depends on who asked, and on nothing else."""

    def __init__(self, most_samples: int = MOST_SAMPLES) -> None:
        self._most_samples = most_samples
        self._samples: list[Sample] = []
        self._turn = 0

    def join(self, sample: Sample) -> None:
        """From the next call on it is drawn, too."""
        self._samples.append(sample)

    def leave(self, sample: Sample) -> None:
        """It is done, or not wanted any more; one that is not there is no error."""
        if sample in self._samples:
            self._samples.remove(sample)

    def move_on(self, samples: Sequence[Sample]) -> bool:
        """Let these samples, of which one at least is not done, come one call further.

        Those that were moved meanwhile, when others were asked for, have come further already: then nothing is computed
        and the answer is False.
        """
        if any(not sample.is_seen for sample in samples):
            for sample in samples:
                sample.is_seen = True
            return False
        first = min((sample for sample in samples if not sample.is_done), key=lambda sample: sample.moved_at)
        before = first.calls
        others = [each for each in self._samples if each is not first and not each.is_done]
        company = [each for each in others if each.group == first.group]
        company.sort(key=lambda sample: (sample not in samples, sample.moved_at))
        batch = [first, *company[: self._most_samples - 1]]
        try:
            _take_step(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            self._most_samples = len(batch) // 2
        if first.calls == before:
            torch.cuda.empty_cache()
            return self.move_on(samples)
        self._turn += 1
        for sample in batch:
            sample.moved_at, sample.is_seen = self._turn, sample in samples
        return True


@torch.no_grad()
def _take_step(batch: Sequence[Sample]) -> None:
    """One call of every sample's plan."""
    calls = [sample.plan.calls[sample.calls] for sample in batch]
    states = [sample.state for sample in batch]
    latents = torch.stack([state.x for state in states])
    pictures = denoised(latents, _predict(batch, latents), calls)
    for row, sample in enumerate(batch):
        if sample.known is not None:
            pictures[row] = torch.lerp(sample.known.latents, pictures[row], sample.known.mask)
    moved = advance(states, calls, pictures, [sample.generator for sample in batch])
    for sample, state, picture in zip(batch, moved, pictures, strict=True):
        sample.state, sample.picture, sample.calls = state, picture, sample.calls + 1


@dataclass(frozen=True)
class _Row:
    """One row of the UNet's batch: what a sample's latents are shown for; weight None is the negative prompt."""

    place: int  # of the sample
    conditioning: Conditioning
    weight: float | None


def _predict(batch: Sequence[Sample], latents: torch.Tensor) -> torch.Tensor:
    """The model's outputs (B, C, h, w), guided (Ho & Salimans 2022) and composed (Liu et al. 2022), in float32.

    One call of the UNet for all texts of a length; as in A1111 a longer prompt has a shorter negative one beside it.
    """
    rows: list[_Row] = []
    for place, sample in enumerate(batch):
        negative, parts = sample.script.at(sample.calls)
        if sample.is_guided:
            rows.append(_Row(place, negative, None))
        rows += [_Row(place, conditioning, weight) for conditioning, weight in parts]
    outputs: list[torch.Tensor | None] = [None] * len(rows)
    order = sorted(range(len(rows)), key=lambda index: rows[index].conditioning.embeddings.shape[1])
    for _, same in groupby(order, key=lambda index: rows[index].conditioning.embeddings.shape[1]):
        indices = list(same)
        for index, output in zip(indices, _call_unet(batch, latents, [rows[i] for i in indices]), strict=True):
            outputs[index] = output
    found = list(zip(rows, outputs, strict=True))
    if not batch[0].is_guided:
        return torch.stack([output for _, output in found if output is not None])
    unconditional = [output for row, output in found if row.weight is None and output is not None]
    conditional = [
        compose(
            [output for row, output in found if row.place == place and row.weight is not None and output is not None],
            [row.weight for row, _ in found if row.place == place and row.weight is not None],
            unconditional[place],
        )
        for place in range(len(batch))
    ]
    return guide(
        torch.stack(conditional), torch.stack(unconditional), [sample.guidance_scale for sample in batch],
        [sample.guidance_rescale for sample in batch],
    )  # fmt: skip


def _call_unet(batch: Sequence[Sample], latents: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
    """The UNet's outputs for rows of one length, each with the adapters of its sample."""
    places = [row.place for row in rows]
    per_sample = [len(list(same)) for _, same in groupby(places)]
    alike = len(set(per_sample)) == 1  # then the rows of a sample share a slot
    owners = [place for place, _ in groupby(places)] if alike else places
    easel = batch[0].easel
    timesteps = torch.tensor([batch[place].plan.calls[batch[place].calls].timestep for place in places])
    easel.activate([batch[place].mix for place in owners])
    try:
        return easel.base.predict(
            latents[places], timesteps.to(easel.base.device, torch.float32),
            concatenate([row.conditioning for row in rows]),
        )  # fmt: skip
    finally:
        easel.release()
