"""Whole models as one .safetensors in the original layout, which A1111, Forge and ComfyUI read.

SD1 and SD2 as https://github.com/Stability-AI/stablediffusion names them, SDXL as
https://github.com/Stability-AI/generative-models. What the original files hold beyond the model (a second copy of the
weights for EMA, the noise schedule's tables) is left out, as everyone leaves it out: readers compute the schedule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import torch

from trainer.adapters.safetensors_file import write_tensors
from trainer.contract.kohya_names import flat
from trainer.contract.ldm_names import UNetShape, clip_to_open_clip, unet_to_ldm, vae_to_ldm
from trainer.errors import UserFault

if TYPE_CHECKING:
    from trainer.models.families import Family

Tensors = Mapping[str, torch.Tensor]
_QKV = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)")
_SD2_LAYERS_KEPT = 23  # of 24: the last but one is what conditions, so diffusers dropped the last
_LOGIT_SCALE = 4.6052  # ln 100, where CLIP's training holds it (Radford et al. 2021, §2.5)


def write_checkpoint(
    parts: Mapping[str, Tensors],
    family: Family,
    metadata: Mapping[str, str],
    out: BinaryIO,
    *,
    half: bool = True,
    v_prediction: bool = False,
) -> None:
    """Write the state dicts of a diffusers pipeline (unet, vae, text_encoder, for SDXL text_encoder_2) as one file.

    ``half``: in float16, which halves it. ``metadata`` as :func:`trainer.adapters.kohya_metadata.describe_model` makes
    them. Raises :class:`UserFault` for a model that has no place in the original layout.
    """
    tensors = original_layout(parts, family)
    if family == "sdxl" and v_prediction:
        tensors["v_pred"] = torch.zeros(0)  # by this key A1111 and ComfyUI tell such an SDXL; of SD2 they find it out
    write_tensors(tensors, metadata, out, dtype=torch.float16 if half else None)


def original_layout(parts: Mapping[str, Tensors], family: Family) -> dict[str, torch.Tensor]:
    """The same tensors by their original names. Raises :class:`UserFault` for one that the original never had.

    SD2's text encoder lost its 24th layer on the way to diffusers. It conditions nothing, yet strict readers look for
    it; as sd-scripts does, the 23rd stands in for it, and with it a projection that projects nothing.
    """
    tensors = _unet(parts["unet"]) | original_vae(parts["vae"])
    if family == "sd1":
        return tensors | _clip(parts["text_encoder"], "cond_stage_model.transformer.")
    if family == "sd2":
        return tensors | _open_clip(parts["text_encoder"], "cond_stage_model.model.", complete=True)
    return (
        tensors
        | _clip(parts["text_encoder"], "conditioner.embedders.0.transformer.")
        | _open_clip(parts["text_encoder_2"], "conditioner.embedders.1.model.")
    )


def folder_layout(parts: Mapping[str, Tensors]) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of a diffusers folder by the file that they belong in, such as ``text_encoder/model.safetensors``.

    Text encoders get back the ``text_model.`` that transformers has dropped since 5.6, and still reads: what its own
    ``save_pretrained`` writes nobody else can.
    """
    files = {}
    for part, state in parts.items():
        if part.startswith("text_encoder"):
            named = {
                key if key == "text_projection.weight" else f"text_model.{flat(key)}": t for key, t in state.items()
            }
            files[f"{part}/model.safetensors"] = named
        else:
            files[f"{part}/diffusion_pytorch_model.safetensors"] = dict(state)
    return files


def _unet(state: Tensors) -> dict[str, torch.Tensor]:
    shape = UNetShape.of(state)
    result = {}
    for key, tensor in state.items():
        module, _, parameter = key.rpartition(".")
        name = unet_to_ldm(module, shape)
        if name is None:
            raise _no_place("UNet", key)
        result[f"model.diffusion_model.{name}.{parameter}"] = tensor
    return result


def original_vae(state: Tensors) -> dict[str, torch.Tensor]:
    """An AutoencoderKL's tensors by their names in a whole file. Raises :class:`UserFault`."""
    levels = len({key.split(".")[2] for key in state if key.startswith("decoder.up_blocks.")})
    result = {}
    for key, tensor in state.items():
        module, _, parameter = key.rpartition(".")
        name = vae_to_ldm(module, levels)
        if name is None:
            raise _no_place("VAE", key)
        if ".attn_1." in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]  # (out, in, 1, 1): the original's attention is of convolutions
        result[f"first_stage_model.{name}.{parameter}"] = tensor
    return result


def _clip(state: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    """OpenAI's CLIP, which the original took from transformers when names still had their ``text_model.``."""
    result = {f"{prefix}text_model.{flat(key)}": tensor for key, tensor in state.items()}
    positions = len(result[f"{prefix}text_model.embeddings.position_embedding.weight"])
    result[f"{prefix}text_model.embeddings.position_ids"] = torch.arange(positions)[None]
    return result


def _open_clip(state: Tensors, prefix: str, *, complete: bool = False) -> dict[str, torch.Tensor]:
    """OpenCLIP's layout: q, k and v in one matrix, positions and projection as bare parameters."""
    state = {flat(key): tensor for key, tensor in state.items()}
    result = {"logit_scale": torch.tensor(_LOGIT_SCALE)}
    for key, tensor in state.items():
        module, _, parameter = key.rpartition(".")
        if key == "embeddings.position_embedding.weight":
            result["positional_embedding"] = tensor
        elif key == "text_projection.weight":
            result["text_projection"] = tensor.T
        elif found := _QKV.fullmatch(key):
            qkv = [state[key.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            result[f"transformer.resblocks.{found[1]}.attn.in_proj_{found[2]}"] = torch.cat(qkv)
        elif name := clip_to_open_clip(module):
            result[f"{name}.{parameter}"] = tensor
        elif not module.endswith((".k_proj", ".v_proj")) and key != "embeddings.position_ids":
            raise _no_place("text encoder", key)
    if complete:
        result = _complete(result)
    return {f"{prefix}{name}": tensor for name, tensor in result.items()}


def _complete(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """With stand-ins for what diffusers dropped of SD2's text encoder."""
    last = f"transformer.resblocks.{_SD2_LAYERS_KEPT - 1}."
    if any(key.startswith(f"transformer.resblocks.{_SD2_LAYERS_KEPT}.") for key in state):
        return state
    behind = f"transformer.resblocks.{_SD2_LAYERS_KEPT}."
    extra = {behind + key.removeprefix(last): tensor for key, tensor in state.items() if key.startswith(last)}
    width = state["positional_embedding"].shape[1]
    return {"text_projection": torch.eye(width)} | state | extra


def _no_place(part: str, key: str) -> UserFault:
    return UserFault(
        f"the {part} of this base has {key[:80]!r}, which the original single-file layout has no place for; take the "
        "LoRA or the diffusers folder instead"
    )
