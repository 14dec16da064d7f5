"""LoRA files (Hu et al. 2021; with magnitudes, DoRA: Liu et al. 2024): written in two formats, read in all of them.

Inside the house an adapter's weights are named as peft names them, with the part of the pipeline in front and text
encoders flat: ``unet.mid_block.….to_q.lora_A.weight`` (r, in) or (r, in, k, k), ``….lora_B.weight`` (out, r) or
(out, r, 1, 1), and for DoRA ``….lora_magnitude_vector`` (out,) or (1, out, 1, 1).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch

from trainer.adapters import kohya_names
from trainer.adapters.embedding_files import BUNDLE, Embedding, bundle, unbundle
from trainer.adapters.safetensors_file import read_header, read_tensors, tensor_bytes
from trainer.errors import BadAdapterFile

MAX_RANK = 1024
_DOWN, _UP, _MAGNITUDE = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector"
# how a key ends -> what it is; the longer ends first, for some end in others
_ENDS = {
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector": "magnitude",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    ".lora_up.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".dora_scale": "dora_scale",
    ".alpha": "alpha",
}
_OTHER_KINDS = {".hada_": "LoHa", ".lokr_": "LoKr", ".oft_": "OFT", ".on_input": "IA³", ".a1.weight": "GLoRA",
                ".lora_E": "AdaLoRA", ".vera_": "VeRA"}  # fmt: skip


@dataclass(frozen=True)
class LoraFile:
    """What was in a file: every module at scale 1, alpha / rank being folded into its ``lora_B``; all in float32."""

    weights: dict[str, torch.Tensor]
    metadata: dict[str, str]
    embeddings: tuple[Embedding, ...] = ()  # of a pivotal adapter
    unused: tuple[str, ...] = field(default=(), compare=False)  # keys that mean nothing to us


def write_lora(
    weights: Mapping[str, torch.Tensor], metadata: Mapping[str, str], embeddings: Iterable[Embedding] = ()
) -> bytes:
    """A LoRA as diffusers' ``load_lora_weights`` reads it, in float16.

    ``weights`` are of scale 1, as :meth:`trainer.adapters.bank.AdapterBank.weights` gives them; text encoders get back
    the ``text_model.`` that all others look for. With ``embeddings`` it is the house's own file of a pivotal adapter:
    diffusers refuses what it does not know, so give it the vectors in a file of their own.
    """
    tensors = bundle(embeddings)
    for part, module, kind, tensor in _split(weights):
        name = module if part == "unet" else kohya_names.with_text_model(module)
        tensors[f"{part}.{name}.{kind}"] = _halve(tensor)
    return tensor_bytes(tensors, metadata)


def write_kohya_lora(
    weights: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    *,
    sdxl: bool,
    lora_alpha: float | None = None,
    embeddings: Iterable[Embedding] = (),
) -> bytes:
    """A LoRA as kohya writes it and A1111, Forge and ComfyUI read it, in float16, its alpha beside it.

    ``weights`` are of scale 1. ``lora_alpha`` is written where it is given, and B divided by what readers will make of
    it; else alpha is the rank. ``sdxl``: the names are SDXL's, see :mod:`trainer.adapters.kohya_names`. ``metadata`` as
    :func:`trainer.adapters.kohya_metadata.describe_for_kohya` makes them; the two hashes by which A1111 knows a file
    again are added. A DoRA's magnitudes go over the outputs, as in the paper: ComfyUI and Forge see that by the shape,
    A1111 1.10 takes them for LyCORIS' older ones over the inputs, diffusers drops them from this format.
    """
    tensors = bundle(embeddings)
    ranks = {(part, module): len(tensor) for part, module, kind, tensor in _split(weights) if kind == _DOWN}
    ends = {_DOWN: "lora_down.weight", _UP: "lora_up.weight", _MAGNITUDE: "dora_scale"}
    for part, module, kind, tensor in _split(weights):
        name = kohya_names.to_kohya(part, module, sdxl=sdxl)
        alpha = lora_alpha or ranks[part, module]
        if kind == _DOWN:
            tensors[f"{name}.alpha"] = torch.tensor(float(alpha))
        elif kind == _UP:
            tensor = tensor * (ranks[part, module] / alpha)
        else:
            tensor = tensor.reshape(-1, *(1,) * (tensor.ndim - 1 or 1))  # (out, 1) or (out, 1, 1, 1)
        tensors[f"{name}.{ends[kind]}"] = _halve(tensor)
    return tensor_bytes(tensors, {**metadata, **_hashes(tensors, metadata)})


def _halve(tensor: torch.Tensor) -> torch.Tensor:
    """In float16, unless a value is beyond its 65,504."""
    half = tensor.half()
    return half if torch.isfinite(half).all() else tensor


def _split(weights: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, str, str, torch.Tensor]]:
    """Each tensor with its part, its module and which of the three it is. A name without a part is the UNet's."""
    for key, tensor in weights.items():
        part, _, rest = key.partition(".")
        if part not in kohya_names.PARTS:
            part, rest = "unet", key
        kind = next((kind for kind in (_DOWN, _UP, _MAGNITUDE) if rest.endswith("." + kind)), None)
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
    """A LoRA in the diffusers format (new or old), in kohya's, or in a mixture of them.

    Every module's own alpha is honoured, DoRA kept, text encoders read with and without ``text_model.``. Raises
    :class:`BadAdapterFile` for what is no LoRA, with its kind where that is known, and for one that is broken.
    """
    header, metadata = read_header(data)
    for key in header:
        if other := next((kind for mark, kind in _OTHER_KINDS.items() if mark in key), None):
            raise BadAdapterFile(
                f"it is a {other}, not a LoRA; ask its maker for a LoRA, or extract one with kohya's tools"
            )
    places = {key: place for key in header if (place := _place(key))}
    bundled = [key for key in header if key.startswith(BUNDLE)]
    unused = tuple(key for key in header if key not in places and key not in bundled)
    if not places:
        raise BadAdapterFile(f"not a LoRA for Stable Diffusion: {(unused or ('no tensors of one',))[0][:80]!r}")
    tensors = read_tensors(data)
    modules: dict[tuple[str, str], dict[str, torch.Tensor]] = defaultdict(dict)
    for key, (part, module, role) in places.items():
        if role in modules[part, module]:
            raise BadAdapterFile(f"the module {part}.{module[:80]} is given twice")
        modules[part, module][role] = tensors[key]
    weights: dict[str, torch.Tensor] = {}
    for (part, module), found in modules.items():
        weights |= _normalise(f"{part}.{module}", found)
    return LoraFile(weights, metadata, unbundle({key: tensors[key] for key in bundled}), unused)


