"""Tiny bases of random weights in the true layouts of SD1.5, SD2.1 and SDXL, as a diffusers folder and as one file.

Levels, blocks, attention and configs are those of the published models; only widths and depths are small. The original
layout is written by a mapping of our own, so that what loads it is not checked against itself. All weights are float16
numbers, so that every form of one base holds the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.models.families import Family
from trainer.models.registry import EMBEDDED_FOLDER

FAMILIES: tuple[Family, ...] = ("sd1", "sd2", "sdxl")
SIZE = {"width": 64, "height": 64, "max_side": 128}
Tensors = dict[str, torch.Tensor]

_SD_LEVELS = {
    "block_out_channels": (32, 64, 64, 128),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
_UNETS: dict[Family, dict[str, object]] = {
    "sd1": {**_SD_LEVELS, "attention_head_dim": 8, "cross_attention_dim": 64, "sample_size": 64},
    "sd2": {
        **_SD_LEVELS, "attention_head_dim": [1, 1, 1, 2], "cross_attention_dim": 64, "sample_size": 96,
        "use_linear_projection": True, "upcast_attention": True,
    },
    "sdxl": {
        "block_out_channels": (32, 64, 128), "attention_head_dim": [1, 1, 2], "cross_attention_dim": 192,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 1, 2], "use_linear_projection": True, "sample_size": 128,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 32,
        "projection_class_embeddings_input_dim": 128 + 6 * 32,
    },
}  # fmt: skip
_CLIP = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 1,
         "projection_dim": 64, "hidden_act": "quick_gelu"}  # fmt: skip
_OPEN_CLIP = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 2,
              "projection_dim": 128, "hidden_act": "gelu"}  # fmt: skip
# all of its 23 layers, since the original's 24th is known by its number
_OPEN_CLIP_H = {**_CLIP, "num_hidden_layers": 23, "hidden_act": "gelu"}
_TOWERS: dict[Family, tuple[dict[str, object], ...]] = {
    "sd1": (_CLIP,),
    "sd2": (_OPEN_CLIP_H,),
    "sdxl": (_CLIP, _OPEN_CLIP),
}
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
          "clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1}  # fmt: skip
_SCHEDULERS: dict[Family, dict[str, object]] = {
    "sd1": {"_class_name": "PNDMScheduler", **_BETAS},
    "sd2": {"_class_name": "DDIMScheduler", **_BETAS, "prediction_type": "v_prediction"},
    "sdxl": {
        "_class_name": "EulerDiscreteScheduler", **_BETAS, "prediction_type": "epsilon", "timestep_spacing": "leading",
        "interpolation_type": "linear", "use_karras_sigmas": False, "sample_max_value": 1.0,
    },
}  # fmt: skip


def make_base(folder: Path, family: Family = "sd1", *, variant: str | None = None) -> Path:
    """A whole base in diffusers format, in float32, or in float16 with the variant ``fp16``."""
    torch.manual_seed(FAMILIES.index(family))
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
        scaling_factor=0.13025 if family == "sdxl" else 0.18215,
    )  # fmt: skip
    parts = {"vae": vae, "unet": UNet2DConditionModel(layers_per_block=2, **_UNETS[family])}
    index: dict[str, object] = {
        "_class_name": "StableDiffusionXLPipeline" if family == "sdxl" else "StableDiffusionPipeline",
        "scheduler": ["diffusers", _SCHEDULERS[family]["_class_name"]],
    }
    for place, config in enumerate(_TOWERS[family]):
        suffix = "_2" if place else ""
        pad_token = "!" if config["hidden_act"] == "gelu" else "<|endoftext|>"
        vocabulary = _write_tokenizer(folder / f"tokenizer{suffix}", pad_token)
        kind = CLIPTextModelWithProjection if place else CLIPTextModel
        text = CLIPTextConfig(vocab_size=vocabulary, bos_token_id=0, pad_token_id=1, eos_token_id=2, **config)
        parts[f"text_encoder{suffix}"] = kind(text)
        index |= {f"tokenizer{suffix}": ["transformers", "CLIPTokenizer"]}
    for name, module in parts.items():
        index[name] = ["transformers" if name.startswith("text") else "diffusers", type(module).__name__]
        for weight in module.parameters():
            weight.data = weight.data.half() if variant else weight.data.half().float()
        module.save_pretrained(folder / name, variant=variant)
        if name.startswith("text"):
            _name_as_published(folder / name)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(_SCHEDULERS[family]))
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "darkroom.json").write_text(json.dumps(SIZE))
    return folder


def _write_tokenizer(folder: Path, pad_token: str) -> int:
    """emoji-64's tokenizer in the four files that the published models have; how many words it knows."""
    model = json.loads((EMBEDDED_FOLDER / "tokenizer" / "tokenizer.json").read_text())["model"]
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    plain = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special = {name: {"content": word, **plain} for name, word in ends.items()}
    config = {name: {"__type": "AddedToken", **token} for name, token in special.items()}
    config |= {"pad_token": pad_token, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer",
               "add_prefix_space": False, "do_lower_case": True, "errors": "replace"}  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(special | {"pad_token": pad_token}))
    return len(model["vocab"])


def _name_as_published(folder: Path) -> None:
    """A text encoder's weights under the names from before transformers 5.6, with the position ids of those days."""
    [file] = folder.glob("*.safetensors")
    named = {name if name == "text_projection.weight" else f"text_model.{name.removeprefix('text_model.')}": tensor
             for name, tensor in load_file(file).items()}  # fmt: skip
    save_file(named | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, file, {"format": "pt"})


