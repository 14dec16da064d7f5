"""Loads the VAEs that an operator offers, and keeps those that were drawn with last."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors import safe_open

from trainer.errors import MissingBases, UserFault
from trainer.models.folders import find_variant, read_json
from trainer.models.loading import Base
from trainer.models.single_file import fill_vae
from trainer.models.vaes import VaeSpec, bare_name, describe_file, is_weight

Vae: TypeAlias = AutoencoderKL | AutoencoderTiny
MOST_KEPT = 2  # of 335 MB each
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # of older diffusers


class Wardrobe:
    """The VAEs that a base can be drawn with instead of its own. Swapping one leaves all else of the base as it is."""

    def __init__(self, specs: Sequence[VaeSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._kept: OrderedDict[tuple[str, torch.device], Vae] = OrderedDict()  # the one used last comes last

    def dress(self, base: Base, name: str | None) -> Base:
        """``base`` with the VAE of that name; None: with its own. Raises UserFault: there is none that fits."""
        return base if name is None else dataclasses.replace(base, vae=self._load(base, self.find(base, name)))

    def find(self, base: Base, name: str) -> VaeSpec:
        """The VAE of that name. Raises UserFault: there is none that fits ``base``."""
        spec = self._specs.get(name)
        if spec is None or not spec.fits(base.spec):
            there = ", ".join(spec.name for spec in self._specs.values() if spec.fits(base.spec)) or "none but its own"
            raise UserFault(f"this worker has no VAE {name[:60]!r} for {base.spec.name}; it has {there}")
        return spec

    def forget(self) -> None:
        """Let go of all that are loaded; what draws with one at this moment keeps it until it is done."""
        self._kept.clear()

    def _load(self, base: Base, spec: VaeSpec) -> Vae:
        key = spec.name, base.device
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:  # before the next takes its place in memory
                self._kept.popitem(last=False)
            self._kept[key] = load_vae(spec).requires_grad_(False).eval().to(base.device)
        self._kept.move_to_end(key)
        return self._kept[key]


def load_vae(spec: VaeSpec) -> Vae:
    """The VAE in float32, each of its weights from the file. Raises :class:`MissingBases`: it is not whole."""
    try:
        return _load_folder(spec) if spec.path.is_dir() else _load_file(spec)
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        raise MissingBases(
            f"the VAE {spec.path.name} can't be loaded: {' '.join(str(error).split())[:300]}; fetch it again"
        ) from error


def _load_folder(spec: VaeSpec) -> Vae:
    tiny = read_json(spec.path / "config.json")["_class_name"] == "AutoencoderTiny"
    kind: Any = AutoencoderTiny if tiny else AutoencoderKL
    vae, report = kind.from_pretrained(
        str(spec.path), variant=find_variant(spec.path), use_safetensors=True, local_files_only=True,
        torch_dtype=torch.float32, output_loading_info=True,
    )  # fmt: skip
    if report["missing_keys"]:
        raise KeyError(f"it lacks {sorted(report['missing_keys'])[0]}")
    return vae


def _load_file(spec: VaeSpec) -> Vae:
    layout, config = describe_file(spec.path, spec.family)
    with safe_open(spec.path, "pt") as file:
        tensors = {bare_name(key): file.get_tensor(key) for key in file.keys() if is_weight(key)}  # noqa: SIM118
    if layout == "diffusers":
        return fill_vae(config, {_rename(key): _flatten(key, tensor) for key, tensor in tensors.items()})
    return fill_vae(config, convert_ldm_vae_checkpoint(tensors, config))


def _rename(key: str) -> str:
    """As diffusers names the parts of attention today."""
    return ".".join(_OLD_NAMES.get(part, part) for part in key.split("."))


def _flatten(key: str, tensor: torch.Tensor) -> torch.Tensor:
    """Attention's matrices (out, in), which some files have as convolutions (out, in, 1, 1)."""
    return tensor.flatten(1) if ".attentions." in key and tensor.ndim == 4 else tensor
