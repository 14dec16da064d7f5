"""Whether every value of a tensor is finite, read piece by piece; in the child alone, for numpy costs memory."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from trainer.contract.safetensors_header import DTYPE_BYTES

PIECE_BYTES = 1024 * 1024
_FLOATS: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
# what numpy does not know: the bits, and those of them that are all set in what is infinite or no number
_BITS: dict[str, tuple[np.dtype[Any], int]] = {
    "BF16": (np.dtype("<u2"), 0x7F80),
    "F8_E5M2": (np.dtype("u1"), 0x7C),
    "F8_E4M3": (np.dtype("u1"), 0x7F),
}
FLOATING = frozenset({*_FLOATS, *_BITS})


def is_finite(file: BinaryIO, dtype: str, stop: int) -> bool:
    """Whether all values from where ``file`` stands to ``stop`` are finite. Whole numbers are; a BOOL is 0 or 1."""
    buffer = memoryview(bytearray(PIECE_BYTES))
    while (left := stop - file.tell()) > 0:
        piece = buffer[: min(left, PIECE_BYTES)]
        if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
            return False
        if not _all_finite(piece, dtype):
            return False
    return True


def _all_finite(piece: memoryview, dtype: str) -> bool:
    if dtype in _FLOATS:
        values = np.frombuffer(piece, _FLOATS[dtype])
        return bool(np.isfinite(values).all())
    if dtype in _BITS:
        bits, mask = _BITS[dtype]
        values = np.frombuffer(piece, bits)
        return not bool(((values & mask) == mask).any())
    return dtype != "BOOL" or max(piece, default=0) <= 1


def read_number(data: bytes, dtype: str) -> float:
    """The one value of a tensor, such as an alpha."""
    if dtype == "BF16":
        return float(np.frombuffer(b"\0\0" + data, "<f4")[0])
    if dtype in _FLOATS:
        return float(np.frombuffer(data, _FLOATS[dtype])[0])
    if dtype in ("F8_E4M3", "F8_E5M2"):
        return _read_float8(data[0], dtype)
    return float(int.from_bytes(data[: DTYPE_BYTES[dtype]], "little", signed=dtype.startswith("I")))


def _read_float8(bits: int, dtype: str) -> float:
    """OCP's two formats of eight bits (OFP8 1.0, §5.2): exponent and mantissa of 4 and 3 bits, or of 5 and 2."""
    mantissa_bits, bias = (3, 7) if dtype == "F8_E4M3" else (2, 15)
    exponent, mantissa = (bits & 0x7F) >> mantissa_bits, bits & (2**mantissa_bits - 1)
    share = mantissa / 2**mantissa_bits
    value: float = (1 + share) * 2.0 ** (exponent - bias) if exponent else share * 2.0 ** (1 - bias)
    return -value if bits & 0x80 else value
