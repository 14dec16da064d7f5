"""Prior preservation (Ruiz et al. 2022, §3.2): class pictures that keep the class from becoming the subject.

They are made by the base itself, by few steps, and never decoded: the loss needs latents. Those of a (base, class word,
size) are made once and kept for all trainings of all members; a class word says nothing of anybody. A step takes half
as many of them as photos: their term is a mean all the same, and a quarter of the step is saved.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from trainer.adapters.bank import AdapterBank
from trainer.models.loading import Base

PICTURES = 16
STEPS = 12
GUIDANCE = 3.0
AT_A_TIME = 4


@dataclass(frozen=True)
class ClassLatents:
    """Scaled latents (N, C, h, w) of the class, and its caption."""

    latents: torch.Tensor
    caption: str

    def draw(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """``count`` of them at random, (count, C, h, w)."""
        return self.latents[torch.randint(len(self.latents), (count,), generator=rng)]


def class_latents(
    base: Base, bank: AdapterBank, class_word: str, size: tuple[int, int], kept: Path | None = None
) -> Generator[None, None, ClassLatents]:
    """The class's latents for pictures of ``size``: from the folder ``kept``, else made and put there."""
    caption = f"a photo of {class_word}"
    path = None if kept is None else kept / _file_name(base, caption, size)
    if path is not None and path.exists():
        return ClassLatents(load_file(path)["latents"].to(base.device), caption)
    latents = yield from _make(base, bank, caption, size)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        save_file({"latents": latents.cpu().contiguous()}, fresh)
        os.replace(fresh, path)  # another worker may be at the same
    return ClassLatents(latents, caption)


def _file_name(base: Base, caption: str, size: tuple[int, int]) -> str:
    """What they depend on, as a name: what members type never becomes one."""
    what = f"{base.spec.hash}/{caption}/{size[0]}x{size[1]}/{PICTURES}/{STEPS}/{GUIDANCE}"
    return f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.safetensors"


@torch.no_grad()
def _make(base: Base, bank: AdapterBank, caption: str, size: tuple[int, int]) -> Generator[None, None, torch.Tensor]:
    """Generate them with the bare base, four at a time, one denoising step a turn."""
    bank.activate({})
    texts = base.encode_prompts(["", caption])
    scheduler = base.make_scheduler()
    scheduler.set_timesteps(STEPS)
    shape = (PICTURES, base.unet.config.in_channels, *(side // base.vae_scale_factor for side in reversed(size)))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    done = []
    for latents in noise.to(base.device).split(AT_A_TIME):
        both = texts.repeat(len(latents))
        for timestep in scheduler.timesteps:
            bank.activate({})  # at every turn, for others may have had theirs meanwhile
            twice = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
            plain, guided = base.predict(twice, timestep, both).chunk(2)
            latents = scheduler.step(plain + GUIDANCE * (guided - plain), timestep, latents).prev_sample
            yield
        done.append(latents)
    return torch.cat(done)
