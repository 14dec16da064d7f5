"""Measures emoji-64: do a prompt's head, outfit, accessory and background appear, as the reporter reads them?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from trainer.models.emoji64 import grammar
from trainer.models.emoji64.assets import Assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.encoder import PictureEncoder
from trainer.models.emoji64.grammar import Scene
from trainer.models.emoji64.vae import principal_components, psnr_db

EVALUATION_SEED = 64_064  # never used in training: the pool draws from "2026/part", the encoders from "encoder/n"
ATTRIBUTES = ("head", "outfit", "accessory", "background")


def to_tensor(images: list[Image.Image]) -> torch.Tensor:
    """PIL pictures of one size to pixels (N, 3, H, W) in [-1, 1]."""
    return (
        torch.from_numpy(np.stack([np.asarray(image.convert("RGB")) for image in images])).permute(0, 3, 1, 2) / 127.5
        - 1
    )


def agreement(read: list[Scene], wanted: list[Scene]) -> dict[str, float]:
    """For each attribute the share of pictures in which it was read as wanted."""
    pairs = [(asdict(r), asdict(w)) for r, w in zip(read, wanted, strict=True)]
    return {name: sum(r[name] == w[name] for r, w in pairs) / len(pairs) for name in ATTRIBUTES}


def generate(
    pipeline: StableDiffusionPipeline, prompts: list[str], seed: int, *, steps: int = 25, guidance: float = 3.0,
    batch: int = 32, on_step: Callable[[], None] | None = None,
) -> list[Image.Image]:  # fmt: skip
    """Generate one picture a prompt; picture i has seed ``seed + i``."""
    images: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        images += pipeline(
            part, num_inference_steps=steps, guidance_scale=guidance, generator=generators, height=64, width=64
        ).images
    return images


def evaluation_scenes(count: int = 512, seed: int = EVALUATION_SEED) -> list[Scene]:
    """The scenes of the evaluation's prompts."""
    rng = random.Random(seed)
    return [grammar.draw_scene(rng) for _ in range(count)]


@torch.no_grad()
def measure_vae(pipeline: StableDiffusionPipeline, encoder: PictureEncoder, assets: Assets) -> dict[str, float]:
    """PSNR of the VAE and of principal components of the same size, and the read-outs before and behind the VAE."""
    composer, rng = Composer(assets), random.Random(EVALUATION_SEED + 1)
    scenes = evaluation_scenes(512, EVALUATION_SEED + 1)
    pixels = to_tensor([composer.compose(scene, 64, rng) for scene in scenes])
    vae = pipeline.vae.float()
    reconstruction = vae.decode(vae.encode(pixels).latents).sample.clamp(-1, 1)
    originals = agreement(encoder.read(pixels), scenes)
    behind = agreement(encoder.read(reconstruction), scenes)
    mean, components, _ = principal_components(pixels, vae.config.latent_channels)
    patches = torch.nn.functional.unfold(pixels, 4, stride=4).transpose(1, 2)
    projected = ((patches - mean) @ components @ components.T + mean).transpose(1, 2)
    pca = torch.nn.functional.fold(projected, (64, 64), 4, stride=4)
    return {
        "vae_psnr_db": psnr_db(reconstruction, pixels),
        "pca_psnr_db": psnr_db(pca, pixels),
        **{f"readout_{name}": originals[name] for name in ATTRIBUTES},
        **{f"readout_behind_vae_{name}": behind[name] for name in ATTRIBUTES},
    }


def measure_prompts(
    pipeline: StableDiffusionPipeline, encoder: PictureEncoder, *, count: int = 512, guidance: float = 3.0
) -> tuple[dict[str, float], list[Image.Image], list[Scene]]:
    """Shares of the prompts' attributes that appear; the pictures and scenes too, for the contact sheet."""
    scenes = evaluation_scenes(count)
    images = generate(pipeline, [grammar.plain_caption(scene) for scene in scenes], EVALUATION_SEED, guidance=guidance)
    return agreement(encoder.read(to_tensor(images)), scenes), images, scenes


def contact_sheet(images: list[Image.Image], columns: int, path: Path, side: int = 96) -> None:
    """Lay pictures out in rows and write a palette PNG, small enough for the model card."""
    rows = (len(images) + columns - 1) // columns
    sheet = Image.new("RGB", (columns * side, rows * side))
    for index, image in enumerate(images):
        small = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (index % columns * side, index // columns * side))
    sheet.quantize(256).save(path, optimize=True)
