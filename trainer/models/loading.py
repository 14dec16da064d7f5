"""Loads a base model: safetensors only, no remote code, nothing from the network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from trainer.errors import UserFault
from trainer.models.registry import BaseSpec
from trainer.models.text import Conditioning, TextTower, Vectors, encode_tokens, tokenize


@dataclass
class Base:
    """A base model in memory: frozen, in eval mode; training and generation share it."""

    spec: BaseSpec
    towers: tuple[TextTower, ...]
    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]
    device: torch.device
    weight_dtype: torch.dtype

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """Everything that an adapter may act on, by the name of its folder: unet, text_encoder, text_encoder_2.

        Of an encoder with a projection the text model within, so that the modules of both are named alike.
        """
        encoders = {tower.name: tower.text_encoder for tower in self.towers}
        return {"unet": self.unet, **{name: getattr(found, "text_model", found) for name, found in encoders.items()}}

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
    def encode_prompts(self, prompts: Sequence[str], inversions: Mapping[str, Vectors] | None = None) -> Conditioning:
        """Conditioning of plain prompts, one chunk each: what is longer than 75 tokens is cut off."""
        return encode_tokens(self.towers, tokenize(self.towers, prompts, inversions), inversions)

    def predict(
        self,
        noisy_latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        time_ids: torch.Tensor | None = None,
        *,
        unet: UNet2DConditionModel | None = None,
    ) -> torch.Tensor:
        """The UNet's prediction (B, C, h, w), in float32, for latents (B, C, h, w) at timesteps (B,) or ().

        ``time_ids`` (B, 6) are SDXL's size conditioning: original height and width, crop top and left, height and
        width (Podell et al. 2023, §2.2); by default those of an uncropped picture. ``unet``: another than the base's.
        """
        added: dict[str, torch.Tensor] | None = None
        if conditioning.pooled is not None:
            if time_ids is None:
                height, width = (side * self.vae_scale_factor for side in noisy_latents.shape[-2:])
                time_ids = size_conditioning((width, height), (0, 0), (width, height)).expand(len(noisy_latents), 6)
            added = {
                "text_embeds": conditioning.pooled.to(self.weight_dtype),
                "time_ids": time_ids.to(self.device, self.weight_dtype),
            }
        model = unet or self.unet
        return model(
            noisy_latents.to(self.weight_dtype), timesteps, conditioning.embeddings.to(self.weight_dtype),
            added_cond_kwargs=added, return_dict=False,
        )[0].float()  # fmt: skip

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


def size_conditioning(original: tuple[int, int], crop: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """SDXL's time ids (6,): ``original`` and ``size`` are (width, height), ``crop`` is (left, top)."""
    return torch.tensor([original[1], original[0], crop[1], crop[0], size[1], size[0]], dtype=torch.float32)


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
    vae = vae_class.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32, **options)
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype, **options)
    towers = tuple(_load_towers(spec, dtype, options))
    for module in (vae, unet, *(tower.text_encoder for tower in towers)):
        module.requires_grad_(False).eval().to(place)
    scheduler = DDIMScheduler.load_config(folder, subfolder="scheduler", local_files_only=True)
    return Base(spec, towers, vae, unet, scheduler_config=dict(scheduler), device=place, weight_dtype=dtype)


def _load_towers(spec: BaseSpec, dtype: torch.dtype, options: dict[str, Any]) -> list[TextTower]:
    """One tower, or SDXL's two: CLIP ViT-L, then OpenCLIP ViT-bigG, whose pooled embedding is used."""
    folder, sdxl = str(spec.folder), spec.family == "sdxl"

    def tower(suffix: str, kind: type[CLIPTextModel] | type[CLIPTextModelWithProjection]) -> TextTower:
        name = f"text_encoder{suffix}"
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder=f"tokenizer{suffix}", local_files_only=True)
        text_encoder = kind.from_pretrained(folder, subfolder=name, dtype=dtype, **options)
        return TextTower(name, tokenizer, text_encoder, penultimate=sdxl, pooled=kind is CLIPTextModelWithProjection)

    return [tower("", CLIPTextModel), *([tower("_2", CLIPTextModelWithProjection)] if sdxl else [])]
