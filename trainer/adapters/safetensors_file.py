"""Safetensors files: checked by our own reader before a library sees them, written in an order of our own.

The format: 8 bytes of header length, JSON, then the tensors (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from trainer.errors import BadAdapterFile

MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TENSORS = 20_000
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip
_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.uint8: "U8"}


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise BadAdapterFile("the header names a tensor twice")
    return dict(pairs)


def read_header(data: bytes) -> tuple[dict[str, dict[str, object]], dict[str, str]]:
    """Tensor descriptions and metadata of a safetensors file, checked against its size.

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


def read_tensors(data: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a file whose header was checked, in float32, every value finite.

    Raises :class:`BadAdapterFile`.
    """
    try:
        tensors = {name: tensor.float() for name, tensor in load(data).items()}
    except (SafetensorError, KeyError, ValueError) as error:  # what the library refuses beyond our own checks
        raise BadAdapterFile(f"safetensors can't read it: {str(error)[:200]}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BadAdapterFile(f"the tensor {name[:80]!r} holds a value that is not finite")
    return tensors


def write_tensors(
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    out: BinaryIO,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a file tensor by tensor, so that a whole model needs no second copy in memory.

    ``dtype``: what floating tensors are turned into. The header is in sorted order: the library writes metadata in an
    order of chance, and the same training shall give the same bytes, hence the same hash. Wide types come first, which
    keeps every tensor aligned.
    """
    types = {name: dtype if dtype and tensor.is_floating_point() else tensor.dtype for name, tensor in tensors.items()}
    names = sorted(tensors, key=lambda name: (-types[name].itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    place = 0
    for name in names:
        stop = place + tensors[name].numel() * types[name].itemsize
        shape = list(tensors[name].shape)
        header[name] = {"dtype": _DTYPES[types[name]], "shape": shape, "data_offsets": [place, stop]}
        place = stop
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    out.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        flat = tensors[name].detach().to("cpu", types[name]).contiguous().reshape(-1)
        out.write(flat.view(torch.uint8).numpy().data)


def tensor_bytes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """The same as bytes, for the small files that adapters are."""
    out = io.BytesIO()
    write_tensors(tensors, metadata, out)
    return out.getvalue()
