"""Safetensors files: checked by our own reader before a library sees them, written in an order of our own.

The header's checks and its form are :mod:`trainer.contract.safetensors_header`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from trainer.contract.safetensors_header import BadHeader, Entries, header_length, parse_header, write_header
from trainer.errors import BadAdapterFile

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.uint8: "U8",
           torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.float64: "F64", torch.int32: "I32",
           torch.int16: "I16", torch.int8: "I8", torch.bool: "BOOL"}  # fmt: skip


def read_header(data: bytes) -> tuple[Entries, dict[str, str]]:
    """Tensor descriptions and metadata of a safetensors file, checked against its size.

    Raises :class:`BadAdapterFile`.
    """
    try:
        length = header_length(data[:8], len(data))
        return parse_header(data[8 : 8 + length], len(data) - 8 - length)
    except BadHeader as error:
        raise BadAdapterFile(str(error)) from error


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
    header: Entries = {}
    place = 0
    for name in names:
        stop = place + tensors[name].numel() * types[name].itemsize
        shape = list(tensors[name].shape)
        header[name] = {"dtype": DTYPES[types[name]], "shape": shape, "data_offsets": [place, stop]}
        place = stop
    out.write(write_header(header, {"format": "pt", **metadata}))
    for name in names:
        flat = tensors[name].detach().to("cpu", types[name]).contiguous().reshape(-1)
        out.write(flat.view(torch.uint8).numpy().data)


def tensor_bytes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """The same as bytes, for the small files that adapters are."""
    out = io.BytesIO()
    write_tensors(tensors, metadata, out)
    return out.getvalue()
