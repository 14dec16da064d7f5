"""The three families as they are published: their configs, and their weights' shapes without any weights."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.models.families import Family

# as the configs on the hub have them
_SD: dict[str, Any] = {
    "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}  # fmt: skip
UNETS: dict[Family, dict[str, Any]] = {
    "sd1": {**_SD, "cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64},
    "sd2": {
        **_SD, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True,
        "sample_size": 96,
    },
    "sdxl": {
        "block_out_channels": [320, 640, 1280], "layers_per_block": 2, "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20], "use_linear_projection": True,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "sample_size": 128,
        "projection_class_embeddings_input_dim": 2816,
    },
}  # fmt: skip
VAE: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
_IDS: dict[str, Any] = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "vocab_size": 49408,
                        "max_position_embeddings": 77}  # fmt: skip
CLIP_L: dict[str, Any] = {**_IDS, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                          "num_attention_heads": 12, "hidden_act": "quick_gelu"}  # fmt: skip
CLIP_H: dict[str, Any] = {**_IDS, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
                          "num_attention_heads": 16, "hidden_act": "gelu"}  # fmt: skip
CLIP_G: dict[str, Any] = {**_IDS, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
                          "num_attention_heads": 20, "hidden_act": "gelu", "projection_dim": 1280}  # fmt: skip
TOWERS = {"sd1": [CLIP_L], "sd2": [CLIP_H], "sdxl": [CLIP_L, CLIP_G]}


def make_parts(family: Family) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of all parts, by the names of their folders; they are of the device ``meta`` and take no memory."""
    with torch.device("meta"):
        modules = {"unet": UNet2DConditionModel(**UNETS[family]), "vae": AutoencoderKL(**VAE)}
        kinds = (CLIPTextModel, CLIPTextModelWithProjection)
        for kind, suffix, config in zip(kinds, ("", "_2"), TOWERS[family], strict=False):
            modules[f"text_encoder{suffix}"] = kind(CLIPTextConfig(**config))
    return {name: module.state_dict() for name, module in modules.items()}
