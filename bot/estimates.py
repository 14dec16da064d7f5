"""What a training will take, told before it starts: steps by its recipe, time and memory as workers have measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.store.records import Job
from trainer.contract import looks
from trainer.contract.events import BaseInfo, Heartbeat
from trainer.contract.lengths import Lengths, count_steps, learns_class, step_work

# what a recipe says differently from the base's own, and the estimate of memory with it
_CHANGES_MEMORY = ("batch", "resolution", "rank", "target_modules", "ema", "text_encoder")


@dataclass(frozen=True)
class Estimate:
    """What is left of a training. ``on_gpu``: whether the worker has one."""

    steps: int
    may_be_fewer: bool  # it ends where it gets no better
    seconds: float | None  # None: no training of the kind was measured yet
    memory_bytes: int | None  # None: only the worker can tell, once it has begun
    on_gpu: bool

    @property
    def words(self) -> str:
        """One sentence."""
        steps = f"{'Up to ' if self.may_be_fewer else ''}{self.steps:,} step{'' if self.steps == 1 else 's'}"
        where = "GPU" if self.on_gpu else "processor"
        memory = f"about {looks.memory(self.memory_bytes)} of its memory" if self.memory_bytes is not None else ""
        if self.seconds is not None:
            time = f"{steps}, about {looks.duration(self.seconds)} on this {where}"
            return f"{time}, and {memory}." if memory else f"{time}."
        memory = memory.replace("its", f"the {where}'s")
        unknown = "how long they take is known after the first training of the kind."
        return f"{steps} and {memory}; {unknown}" if memory else f"{steps}; {unknown}"


def estimate(job: Job, heartbeats: Iterable[Heartbeat]) -> Estimate | None:
    """What the training will take on the slowest of these workers that serve it, so that nobody waits for longer.

    None: it is no training, or none of them says how long trainings are.
    """
    if job.lane != "train":
        return None
    found = [
        on_worker(job, info, info.lengths, on_gpu=not beat.device.startswith("cpu"))
        for beat in heartbeats
        if beat.serves("train", job.base)
        for info in beat.bases
        if info.name == job.base and info.lengths is not None
    ]
    return max(found, key=lambda each: each.seconds or 0.0, default=None)


def on_worker(job: Job, info: BaseInfo, lengths: Lengths, *, on_gpu: bool) -> Estimate:
    """What a training will take on a worker that says so of its base."""
    spec = job.train
    recipe, own = spec.recipe, min(info.width, info.height)
    steps = max(1, count_steps(recipe, lengths, len(spec.photos))[0] - (job.paused_step or 0))
    beside_class = learns_class(recipe, spec.kind, lengths)
    pace, seconds = info.seconds_per_sample.get(recipe.method), None
    if pace is not None:
        seconds = pace * steps * step_work(
            recipe.batch or lengths.batch, beside_class=beside_class, resolution=recipe.resolution or own,
            own_resolution=own,
        )  # fmt: skip
    memory = info.memory_bytes.get(recipe.method)
    if recipe.preset == "detailed" or any(getattr(recipe, field) is not None for field in _CHANGES_MEMORY):
        memory = None
    may_be_fewer = recipe.steps is None if recipe.early_stop is None else recipe.early_stop
    return Estimate(steps, may_be_fewer, seconds, memory and memory[beside_class], on_gpu)
