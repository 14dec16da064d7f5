"""Safetensors files of any size, read and written tensor by tensor: memory holds the few that are worked on.

Nothing is mapped into memory, so that a file that shrinks meanwhile is a fault that can be told, and no signal.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import torch

from trainer.adapters.safetensors_file import read_header
from trainer.contract.safetensors_header import write_header
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.plans import OnProgress

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32,
    "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies in its file."""

    dtype: torch.dtype
    shape: Shape
    begin: int  # bytes from the file's start
    stop: int


class TensorFile:
    """A file whose header was checked; a context that closes it."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`BadAdapterFile`."""
        self.path = path
        self._file: BinaryIO = path.open("rb", buffering=0)
        try:
            self.entries, self.metadata = _read_entries(self._file)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What was read stays."""
        self._file.close()

    def read(self, name: str) -> torch.Tensor:
        """One tensor, in the type that it is stored in, in memory of its own."""
        entry = self.entries[name]
        if entry.begin == entry.stop:
            return torch.empty(entry.shape, dtype=entry.dtype)
        buffer = bytearray(entry.stop - entry.begin)
        view, place = memoryview(buffer), 0
        while place < len(buffer):
            got = os.preadv(self._file.fileno(), [view[place:]], entry.begin + place)
            if not got:
                raise BadAdapterFile(f"the file ended within the tensor {name[:80]!r}: it was cut off meanwhile")
            place += got
        return torch.frombuffer(buffer, dtype=entry.dtype).reshape(entry.shape)


def _read_entries(file: BinaryIO) -> tuple[dict[str, Entry], dict[str, str]]:
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = 8 + int.from_bytes(data[:8], "little")
            header, metadata = read_header(cast("bytes", data))
    except ValueError as error:
        raise BadAdapterFile("the file is empty") from error
    entries = {}
    for name, tensor in header.items():
        begin, stop = cast("list[int]", tensor["data_offsets"])
        shape = tuple(cast("list[int]", tensor["shape"]))
        entries[name] = Entry(_TYPES[cast("str", tensor["dtype"])], shape, start + begin, start + stop)
    return entries, metadata


def write_streaming(
    layout: Mapping[str, tuple[torch.dtype, Shape]],
    metadata: Mapping[str, str],
    read: Callable[[str], torch.Tensor],
    path: Path,
    on_progress: OnProgress,
) -> None:
    """Write a file of tensors that ``read`` makes one after the other, header first, in the order of the house.

    Raises :class:`UserFault` for a value that its type can't hold and for a disk that is full; what was written by
    then is deleted, as it is when ``on_progress`` raises.
    """
    half = path.with_name(f"{path.name}.part")
    try:
        with half.open("wb") as out:
            _write(layout, metadata, read, out, on_progress)
        half.replace(path)
    except OSError as error:
        raise UserFault(
            f"the worker's disk does not take the merged file ({error.strerror}): tell whoever runs this bot, and try"
            " again"
        ) from error
    finally:
        half.unlink(missing_ok=True)


def _write(
    layout: Mapping[str, tuple[torch.dtype, Shape]],
    metadata: Mapping[str, str],
    read: Callable[[str], torch.Tensor],
    out: BinaryIO,
    on_progress: OnProgress,
) -> None:
    names = sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))  # wide types first stay aligned
    out.write(_header(layout, names, metadata))
    for done, name in enumerate(names):
        on_progress(done, len(names))
        dtype, shape = layout[name]
        tensor = read(name)
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name!r} was to be {shape} and is {tuple(tensor.shape)}")
        flat = convert(tensor, dtype, name).contiguous().reshape(-1)
        out.write(flat.view(torch.uint8).numpy().data)
    on_progress(len(names), len(names))


def _header(
    layout: Mapping[str, tuple[torch.dtype, Shape]], names: Sequence[str], metadata: Mapping[str, str]
) -> bytes:
    header: dict[str, dict[str, object]] = {}
    place = 0
    for name in names:
        dtype, shape = layout[name]
        stop = place + torch.Size(shape).numel() * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [place, stop]}
        place = stop
    return write_header(header, {"format": "pt", **metadata})


def convert(tensor: torch.Tensor, dtype: torch.dtype, name: str) -> torch.Tensor:
    """In ``dtype``. Raises :class:`UserFault` for a value that is not finite there."""
    if tensor.dtype == dtype and not dtype.is_floating_point:
        return tensor
    result = tensor.to(dtype)
    if dtype.is_floating_point and not _is_finite(result):
        if _is_finite(tensor):
            raise UserFault(f"{name[:80]!r} has values that {str(dtype)[6:]} can't hold; take bfloat16 or float32")
        raise UserFault(f"{name[:80]!r} has values that are not finite; take another file of that model")
    return result


def _is_finite(tensor: torch.Tensor) -> bool:
    """By its least and its greatest value, which needs no memory; a NaN is both."""
    if not tensor.numel():
        return True
    wide = tensor.float() if tensor.dtype.itemsize == 1 else tensor
    return bool(torch.isfinite(torch.stack(torch.aminmax(wide))).all())
