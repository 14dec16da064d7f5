"""The one training loop: noise, add, predict, loss, backward, step. What differs by method is in its learner.

A generator that takes one step each time it is asked, so that pictures can be drawn in between. Deterministic from the
recipe's seed on a CPU: every step draws from a generator of its own, so that a training which was resumed from a
checkpoint equals one that never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.adapters.bank import AdapterBank
from trainer.errors import UserFault
from trainer.models.loading import Base, size_conditioning
from trainer.training import captions, recipes
from trainer.training.control import Pause
from trainer.training.dataset import (
    Batch,
    CachedPhoto,
    Size,
    TrainingPhoto,
    add_class,
    cache_photos,
    draw_batch,
    plan_batches,
)
from trainer.training.hooks import Hooks
from trainer.training.learner import Learner
from trainer.training.losses import batch_losses, batch_weights
from trainer.training.memory_ladder import MemoryLadder
from trainer.training.preparing import TrainingJob, make_learner, resolve
from trainer.training.prior import ClassLatents, class_latents
from trainer.training.state import TrainingState

CHECKPOINT_EVERY = 100  # steps
CHECK_EVERY = 10  # steps, after which losses are looked at: each look makes a GPU wait
KEEP_EVERY = 50  # steps, after which everything is remembered to go back to
LOOKS = 5  # at what was learned, evenly through the training
LEAST_STEPS_LOOKED_AT = 50  # below which only the end is looked at
MAX_ROLLBACKS = 3
SHARE_OF_NEW = 0.05  # of a step's loss in the mean that is told


@dataclass(frozen=True)
class TrainStep:
    """One step that was taken; ``loss`` is a moving mean of those that were looked at."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Taken:
    """A step that was taken: the photos' rows and losses (B,), and the gradient's norm, all still on the device."""

    rows: tuple[int, ...]
    losses: torch.Tensor
    norm: torch.Tensor


@dataclass(frozen=True)
class Snapshot:
    """What had been learned by a step, as adapter files name it."""

    step: int
    weights: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Learned:
    """What a training made; ``notes`` are for the member, a sentence each."""

    learner: Learner
    recipe: recipes.ResolvedRecipe
    snapshots: tuple[Snapshot, ...]
    scores: tuple[list[float], ...]  # of the snapshots, where they are looked at
    steps: int
    final_loss: float
    seconds: float  # over all attempts
    notes: tuple[str, ...]


