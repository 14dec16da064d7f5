"""What a file is that is no adapter in safetensors, by its first and last bytes: whatever its name says."""

from __future__ import annotations

import io
import pickletools
from typing import BinaryIO

CONVERT = "turn it into .safetensors first (whoever runs this bot can, with `darkroom convert`)"
_ATTACH = "send the adapter's .safetensors file itself"
_PICKLE = "a pickle file, which can run programs when it is opened and so never is"
_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (b"Rar!", "a RAR archive", _ATTACH),
    (b"7z\xbc\xaf", "a 7z archive", _ATTACH),
    (b"\x1f\x8b", "a gzip archive", _ATTACH),
    (b"GGUF", "a GGUF file, made for other programs", "ask its maker for a .safetensors file"),
    (b"\x93NUMPY", "a NumPy file", "ask its maker for a .safetensors file"),
    (b"\x89HDF", "an HDF5 file", "ask its maker for a .safetensors file"),
    (b"version https://git-lfs", "a pointer to a file and not the file", "download the file itself"),
    (b"\x89PNG", "a picture", _ATTACH),
    (b"\xff\xd8\xff", "a picture", _ATTACH),
    (b"RIFF", "a picture", _ATTACH),
    (b"GIF8", "a picture", _ATTACH),
    (b"%PDF", "a PDF", _ATTACH),
    (b"MZ", "a program", _ATTACH),
    (b"\x7fELF", "a program", _ATTACH),
)
_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_TAR_AT, _TAR = 257, b"ustar"
_TAIL_BYTES = 22 + 65_535  # of a zip's end, its comment being as long as can be


def what_else(first: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and the way out; None where it may be safetensors. ``first``: some kB."""
    if not first:
        return "empty", _ATTACH
    if first.startswith(_ZIP):
        pickled = b"data.pkl" in first or b"/version" in first
        return (_PICKLE, CONVERT) if pickled else ("a zip", "unpack it and send the .safetensors file in it")
    # protocols 2 to 5 say their number first, which might be the length of a header: then JSON follows
    if first[:1] == b"\x80" and 2 <= first[1] <= 5 and first[8:9] != b"{":
        return _PICKLE, CONVERT
    if first[_TAR_AT : _TAR_AT + 5] == _TAR:
        return "a tar archive, as old pickle files were", CONVERT
    found = next(((what, way) for magic, what, way in _MAGICS if first.startswith(magic)), None)
    if found is not None:
        return found
    start = first[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page and not the file", "download the file itself, signed in where the page asks for it"
    if first[8:9] != b"{" and _is_pickle(first):
        return _PICKLE, CONVERT
    return None


def is_two_files(header: bytes, file: BinaryIO, size_bytes: int) -> str | None:
    """What a safetensors file is besides: something that another program would open it as; None for nothing.

    ``header``: all before the tensors. A zip is known by its end, which may lie in the last tensor.
    """
    if _is_pickle(header):
        return "a pickle file"
    tail_bytes = min(size_bytes, _TAIL_BYTES)
    file.seek(size_bytes - tail_bytes)
    tail, at = file.read(tail_bytes), -1
    while (at := tail.find(_ZIP_END, at + 1)) >= 0:
        if at + 22 <= len(tail) and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            return "a zip"
    return None


def _is_pickle(data: bytes) -> bool:
    """Whether it is one from its first byte to a STOP, read without doing anything that it says."""
    try:
        return any(opcode.name == "STOP" and position for opcode, _, position in pickletools.genops(io.BytesIO(data)))
    except Exception:  # whatever its reader makes of bytes that are none
        return False
