"""DreamBooth with LoRA (Ruiz et al. 2022; Hu et al. 2021): a subject from a handful of photos, in minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import TRAINER_VERSION, write_lora
from trainer.contract.requests import Kind, Recipe
from trainer.errors import UserFault
from trainer.models.loading import Base
from trainer.models.text import Conditioning, concatenate
from trainer.training import recipes
from trainer.training.checkpoints import load_optimizer_tensors, optimizer_tensors, pack, unpack
from trainer.training.control import Control, Pause
from trainer.training.dataset import CachedPhotos, cache_photos
from trainer.training.losses import denoising_loss, snr_weights, target_of
from trainer.training.prior import class_latents

CHECKPOINT_EVERY = 100
IN_TRAINING = "in_training"  # of the adapter in the bank while it is trained


@dataclass(frozen=True)
class TrainingJob:
    """What to teach, and how."""

    trigger: str
    class_word: str
    kind: Kind
    recipe: Recipe


@dataclass(frozen=True)
class TrainStep:
    """One step that was taken."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class TrainedAdapter:
    """The adapter's file and what is worth knowing of it."""

    data: bytes
    metadata: dict[str, str]
    rank: int
    steps: int
    final_loss: float
    seconds: float


def train_lora(
    base: Base,
    bank: AdapterBank,
    photos: Sequence[Image.Image],
    captions: Sequence[str | None],
    job: TrainingJob,
    *,
    checkpoint: Callable[[bytes], None] | None = None,
    resume: bytes | None = None,
    control: Control | None = None,
) -> Generator[TrainStep | None, None, TrainedAdapter]:
    """Train an adapter, one step each time the generator is asked; its return value is the adapter.

    It yields None as long as it prepares (encodes photos, makes class pictures), then the step that it took.
    Deterministic from the recipe's seed on a CPU: every step draws from a generator of its own, so a training that was
    resumed from a checkpoint equals one that never stopped. Raises :class:`UserFault` when the loss is not finite.
    """
    began = time.monotonic()
    recipe = recipes.resolve_recipe(job.recipe, base.spec.defaults.recipe, len(photos), job.kind)
    options = [recipes.captions_for(job.trigger, job.class_word, job.kind, own) for own in captions]
    size = (base.spec.defaults.width, base.spec.defaults.height)
    data = yield from cache_photos(base, photos, options, size)
    prior = None
    if recipe.prior_weight:
        prior = yield from class_latents(base, bank, job.class_word, size, recipe.seed)
    scheduler = base.make_scheduler()
    try:
        parameters = bank.add_trainable(
            IN_TRAINING, "unet", rank=recipe.rank, lora_alpha=recipe.lora_alpha,
            target_modules=recipe.target_modules, seed=recipe.seed,
        )  # fmt: skip
        optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=1e-2)
        start = _resume(resume, parameters, optimizer)
        taken, loss_value = start, 0.0
        for step in range(start, recipe.steps):
            rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
            latents, conditioning = _draw(data, recipe, step, rng)
            weights = torch.ones(len(latents), device=base.device)
            if prior is not None:  # pairs of class picture and class caption, each beside its own
                latents = torch.cat([latents, prior.draw(len(latents), rng)])
                conditioning = concatenate([conditioning, prior.conditioning.repeat(len(weights))])
                weights = torch.cat([weights, recipe.prior_weight * weights])
            noise = torch.randn(latents.shape, generator=rng).to(base.device)
            timesteps = torch.randint(scheduler.config.num_train_timesteps, (len(latents),), generator=rng)
            timesteps = timesteps.to(base.device)
            noisy_latents = scheduler.add_noise(latents, noise, timesteps)
            target = target_of(scheduler, latents, noise, timesteps)
            bank.activate({IN_TRAINING: 1.0})
            model_pred = base.predict(noisy_latents, timesteps, conditioning)
            weights = weights * snr_weights(scheduler, timesteps, recipe.snr_gamma)
            loss = denoising_loss(model_pred, target, weights)
            if prior is not None:
                loss = 2 * loss  # Ruiz et al. 2022, eq. 2: the two terms are added, and this is the mean over both
            if not torch.isfinite(loss):
                raise UserFault(
                    f"the training diverged at step {step + 1} (its loss is {loss.item()}); try other photos, or tell "
                    f"whoever runs this bot that the base's learning rate of {recipe.learning_rate:g} is too high"
                )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            taken, loss_value = step + 1, loss.item()
            if checkpoint and (step + 1) % CHECKPOINT_EVERY == 0 and step + 1 < recipe.steps:
                checkpoint(_pack(step + 1, parameters, optimizer))
            if control and control.wish == "pause" and step + 1 < recipe.steps:
                raise Pause(step + 1, recipe.steps, _pack(step + 1, parameters, optimizer))
            if control and control.wish == "finish":
                break
            yield TrainStep(step + 1, recipe.steps, loss_value)
        metadata = _describe(base, job, recipe, taken, len(photos))
        file = write_lora(bank.weights(IN_TRAINING), metadata)
    finally:
        bank.remove(IN_TRAINING)
    return TrainedAdapter(file, metadata, recipe.rank, taken, loss_value, time.monotonic() - began)


def _pack(step: int, parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> bytes:
    """A checkpoint after that many steps."""
    named = {str(index): parameter for index, parameter in enumerate(parameters)}
    return pack(step, {"lora": named, "optimizer": optimizer_tensors(optimizer)})


def _resume(resume: bytes | None, parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Put a checkpoint's weights and moments back; the step to go on from."""
    if resume is None:
        return 0
    step, parts = unpack(resume)
    with torch.no_grad():
        for index, parameter in enumerate(parameters):
            parameter.copy_(parts["lora"][str(index)])
    load_optimizer_tensors(optimizer, parts["optimizer"])
    return step


def _draw(
    data: CachedPhotos, recipe: recipes.ResolvedRecipe, step: int, rng: torch.Generator
) -> tuple[torch.Tensor, Conditioning]:
    """Latents (B, C, h, w) and conditioning of a step: every photo once before any comes again."""
    rows, captions = [], []
    for place in range(step * recipe.batch, (step + 1) * recipe.batch):
        epoch, index = divmod(place, len(data))
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(recipe.seed * 7_919 + epoch))
        row = int(order[index])
        rows.append(row)
        dropped = torch.rand(1, generator=rng).item() < recipe.caption_dropout
        captions.append("" if dropped else recipes.choose(data.captions[row], recipe.seed, place, row))
    return data.draw_latents(rows, rng), data.condition(captions)


def _describe(base: Base, job: TrainingJob, recipe: recipes.ResolvedRecipe, taken: int, photos: int) -> dict[str, str]:
    """The metadata header; texts alone, as safetensors wants them. No captions, no paths, no names of people."""
    return {
        "darkroom.trigger": job.trigger,
        "darkroom.class_word": job.class_word,
        "darkroom.kind": job.kind,
        "darkroom.base": base.spec.name,
        "darkroom.base_hash": base.spec.hash,
        "darkroom.rank": str(recipe.rank),
        "darkroom.steps": str(taken),
        "darkroom.photos": str(photos),
        "darkroom.trainer": TRAINER_VERSION,
    }