class Training:
    """One training under way."""

    def __init__(
        self,
        base: Base,
        bank: AdapterBank,
        photos: Sequence[TrainingPhoto],
        job: TrainingJob,
        hooks: Hooks | None = None,
        recipe: recipes.ResolvedRecipe | None = None,
    ) -> None:
        """``recipe``: as :func:`resolve` makes it, where that was done already."""
        self.base, self._bank, self._raw, self._job, self._hooks = base, bank, photos, job, hooks or Hooks()
        self.recipe = recipe or resolve(base, job, len(photos), self._hooks.source)
        self._scheduler = base.make_scheduler()
        self._recent: list[Taken] = []  # steps that were not looked at yet
        self._snapshots: list[Snapshot] = []
        self._text_is_kept = False  # whether every caption's conditioning is

    def run(self) -> Generator[TrainStep | None, None, Learned]:
        """Prepare (yielding None), take the steps (yielding each), and return what was learned."""
        self._began = self._hooks.clock()
        self.base.recall_encoders()
        self._photos: list[CachedPhoto] = yield from cache_photos(
            self.base, self._raw, resolution=self.recipe.resolution, flip=self.recipe.flip, masks=self.recipe.masks
        )
        self._prior: dict[Size, ClassLatents] = yield from self._class_latents()
        self.learner = make_learner(self.base, self._bank, self._job, self.recipe)
        self._memory = MemoryLadder(self.learner.unet, self._hooks.make_room, checkpointing=self._hooks.checkpointing)
        try:
            if self._hooks.source is not None:
                self.learner.load(self._hooks.source.weights)
            step = yield from self._steps(self._begin())
        except BaseException:
            self.learner.close()
            raise
        finally:
            self._memory.close()
        return Learned(
            self.learner, self.recipe, tuple(self._snapshots), tuple(self.state.memo.scores), step,
            self.state.memo.loss or 0.0, self._seconds(), tuple(self.state.memo.notes),
        )  # fmt: skip

    def _begin(self) -> int:
        """Make the optimizer; the step to begin with."""
        whole = self.recipe.method == "dreambooth" and self.base.spec.family == "sdxl"
        self.state = TrainingState(self.learner.groups, ema=self.recipe.ema, small_memory=whole)
        step = 0
        if self._hooks.resume is not None:
            step, taken = self.state.load(self._hooks.resume)
            self._snapshots = [Snapshot(at, weights) for at, weights in taken]
        self._seconds_before = self.state.memo.seconds
        self._plan = self._plan_batches()
        self.state.keep(step)
        return step

    def _plan_batches(self) -> list[tuple[int, ...]]:
        """Which rows each step takes; those that were left out have no part in it."""
        rows = [row for row in range(len(self._photos)) if row not in self.state.memo.left_out]
        sizes = [self._photos[row].size for row in rows]
        plan = plan_batches(sizes, self.recipe.batch, self.recipe.steps, self.recipe.seed)
        return [tuple(rows[place] for place in places) for places in plan]

    def _class_latents(self) -> Generator[None, None, dict[Size, ClassLatents]]:
        """For each size of latents that there is."""
        found: dict[Size, ClassLatents] = {}
        if self.recipe.prior_weight:
            factor = self.base.vae_scale_factor
            for width, height in sorted({photo.size for photo in self._photos}):
                found[width, height] = yield from class_latents(
                    self.base, self._bank, self._job.class_word, (width * factor, height * factor),
                    self._hooks.class_latents,
                )  # fmt: skip
        return found

    # -- steps --------------------------------------------------------------------------------------------------------

    def _steps(self, step: int) -> Generator[TrainStep | None, None, int]:
        """Take them from ``step`` on; how many were taken when it ended."""
        steps, looks = self.recipe.steps, self._look_steps()
        while True:
            # here and not behind the step: a checkpoint that was made between the two must not lose the look
            if step in looks and step > self._looked_at and (yield from self._look(step)) and step < steps:
                self.state.memo.notes.append(
                    f"It stopped at step {step:,} of {steps:,}, since it got no better any more."
                )
                break
            if step >= steps:
                break
            if self._hooks.control.wish == "pause":
                step = self._check(step)
                if paused := self._save("paused", step):
                    raise Pause(step, steps, paused)
            if self._hooks.control.ends_at(step):
                self.state.memo.notes.append(
                    f"It was stopped at step {step:,} of {steps:,}, and what it had learned was kept."
                )
                break
            if self._hooks.lean:
                self._forget_encoders(step)
            self._take(step)
            step += 1
            if step % CHECK_EVERY == 0 or step % CHECKPOINT_EVERY == 0 or step in looks or step == steps:
                step = self._check(step)
            if step and step % CHECKPOINT_EVERY == 0 and step < steps:
                self._checkpoint(step)
            yield TrainStep(step, steps, self.state.memo.loss or float("nan"))
        step = self._check(step)
        if step > self._looked_at or not self._snapshots:
            yield from self._look(step)
        self.state.settle()
        return step

    def _take(self, step: int) -> None:
        """One step of the optimizer."""
        rng = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        batch = self._draw(step, rng)
        noise = torch.randn(batch.latents.shape, generator=rng).to(batch.latents.device)
        total = self._scheduler.config.num_train_timesteps
        timesteps = torch.randint(total, (len(batch),), generator=rng).to(batch.latents.device)
        while True:
            try:
                losses = self._backward(batch, noise, timesteps, step)
                norm = self.state.update()  # whose first call makes the moments
                break
            except torch.OutOfMemoryError:
                self.state.optimizer.zero_grad()
            # here, where the error's frames hold no activations any more
            if not self._memory.step_down(len(batch)):
                raise UserFault(
                    "this training does not fit into the GPU's memory, even photo by photo: choose a smaller"
                    " `resolution` or `rank`, or another method"
                )
        self._recent.append(Taken(batch.rows, losses, norm))

    def _forget_encoders(self, step: int) -> None:
        """Once their work is done they only take room; a whole model's copy shares them, and is left alone."""
        if self.recipe.method == "dreambooth":
            return
        text_learns = step < max(self.recipe.text_encoder_steps, self.recipe.inversion_steps)
        if not text_learns and not self._text_is_kept:
            words = {caption for photo in self._photos for caption in photo.captions}
            prior = {latents.caption for latents in self._prior.values()}
            self.learner.condition(sorted({"", *words, *prior}), step)  # each is kept from here on
        self._text_is_kept = not text_learns
        self.base.forget_encoders(text=not text_learns)

    def _draw(self, step: int, rng: torch.Generator) -> Batch:
        """The photos of this step, each with a caption or, now and then, with none."""
        recipe, rows = self.recipe, self._plan[step]
        words = []
        for place, row in enumerate(rows):
            dropped = torch.rand(1, generator=rng).item() < recipe.caption_dropout
            options = self._photos[row].captions
            words.append("" if dropped else captions.choose(options, recipe.seed, step * recipe.batch + place, row))
        batch = draw_batch(self._photos, rows, tuple(words), rng)
        if self._prior:
            prior = self._prior[self._photos[rows[0]].size]
            height, width = (side * self.base.vae_scale_factor for side in prior.latents.shape[-2:])
            batch = add_class(
                batch, prior.draw(math.ceil(len(rows) / 2), rng), prior.caption, recipe.prior_weight,
                size_conditioning((width, height), (0, 0), (width, height)),
            )  # fmt: skip
        return batch

    def _backward(self, batch: Batch, noise: torch.Tensor, timesteps: torch.Tensor, step: int) -> torch.Tensor:
        """Add the gradient of the batch's loss, in as many parts as memory asks for; the losses of the photos (B,)."""
        weights = batch_weights(self._scheduler, batch, timesteps, self.recipe.snr_gamma)
        losses = []
        for samples in torch.arange(len(batch)).tensor_split(self._memory.parts):
            part = batch if self._memory.parts == 1 else batch.pick(samples)
            errors = batch_losses(self.learner, self._scheduler, part, noise[samples], timesteps[samples], step)
            (errors * weights[samples]).sum().backward()
            losses.append(errors.detach())
        return torch.cat(losses)[: len(batch.rows)]

    # -- looking ------------------------------------------------------------------------------------------------------

    def _check(self, step: int) -> int:
        """Look at the losses since the last time; the step to go on from, an earlier one where something went wrong.

        Raises :class:`UserFault` where going back did not help.
        """
        recent, self._recent = self._recent, []
        if not recent:
            return step
        losses = torch.stack([taken.losses for taken in recent]).cpu()  # (steps, B)
        fine = torch.isfinite(losses)
        norms = torch.isfinite(torch.stack([taken.norm for taken in recent]).cpu())
        bad = (~(fine.all(dim=1) & norms)).nonzero()
        if not len(bad):
            for value in losses.mean(dim=1).tolist():  # the same whenever it is looked at
                known = self.state.memo.loss
                self.state.memo.loss = value if known is None else known + SHARE_OF_NEW * (value - known)
            if step % KEEP_EVERY == 0:
                self.state.keep(step)
            return step
        first = int(bad[0])
        rows = recent[first].rows
        wrong = {row for row, is_fine in zip(rows, fine[first].tolist(), strict=True) if not is_fine}
        return self._roll_back(step - len(recent) + first, wrong or set(rows))  # a gradient alone tells of no photo

    def _roll_back(self, step: int, rows: set[int]) -> int:
        """Go back to before ``step``, without the photos at which it went wrong unless those were all of its batch."""
        memo, photos = self.state.memo, _name_photos(rows)
        guilty = rows if len(self._plan[step]) == 1 or rows < set(self._plan[step]) else set()
        possible = memo.rollbacks < MAX_ROLLBACKS and len(self._photos) > len(guilty | set(memo.left_out))
        back = self.state.roll_back() if possible else None
        if back is None:
            raise UserFault(
                f"the training diverged at step {step + 1:,}, at {photos}: train without, or with a learning rate below"
                f" {self.recipe.learning_rate:g}"
            )
        memo.left_out = sorted(guilty | set(memo.left_out))
        self._plan = self._plan_batches()
        self._snapshots = [snapshot for snapshot in self._snapshots if snapshot.step <= back]
        del memo.scores[len(self._snapshots) :]
        self.state.memo.notes.append(
            f"Learning went wrong at step {step + 1:,}, at {photos}: it went on from step {back:,}, more slowly"
            f"{' and without' if guilty else ''}."
        )
        return back

    def _look_steps(self) -> set[int]:
        """After which steps to look at what was learned; a whole model takes too long to boil down."""
        steps = self.recipe.steps
        looks = LOOKS if steps >= LEAST_STEPS_LOOKED_AT and self.recipe.method != "dreambooth" else 1
        return {steps * look // looks for look in range(1, looks + 1)}

    @property
    def _looked_at(self) -> int:
        return self._snapshots[-1].step if self._snapshots else 0

    def _look(self, step: int) -> Generator[None, None, bool]:
        """Keep what was learned so far and have it scored; whether that is enough."""
        with self.state.averaged():
            self._snapshots.append(Snapshot(step, self.learner.weights()))
            if self._hooks.look is None:
                return False
            self.state.memo.scores.append((yield from self._hooks.look(self.learner)))
        return self.recipe.early_stop and self._hooks.is_enough(self.state.memo.scores)

    def _checkpoint(self, step: int) -> None:
        """Write one, unless the last one is still on its way: gigabytes take their time."""
        folder = self._hooks.folder
        if folder and not _file(folder, "checkpoint").exists() and (path := self._save("checkpoint", step)):
            self._hooks.checkpoint(path)

    def _save(self, name: str, step: int) -> Path | None:
        """A checkpoint before ``step``; None where it can't be written, of which a training does not die."""
        if self._hooks.folder is None:
            return None
        path = _file(self._hooks.folder, name)
        self.state.memo.seconds = self._seconds()
        try:
            self.state.save(path, step, [(snapshot.step, snapshot.weights) for snapshot in self._snapshots])
        except OSError:  # the disk is full: gigabytes may be too many for it
            return None
        return path

    def _seconds(self) -> float:
        return self._seconds_before + self._hooks.clock() - self._began


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _name_photos(rows: set[int]) -> str:
    numbers = [str(row + 1) for row in sorted(rows)]
    return f"photo {numbers[0]}" if len(numbers) == 1 else f"photos {', '.join(numbers)}"
