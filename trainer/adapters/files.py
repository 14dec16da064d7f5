"""Adapter files: LoRAs in the diffusers format, with a metadata header, checked before a library reads them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from trainer.errors import BadAdapterFile

TRAINER_VERSION = "0.1.0"
MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TENSORS = 20_000
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise BadAdapterFile("the header names a tensor twice")
    return dict(pairs)


def read_header(data: bytes) -> tuple[dict[str, dict[str, object]], dict[str, str]]:
    """Tensor descriptions and metadata of a safetensors file, checked against its size.

    The format: 8 bytes of header length, JSON, then the tensors (https://github.com/huggingface/safetensors#format).
    Raises :class:`BadAdapterFile`.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise BadAdapterFile(f"a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} and no more than the file")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise BadAdapterFile(f"the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise BadAdapterFile("the header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadAdapterFile("the metadata are not texts")
    if len(header) > MAX_TENSORS:
        raise BadAdapterFile(f"{len(header):,} tensors; at most {MAX_TENSORS:,}")
    end = len(data) - 8 - length
    _check_tiling([_check_tensor(name, tensor, end) for name, tensor in header.items()], end)
    return header, metadata


def _check_tensor(name: str, tensor: object, end: int) -> tuple[int, int]:
    """One entry of the header: a known type, a shape that fits its bytes; where in the file these begin and stop."""
    try:
        if not isinstance(tensor, dict):
            raise TypeError("no object")
        begin, stop = tensor["data_offsets"]
        sides = list(tensor["shape"])
        if not all(type(value) is int and value >= 0 for value in (begin, stop, *sides)):
            raise ValueError("sides and offsets are whole numbers from 0")
        fits = stop <= end and stop - begin == math.prod(sides) * _BYTES[tensor["dtype"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadAdapterFile(f"the tensor {name[:80]!r} is badly described") from error
    if not fits:
        raise BadAdapterFile(f"the tensor {name[:80]!r} does not fit its bytes")
    return begin, stop


def _check_tiling(spans: list[tuple[int, int]], end: int) -> None:
    """The tensors lie one behind the other and fill the file: no holes, no overlap, nothing behind the last."""
    place = 0
    for begin, stop in sorted(spans):
        if begin != place:
            break
        place = stop
    else:
        if place == end:
            return
    raise BadAdapterFile(f"the tensors do not follow one another from 0 to the file's {end:,} bytes")


def write_lora(weights: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """A LoRA as diffusers' ``load_lora_weights`` reads it: ``unet.<module>.lora_A.weight`` and ``lora_B``, in float16.

    ``weights`` are those of :meth:`trainer.adapters.bank.AdapterBank.weights`, of scale 1.
    """
    tensors = {name: tensor.half().contiguous().cpu() for name, tensor in weights.items()}
    return _sort_header(save(tensors, {"format": "pt", **metadata}))


def _sort_header(data: bytes) -> bytes:
    """The same file with its header in sorted order: safetensors writes metadata in an order of chance, and the same
    training shall give the same bytes, hence the same hash."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors stay aligned
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def read_lora(data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the metadata of a LoRA in the diffusers format, float32, every value finite.

    Raises :class:`BadAdapterFile`.
    """
    header, metadata = read_header(data)
    foreign = [name for name in header if ".lora_A." not in name and ".lora_B." not in name]
    if not header or foreign:
        raise BadAdapterFile(f"not a LoRA in the diffusers format: {(foreign or ['no tensors'])[0][:80]!r}")
    try:
        tensors = {name: tensor.float() for name, tensor in load(data).items()}
    except (SafetensorError, KeyError, ValueError) as error:  # what the library refuses beyond our own checks
        raise BadAdapterFile(f"safetensors can't read it: {str(error)[:200]}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BadAdapterFile(f"the tensor {name[:80]!r} holds a value that is not finite")
    return tensors, metadata
