"""Our side of every comparison: the same base, photos, batch and adapter as the reference's, through our own loop."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from PIL import Image

from tests.benchmarks.bases import Modules, load_modules
from tests.benchmarks.cases import Case
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.models.loading import Base, load_base
from trainer.models.registry import BaseFile, BaseSpec, read_base
from trainer.models.text import TextTower
from trainer.training.hooks import Hooks
from trainer.training.loop import Training, TrainStep
from trainer.training.preparing import TrainingJob, prepare_photos
from trainer.training.recipes import MODULES

ENDLESS = 1_000_000  # steps: whoever measures stops when enough


class OurStepper:
    """Takes our steps, one a call. Photos and captions are encoded before the first: see ``prepare``."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self._steps: Generator[TrainStep | None, None, Any] = training.run()

    def step(self) -> float:
        """One whole step, as the engine takes it; the loss that was looked at last."""
        while True:
            taken = next(self._steps)
            if taken is not None:
                return taken.loss

    def close(self) -> None:
        """Take the adapter out of the base."""
        self._steps.close()


def make_ours(case: Case, folder: Path | None = None, *, lean: bool = False) -> OurStepper:
    """Our stepper for a case; ``lean``: as a worker that trains alone."""
    base = load_base(read_base(folder)) if folder else base_of(case.make_modules())
    torch.set_num_threads(case.threads)
    return start(case, base, lean=lean)


def start(case: Case, base: Base, **hooks: Any) -> OurStepper:
    """A training of the case on a base, with no looks in between."""
    resolution = min(base.spec.defaults.width, base.spec.defaults.height)
    job = TrainingJob("thnos", case.class_word, "subject", recipe_of(case, resolution=resolution))
    images = [Image.open(path).convert("RGB") for path in case.photos]
    bank = AdapterBank(base.modules)
    return OurStepper(Training(base, bank, prepare_photos(job, images), job, Hooks(**hooks)))


def recipe_of(case: Case, **changes: Any) -> Recipe:
    """The case as a member would ask for it."""
    [layers] = [name for name, modules in MODULES.items() if set(modules) == set(case.target_modules)] or ["attention"]
    lora = case.method == "lora"
    recipe = Recipe(
        method=case.method, steps=ENDLESS * case.batch, batch=case.batch, learning_rate=case.learning_rate,
        rank=case.rank if lora else None, lora_alpha=case.lora_alpha if lora else None, seed=case.seed,
        target_modules=layers if lora else None, vectors=case.num_vectors,
        captions="template", caption_template=case.instance_prompt.replace("thnos " + case.class_word, "{}"),
    )  # fmt: skip
    return msgspec.structs.replace(recipe, **changes)


def base_of(modules: Modules) -> Base:
    """A base in memory from what the reference loads; nothing of it can be forgotten, for there are no files."""
    resolution = modules.resolution
    defaults = BaseFile(family="sd1", width=resolution, height=resolution, bucket_step=max(8, resolution // 8))
    spec = BaseSpec("benchmark", Path(tempfile.gettempdir()), "sd1", defaults)
    for module in (modules.vae, modules.unet, modules.text_encoder):
        module.requires_grad_(False).eval()
    if modules.unet.config.block_out_channels[0] > 256:  # as load_base does for all but the embedded base
        modules.unet.to(memory_format=torch.channels_last)
    tower = TextTower("text_encoder", modules.tokenizer, modules.text_encoder)
    config = dict(modules.noise_scheduler.config)
    return Base(spec, (tower,), modules.vae, modules.unet, config, torch.device("cpu"), torch.float32)


def emoji_base(modules: Modules | None = None) -> Base:
    """emoji-64 as the engine has it."""
    base = base_of(modules or load_modules())
    return replace(base, spec=replace(base.spec, name="emoji-64", embedded=True))
