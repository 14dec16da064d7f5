"""LoRA files (Hu et al. 2021; with magnitudes, DoRA: Liu et al. 2024): written in two formats, read in all of them.

Inside the house an adapter's weights are named as peft names them, with the part of the pipeline in front and text
encoders flat: ``unet.mid_block.….to_q.lora_A.weight`` (r, in) or (r, in, k, k), ``….lora_B.weight`` (out, r) or
(out, r, 1, 1), and for DoRA ``….lora_magnitude_vector`` (out,) or (1, out, 1, 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch

from trainer.adapters.embedding_files import Embedding, bundle, unbundle
from trainer.adapters.layouts.reading import DOWN, MAGNITUDE, UP, Plan
from trainer.adapters.rounding import FLOAT8, fit, lift
from trainer.adapters.safetensors_file import read_header, read_tensors, tensor_bytes
from trainer.contract import kohya_names
from trainer.contract.adapter_marks import split_bundled
from trainer.errors import BadAdapterFile


@dataclass(frozen=True)
class LoraFile:
    """What was in a file: every module at scale 1, alpha / rank being folded into its ``lora_B``; all in float32."""

    weights: dict[str, torch.Tensor]
    metadata: dict[str, str]
    embeddings: tuple[Embedding, ...] = ()  # of a pivotal adapter
    unused: tuple[str, ...] = field(default=(), compare=False)  # keys that nothing can be made of
    total: int = field(default=0, compare=False)  # keys in the file

    @property
    def used(self) -> int:
        """How many of the file's keys act."""
        return self.total - len(self.unused)


def write_lora(
    weights: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    embeddings: Iterable[Embedding] = (),
    *,
    dtype: torch.dtype = torch.float16,
) -> bytes:
    """A LoRA as diffusers' ``load_lora_weights`` reads it, in ``dtype``.

    ``weights`` are of scale 1, as :meth:`trainer.adapters.bank.AdapterBank.weights` gives them; text encoders get back
    the ``text_model.`` that all others look for. With ``embeddings`` it is the house's own file of a pivotal adapter:
    diffusers refuses what it does not know, so give it the vectors in a file of their own.
    """
    tensors = bundle(embeddings)
    for part, module, kind, tensor in _split(weights):
        name = module if part == "unet" else kohya_names.with_text_model(module)
        tensors[f"{part}.{name}.{kind}"] = _round(tensor, kind, dtype)
    return tensor_bytes(tensors, metadata)


def write_kohya_lora(
    weights: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    *,
    sdxl: bool,
    lora_alpha: float | None = None,
    embeddings: Iterable[Embedding] = (),
    dtype: torch.dtype = torch.float16,
) -> bytes:
    """A LoRA as kohya writes it and A1111, Forge and ComfyUI read it, in ``dtype``, its alpha beside it.

    ``weights`` are of scale 1. ``lora_alpha`` is written where it is given, and B divided by what readers will make of
    it; else alpha is the greatest rank. All layers have one alpha, since diffusers takes one for all; in float8 it
    lowers again what was lifted into its range. ``sdxl``: the names are SDXL's, see
    :mod:`trainer.contract.kohya_names`. ``metadata`` as :func:`trainer.adapters.kohya_metadata.describe_for_kohya`
    makes them; the two hashes by which A1111 knows a file again are added. A DoRA's magnitudes go over the outputs, as
    in the paper: ComfyUI and Forge see that by the shape, A1111 1.10 takes them for LyCORIS' older ones over the
    inputs, diffusers drops them from this format.
    """
    tensors = bundle(embeddings)
    ranks = {(part, module): len(tensor) for part, module, kind, tensor in _split(weights) if kind == DOWN}
    ends = {DOWN: "lora_down.weight", UP: "lora_up.weight", MAGNITUDE: "dora_scale"}
    alpha = float(lora_alpha or max(ranks.values()))
    lifts, lifted = _lifts(weights, ranks, alpha) if dtype == FLOAT8 else ({}, 1.0)
    for part, module, kind, tensor in _split(weights):
        name, own = kohya_names.to_kohya(part, module, sdxl=sdxl), lifts.get((part, module), 1.0)
        if kind == DOWN:
            tensor = tensor * own
            tensors[f"{name}.alpha"] = torch.tensor(alpha / lifted)
        elif kind == UP:
            tensor = tensor * (ranks[part, module] / alpha * lifted / own)
        else:
            tensor = tensor.reshape(-1, *(1,) * (tensor.ndim - 1 or 1))  # (out, 1) or (out, 1, 1, 1)
        tensors[f"{name}.{ends[kind]}"] = _round(tensor, kind, dtype)
    return tensor_bytes(tensors, {**metadata, **_hashes(tensors, metadata)})


