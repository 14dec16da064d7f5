"""Files as the worker hands them to its engine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainer.messages import Spooled


def spool(folder: Path | str, data: bytes, name: str | None = None) -> Spooled:
    """A file with these bytes, under a name that they or the caller give it."""
    path = Path(folder) / (name or hashlib.sha256(data).hexdigest())
    path.write_bytes(data)
    return Spooled.of(path)
