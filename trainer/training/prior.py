"""Prior preservation (Ruiz et al. 2022, §3.2): class pictures that keep the class from becoming the subject.

They are made by the base itself, by few steps, and never decoded: the loss needs latents.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch

from trainer.adapters.bank import AdapterBank
from trainer.models.loading import Base
from trainer.models.text import Conditioning
from trainer.training.recipes import captions_for

PICTURES = 16
STEPS = 12
GUIDANCE = 3.0


@dataclass(frozen=True)
class ClassLatents:
    """Scaled latents (N, C, h, w) of the class and the conditioning of its caption."""

    latents: torch.Tensor
    conditioning: Conditioning

    def draw(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """``count`` of them at random, (count, C, h, w)."""
        return self.latents[torch.randint(len(self.latents), (count,), generator=rng)]


@torch.no_grad()
def class_latents(
    base: Base, bank: AdapterBank, class_word: str, size: tuple[int, int], seed: int
) -> Generator[None, None, ClassLatents]:
    """Generate the class's latents with the bare base, in batches of four, one denoising step a turn."""
    caption = captions_for("", class_word, "subject", None)[0].replace("  ", " ")
    bank.activate({})
    texts = base.encode_prompts(["", caption])
    scheduler = base.make_scheduler()
    scheduler.set_timesteps(STEPS)
    scale = base.vae_scale_factor
    shape = (PICTURES, base.unet.config.in_channels, size[1] // scale, size[0] // scale)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    done = []
    for latents in noise.to(base.device).split(4):
        both = texts.repeat(len(latents))
        for timestep in scheduler.timesteps:
            bank.activate({})  # at every turn, for others may have had theirs meanwhile
            twice = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
            plain, guided = base.predict(twice, timestep, both).chunk(2)
            latents = scheduler.step(plain + GUIDANCE * (guided - plain), timestep, latents).prev_sample
            yield
        done.append(latents)
    return ClassLatents(torch.cat(done), texts.pick([1]))