def _place(key: str) -> tuple[str, str, str] | None:
    """Part, module and role of a key; None for one that is no LoRA's."""
    end = next((end for end in _ENDS if key.endswith(end)), None)
    if end is None:
        return None
    head = key.removesuffix(end)
    if head.startswith("lora_"):
        found = kohya_names.from_kohya(head)
        return (*found, _ENDS[end]) if found else None
    part, _, module = head.partition(".")
    if part not in kohya_names.PARTS:
        part, module = "unet", head
    # before peft, diffusers had the LoRA in attention processors
    module = module.replace(".processor.", ".")
    if end.startswith("_lora") and module.endswith(".to_out"):
        module += ".0"
    module = module if part == "unet" else kohya_names.flat(module)
    return (part, module, _ENDS[end]) if kohya_names.known_module(part, module) else None


def _normalise(name: str, found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of one module as the house names them, at scale 1. Raises :class:`BadAdapterFile`."""
    if "down" not in found or "up" not in found:
        raise BadAdapterFile(f"the module {name[:80]} has no {'down' if 'down' not in found else 'up'} matrix")
    down, up = found["down"], found["up"]
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or up.flatten(1).shape != up.shape[:2] or not down.numel():
        raise _misshapen(name, down, up)
    rank = len(down)
    if up.shape[1] != rank:
        raise BadAdapterFile(f"the module {name[:80]} has rank {rank} on one side and {up.shape[1]} on the other")
    if rank > MAX_RANK:
        raise BadAdapterFile(f"the module {name[:80]} has rank {rank:,}; at most {MAX_RANK:,}")
    if "mid" in found:
        down = _merge_mid(name, found["mid"], down)
    if down.ndim == 4 or up.ndim == 4:  # 1×1 convolutions are written either way
        down = down if down.ndim == 4 else down[:, :, None, None]
        up = up if up.ndim == 4 else up[:, :, None, None]
    alpha = found.get("alpha", torch.tensor(float(rank)))
    if alpha.numel() != 1:
        raise BadAdapterFile(f"the alpha of {name[:80]} is no number but {tuple(alpha.shape)}")
    up = up * (alpha.item() / rank)
    if not (torch.isfinite(up).all() and torch.isfinite(down).all()):
        raise BadAdapterFile(f"the module {name[:80]} with its alpha of {alpha.item():g} holds what is not finite")
    result = {f"{name}.{_DOWN}": down, f"{name}.{_UP}": up}
    magnitude = found.get("magnitude", found.get("dora_scale"))
    if magnitude is not None:
        result[f"{name}.{_MAGNITUDE}"] = _magnitude(name, magnitude, len(up), down.ndim, "dora_scale" in found)
    return result


def _merge_mid(name: str, mid: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """LoCon's core (r, r, k, k) of a convolution and its ``down`` (r, in, 1, 1) as one ``down`` (r, in, k, k)."""
    if mid.ndim != 4 or mid.shape[:2] != (len(down), len(down)) or down.flatten(1).shape != down.shape[:2]:
        raise _misshapen(name, mid, down)
    return torch.einsum("rskl,si->rikl", mid, down.flatten(1))


def _magnitude(name: str, tensor: torch.Tensor, out: int, ndim: int, is_scale: bool) -> torch.Tensor:
    """DoRA's magnitudes as peft shapes them: (out,) of a linear layer, (1, out, 1, 1) of a convolution."""
    if is_scale and tensor.ndim > 1 and tensor.shape[0] == 1 != out:
        raise BadAdapterFile(
            f"the DoRA of {name[:80]} has its magnitudes over the inputs, as LyCORIS once had; only those over the "
            "outputs, as in the paper, can be used (wd_on_output)"
        )
    if tensor.numel() != out:
        raise BadAdapterFile(f"the DoRA of {name[:80]} has {tensor.numel():,} magnitudes for {out:,} outputs")
    return tensor.reshape(1, out, 1, 1) if ndim == 4 else tensor.reshape(out)


def _misshapen(name: str, one: torch.Tensor, other: torch.Tensor) -> BadAdapterFile:
    return BadAdapterFile(
        f"the module {name[:80]} has the shapes {tuple(one.shape)} and {tuple(other.shape)}, which fit no LoRA"
    )
