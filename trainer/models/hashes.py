"""SHA-256 of weight files, 10 digits as A1111 shows them; each file is read once as long as its size and time stay."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

_known: dict[str, str] = {}  # by paths, sizes and times


def hash_files(files: Sequence[Path]) -> str:
    """Over the files' bytes one behind the other; 7 GB take some ten seconds."""
    states = [(path.absolute(), path.stat()) for path in files]
    key = "|".join(f"{path}:{state.st_size}:{state.st_mtime_ns}" for path, state in states)
    if key not in _known:
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        _known[key] = digest.hexdigest()[:10]
    return _known[key]


def recall(book: Path) -> None:
    """Take over what an engine before wrote down in ``book``; one that can't be read is as none."""
    with suppress(OSError, msgspec.DecodeError):
        _known.update(msgspec.json.decode(book.read_bytes(), type=dict[str, str]))


def write_down(book: Path) -> None:
    """Write into ``book`` what is known by now, at once or not at all."""
    book.parent.mkdir(parents=True, exist_ok=True)
    half = book.with_suffix(f".{os.getpid()}")
    half.write_bytes(msgspec.json.encode(_known))
    half.replace(book)