def _lifts(
    weights: Mapping[str, torch.Tensor], ranks: Mapping[tuple[str, str], int], alpha: float
) -> tuple[dict[tuple[str, str], float], float]:
    """By how much each layer's A is lifted for float8, and by how much A and B of every layer are together.

    The greatest B is lifted to the top of the range, the others of as much less as their layers change less.
    """
    lifts = {(part, module): lift(tensor) for part, module, kind, tensor in _split(weights) if kind == DOWN}
    greatest = max(
        float(tensor.abs().max()) * ranks[part, module] / alpha / lifts[part, module]
        for part, module, kind, tensor in _split(weights)
        if kind == UP
    )
    return lifts, lift(torch.tensor(greatest))


def _round(tensor: torch.Tensor, kind: str, dtype: torch.dtype) -> torch.Tensor:
    """In ``dtype``, unless a value is beyond its range; the few magnitudes in half precision at least."""
    return fit(tensor, torch.float16 if kind == MAGNITUDE and dtype == FLOAT8 else dtype)


def _split(weights: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, str, str, torch.Tensor]]:
    """Each tensor with its part, its module and which of the three it is. A name without a part is the UNet's."""
    for key, tensor in weights.items():
        part, _, rest = key.partition(".")
        if part not in kohya_names.PARTS:
            part, rest = "unet", key
        kind = next((kind for kind in (DOWN, UP, MAGNITUDE) if rest.endswith("." + kind)), None)
        if kind is None:
            raise ValueError(f"{key!r} is no weight of a LoRA")
        module = rest.removesuffix("." + kind)
        yield part, module if part == "unet" else kohya_names.flat(module), kind, tensor.detach().float().cpu()


def _hashes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """The two hashes of sd-webui-additional-networks, which kohya's files carry: over all tensors, and over a piece."""
    data = tensor_bytes(tensors, {key: value for key, value in metadata.items() if key.startswith("ss_")})
    body = data[8 + int.from_bytes(data[:8], "little") :]
    return {
        "sshs_model_hash": hashlib.sha256(body).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8],
    }


def read_lora(data: bytes) -> LoraFile:
    """A LoRA of any program, and what LyCORIS adds to them, as pairs at scale 1: see :mod:`trainer.adapters.layouts`.

    Every module's own alpha is honoured, DoRA kept, text encoders read with and without ``text_model.``. Raises
    :class:`BadAdapterFile` for what is no LoRA, with its kind where that is known, and for one that is broken.
    """
    header, metadata = read_header(data)
    plan = Plan.of({key: _shape(entry) for key, entry in header.items()})
    bundled = [key for key in header if split_bundled(key)]
    unused = tuple(key for key in header if key not in plan.places and key not in bundled)
    if not plan.places:
        raise BadAdapterFile(f"not a LoRA for Stable Diffusion: {(unused or ('no tensors of one',))[0][:80]!r}")
    tensors = read_tensors(data)
    weights = plan.read(tensors, metadata)
    return LoraFile(weights, metadata, unbundle({key: tensors[key] for key in bundled}), unused, len(header))


def _shape(entry: Mapping[str, object]) -> tuple[int, ...]:
    return tuple(cast("list[int]", entry["shape"]))
