"""Loads a base model from its diffusers folder: safetensors only, nothing from the network, no remote code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from trainer.errors import UserFault
from trainer.models.registry import BaseSpec


@dataclass
class Base:
    """A base model in memory: frozen, in eval mode; training and generation share it."""

    spec: BaseSpec
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]
    device: torch.device
    weight_dtype: torch.dtype

    def make_scheduler(self) -> DDIMScheduler:
        """A scheduler of its own for every picture and training, with the base's prediction type and betas."""
        return DDIMScheduler.from_config(self.scheduler_config)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels a latent covers, per side: 8 for Stable Diffusion, 4 for emoji-64."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1) if self._kl else 2 ** (len(self._tiny_levels) - 1)

    @property
    def _kl(self) -> bool:
        return isinstance(self.vae, AutoencoderKL)

    @property
    def _tiny_levels(self) -> list[int]:
        return list(self.vae.config.decoder_block_out_channels)

    @torch.no_grad()
    def encode_prompts(self, prompts: list[str]) -> torch.Tensor:
        """Text embeddings (B, 77, D) of prompts; what is longer than 75 tokens is cut off."""
        ids = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return self.text_encoder(ids.to(self.device)).last_hidden_state

    @torch.no_grad()
    def encode_moments(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the scaled latents of pixels (B, 3, H, W) in [-1, 1], each (B, C, h, w)."""
        scale = self.vae.config.scaling_factor
        encoded = self.vae.encode(pixels.to(self.device, torch.float32))
        if self._kl:
            return encoded.latent_dist.mean * scale, encoded.latent_dist.std * scale
        return encoded.latents * scale, torch.zeros_like(encoded.latents)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W) in [-1, 1] of scaled latents (B, C, h, w)."""
        return self.vae.decode(latents.float() / self.vae.config.scaling_factor).sample.clamp(-1, 1)


def choose_device(wanted: str) -> torch.device:
    """``auto`` takes the GPU where there is one. Raises :class:`UserFault` for a GPU that is not there."""
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserFault(f"DARKROOM_DEVICE is {wanted}, but torch sees no GPU; install its CUDA build or set cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserFault(
            f"DARKROOM_DEVICE is {wanted}, but this machine has {torch.cuda.device_count()} GPUs, from cuda:0"
        )
    return device


def load_base(spec: BaseSpec, device: str | torch.device = "cpu") -> Base:
    """Load the base that ``spec`` names: float32 on a CPU, bfloat16 on a GPU, the VAE in float32 always."""
    place = choose_device(device) if isinstance(device, str) else device
    dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
    index = (spec.folder / "model_index.json").read_text()
    vae_class = AutoencoderTiny if "AutoencoderTiny" in index else AutoencoderKL
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    folder = str(spec.folder)
    modules = {
        "text_encoder": CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=dtype, **options),
        "vae": vae_class.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32, **options),
        "unet": UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype, **options),
    }
    for module in modules.values():
        module.requires_grad_(False).eval().to(place)
    scheduler = DDIMScheduler.load_config(folder, subfolder="scheduler", local_files_only=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    return Base(spec, tokenizer, **modules, scheduler_config=dict(scheduler), device=place, weight_dtype=dtype)
