"""A single .safetensors file in the original layout, known from its header alone: what it is, how wide, how deep."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from trainer.adapters.files import read_header
from trainer.errors import BadAdapterFile, MissingBases
from trainer.models.families import FAMILIES, OTHER_INPUTS, Family, TowerLayout

Shapes = dict[str, tuple[int, ...]]
UNET = "model.diffusion_model."
VAE = "first_stage_model."

# what a file is instead of a base that can be used, by what the first of these is part of one of its keys
_OTHERS_WITH_UNET = (
    ("control_model.", "a ControlNet"),
    ("conditioner.embedders.0.model.", "the SDXL refiner"),
    ("edm_mean", "Playground v2.5"),
)
_OTHERS = (
    *_OTHERS_WITH_UNET,
    ("joint_blocks.", "Stable Diffusion 3"),
    ("double_blocks.", "Flux"),
    ("lora_", "a LoRA, no base model"),
    ("lokr_", "a LoRA, no base model"),
    ("hada_", "a LoRA, no base model"),
    ("emb_params", "a textual inversion, no base model"),
    ("down_blocks.", "one part of a model in diffusers format, not a whole one"),
)


def read_shapes(path: Path) -> Shapes:
    """Names and shapes of all tensors; the header is checked, and nothing is loaded. Raises :class:`MissingBases`."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header, _ = read_header(cast("bytes", data))
    except (BadAdapterFile, ValueError, OSError) as error:  # ValueError: an empty file
        raise MissingBases(
            f"{path.name} is no whole .safetensors file ({error}); fetch it again, or move it elsewhere"
        ) from error
    return {name: tuple(cast("list[int]", tensor["shape"])) for name, tensor in header.items()}


def tell_family(shapes: Shapes, name: str) -> Family:
    """Which family a file is of, by its keys. Raises :class:`MissingBases` that says what it is instead."""
    what = _what_else(shapes)
    for family, layout in FAMILIES.items():
        if what is None and all(_has(shapes, tower.prefix) for tower in layout.towers):
            return family
    raise MissingBases(
        f"{name} is {what or 'no Stable Diffusion model with its text encoder'}, which can't be used here; put a"
        " Stable Diffusion 1.x, 2.x or XL model in its place"
    )


def _what_else(shapes: Shapes) -> str | None:
    first = shapes.get(f"{UNET}input_blocks.0.0.weight")
    signs = _OTHERS_WITH_UNET if first else _OTHERS
    what = next((what for sign, what in signs if any(sign in key for key in shapes)), None)
    if what is not None:
        return what
    if first is None or len(first) != 4:
        return "no Stable Diffusion model in the original layout"
    if first[1] != 4:
        return OTHER_INPUTS.get(first[1], f"a model with {first[1]} channels to start from")
    return None if _has(shapes, VAE) else "a model without its VAE"


def _has(shapes: Iterable[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in shapes)


def unet_config(shapes: Shapes, family: Family) -> dict[str, object]:
    """The UNet2DConditionModel's config. Raises KeyError where the file is not of the family's layout."""
    layout = FAMILIES[family]
    first = [f"{UNET}input_blocks.{1 + 3 * level}." for level in range(layout.levels)]
    widths = [shapes[f"{block}0.in_layers.2.weight"][0] for block in first]
    depths = [max(1, _count(shapes, f"{block}1.transformer_blocks.")) for block in first]
    context = shapes[f"{first[layout.attention.index(True)]}1.transformer_blocks.0.attn2.to_k.weight"][1]
    kinds = [("CrossAttn" if attends else "") for attends in layout.attention]
    config: dict[str, object] = {
        "sample_size": layout.sample_size,
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "cross_attention_dim": context,
        "attention_head_dim": layout.heads or [max(1, width // 64) for width in widths],  # diffusers' name for heads
        "use_linear_projection": layout.linear_projection,
    }
    if family == "sd2":
        config["upcast_attention"] = True
    if family == "sdxl":
        # text and six numbers of sizes (Podell et al. 2023, §2.2) come into one layer
        into = shapes[f"{UNET}label_emb.0.0.weight"][1]
        pooled = shapes[f"{layout.towers[1].prefix}text_projection"][1]
        config |= {
            "transformer_layers_per_block": depths,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (into - pooled) // 6,
            "projection_class_embeddings_input_dim": into,
        }
    return config


def vae_config(shapes: Shapes, family: Family) -> dict[str, object]:
    """The AutoencoderKL's config. Raises KeyError."""
    levels = _count(shapes, f"{VAE}encoder.down.")
    widths = [shapes[f"{VAE}encoder.down.{level}.block.0.conv1.weight"][0] for level in range(levels)]
    return {
        "sample_size": 8 * FAMILIES[family].sample_size,
        "latent_channels": shapes[f"{VAE}post_quant_conv.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "scaling_factor": FAMILIES[family].scaling_factor,
    }


def text_config(shapes: Shapes, tower: TowerLayout) -> dict[str, object]:
    """The CLIP text encoder's config. Raises KeyError."""
    # some merged models leave `text_model.` out
    own = {key.removeprefix(tower.prefix).removeprefix("text_model."): shape for key, shape in shapes.items()
           if key.startswith(tower.prefix)}  # fmt: skip
    if tower.open_clip:
        words, positions = own["token_embedding.weight"], own["positional_embedding"]
        inner = own["transformer.resblocks.0.mlp.c_fc.weight"][0]
        layers = _count(own, "transformer.resblocks.")
        # OpenCLIP's whole tower has a projection; SD2 reads the last but one layer, so the last is left out
        layers -= not tower.penultimate and "text_projection" in own
    else:
        words, positions = own["embeddings.token_embedding.weight"], own["embeddings.position_embedding.weight"]
        inner = own["encoder.layers.0.mlp.fc1.weight"][0]
        layers = _count(own, "encoder.layers.")
    return {
        "vocab_size": words[0],
        "hidden_size": words[1],
        "max_position_embeddings": positions[0],
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, words[1] // 64),
        "hidden_act": tower.hidden_act,
        "projection_dim": own["text_projection"][1] if tower.pooled else words[1],
        # as published: 2 means that the end of a text is the highest id in it
        "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip


def _count(keys: Iterable[str], prefix: str) -> int:
    """How many numbers follow ``prefix``."""
    number = re.compile(re.escape(prefix) + r"(\d+)\.")
    return len({found[1] for key in keys if (found := number.match(key))})
