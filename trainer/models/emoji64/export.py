"""Writes emoji-64 in the layout of Stable Diffusion 1.5, in float16 safetensors."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from trainer.models.emoji64.diffusion import make_scheduler

# What the registry reads beside model_index.json: the defaults of this base.
DARKROOM_JSON = {
    "family": "sd1",
    "width": 64,
    "height": 64,
    "max_side": 96,
    "max_high_res_side": 384,
    "num_inference_steps": 25,
    "guidance_scale": 3.0,
    "sampler": "DDIM",  # which its examples and its pictures in the docs were drawn with
    # A small network learns in few, larger steps: six photos take 375 of batch 4, three quarters of a minute on two
    # cores. Its attention acts at 8 × 8 alone, and a face is drawn at 16 × 16 by convolutions, so these learn, too.
    # How far the likeness goes of the way (three characters, by the choosing encoder): 81% with attention alone and 130
    # steps a photo, 88% with convolutions, 95% with 250 steps a photo.
    "recipe": {
        "rank": 16,
        "lora_alpha": 16,
        "learning_rate": 1e-3,
        "batch": 4,
        "steps_per_photo": 250,
        "min_steps": 600,
        "max_steps": 1500,
        "target_modules": [
            "to_q",
            "to_k",
            "to_v",
            "to_out.0",
            "proj_in",
            "proj_out",
            "ff.net.0.proj",
            "ff.net.2",
            "conv1",
            "conv2",
        ],
    },
    "example_prompts": ["in a suit at a fancy dinner", "in a space suit in space", "wearing a crown at the beach"],
}


def export_pipeline(
    vae: AutoencoderTiny, latent_std: float, unet: UNet2DConditionModel, text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer, folder: Path,
) -> None:  # fmt: skip
    """Write the pipeline to ``folder``; ``latent_std`` becomes the VAE's scaling factor, 1 / std."""
    vae.register_to_config(scaling_factor=round(1 / latent_std, 6))
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=make_scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
    restore_text_model_prefix(folder / "text_encoder" / "model.safetensors")
    # stored as float16, loaded as float32: transformers follows this entry, diffusers loads float32 of itself
    config = folder / "text_encoder" / "config.json"
    config.write_text(config.read_text().replace('"float16"', '"float32"'))
    (folder / "darkroom.json").write_text(json.dumps(DARKROOM_JSON, indent=2) + "\n")


def restore_text_model_prefix(path: Path) -> None:
    """Name the text encoder's weights as every other reader expects: transformers ≥ 5.6 drops ``text_model.``."""
    tensors = load_file(path)
    named = {name if name.startswith("text_model.") else f"text_model.{name}": t for name, t in tensors.items()}
    save_file(named, path, {"format": "pt"})
