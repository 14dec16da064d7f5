"""The header of a safetensors file, read by our own reader before any library sees the file, and written.

The format: 8 bytes of header length, JSON in UTF-8, then the tensors one behind the other
(https://github.com/huggingface/safetensors#format). The library itself takes a million tensors, names given twice and
gigabytes of metadata.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TENSORS = 20_000
MAX_NOTES = 1_000  # of the metadata
MAX_SIDES = 8  # of a tensor
MAX_BRACKETS = 200_000  # a tensor has three, and metadata hold JSON, too; a header of nothing else takes gigabytes
DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
               "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip
METADATA = "__metadata__"

Entries = dict[str, dict[str, Any]]  # each tensor's dtype, shape and data_offsets, as in the file


class BadHeader(ValueError):
    """The file is no safetensors file, or one that nobody should open. Its text says why, without a full stop."""


def header_length(first: bytes, size_bytes: int) -> int:
    """How many bytes of JSON follow the ``first`` eight of a file. Raises :class:`BadHeader`."""
    length, room = int.from_bytes(first[:8], "little"), min(MAX_HEADER_BYTES, size_bytes - 8)
    if len(first) < 8 or length > room:
        raise BadHeader(f"a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} and no more than the file")
    return length


def parse_header(text: bytes, body_bytes: int) -> tuple[Entries, dict[str, str]]:
    """What the header says of each tensor, and the metadata, both checked against the ``body_bytes`` behind it.

    Raises :class:`BadHeader`: no JSON, a name twice, an unknown type, a shape that does not fit its bytes, tensors that
    overlap or leave a hole, metadata that are not texts, more of anything than a file may have.
    """
    if text.count(b"[") + text.count(b"{") > MAX_BRACKETS:
        raise BadHeader(f"the header opens more than {MAX_BRACKETS:,} brackets")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_Objects().take)
    except BadHeader:
        raise
    except (ValueError, RecursionError) as error:
        raise BadHeader(f"the header is no JSON: {str(error)[:200]}") from error
    if not isinstance(header, dict):
        raise BadHeader("the header is no JSON object")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadHeader("the metadata are not texts")
    if len(metadata) > MAX_NOTES:
        raise BadHeader(f"{len(metadata):,} metadata; at most {MAX_NOTES:,}")
    if len(header) > MAX_TENSORS:
        raise BadHeader(f"{len(header):,} tensors; at most {MAX_TENSORS:,}")
    try:
        for each in (*header, *metadata, *metadata.values()):
            each.encode()
    except UnicodeEncodeError as error:
        raise BadHeader("the header holds half a character") from error
    _check_tiling([_check_tensor(name, tensor, body_bytes) for name, tensor in header.items()], body_bytes)
    return header, metadata


class _Objects:
    """Every object of the JSON as it is read, so that a header of a million is given up early."""

    def __init__(self) -> None:
        self._count = 0

    def take(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """The pairs as a dict. Raises :class:`BadHeader`: a name twice, or too many of anything."""
        self._count += 1
        most = max(self._count - 2, len(pairs) - 1)  # beside the tensors stand the header itself and the metadata
        if most > MAX_TENSORS:
            raise BadHeader(f"{most:,} tensors or more; at most {MAX_TENSORS:,}")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise BadHeader("the header names a tensor twice")
        return found


def _check_tensor(name: str, tensor: object, end: int) -> tuple[int, int]:
    """One entry of the header: a known type, a shape that fits its bytes; where in the file these begin and stop."""
    try:
        if not isinstance(tensor, dict) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
            raise TypeError("no object of the three")
        begin, stop = tensor["data_offsets"]
        sides = tensor["shape"]
        if not isinstance(sides, list) or len(sides) > MAX_SIDES:
            raise TypeError("no shape")
        if not all(type(value) is int and 0 <= value < 2**48 for value in (begin, stop, *sides)):
            raise ValueError("sides and offsets are whole numbers from 0")
        fits = stop <= end and stop - begin == math.prod(sides) * DTYPE_BYTES[tensor["dtype"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadHeader(f"the tensor {name[:80]!r} is badly described") from error
    if not fits:
        raise BadHeader(f"the tensor {name[:80]!r} does not fit its bytes")
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
    raise BadHeader(f"the tensors do not follow one another from 0 to the file's {end:,} bytes")


def write_header(entries: Mapping[str, Mapping[str, object]], metadata: Mapping[str, str]) -> bytes:
    """The first bytes of a file, up to its tensors.

    In sorted order, so that the same tensors and metadata give the same bytes, hence the same hash; and as long as
    keeps every tensor aligned.
    """
    text = json.dumps({METADATA: dict(metadata), **entries}, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
