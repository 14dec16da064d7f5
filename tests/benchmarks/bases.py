"""The bases that are measured on, as fresh modules: training changes them, so every stepper takes its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from trainer.models.registry import EMBEDDED_FOLDER


@dataclass(frozen=True)
class Modules:
    """A base in memory, in float32, as ``from_pretrained`` leaves it."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    noise_scheduler: DDPMScheduler
    resolution: int  # pixels a side that the scripts would be told


def load_modules(folder: Path = EMBEDDED_FOLDER, resolution: int | None = None) -> Modules:
    """Read a diffusers folder as the scripts do; the resolution is the UNet's own where none is given."""
    options = {"local_files_only": True, "use_safetensors": True}
    tiny = "AutoencoderTiny" in (folder / "model_index.json").read_text()
    vae_class = AutoencoderTiny if tiny else AutoencoderKL
    vae = vae_class.from_pretrained(folder, subfolder="vae", **options)
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **options)
    levels = vae.config.decoder_block_out_channels if tiny else vae.config.block_out_channels
    return Modules(
        tokenizer=CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True),
        text_encoder=CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", **options),
        vae=vae,
        unet=unet,
        noise_scheduler=DDPMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True),
        resolution=resolution or unet.config.sample_size * 2 ** (len(levels) - 1),
    )


PROPORTIONAL_WIDTH = 40
"""The width at which the VAE has to emoji-64's UNet the proportion that SD1.5's has to its own.

SD1.5 at 512 px: encoding takes 1.12 TFLOP beside 0.80 for the UNet's forward, 1.4 : 1. emoji-64's UNet takes
1.27 GFLOP a picture; SD's VAE at its own width, 128, takes 19.5 (15 : 1, and every speed-up that one likes),
at 40 it takes 1.9 (1.5 : 1), at 36 it takes 1.6 (1.2 : 1).
"""
SD_WIDTH = 128


def random_autoencoder_kl(width: int = PROPORTIONAL_WIDTH, latent_channels: int = 12, seed: int = 0) -> AutoencoderKL:
    """SD's autoencoder (two layers a block, widths 1 : 2 : 4, four channels a group at the first) with factor 4.

    SD's own has a fourth level, as wide as the third, which makes its factor 8. Random weights: time and memory are
    those of trained ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKL(
            block_out_channels=(width, 2 * width, 4 * width),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=2,
            latent_channels=latent_channels,
            norm_num_groups=width // 4,
            scaling_factor=1.0,
        )
    return vae.eval()


def emoji_with_kl(width: int = PROPORTIONAL_WIDTH) -> Modules:
    """emoji-64 with an AutoencoderKL in the place of its cheap one."""
    return replace(load_modules(), vae=random_autoencoder_kl(width))


def sd15_shape(resolution: int = 256, seed: int = 0) -> Modules:
    """Stable Diffusion 1.5's true shape with random weights: UNet 860 M, CLIP-L 123 M, AutoencoderKL 84 M.

    4.3 GB in float32. The tokenizer is emoji-64's, whose ids all lie below CLIP's 49,408.
    """
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER, subfolder="tokenizer", local_files_only=True)
    text_config = CLIPTextConfig(
        vocab_size=49_408, hidden_size=768, intermediate_size=3072, projection_dim=768, num_hidden_layers=12,
        num_attention_heads=12, max_position_embeddings=77, hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(text_config)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            norm_num_groups=32,
            sample_size=512,
            scaling_factor=0.18215,
        )
        unet = UNet2DConditionModel(
            sample_size=64,
            in_channels=4,
            out_channels=4,
            block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            layers_per_block=2,
            cross_attention_dim=768,
            attention_head_dim=8,
        )
    scheduler = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    return Modules(tokenizer, text_encoder.eval(), vae.eval(), unet.eval(), scheduler, resolution)


def save_modules(modules: Modules, folder: Path) -> Path:
    """Write a base as a diffusers folder that ``load_base`` and ``from_pretrained`` read."""
    pipeline = StableDiffusionPipeline(
        vae=modules.vae, text_encoder=modules.text_encoder, tokenizer=modules.tokenizer, unet=modules.unet,
        scheduler=modules.noise_scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
