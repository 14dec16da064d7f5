"""Loads a base from one .safetensors file in the original layout; diffusers' own converters rename its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.errors import MissingBases
from trainer.models.families import FAMILIES, Family, TowerLayout
from trainer.models.header import UNET, Shapes, read_shapes, text_config, unet_config, vae_config

Tensors = dict[str, torch.Tensor]
Encoder: TypeAlias = CLIPTextModel | CLIPTextModelWithProjection


def load_file_parts(
    path: Path, family: Family, dtype: torch.dtype
) -> tuple[AutoencoderKL, UNet2DConditionModel, dict[str, Encoder]]:
    """The VAE (float32), the UNet and the text encoders by their diffusers names, each with every weight it has.

    Raises :class:`MissingBases` where a weight is missing, left over, or of another shape.
    """
    shapes, tensors = read_shapes(path), load_file(path)
    with _told_of(path, family):
        unet = _load_unet(tensors, shapes, family, dtype)
        vae, encoders = _load_encoders(tensors, shapes, family, dtype)
    return vae, unet, encoders


def load_file_encoders(path: Path, family: Family, dtype: torch.dtype) -> tuple[AutoencoderKL, dict[str, Encoder]]:
    """The VAE and the text encoders alone; the UNet's weights are not read."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys() if not key.startswith(UNET)}  # noqa: SIM118
    with _told_of(path, family):
        return _load_encoders(tensors, read_shapes(path), family, dtype)


@contextmanager
def _told_of(path: Path, family: Family) -> Iterator[None]:
    """What goes wrong with a shape that was read, or with load_state_dict, as a sentence about the file."""
    try:
        yield
    except (KeyError, RuntimeError, AttributeError) as error:
        raise MissingBases(
            f"{path.name} is not laid out like {FAMILIES[family].title}: {' '.join(str(error).split())[:300]}; use a"
            " whole model of that family"
        ) from error


def _load_encoders(
    tensors: Tensors, shapes: Shapes, family: Family, dtype: torch.dtype
) -> tuple[AutoencoderKL, dict[str, Encoder]]:
    towers = FAMILIES[family].towers
    encoders = {tower.name: _load_encoder(tensors, shapes, tower, dtype) for tower in towers}
    config = vae_config(shapes, family)
    return fill_vae(config, convert_ldm_vae_checkpoint(tensors, config)), encoders


def fill_vae(config: Mapping[str, Any], state: Tensors) -> AutoencoderKL:
    """The VAE of that config with exactly these weights, in float32. Raises RuntimeError: they are not its own."""
    with init_empty_weights(include_buffers=False):  # no time and memory for weights that are replaced at once
        vae = AutoencoderKL(**config)
    return _fill(vae, state, torch.float32)


def _load_unet(tensors: Tensors, shapes: Shapes, family: Family, dtype: torch.dtype) -> UNet2DConditionModel:
    config = unet_config(shapes, family)
    converted = convert_ldm_unet_checkpoint(tensors, config)
    used = {id(tensor) for tensor in converted.values()}
    unused = [key for key, tensor in tensors.items() if key.startswith(UNET) and id(tensor) not in used]
    if unused:  # the converter passes over what it does not know
        raise KeyError(f"nothing has a use for {unused[0]}")
    with init_empty_weights(include_buffers=False):
        unet = UNet2DConditionModel(**config)
    return _fill(unet, converted, dtype)


def _load_encoder(tensors: Tensors, shapes: Shapes, tower: TowerLayout, dtype: torch.dtype) -> Encoder:
    config = CLIPTextConfig(**text_config(shapes, tower))
    with init_empty_weights(include_buffers=False):
        model = CLIPTextModelWithProjection(config) if tower.pooled else CLIPTextModel(config)
    own = {key: tensor for key, tensor in tensors.items() if key.startswith(tower.prefix)}
    if tower.open_clip:
        converted = convert_open_clip_checkpoint(model, own, tower.prefix)
    else:
        converted = convert_ldm_clip_checkpoint(own)
    return _fill(model, _rename(model, converted, config.num_hidden_layers), dtype)


def _rename(model: Encoder, converted: Mapping[str, torch.Tensor], layers: int) -> Tensors:
    """The converter's names as ``model`` has them: from transformers 5.6 on, CLIPTextModel has no ``text_model.``.

    Layers past the last, which SD2 leaves out, and position ids, which are no weights, are dropped.
    """
    flat = not hasattr(model, "text_model")
    named: Tensors = {}
    for key, tensor in converted.items():
        bare = key.removeprefix("text_model.")
        path = bare.split(".")
        if bare.endswith("position_ids") or (path[:2] == ["encoder", "layers"] and int(path[2]) >= layers):
            continue
        named[bare if flat or path[0] == "text_projection" else f"text_model.{bare}"] = tensor
    return named


def _fill(empty: Any, state: Tensors, dtype: torch.dtype) -> Any:
    """``empty`` with exactly these weights. Raises RuntimeError for one that is missing, left over or misshapen."""
    empty.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, strict=True, assign=True)
    return empty
