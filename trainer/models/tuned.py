"""A base whose weights were trained whole: read from its one file, to draw with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderTiny

from trainer.adapters.bank import copy_without_adapters
from trainer.adapters.safetensors_file import read_tensors
from trainer.errors import BadAdapterFile, MissingBases
from trainer.models.loading import Base
from trainer.models.single_file import load_file_parts


def load_tuned(base: Base, path: Path) -> Base:
    """``base`` with the UNet and the text encoders of the checkpoint at ``path``, which was trained from it.

    The file is in the original layout; of emoji-64, whose VAE has no place there, it names each tensor by its part.
    Raises :class:`BadAdapterFile` for a file that does not fit.
    """
    if isinstance(base.vae, AutoencoderTiny):
        parts = _fill_copies(base, read_tensors(path.read_bytes()))
    else:
        parts = _read_original(base, path)
    for module in parts.values():
        module.requires_grad_(False).eval().to(base.device, base.weight_dtype)
    towers = tuple(dataclasses.replace(tower, text_encoder=parts[tower.name]) for tower in base.towers)
    return dataclasses.replace(base, unet=parts["unet"], towers=towers)


def _fill_copies(base: Base, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.nn.Module]:
    parts = {"unet": base.unet, **{tower.name: tower.text_encoder for tower in base.towers}}
    copies = {name: copy_without_adapters(module) for name, module in parts.items()}
    try:
        for name, module in copies.items():
            own = {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
            module.load_state_dict(own)
    except RuntimeError as error:
        raise BadAdapterFile(f"the checkpoint does not fit this base model: {str(error)[:200]}") from error
    return copies


def _read_original(base: Base, path: Path) -> dict[str, torch.nn.Module]:
    try:
        _, unet, encoders = load_file_parts(path, base.spec.family, base.weight_dtype)
    except MissingBases as error:
        raise BadAdapterFile(f"the checkpoint does not fit this base model: {str(error)[:200]}") from error
    return {"unet": unet, **encoders}
