"""How much memory a training needs on the device where it is to run, before it begins."""

from __future__ import annotations

import math
from functools import partial

import torch

from trainer.contract import looks
from trainer.errors import UserFault
from trainer.models.loading import Base
from trainer.models.memory import all_bytes, estimate_training, free_bytes, read_size
from trainer.training.continuing import Source
from trainer.training.recipes import ResolvedRecipe


def estimate(base: Base, recipe: ResolvedRecipe, source: Source | None = None) -> tuple[int, bool]:
    """Bytes that a training needs, and whether gradient checkpointing has to keep them so few.

    Raises UserFault for what not even an empty device has room for.
    """
    size, gpu = read_size(base.spec), base.device.type != "cpu"
    if source is not None:
        learned = sum(tensor.numel() for tensor in source.weights.values())
    else:
        learned = 0 if recipe.method == "textual_inversion" else size.count_lora(recipe.rank, recipe.target_modules)
    need = partial(
        estimate_training, size, recipe.method, resolution=recipe.resolution, learned=learned, gpu=gpu,
        adafactor=recipe.method == "dreambooth" and base.spec.family == "sdxl", ema=recipe.ema > 0,
        text_encoder=recipe.text_encoder_learning_rate > 0,
    )  # fmt: skip
    batch = recipe.batch + (math.ceil(recipe.batch / 2) if recipe.prior_weight else 0)
    least, there = need(batch=1, checkpointing=True), all_bytes(base.device)
    if least > there:
        raise UserFault(
            f"this training needs about {looks.memory(least)} of memory, and {looks.memory(there)} are there: choose a"
            " smaller `resolution` or `rank`, or another method"
        )
    at_ease = need(batch=batch, checkpointing=False)
    if not gpu or at_ease <= free_bytes(base.device) + torch.cuda.memory_reserved(base.device):
        return at_ease, False
    return need(batch=batch, checkpointing=True), True
