"""The keys of the original checkpoints, spelt out from the public configurations alone.

From v1-inference.yaml (CompVis/stable-diffusion), v2-inference.yaml (Stability-AI/stablediffusion) and sd_xl_base.yaml
(Stability-AI/generative-models), and the modules that they name: openaimodel.UNetModel, Encoder and Decoder of the
autoencoder, transformers' CLIPTextModel of then, and OpenCLIP's text transformer. Nothing here knows of our own writer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UNetConfig:
    """``unet_config.params``."""

    channel_mult: tuple[int, ...]
    attention_resolutions: tuple[int, ...]
    transformer_depth: tuple[int, ...]  # per level
    adm: bool = False
    num_res_blocks: int = 2


UNETS = {
    "sd1": UNetConfig((1, 2, 4, 4), (4, 2, 1), (1, 1, 1, 1)),
    "sd2": UNetConfig((1, 2, 4, 4), (4, 2, 1), (1, 1, 1, 1)),
    "sdxl": UNetConfig((1, 2, 4), (4, 2), (1, 2, 10), adm=True),
}


def both(*modules: str) -> set[str]:
    """Weight and bias of each."""
    return {f"{module}.{parameter}" for module in modules for parameter in ("weight", "bias")}


def res_block(at: str, *, skip: bool) -> set[str]:
    layers = ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"]
    return both(*(f"{at}.{layer}" for layer in layers), *([f"{at}.skip_connection"] if skip else []))


def spatial_transformer(at: str, depth: int) -> set[str]:
    keys = both(f"{at}.norm", f"{at}.proj_in", f"{at}.proj_out")
    for block in (f"{at}.transformer_blocks.{index}" for index in range(depth)):
        keys |= both(*(f"{block}.norm{number}" for number in (1, 2, 3)), f"{block}.ff.net.0.proj", f"{block}.ff.net.2")
        for attention in (f"{block}.attn1", f"{block}.attn2"):
            keys |= {f"{attention}.to_{letter}.weight" for letter in "qkv"} | both(f"{attention}.to_out.0")
    return keys


def unet_keys(config: UNetConfig) -> set[str]:
    """Of UNetModel, walking as its constructor walks."""
    keys = both("time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2")
    if config.adm:
        keys |= both("label_emb.0.0", "label_emb.0.2")
    channels, skips, index, resolution = 1, [1], 1, 1
    for level, mult in enumerate(config.channel_mult):
        for _ in range(config.num_res_blocks):
            keys |= res_block(f"input_blocks.{index}.0", skip=channels != mult)
            if resolution in config.attention_resolutions:
                keys |= spatial_transformer(f"input_blocks.{index}.1", config.transformer_depth[level])
            channels = mult
            skips.append(channels)
            index += 1
        if level != len(config.channel_mult) - 1:
            keys |= both(f"input_blocks.{index}.0.op")
            skips.append(channels)
            index += 1
            resolution *= 2
    keys |= res_block("middle_block.0", skip=False) | res_block("middle_block.2", skip=False)
    keys |= spatial_transformer("middle_block.1", config.transformer_depth[-1])
    index = 0
    for level, mult in reversed(list(enumerate(config.channel_mult))):
        for place in range(config.num_res_blocks + 1):
            inner = 1
            keys |= res_block(f"output_blocks.{index}.0", skip=channels + skips.pop() != mult)
            if resolution in config.attention_resolutions:
                keys |= spatial_transformer(f"output_blocks.{index}.1", config.transformer_depth[level])
                inner = 2
            channels = mult
            if level and place == config.num_res_blocks:
                keys |= both(f"output_blocks.{index}.{inner}.conv")
                resolution //= 2
            index += 1
    return keys


def vae_keys() -> set[str]:
    """Of AutoencoderKL with ch_mult 1, 2, 4, 4 and two residual blocks a level."""
    mults = (1, 2, 4, 4)
    keys = both("quant_conv", "post_quant_conv")
    for side in ("encoder", "decoder"):
        keys |= both(f"{side}.conv_in", f"{side}.norm_out", f"{side}.conv_out")
        keys |= both(*(f"{side}.mid.attn_1.{name}" for name in ("norm", "q", "k", "v", "proj_out")))
        for block in ("block_1", "block_2"):
            keys |= both(*(f"{side}.mid.{block}.{name}" for name in ("norm1", "conv1", "norm2", "conv2")))
    levels = [("encoder.down", level, 2, 1 if not level else mults[level - 1]) for level in range(4)]
    levels += [("decoder.up", level, 3, mults[min(level + 1, 3)]) for level in range(4)]
    for way, level, blocks, channels in levels:
        for block in range(blocks):
            at = f"{way}.{level}.block.{block}"
            keys |= both(*(f"{at}.{name}" for name in ("norm1", "conv1", "norm2", "conv2")))
            if block == 0 and channels != mults[level]:
                keys |= both(f"{at}.nin_shortcut")
    keys |= both(*(f"encoder.down.{level}.downsample.conv" for level in (0, 1, 2)))
    keys |= both(*(f"decoder.up.{level}.upsample.conv" for level in (1, 2, 3)))
    return keys


def clip_keys() -> set[str]:
    """Of transformers' CLIPTextModel (ViT-L/14) when Stable Diffusion was made."""
    keys = {f"text_model.embeddings.{name}" for name in ("position_ids", "token_embedding.weight")}
    keys |= {"text_model.embeddings.position_embedding.weight"} | both("text_model.final_layer_norm")
    for layer in (f"text_model.encoder.layers.{index}" for index in range(12)):
        keys |= both(*(f"{layer}.self_attn.{name}_proj" for name in ("q", "k", "v", "out")))
        keys |= both(*(f"{layer}.{name}" for name in ("mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2")))
    return keys


def open_clip_keys(layers: int) -> set[str]:
    """Of OpenCLIP's text transformer: ViT-H/14 has 24 layers, ViT-bigG/14 32."""
    keys = {"positional_embedding", "text_projection", "logit_scale", "token_embedding.weight"} | both("ln_final")
    for block in (f"transformer.resblocks.{index}" for index in range(layers)):
        keys |= {f"{block}.attn.in_proj_weight", f"{block}.attn.in_proj_bias"}
        keys |= both(*(f"{block}.{name}" for name in ("attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj")))
    return keys


def checkpoint_keys(family: str) -> set[str]:
    """Of the whole file."""
    text = {
        "sd1": {"cond_stage_model.transformer.": clip_keys()},
        "sd2": {"cond_stage_model.model.": open_clip_keys(24)},
        "sdxl": {
            "conditioner.embedders.0.transformer.": clip_keys(),
            "conditioner.embedders.1.model.": open_clip_keys(32),
        },
    }[family]
    parts = {"model.diffusion_model.": unet_keys(UNETS[family]), "first_stage_model.": vae_keys(), **text}
    return {prefix + key for prefix, keys in parts.items() for key in keys}