def make_single_file(folder: Path, file: Path, family: Family, dtype: torch.dtype = torch.float16) -> Path:
    """The base of ``folder`` as one file in the original layout, with its ``.json`` and its tokenizer beside it."""
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor
               for name, tensor in original_layout(folder, family).items()}  # fmt: skip
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    file.with_suffix(".json").write_text(json.dumps(SIZE))
    if not (file.parent / "tokenizer").exists():
        shutil.copytree(EMBEDDED_FOLDER / "tokenizer", file.parent / "tokenizer")
    return file


def original_layout(folder: Path, family: Family) -> Tensors:
    """All weights of a folder under the names of CompVis's latent-diffusion, or Stability's generative-models."""
    parts = {part.name: _read(part) for part in folder.iterdir() if any(part.glob("*.safetensors"))}
    return rename_parts(parts, family)


def rename_parts(parts: Mapping[str, Tensors], family: Family) -> Tensors:
    """The original layout of the weights of all parts, by the names of their folders."""
    unet, vae, levels = parts["unet"], parts["vae"], 3 if family == "sdxl" else 4
    state = {f"model.diffusion_model.{original_unet_name(name, levels)}": tensor for name, tensor in unet.items()}
    for name, tensor in vae.items():
        attention = ".attentions." in name and tensor.ndim == 2
        state[f"first_stage_model.{_vae_name(name)}"] = tensor[:, :, None, None] if attention else tensor
    if family == "sd2":
        state |= _open_clip(parts["text_encoder"], "cond_stage_model.model.", last_layer=True)
    elif family == "sdxl":
        state |= _clip(parts["text_encoder"], "conditioner.embedders.0.transformer.")
        state |= _open_clip(parts["text_encoder_2"], "conditioner.embedders.1.model.", last_layer=False)
    else:
        state |= _clip(parts["text_encoder"], "cond_stage_model.transformer.")
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return state | {"alphas_cumprod": torch.cumprod(1 - betas, 0)}


def _read(folder: Path) -> Tensors:
    [file] = folder.glob("*.safetensors")
    return load_file(file)


_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
           "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}  # fmt: skip
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip


def original_unet_name(name: str, levels: int) -> str:
    """openaimodel.py: each level has two layers and a Downsample going down, three layers going up."""
    path = name.split(".")
    module, kind = ".".join(path[:-1]), path[-1]
    if module in _UNET_ENDS:
        return f"{_UNET_ENDS[module]}.{kind}"
    if path[0] == "mid_block":
        place = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}[".".join(path[1:3])]
        rest = path[3:] if path[1] == "attentions" else [_RESNET[path[3]], kind]
        return ".".join([f"middle_block.{place}", *rest])
    level, part, layer = int(path[1]), path[2], int(path[3])
    if path[0] == "down_blocks":
        block = f"input_blocks.{1 + 3 * level + (2 if part == 'downsamplers' else layer)}"
    else:
        block = f"output_blocks.{3 * level + (2 if part == 'upsamplers' else layer)}"
    if part == "resnets":
        return f"{block}.0.{_RESNET[path[4]]}.{kind}"
    if part == "attentions":
        return ".".join([block, "1", *path[4:]])
    if part == "downsamplers":
        return f"{block}.0.op.{kind}"
    attends = level < 2 if levels == 3 else level > 0  # the upsampler comes behind the attention layer, if any
    return f"{block}.{2 if attends else 1}.conv.{kind}"


_VAE_PARTS = {"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "group_norm": "norm", "to_q": "q",
              "to_k": "k", "to_v": "v", "to_out": "proj_out"}  # fmt: skip


def _vae_name(name: str) -> str:
    """diffusionmodules/model.py: the decoder's levels are counted from the finest."""
    path = [_VAE_PARTS.get(part, part) for part in name.split(".")]
    if len(path) > 3 and path[1] == "mid_block":
        place = "attn_1" if path[2] == "attentions" else f"block_{int(path[3]) + 1}"
        return ".".join([path[0], "mid", place, *(part for part in path[4:] if part != "0")])
    if len(path) > 4 and path[1] in {"down_blocks", "up_blocks"}:
        down = path[1] == "down_blocks"
        level = int(path[2]) if down else 3 - int(path[2])
        head = [path[0], "down" if down else "up", str(level)]
        if path[3] == "resnets":
            return ".".join([*head, "block", *path[4:]])
        return ".".join([*head, "downsample" if down else "upsample", *path[5:]])
    return ".".join(path)


def _bare(state: Tensors) -> Tensors:
    bare = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in bare.items() if name != "embeddings.position_ids"}


def _clip(state: Tensors, prefix: str) -> Tensors:
    """As transformers before 5.6 named it."""
    named = {f"{prefix}text_model.{name}": tensor for name, tensor in _bare(state).items()}
    return named | {f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None]}


_OPEN_CLIP_NAMES = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
                    "self_attn.out_proj": "attn.out_proj"}  # fmt: skip


def _open_clip(state: Tensors, prefix: str, *, last_layer: bool) -> Tensors:
    """open_clip's transformer.py; SD2 carries one more layer than it uses, and a projection that it does not use."""
    state = _bare(state)
    width = state["embeddings.token_embedding.weight"].shape[1]
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layers."))
    named = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": state["text_projection.weight"].T if "text_projection.weight" in state else torch.eye(width),
        "logit_scale": torch.tensor(4.6),
    }
    for layer in range(layers + last_layer):
        source = f"encoder.layers.{min(layer, layers - 1)}."
        block = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            joined = torch.cat([state[f"{source}self_attn.{letter}_proj.{kind}"] for letter in "qkv"])
            named[f"{block}attn.in_proj_{kind}"] = joined
            for ours, theirs in _OPEN_CLIP_NAMES.items():
                named[f"{block}{theirs}.{kind}"] = state[f"{source}{ours}.{kind}"].clone()
    return {prefix + name: tensor for name, tensor in named.items()}
